//! Descriptors of one's own: a pipe that a thread writes to, and a pair whose interest changes.
//!
//! Follows the second program of seed 004 (Tornado's `add_handler`, `update_handler` and
//! `remove_handler`): READ queues what came and switches to WRITE, WRITE sends one message, and an
//! empty queue switches back.
//!
//! ```sh
//! cargo run -p examples --bin 21_raw_descriptor
//! ```
//!
//! expect: the thread says: all is ready
//! expect: the thread is done
//! expect: Received 5 bytes
//! expect: Sending 5 bytes
//! expect: the queue is empty
//! expect: Closing

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
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::thread;

    use net_reactor::prelude::*;
    use net_reactor::{Fd, FdHandler, Interest, Ready};

    /// Echoes, one message at a time.
    #[derive(Default)]
    struct Echo {
        queue: VecDeque<Vec<u8>>,
    }

    impl Echo {
        fn receive(&mut self, fd: &mut Fd<'_>) -> Flow {
            let mut bytes = [0; 1024];
            match fd.read(&mut bytes)? {
                None => {} // nothing yet
                Some(0) => {
                    println!("Closing");
                    fd.close();
                    fd.reactor().stop();
                }
                Some(len) => {
                    println!("Received {len} bytes");
                    self.queue.push_back(bytes[..len].to_vec());
                    fd.set_interest(Interest::WRITE);
                }
            }
            Ok(())
        }

        fn send(&mut self, fd: &mut Fd<'_>) -> Flow {
            let Some(message) = self.queue.front_mut() else {
                println!("the queue is empty");
                fd.set_interest(Interest::READ);
                return Ok(());
            };
            println!("Sending {} bytes", message.len());
            // The kernel may take a part; what is left is offered again when there is room.
            let sent = fd.write(message)?;
            message.drain(..sent);
            if message.is_empty() {
                self.queue.pop_front();
            }
            Ok(())
        }
    }

    impl FdHandler for Echo {
        fn on_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow {
            if ready.is_readable() {
                self.receive(fd)?;
            }
            if ready.is_writable() {
                self.send(fd)?;
            }
            Ok(())
        }
    }

    pub(super) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let mut event_loop = EventLoop::new()?;

        // For small things a closure will do. The loop owns the descriptor, and closes it.
        let (reader, mut writer) = std::io::pipe()?;
        event_loop.reactor().watch_fd(reader, Interest::READ, |fd, _ready| {
            let mut bytes = [0; 64];
            match fd.read(&mut bytes)? {
                Some(0) => {
                    println!("the thread is done");
                    begin_echo(fd.reactor())?;
                    fd.close();
                }
                Some(len) => {
                    println!("the thread says: {}", String::from_utf8_lossy(&bytes[..len]));
                }
                None => {}
            }
            Ok(())
        })?;
        let thread = thread::spawn(move || writer.write_all(b"all is ready"));

        event_loop.run()?;
        thread.join().expect("the thread does not panic")?;
        Ok(())
    }

    fn begin_echo(reactor: &mut Reactor<'_>) -> Flow {
        let (own, mut peer) = UnixStream::pair()?;
        reactor.add_fd(own, Interest::READ, Echo::default())?;
        thread::spawn(move || -> std::io::Result<()> {
            peer.write_all(b"hello")?;
            let mut back = [0; 5];
            peer.read_exact(&mut back)?;
            assert_eq!(&back, b"hello");
            Ok(()) // which closes it
        });
        Ok(())
    }
}
