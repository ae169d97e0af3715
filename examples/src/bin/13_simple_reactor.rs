//! SimpleReactor's program: an echo server and a client with a hundred connections, on its own wire.
//!
//! Follows seed 000 as it stands in its README: `EchoServer` answers each message, `EchoClient` opens
//! the connections, says "hello world" on each, echoes every answer and prints "done" after 10,000 of
//! them. What the original lacked comes with it: callbacks for open, closed and failed, and a heartbeat
//! that needs nothing but being switched on. Frames are packed with zlib, as they are there, so a
//! client in Python could join.
//!
//! ```sh
//! cargo run -p examples --bin 13_simple_reactor
//! ```
//!
//! expect: 100 connections are open
//! expect: done: 10000 messages, 110000 bytes
//! expect: goodnight reached 100
//! expect: disconnected by their ids: 100
//! expect: the client has 0 connections left

use std::sync::mpsc;
use std::thread;

use net_reactor::codec::{SimpleReactor, TypedFrame};
use net_reactor::prelude::*;
use net_reactor::simple_reactor::{TypedClient, TypedHandle, TypedServer};

const CONNECTIONS: usize = 100;
const MESSAGES: usize = 10_000;

/// What the client's connections tell the main thread.
enum Event {
    Open,
    Message { bytes: usize, is_first: bool },
    Goodnight,
}

/// One connection of the client.
struct Player {
    events: mpsc::Sender<Event>,
    is_new: bool,
}

impl FrameHandler<SimpleReactor> for Player {
    fn on_open(&mut self, _conn: &mut FrameConn<'_, SimpleReactor>) -> Flow {
        Ok(self.events.send(Event::Open)?)
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, frame: TypedFrame<'_>) -> Flow {
        if frame.data() == b"goodnight" {
            return Ok(self.events.send(Event::Goodnight)?);
        }
        let is_first = std::mem::take(&mut self.is_new);
        self.events.send(Event::Message { bytes: frame.data().len(), is_first })?;
        Ok(conn.send(frame.data())?)
    }
}

/// The logic, on a thread of its own: it reaches connections by their ids.
fn play(events: &mpsc::Receiver<Event>, players: &TypedHandle, peers: &TypedHandle) {
    let open = (0..CONNECTIONS).map_while(|_| events.recv().ok()).count();
    println!("{open} connections are open");
    for id in players.connections() {
        let _ended = players.send(id, "hello world");
    }
    let (mut count, mut sum, mut answered) = (0, 0, 0);
    while count < MESSAGES || answered < CONNECTIONS {
        let Ok(Event::Message { bytes, is_first }) = events.recv() else { break };
        answered += usize::from(is_first);
        (count, sum) = (count + 1, sum + bytes);
        if count == MESSAGES {
            println!("done: {count} messages, {sum} bytes");
        }
    }
    peers.broadcast("goodnight");
    let mut told = 0;
    while told < CONNECTIONS {
        let Ok(event) = events.recv() else { break };
        told += usize::from(matches!(event, Event::Goodnight));
    }
    println!("goodnight reached {told}");
    let ended = players.connections().into_iter().filter(|id| players.disconnect(*id)).count();
    println!("disconnected by their ids: {ended}");
}

fn main() -> Result<(), Error> {
    let server = TypedServer::on_data(SimpleReactor::zlib, |conn, data| Ok(conn.send(data)?));
    let (server, peers) = (server.heartbeats(), TypedHandle::new());
    let server = server.listed_in(&peers).server().spawn("127.0.0.1:0")?;

    let (tell, events) = mpsc::channel();
    let client = TypedClient::new(SimpleReactor::zlib, move || Player {
        events: tell.clone(),
        is_new: true,
    });
    let (client, players) = (client.heartbeats(), TypedHandle::new());
    let client = client.listed_in(&players).client().connections(CONNECTIONS);
    let client = client.connect(server.local_address())?;
    let logic = thread::spawn({
        let players = players.clone();
        move || play(&events, &players, &peers)
    });
    client.run()?;
    if logic.join().is_err() {
        println!("the logic panicked");
    }
    println!("the client has {} connections left", players.connections().len());
    server.handle().stop();
    server.join()?;
    Ok(())
}
