//! Descriptors of one's own: both ends of a pipe, each told when it is its turn.
//!
//! The loop owns a descriptor that it watches, and closes it. What was not read, or not written, is
//! told again in the next turn, so a handler may take as little at a time as it likes.
//!
//! ```sh
//! cargo run -p examples --bin 21_raw_descriptor
//! ```
//!
//! expect: 1000000 bytes are written
//! expect: 1000000 bytes were read, then the end

#[cfg(not(unix))]
fn main() {
    println!("Raw descriptors are a thing of Unix.");
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use net_reactor::prelude::*;
    use net_reactor::{Fd, Interest, Ready};

    const TOTAL: usize = 1_000_000;

    let (reader, writer) = std::io::pipe()?;
    let mut event_loop = EventLoop::new()?;
    let mut reactor = event_loop.reactor();

    let mut written = 0;
    reactor.watch_fd(writer, Interest::WRITE, move |fd: &mut Fd<'_>, _: Ready| {
        // A pipe holds 64 KiB: the kernel takes a part, and there is room again when it was read.
        written += fd.write(&vec![b'x'; TOTAL - written])?;
        if written == TOTAL {
            println!("{written} bytes are written");
            fd.close();
        }
        Ok(())
    })?;

    let mut read = 0;
    reactor.watch_fd(reader, Interest::READ, move |fd: &mut Fd<'_>, _: Ready| {
        match fd.read(&mut [0; 4096])? {
            Some(0) => {
                println!("{read} bytes were read, then the end");
                fd.reactor().stop();
            }
            Some(len) => read += len,
            None => {} // nothing now
        }
        Ok(())
    })?;

    event_loop.run()?;
    Ok(())
}
