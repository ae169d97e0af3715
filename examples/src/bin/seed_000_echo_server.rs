//! Reading and writing: the smallest useful protocol.
//!
//! Follows the server of seed 000 (SimpleReactor): what arrives goes back. The client below only
//! makes the program end; it also finishes sending early, and loses nothing by that.
//!
//! ```sh
//! cargo run -p examples --bin seed_000_echo_server
//! ```
//!
//! expect: sent "hello world", got "hello world"

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use net_reactor::prelude::*;

struct Echo;

impl Protocol for Echo {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        conn.write(input.take_all())?; // queued; one send per connection per turn
        Ok(())
    }
}

/// Sends `text`, says that this was all, and reads the answer to its end.
fn ask(address: &Address, text: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    io::read_to_string(stream)
}

fn main() -> Result<(), Error> {
    let server = Server::new(|_peer| Echo).listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    thread::spawn(move || {
        match ask(&address, "hello world") {
            Ok(answer) => println!("sent \"hello world\", got {answer:?}"),
            Err(error) => println!("no answer: {error}"),
        }
        handle.stop();
    });
    server.run()?;
    Ok(())
}
