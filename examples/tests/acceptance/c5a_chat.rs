//! C5a: a chat whose lines go to everybody, and which a user who dies in the middle does not harm.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Sender};

use net_reactor::codec::{Encoder, Lines};
use net_reactor::prelude::*;
use net_reactor::{Group, SlowMembers};

use crate::background::{Background, connect};

/// Prints, as the example does, but to the test.
struct User {
    room: Group,
    printed: Sender<String>,
}

impl FrameHandler<Lines> for User {
    fn on_open(&mut self, conn: &mut FrameConn<'_, Lines>) -> Flow {
        self.room.join(conn)?;
        self.printed.send("A new user has entered the chat room.".to_owned())?;
        self.printed.send(format!("connection num is: {}", self.room.len()))?;
        Ok(())
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, Lines>, line: &[u8]) -> Flow {
        self.printed.send(format!("User said: {}", String::from_utf8_lossy(line)))?;
        let line = conn.codec().to_bytes(line)?;
        self.room.broadcast(conn.reactor(), line);
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, Lines>, _reason: CloseReason) {
        let _ = self.printed.send("A user has left the chat room.".to_owned());
    }
}

fn chat() -> (Background, mpsc::Receiver<String>) {
    let (printed, lines) = mpsc::channel();
    let room = Group::new(SlowMembers::Skip);
    let server = Background::start(move || {
        let factory = move |peer: &Peer| {
            printed.send(format!("New connection from {}", peer.address())).expect("it listens");
            Framed::new(Lines::new(), User { room: room.clone(), printed: printed.clone() })
        };
        Server::new(factory).listen("127.0.0.1:0")
    });
    (server.expect("a port is free"), lines)
}

struct Guest(BufReader<TcpStream>);

impl Guest {
    /// Returns when the chat has let the guest in.
    fn enter(server: SocketAddr, printed: &mpsc::Receiver<String>, number: usize) -> Self {
        let stream = connect(server).expect("the server listens");
        let own = stream.local_addr().expect("it is connected");
        let printed: Vec<String> = printed.iter().take(3).collect();
        let came = format!("New connection from {own}");
        let counted = format!("connection num is: {number}");
        assert_eq!(printed, [&came, "A new user has entered the chat room.", &counted]);
        Self(BufReader::new(stream))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())
    }

    fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line)
    }
}

#[test]
fn each_line_goes_to_everybody_and_the_speaker_however_it_is_cut() {
    let (server, printed) = chat();
    let mut ann = Guest::enter(server.address, &printed, 1);
    let mut bob = Guest::enter(server.address, &printed, 2);
    bob.say("good ").unwrap();
    bob.say("evening\nis anybody").unwrap();
    for guest in [&mut ann, &mut bob] {
        assert_eq!(guest.hear().unwrap(), "good evening\n");
    }
    bob.say(" there?\n").unwrap();
    for guest in [&mut ann, &mut bob] {
        assert_eq!(guest.hear().unwrap(), "is anybody there?\n");
    }
    for line in ["User said: good evening", "User said: is anybody there?"] {
        assert_eq!(printed.recv().unwrap(), line);
    }
    drop(bob);
    assert_eq!(printed.recv().unwrap(), "A user has left the chat room.");
    drop(ann);
    server.stop();
}

#[test]
fn a_user_who_dies_in_the_middle_of_a_broadcast_harms_nobody() {
    let (server, printed) = chat();
    let mut ann = Guest::enter(server.address, &printed, 1);
    let mut bob = Guest::enter(server.address, &printed, 2);
    let mut eve = Guest::enter(server.address, &printed, 3);
    // A broadcast has reached eve, who has not read it, and goes in the middle of a line of hers.
    eve.say("half a li").unwrap();
    bob.say("first\n").unwrap();
    assert_eq!(printed.recv().unwrap(), "User said: first");
    for guest in [&mut ann, &mut bob] {
        assert_eq!(guest.hear().unwrap(), "first\n");
    }
    assert_eq!(eve.0.get_ref().peek(&mut [0]).unwrap(), 1);
    drop(eve); // with unread input: a reset
    for number in 0..1000 {
        bob.say(&format!("line {number}\n")).unwrap();
    }
    for number in 0..1000 {
        assert_eq!(ann.hear().unwrap(), format!("line {number}\n"));
        assert_eq!(bob.hear().unwrap(), format!("line {number}\n"));
    }
    let left = printed.iter().take(1001).filter(|line| line.starts_with("A user has left")).count();
    assert_eq!(left, 1);
    drop(Guest::enter(server.address, &printed, 3));
    drop((ann, bob));
    server.stop();
}
