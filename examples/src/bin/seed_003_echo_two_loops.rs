//! Two loops on two threads: dispatchers that are asked what they want to hear, and one with buffers.
//!
//! Follows seed 003 (asyncore), case C4 of its contract: a listener whose handlers echo, and a client
//! that sends "1" to "10", one for each time that there is room. There, both threads share one map and
//! dispatch each other's channels, an idle channel spins, and the program never ends; here each
//! thread has its loop, a dispatcher that wants nothing costs no turn, and the client closes when
//! all ten are back.
//!
//! ```sh
//! cargo run -p examples --bin seed_003_echo_two_loops
//! ```
//!
//! expect: Incoming connection from <addr>
//! expect: 12345678910
//! expect: the client is closed: closed by this side

#[cfg(not(unix))]
fn main() {
    println!("Raw descriptors are a thing of Unix.");
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    unix::main()
}

#[cfg(unix)]
mod unix {
    use std::collections::VecDeque;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use net_reactor::prelude::*;
    use net_reactor::{
        AcceptedFd, Buffered, BufferedFd, BufferedHandler, Fd, FdDispatcher, FdRole, Interest,
        LoopConfig, LoopThread,
    };

    /// The server: a handler of its own for each connection.
    struct EchoServer;

    impl FdDispatcher for EchoServer {
        fn on_accept(&mut self, fd: &mut Fd<'_>, peer: AcceptedFd) -> Flow {
            if let Some(address) = peer.address {
                println!("Incoming connection from {address}");
            }
            // It is asked what it wants at once, whatever the interest is at first.
            fd.reactor().add_fd(peer.descriptor, Interest::NONE, Buffered::new(EchoHandler))?;
            Ok(())
        }
    }

    /// asyncore's `dispatcher_with_send`, with a bound, and a close that sends what is queued.
    struct EchoHandler;

    impl BufferedHandler for EchoHandler {
        fn on_data(&mut self, fd: &mut BufferedFd<'_, '_>, input: &mut Input<'_>) -> Flow {
            fd.push(input.take_all())?;
            Ok(())
        }
    }

    struct EchoClient {
        messages: VecDeque<&'static str>,
        answer: String,
    }

    impl FdDispatcher for EchoClient {
        /// Asked after each of its callbacks. With nothing to say it wants no room, and sleeps.
        fn writable(&self) -> bool {
            !self.messages.is_empty()
        }

        fn on_writable(&mut self, fd: &mut Fd<'_>) -> Flow {
            if let Some(message) = self.messages.pop_front() {
                // A few bytes always fit. What does not, a `Buffered` would keep.
                assert_eq!(fd.write(message.as_bytes())?, message.len());
            }
            Ok(())
        }

        fn on_readable(&mut self, fd: &mut Fd<'_>) -> Flow {
            let mut bytes = [0; 1024];
            if let Some(len) = fd.read(&mut bytes)? {
                // TCP joins and cuts messages as it likes, so only their order is certain.
                self.answer.push_str(&String::from_utf8_lossy(&bytes[..len]));
            }
            if self.answer.len() == "12345678910".len() {
                println!("{}", self.answer);
                fd.close();
            }
            Ok(())
        }

        fn on_close(&mut self, reactor: &mut Reactor<'_>, reason: CloseReason) {
            println!("the client is closed: {reason}");
            reactor.stop();
        }
    }

    fn run_client(address: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
        let messages = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"].into();
        let client = EchoClient { messages, answer: String::new() };
        let mut event_loop = EventLoop::new()?;
        let stream = TcpStream::connect(address)?;
        event_loop.reactor().add_dispatcher(stream, FdRole::Connecting, client)?;
        event_loop.run()?;
        Ok(())
    }

    pub(super) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = LoopThread::spawn("server", LoopConfig::default(), move |event_loop| {
            event_loop.reactor().add_dispatcher(listener, FdRole::Listening, EchoServer)?;
            Ok(())
        })?;
        run_client(address)?;
        server.handle().stop();
        server.join()?;
        Ok(())
    }
}
