//! Frames: a connection that begins in lines of text and goes on in binary frames.
//!
//! Follows asynchat's terminators (the handler says how the next frame ends) and Twisted's line and
//! length-prefixed protocols. A device says its name in a line; what it sends from then on are
//! frames behind their length, in the same connection and often in the same packet. A stranger
//! that speaks something else is told so, and the server says why it closed.
//!
//! ```sh
//! cargo run -p examples --bin 09_framed
//! ```
//!
//! expect: lamp says [1, 10, 255]
//! expect: lamp says []
//! expect: lamp: closed by the peer
//! expect: device: got "hello lamp", then frames of 3 and 0 bytes
//! expect: stranger: the peer broke the protocol: a frame has no end within 64 bytes
//! expect: stranger: got "a name, please"

use std::error::Error as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;

use net_reactor::codec::{AnyCodec, DecodeError, LengthPrefix, Lines};
use net_reactor::prelude::*;

/// One device.
struct Device {
    name: Option<String>,
    /// Told of the end, so that the lines of this program come in one order.
    closed: mpsc::Sender<()>,
}

impl FrameHandler<AnyCodec> for Device {
    fn on_frame(&mut self, conn: &mut FrameConn<'_, AnyCodec>, frame: &[u8]) -> Flow {
        if let Some(name) = &self.name {
            println!("{name} says {frame:?}");
            conn.send(frame)?;
        } else {
            let name = std::str::from_utf8(frame)?;
            conn.send(&format!("hello {name}"))?;
            self.name = Some(name.to_owned());
            // The bytes behind this line are for the new codec, whether they are here or not.
            conn.set_codec(AnyCodec::new(LengthPrefix::u16().max(1024)));
        }
        Ok(())
    }

    fn on_malformed(&mut self, conn: &mut FrameConn<'_, AnyCodec>, _error: &DecodeError) -> Flow {
        conn.send("a name, please")?; // still in lines: nobody is called for more than 64 bytes
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, AnyCodec>, reason: CloseReason) {
        let name = self.name.as_deref().unwrap_or("stranger");
        match reason.source() {
            Some(source) => println!("{name}: {reason}: {source}"),
            None => println!("{name}: {reason}"),
        }
        let _nobody_waits = self.closed.send(());
    }
}

/// Sends all of it in one write, and reads the answer to its end.
fn ask(address: &Address, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn device(answer: &[u8]) {
    let (line, frames) = answer.split_at(answer.len().min("hello lamp\n".len()));
    let line = String::from_utf8_lossy(line);
    let intact = frames == b"\x00\x03\x01\x0a\xff\x00\x00";
    let frames = if intact { "frames of 3 and 0 bytes" } else { "something else" };
    println!("device: got {:?}, then {frames}", line.trim_end());
}

fn stranger(answer: &[u8]) {
    println!("stranger: got {:?}", String::from_utf8_lossy(answer).trim_end());
}

fn main() -> Result<(), Error> {
    let (closed, ends) = mpsc::channel();
    let server = Server::new(move |_peer| {
        let device = Device { name: None, closed: closed.clone() };
        Framed::new(AnyCodec::new(Lines::new().max(64)), device)
    });
    let server = server.listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    thread::spawn(move || {
        let talk = |text: &[u8], show: fn(&[u8])| {
            let answer = ask(&address, text);
            let _server_gone = ends.recv();
            match answer {
                Ok(answer) => show(&answer),
                Err(error) => println!("no answer: {error}"),
            }
        };
        talk(b"lamp\n\x00\x03\x01\x0a\xff\x00\x00", device);
        talk(&[b'x'; 100], stranger);
        handle.stop();
    });
    server.run()?;
    Ok(())
}
