//! A client that connects again: its server is away at first, and hangs up once it is there.
//!
//! Follows the second half of seed 001, whose nodes try again every five seconds; here it is a few
//! milliseconds, so that there is something to see.
//!
//! ```sh
//! cargo run -p examples --bin 17_reconnect
//! ```
//!
//! expect: attempt 1
//! expect: nobody is there, trying again
//! expect: attempt 2
//! expect: the server says: welcome
//! expect: the server has hung up, trying again
//! expect: attempt 3
//! expect: the server says: welcome
//! expect: done, after 2 visits

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{Progress, Reconnect};

/// Greets each guest and hangs up.
struct Greeter;

impl Protocol for Greeter {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write("welcome\n")?;
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

/// Comes twice. A new one is made for each attempt; what they share, they count in.
struct Guest {
    visits: Rc<Cell<u32>>,
}

impl Protocol for Guest {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(line) = input.line(80)? {
            println!("the server says: {}", String::from_utf8_lossy(line));
            self.visits.set(self.visits.get() + 1);
            if self.visits.get() == 2 {
                conn.close(); // whoever closes is done; every other end leads to another attempt
            }
        }
        Ok(())
    }
}

fn open_for_business(reactor: &mut Reactor<'_>, address: SocketAddr) {
    if let Err(error) = Server::new(|_peer| Greeter).listen_on(reactor, address) {
        println!("cannot serve: {error}");
        reactor.stop();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // An address that is free, and where nobody listens yet.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let visits = Rc::new(Cell::new(0));
    let counted = Rc::clone(&visits);
    let client = Client::new(move || Guest { visits: Rc::clone(&counted) })
        .reconnect(Reconnect::fixed(Duration::from_millis(20)))
        .on_progress(move |reactor, _client, progress| match progress {
            Progress::Attempt { number } => println!("attempt {number}"),
            Progress::Failed { .. } => {
                println!("nobody is there, trying again");
                open_for_business(reactor, address);
            }
            Progress::Lost { retry_in: Some(_), .. } => {
                println!("the server has hung up, trying again");
            }
            _ => (),
        });
    client.connect(address)?.run()?;
    println!("done, after {} visits", visits.get());
    Ok(())
}
