//! Accepting: greet each peer, then close without losing the greeting.
//!
//! Follows seed 002 (a Poller, Channel and Acceptor by hand), which dies after its second guest.
//! `close` sends what is queued first, so every guest reads the whole greeting, then the end.
//!
//! ```sh
//! cargo run -p examples --bin seed_002_hello_acceptor
//! ```
//!
//! expect: 1000 guests came one after the other; 1000 were greeted with "hello".

use std::io;
use std::net::TcpStream;
use std::thread;

use net_reactor::prelude::*;

struct Hello;

impl Protocol for Hello {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write("hello")?;
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

/// Reads up to the end, as a guest.
fn visit(address: &Address) -> io::Result<String> {
    io::read_to_string(TcpStream::connect(address)?)
}

fn main() -> Result<(), Error> {
    let server = Server::new(|_peer| Hello).listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    thread::spawn(move || {
        let visits = (0..1000).map(|_| visit(&address));
        let greeted = visits.filter(|read| matches!(read.as_deref(), Ok("hello"))).count();
        println!("1000 guests came one after the other; {greeted} were greeted with \"hello\".");
        handle.stop();
    });
    server.run()?;
    Ok(())
}
