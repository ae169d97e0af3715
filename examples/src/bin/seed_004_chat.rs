//! A chat: each line goes to everybody in the room, the speaker included.
//!
//! Follows seed 004, Tornado's chat server, as case C5a of its contract. The room is a `Group`: who
//! leaves it, by whatever end, needs no code; a line is encoded once and held once; and a guest who
//! does not read misses lines, and holds nobody up. With `.loops(2)` it is the same room.
//!
//! ```sh
//! cargo run -p examples --bin seed_004_chat
//! ```
//!
//! expect: New connection from <addr>
//! expect: A new user has entered the chat room.
//! expect: connection num is: 1
//! expect: New connection from <addr>
//! expect: A new user has entered the chat room.
//! expect: connection num is: 2
//! expect: User said: good evening
//! expect: A user has left the chat room.
//! expect: User said: anybody there?
//! expect: A user has left the chat room.
//! expect: ann heard: good evening / anybody there?
//! expect: bob heard: good evening

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;

use net_reactor::codec::{Encoder, Lines};
use net_reactor::prelude::*;
use net_reactor::{Group, SlowMembers};

struct User {
    room: Group,
}

impl FrameHandler<Lines> for User {
    fn on_open(&mut self, conn: &mut FrameConn<'_, Lines>) -> Flow {
        self.room.join(conn)?;
        println!("A new user has entered the chat room.");
        println!("connection num is: {}", self.room.len());
        Ok(())
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, Lines>, line: &[u8]) -> Flow {
        println!("User said: {}", String::from_utf8_lossy(line));
        let line = conn.codec().to_bytes(line)?;
        self.room.broadcast(conn.reactor(), line);
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, Lines>, _reason: CloseReason) {
        println!("A user has left the chat room.");
    }
}

fn main() -> Result<(), Error> {
    let room = Group::new(SlowMembers::Skip);
    let server = Server::new(move |peer: &Peer| {
        println!("New connection from {}", peer.address());
        Framed::new(Lines::new(), User { room: room.clone() })
    });
    let server = server.listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    let evening = thread::spawn(move || {
        let heard = evening(&address);
        handle.stop();
        heard
    });
    server.run()?;
    match evening.join() {
        Ok(Ok([ann, bob])) => println!("ann heard: {ann}\nbob heard: {bob}"),
        Ok(Err(error)) => println!("the evening is over: {error}"),
        Err(_) => println!("the evening is over"),
    }
    Ok(())
}

/// Two users come, one speaks and leaves, and the other speaks to an empty room.
fn evening(address: &Address) -> io::Result<[String; 2]> {
    let mut ann = BufReader::new(TcpStream::connect(address)?);
    let mut bob = BufReader::new(TcpStream::connect(address)?);
    bob.get_mut().write_all(b"good evening\n")?;
    let (first, bobs) = (hear(&mut ann)?, hear(&mut bob)?);
    bob.get_mut().shutdown(std::net::Shutdown::Write)?;
    hear(&mut bob)?; // the end
    ann.get_mut().write_all(b"anybody there?\n")?;
    let second = hear(&mut ann)?;
    Ok([format!("{first} / {second}"), bobs])
}

fn hear(user: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    user.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
