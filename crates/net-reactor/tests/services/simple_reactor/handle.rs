//! Connections by their ids, from within and from other threads.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use net_reactor::codec::{Decoder, SimpleReactor};
use net_reactor::prelude::*;
use net_reactor::sim::Simulation;
use net_reactor::simple_reactor::{NotSentReason, TypedClient, TypedHandle, TypedServer};

use super::super::support::secs;
use super::{Ear, app, bytes_of, frames_of};

#[cfg(feature = "zlib")]
const WIRE: fn() -> SimpleReactor = SimpleReactor::zlib;
#[cfg(not(feature = "zlib"))]
const WIRE: fn() -> SimpleReactor = SimpleReactor::plain;

/// A hub, and so many clients, each on its own host.
struct World {
    sim: Simulation,
    handle: TypedHandle,
    hub: Ear,
    clients: Vec<Ear>,
}

impl World {
    fn new(clients: usize) -> Self {
        let (mut sim, hub) = (Simulation::new(1), Ear::default());
        let handler = hub.clone();
        let server = TypedServer::new(WIRE, move |_peer: &Peer| handler.clone());
        let handle = server.handle();
        let mut server = Some(server.server());
        sim.host("hub", move |boot| match server.take() {
            Some(server) => boot.serve(server, "0.0.0.0:9000").map(drop),
            None => Ok(()),
        });
        let clients: Vec<Ear> = (0..clients).map(|_| Ear::echoing()).collect();
        for (number, echo) in clients.iter().enumerate() {
            let echo = echo.clone();
            sim.host(format!("field-{number}"), move |boot| {
                let echo = echo.clone();
                let client = TypedClient::new(WIRE, move || echo.clone());
                boot.connect(client.client(), "hub:9000").map(drop)
            });
            sim.run_for(secs(1));
        }
        Self { sim, handle, hub, clients }
    }

    fn got(&mut self, client: usize) -> Vec<String> {
        self.sim.run_for(secs(1));
        self.clients[client].notes()[1..].to_vec()
    }
}

#[test]
fn a_message_goes_to_the_connection_of_its_id_and_to_no_other() {
    let mut world = World::new(3);
    let ids = world.handle.connections();
    assert_eq!(ids.len(), 3);
    world.handle.send(ids[1], "to one").unwrap();
    world.handle.send(ids[1], "and again").unwrap();
    // A client echoes what it gets.
    assert_eq!(world.got(1), ["application: to one", "application: and again"]);
    assert_eq!((world.got(0).len(), world.got(2).len()), (0, 0));
    let echoed = ["application: to one", "application: and again"];
    assert_eq!(world.hub.notes()[3..5], echoed);
}

#[test]
fn a_broadcast_reaches_all_that_are_open() {
    let mut world = World::new(4);
    let ids = world.handle.connections();
    assert!(world.handle.disconnect(ids[2]));
    assert_eq!(world.handle.broadcast("to all"), 3);
    for client in [0, 1, 3] {
        assert_eq!(world.got(client), ["application: to all"]);
    }
    assert_eq!(world.got(2), ["closed: PeerClosed"]);
}

#[test]
fn who_is_disconnected_gets_what_was_sent_before_and_nothing_after() {
    let mut world = World::new(1);
    let id = world.hub.id();
    assert!(world.handle.is_connected(id));
    world.handle.send(id, "farewell").unwrap();
    assert!(world.handle.disconnect(id));
    assert!(!world.handle.is_connected(id) && !world.handle.disconnect(id));
    let refused = world.handle.send(id, "too late").unwrap_err();
    assert_eq!(refused.reason, NotSentReason::NotConnected);
    assert_eq!(refused.data, "too late", "it is given back");
    let got = world.got(0);
    assert_eq!(got[0], "application: farewell");
    assert!(got[1].starts_with("closed: "), "{got:?}");
    assert_eq!(got.len(), 2);
    assert_eq!(world.handle.connections(), []);
}

#[test]
fn a_connection_that_ended_by_itself_is_listed_no_more() {
    let mut world = World::new(2);
    let field = &world.clients[0];
    let id = world.handle.connections()[0];
    let (notes, hub) = (field.notes(), world.hub.clone());
    assert_eq!((notes.len(), hub.notes().len()), (1, 2));
    world.sim.finish();
    assert!(!world.handle.is_connected(id));
    assert_eq!(world.handle.broadcast("anybody?"), 0);
}

#[test]
fn what_the_wire_cannot_carry_is_dropped_and_harms_nothing() {
    let mut world = World::new(1);
    let id = world.hub.id();
    world.handle.send(id, "").unwrap();
    world.handle.send(id, vec![b'x'; 2 * 1024 * 1024]).unwrap();
    world.handle.send(id, "whole").unwrap();
    assert_eq!(world.got(0), ["application: whole"]);
}

/// Reads frames to the end of the stream.
fn read_all(mut stream: &TcpStream, codec: &mut SimpleReactor) -> Vec<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the stream has an end");
    frames_of(codec, &bytes).into_iter().map(|(_, data)| data).collect()
}

const THREADS: usize = 8;
const MESSAGES: usize = 200;
const CLIENTS: usize = 4;

/// Reports connections that are open, and echoes.
#[derive(Clone)]
struct Open(mpsc::Sender<ConnId>);

impl FrameHandler<SimpleReactor> for Open {
    fn on_open(&mut self, conn: &mut FrameConn<'_, SimpleReactor>) -> Flow {
        Ok(self.0.send(conn.id())?)
    }

    fn on_frame(
        &mut self,
        conn: &mut FrameConn<'_, SimpleReactor>,
        frame: net_reactor::codec::TypedFrame<'_>,
    ) -> Flow {
        Ok(conn.send(frame.data())?)
    }
}

#[test]
fn eight_threads_send_and_disconnect_and_every_frame_is_whole_and_in_order() {
    let (open, opened) = mpsc::channel();
    let server = TypedServer::new(WIRE, move |_peer: &Peer| Open(open.clone()));
    let handle = server.handle();
    let server = server.server().loops(2).spawn("127.0.0.1:0").unwrap();
    let clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| {
            let stream = TcpStream::connect(server.local_address()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            stream
        })
        .collect();
    let ids: Vec<ConnId> = (0..CLIENTS).map(|_| opened.recv().unwrap()).collect();
    let senders: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (handle, ids) = (handle.clone(), ids.clone());
            thread::spawn(move || {
                for message in 0..MESSAGES {
                    let text = format!("{thread} {message} {}", "filling ".repeat(message % 50));
                    match message % 4 {
                        0 => assert_eq!(handle.broadcast(text), CLIENTS),
                        _ => ids.iter().for_each(|id| handle.send(*id, text.clone()).unwrap()),
                    }
                }
            })
        })
        .collect();
    // Meanwhile the clients speak too.
    for mut client in &clients {
        let words = [(net_reactor::codec::Kind::Application, "word"); 100];
        client.write_all(&bytes_of(&mut WIRE(), &words)).unwrap();
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    let enders: Vec<_> = (0..THREADS)
        .map(|_| {
            let (handle, ids) = (handle.clone(), ids.clone());
            thread::spawn(move || ids.iter().filter(|id| handle.disconnect(**id)).count())
        })
        .collect();
    let ended: usize = enders.into_iter().map(|ender| ender.join().unwrap()).sum();
    assert_eq!(ended, CLIENTS, "each connection is ended by one of them");
    for client in clients {
        let texts = read_all(&client, &mut WIRE());
        for thread in 0..THREADS {
            let prefix = format!("{thread} ");
            let of_thread = texts.iter().filter(|text| text.starts_with(&prefix));
            let numbers: Vec<usize> =
                of_thread.map(|text| text.split(' ').nth(1).unwrap().parse().unwrap()).collect();
            assert_eq!(numbers, (0..MESSAGES).collect::<Vec<_>>(), "thread {thread}");
        }
    }
    server.handle().stop();
    server.join().unwrap();
}

#[test]
fn a_client_has_many_connections_and_a_handle_of_them_all() {
    let server = TypedServer::on_data(WIRE, |conn, data| Ok(conn.send(data)?));
    let server = server.server().spawn("127.0.0.1:0").unwrap();
    let (open, opened) = mpsc::channel();
    let client = TypedClient::new(WIRE, move || Open(open.clone()));
    let (handle, address) = (client.handle(), server.local_address());
    let player = thread::spawn(move || {
        client.client().connections(10).connect(address).unwrap().run().unwrap()
    });
    let ids: Vec<ConnId> = (0..10).map(|_| opened.recv().unwrap()).collect();
    assert_eq!(handle.connections().len(), ids.len());
    // They bounce between the two echoes until somebody hangs up.
    assert_eq!(handle.broadcast("hello"), 10);
    handle.connections().into_iter().for_each(|id| assert!(handle.disconnect(id)));
    player.join().unwrap();
    assert_eq!(handle.connections(), []);
    server.handle().stop();
    server.join().unwrap();
}

#[test]
fn a_stranger_is_answered_frame_by_frame() {
    let server = TypedServer::on_data(WIRE, |conn, data| Ok(conn.send(data)?));
    let server = server.server().spawn("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(server.local_address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (mut sender, mut receiver, mut kept) = (WIRE(), WIRE(), Vec::new());
    for text in ["a", "bc", "def"] {
        stream.write_all(&bytes_of(&mut sender, &[(app(text).0, text)])).unwrap();
        loop {
            let mut input = Input::from_bytes(&kept);
            if let Some(frame) = receiver.decode(&mut input).unwrap() {
                assert_eq!(frame.data(), text.as_bytes());
                kept = input.bytes().to_vec();
                break;
            }
            let mut chunk = [0; 1024];
            let len = stream.read(&mut chunk).unwrap();
            assert!(len > 0, "the server hung up");
            kept.extend_from_slice(&chunk[..len]);
        }
    }
    drop(stream);
    server.handle().stop();
    server.join().unwrap();
}
