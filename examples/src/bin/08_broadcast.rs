//! Many connections: every line goes to all, and is held once in memory.
//!
//! Follows the `broadcast_data` of seed 000 (SimpleReactor) and points ahead to the chat of seed
//! 004. The buffers of all connections share the bytes of a broadcast.
//!
//! ```sh
//! cargo run -p examples --bin 08_broadcast
//! ```
//!
//! expect: guest 1 hears: 3 of us are here
//! expect: guest 2 hears: 3 of us are here
//! expect: guest 3 hears: 3 of us are here
//! expect: one line for 3 guests
//! expect: guest 1 hears: good evening
//! expect: guest 2 hears: good evening
//! expect: guest 3 hears: good evening

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;

use net_reactor::prelude::*;

struct Guest;

impl Protocol for Guest {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let here = conn.reactor().accepted().len();
        if here == 3 {
            conn.reactor().broadcast(format!("{here} of us are here\n"));
        }
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(line) = input.line(1024)? {
            let reached = conn.reactor().broadcast([line, b"\n"].concat());
            println!("one line for {reached} guests");
        }
        Ok(())
    }
}

/// Three guests listen, the first one speaks, and all listen again.
fn party(address: &Address) -> io::Result<()> {
    let join = |_| TcpStream::connect(address).map(BufReader::new);
    let mut guests = (1..=3).map(join).collect::<io::Result<Vec<_>>>()?;
    listen(&mut guests)?;
    guests[0].get_mut().write_all(b"good evening\n")?;
    listen(&mut guests)
}

fn listen(guests: &mut [BufReader<TcpStream>]) -> io::Result<()> {
    for (number, guest) in (1..).zip(guests) {
        let mut line = String::new();
        guest.read_line(&mut line)?;
        print!("guest {number} hears: {line}");
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let server = Server::new(|_peer| Guest).listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    thread::spawn(move || {
        party(&address).unwrap_or_else(|error| println!("the party is over: {error}"));
        handle.stop();
    });
    server.run()?;
    Ok(())
}
