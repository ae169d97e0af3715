//! Datagrams: nothing says that one arrives, so whoever asks has a timer and asks again.
//!
//! After Twisted's `DatagramProtocol`, bound (`listenUDP`) and connected. The server loses the first
//! question on purpose, as networks do. When it is gone, the client's kernel learns of that, because
//! the client's socket is connected.
//!
//! ```sh
//! cargo run -p examples --bin 20_datagram
//! ```
//!
//! expect: client: asks, try 1
//! expect: server: loses it
//! expect: client: asks, try 2
//! expect: server: answers
//! expect: server: closed
//! expect: client: the answer is 42
//! expect: client: nobody listens any more

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{Datagram, DatagramError, DatagramOptions, DatagramSocket};

const QUESTION: &[u8] = b"six times seven";

/// Answers every question but the first.
struct Server {
    is_first: bool,
}

impl Datagram for Server {
    fn on_datagram(
        &mut self,
        socket: &mut DatagramSocket<'_>,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Flow {
        if bytes != QUESTION {
            return Ok(()); // anybody can send anything
        }
        if std::mem::take(&mut self.is_first) {
            println!("server: loses it");
        } else {
            println!("server: answers");
            socket.send_to(from, "42")?;
            socket.close();
        }
        Ok(())
    }

    fn on_close(&mut self, _socket: &mut DatagramSocket<'_>, _reason: CloseReason) {
        println!("server: closed");
    }
}

/// Asks until there is an answer.
struct Client {
    tries: u32,
}

impl Client {
    const AGAIN: Tag = Tag(1);
    const ONE_MORE: Tag = Tag(2);

    fn ask(&mut self, socket: &mut DatagramSocket<'_>) -> Flow {
        self.tries += 1;
        println!("client: asks, try {}", self.tries);
        socket.send(QUESTION)?;
        socket.set_timer(Self::AGAIN, Duration::from_millis(300));
        Ok(())
    }
}

impl Datagram for Client {
    fn on_open(&mut self, socket: &mut DatagramSocket<'_>) -> Flow {
        self.ask(socket)
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramSocket<'_>,
        _from: SocketAddr,
        bytes: &[u8],
    ) -> Flow {
        println!("client: the answer is {}", String::from_utf8_lossy(bytes));
        socket.cancel_timer(Self::AGAIN);
        socket.set_timer(Self::ONE_MORE, Duration::from_millis(50));
        Ok(())
    }

    fn on_timer(&mut self, socket: &mut DatagramSocket<'_>, tag: Tag) -> Flow {
        match tag {
            Self::AGAIN => self.ask(socket),
            _ => Ok(socket.send("are you still there?")?),
        }
    }

    fn on_error(&mut self, socket: &mut DatagramSocket<'_>, error: DatagramError) -> Flow {
        if let DatagramError::Refused { .. } = error {
            println!("client: nobody listens any more");
            socket.reactor().stop();
        }
        Ok(())
    }
}

fn main() -> Result<(), Error> {
    let mut event_loop = EventLoop::new()?;
    let mut reactor = event_loop.reactor();
    let options = DatagramOptions::default();

    let any_port = (Ipv4Addr::LOCALHOST, 0).into();
    let server = reactor.bind_datagram(any_port, &options, Server { is_first: true })?;
    let address = reactor.datagram(server).expect("it was just made").local_address();
    reactor.connect_datagram(address, &options, Client { tries: 0 })?;

    event_loop.run()?;
    Ok(())
}
