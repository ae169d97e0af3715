//! Handlers of raw descriptors: a listener and its connections, with nothing of the library's between
//! them and the kernel but the loop.
//!
//! Follows the second program of seed 004 (Tornado's `add_handler`, `update_handler` and
//! `remove_handler`), case C5b of its contract: READ queues what came and switches to WRITE, WRITE
//! sends one message, an empty queue switches back. There, what the kernel did not take of a message
//! was lost, and ERROR never came; here the second guest hangs up with a reset.
//!
//! ```sh
//! cargo run -p examples --bin seed_004_raw_handlers
//! ```
//!
//! expect: Received 5 bytes from <addr>
//! expect: Sending 5 bytes to <addr>
//! expect: <addr> queue empty
//! expect: Closing <addr>
//! expect: Received 7 bytes from <addr>
//! expect: Sending 7 bytes to <addr>
//! expect: <addr> queue empty
//! expect: Exception on <addr>: reset by the peer

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
    use std::io::{self, Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::thread;

    use net_reactor::prelude::*;
    use net_reactor::{Fd, FdHandler, Interest, Ready};

    /// One connection: its queue lives and ends with it, so there is no map to keep.
    struct Guest {
        address: SocketAddr,
        queue: VecDeque<Vec<u8>>,
    }

    impl Guest {
        fn receive(&mut self, fd: &mut Fd<'_>) -> Flow {
            let mut bytes = [0; 1024];
            match fd.read(&mut bytes)? {
                None => {} // nothing now
                Some(0) => {
                    println!("Closing {}", self.address);
                    fd.close();
                }
                Some(len) => {
                    println!("Received {len} bytes from {}", self.address);
                    self.queue.push_back(bytes[..len].to_vec());
                    fd.set_interest(Interest::WRITE);
                }
            }
            Ok(())
        }

        fn send(&mut self, fd: &mut Fd<'_>) -> Flow {
            let Some(message) = self.queue.front_mut() else {
                println!("{} queue empty", self.address);
                fd.set_interest(Interest::READ);
                return Ok(());
            };
            println!("Sending {} bytes to {}", message.len(), self.address);
            // The kernel may take a part; what is left is offered again when there is room.
            let sent = fd.write(message)?;
            message.drain(..sent);
            if message.is_empty() {
                self.queue.pop_front();
            }
            Ok(())
        }
    }

    impl FdHandler for Guest {
        fn on_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow {
            if ready.is_readable() {
                self.receive(fd)?; // a reset is what the read returns
            } else if ready.is_writable() {
                self.send(fd)?;
            }
            Ok(())
        }

        fn on_close(&mut self, reactor: &mut Reactor<'_>, reason: CloseReason) {
            if !reason.is_clean() {
                println!("Exception on {}: {reason}", self.address);
                reactor.stop();
            }
        }
    }

    pub(super) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (watched, address) = (listener.try_clone()?, listener.local_addr()?);

        let mut event_loop = EventLoop::new()?;
        event_loop.reactor().watch_fd(watched, Interest::READ, move |fd, _ready| {
            if let Some((stream, address)) = fd.try_io(Interest::READ, |_| listener.accept())? {
                let guest = Guest { address, queue: VecDeque::new() };
                fd.reactor().add_fd(stream, Interest::READ, guest)?;
            }
            Ok(())
        })?;
        let guests = thread::spawn(move || visit(address));
        event_loop.run()?;
        guests.join().expect("the guests do not panic")?;
        Ok(())
    }

    /// One guest reads its answer and hangs up, the other leaves without reading it: a reset.
    fn visit(address: SocketAddr) -> io::Result<()> {
        let mut polite = TcpStream::connect(address)?;
        polite.write_all(b"hello")?;
        polite.read_exact(&mut [0; 5])?;
        drop(polite);
        let mut rude = TcpStream::connect(address)?;
        rude.write_all(b"hello..")?;
        rude.peek(&mut [0; 1])?;
        Ok(())
    }
}
