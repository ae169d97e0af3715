//! Dispatchers: handlers that are asked what they want to hear, and one with buffers.
//!
//! After asyncore's `dispatcher` and `dispatcher_with_send` (seed 003). A listener accepts, a
//! buffered handler shouts each line back, and a client sends one word for each time that there is
//! room.
//!
//! ```sh
//! cargo run -p examples --bin 22_dispatcher
//! ```
//!
//! expect: Incoming connection from <addr>
//! expect: connected
//! expect: ONE TWO THREE
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
    use std::net::{TcpListener, TcpStream};

    use net_reactor::prelude::*;
    use net_reactor::{
        AcceptedFd, Buffered, BufferedFd, BufferedHandler, Fd, FdDispatcher, FdRole, Interest,
    };

    struct Listener;

    impl FdDispatcher for Listener {
        fn on_accept(&mut self, fd: &mut Fd<'_>, peer: AcceptedFd) -> Flow {
            if let Some(address) = peer.address {
                println!("Incoming connection from {address}");
            }
            // It is asked to read at once, whatever the interest is at first.
            fd.reactor().add_fd(peer.descriptor, Interest::NONE, Buffered::new(Shout))?;
            Ok(())
        }
    }

    /// Reads lines, and queues the answers.
    struct Shout;

    impl BufferedHandler for Shout {
        fn on_data(&mut self, fd: &mut BufferedFd<'_, '_>, input: &mut Input<'_>) -> Flow {
            while let Some(line) = input.line(1024)? {
                fd.push(line.to_ascii_uppercase())?;
                fd.push("\n")?;
            }
            Ok(())
        }
    }

    struct Talker {
        words: Vec<&'static str>,
        answer: String,
    }

    impl FdDispatcher for Talker {
        /// Asked after each of its callbacks. With nothing to say it wants no room, and sleeps.
        fn writable(&self) -> bool {
            !self.words.is_empty()
        }

        fn on_connect(&mut self, _fd: &mut Fd<'_>) -> Flow {
            println!("connected");
            Ok(())
        }

        fn on_writable(&mut self, fd: &mut Fd<'_>) -> Flow {
            let word = self.words.remove(0);
            // A few bytes always fit. What does not, a `Buffered` would keep.
            assert_eq!(fd.write(word.as_bytes())?, word.len());
            Ok(())
        }

        fn on_readable(&mut self, fd: &mut Fd<'_>) -> Flow {
            let mut bytes = [0; 1024];
            if let Some(len) = fd.read(&mut bytes)? {
                self.answer.push_str(&String::from_utf8_lossy(&bytes[..len]));
            }
            if self.answer.ends_with('\n') {
                print!("{}", self.answer);
                fd.close();
            }
            Ok(())
        }

        fn on_close(&mut self, reactor: &mut Reactor<'_>, reason: CloseReason) {
            println!("the client is closed: {reason}");
            reactor.stop();
        }
    }

    pub(super) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let talker = Talker { words: vec!["one ", "two ", "three\n"], answer: String::new() };

        let mut event_loop = EventLoop::new()?;
        let mut reactor = event_loop.reactor();
        reactor.add_dispatcher(listener, FdRole::Listening, Listener)?;
        reactor.add_dispatcher(stream, FdRole::Connecting, talker)?;
        event_loop.run()?;
        Ok(())
    }
}
