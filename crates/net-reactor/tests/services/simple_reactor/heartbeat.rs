//! SimpleReactor's heartbeat: the server beats each second, the client gives up after two.

use std::rc::Rc;

use net_reactor::codec::{Kind, SimpleReactor};
use net_reactor::prelude::*;
use net_reactor::sim::{Host, Simulation};
use net_reactor::simple_reactor::{TypedClient, TypedServer};
use net_reactor::{Client, HeartbeatConfig};

use super::super::support::{Side, accepting, connecting, ms, secs};
use super::{Ear, bytes_of, frames_of};

/// Which side has heartbeats on.
#[derive(Clone, Copy)]
struct On {
    server: bool,
    client: bool,
}

/// Says something every 900 ms, and is told what it is told.
struct Talker {
    echo: Ear,
    talks: bool,
}

impl Talker {
    fn again(&self, conn: &mut FrameConn<'_, SimpleReactor>) {
        if self.talks {
            conn.set_timer(Tag(1), ms(900));
        }
    }
}

impl FrameHandler<SimpleReactor> for Talker {
    fn on_open(&mut self, conn: &mut FrameConn<'_, SimpleReactor>) -> Flow {
        self.again(conn);
        self.echo.on_open(conn)
    }

    fn on_frame(
        &mut self,
        _conn: &mut FrameConn<'_, SimpleReactor>,
        frame: net_reactor::codec::TypedFrame<'_>,
    ) -> Flow {
        assert_eq!((frame.kind(), frame.data()), (Kind::Application, &b"word"[..]));
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, _tag: Tag) -> Flow {
        self.again(conn);
        Ok(conn.send("word")?)
    }

    fn on_close(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, reason: CloseReason) {
        self.echo.on_close(conn, reason);
    }
}

fn world(on: On, talks: bool) -> (Simulation, Host, Ear) {
    let (mut sim, echo) = (Simulation::new(1), Ear::default());
    let hub = sim.host("hub", move |boot| {
        let server = TypedServer::on_data(SimpleReactor::plain, |conn, data| Ok(conn.send(data)?));
        let server = if on.server { server.heartbeats() } else { server };
        boot.serve(server.server(), "0.0.0.0:9000").map(drop)
    });
    let handler = echo.clone();
    sim.host("field", move |boot| {
        let echo = handler.clone();
        let make = move || Talker { echo: echo.clone(), talks };
        let client = TypedClient::new(SimpleReactor::plain, make);
        let client = if on.client { client.heartbeats() } else { client };
        boot.connect(client.client(), "hub:9000").map(drop)
    });
    (sim, hub, echo)
}

const DROPPED: &str = "closed: HeartbeatTimedOut { silence: 2s, tolerance: 2s }";

#[test]
fn a_frozen_server_is_dropped_within_two_to_three_seconds() {
    let (mut sim, hub, echo) = world(On { server: true, client: true }, false);
    sim.run_for(secs(60));
    assert_eq!(echo.notes(), ["open"], "beats keep it");
    sim.freeze(hub);
    sim.run_for(ms(1000));
    assert_eq!(echo.notes(), ["open"]);
    sim.run_for(ms(2000));
    assert_eq!(echo.notes(), ["open", DROPPED]);
}

#[test]
fn messages_alone_keep_a_connection() {
    let (mut sim, hub, echo) = world(On { server: false, client: true }, true);
    sim.run_for(secs(60));
    assert_eq!(echo.notes(), ["open"]);
    sim.freeze(hub);
    sim.run_for(secs(3));
    assert_eq!(echo.notes(), ["open", DROPPED]);
}

#[test]
fn a_server_without_beats_loses_a_client_that_waits_for_them() {
    let (mut sim, _, echo) = world(On { server: false, client: true }, false);
    sim.run_for(secs(3));
    assert_eq!(echo.notes(), ["open", DROPPED]);
}

#[test]
fn a_client_without_heartbeats_bears_a_server_that_has_them() {
    let (mut sim, hub, echo) = world(On { server: true, client: false }, true);
    sim.run_for(secs(60));
    sim.freeze(hub);
    sim.run_for(secs(60));
    assert_eq!(echo.notes(), ["open"]);
}

#[test]
fn a_beat_is_a_frame_of_type_two_each_second() {
    let (mut sim, side) = (Simulation::new(1), Side::default());
    sim.host("hub", |boot| {
        let server = TypedServer::on_data(SimpleReactor::plain, |_conn, _data| Ok(()));
        let server = server.heartbeats().heartbeat_payload("local#peer#1");
        boot.serve(server.server(), "0.0.0.0:9000").map(drop)
    });
    connecting(&mut sim, "field", "hub:9000", &side);
    sim.run_for(ms(3500));
    let got = side.seen(|seen| seen.bytes.clone());
    assert_eq!(got[..12], *b"\x10\0\0\0\x02\0\0\0loca");
    let beat = (Kind::HEARTBEAT, "local#peer#1".to_owned());
    assert_eq!(frames_of(&mut SimpleReactor::plain(), &got), vec![beat; 3]);
}

#[test]
fn a_beat_of_any_peer_keeps_our_client_and_silence_ends_it() {
    let beats = bytes_of(&mut SimpleReactor::plain(), &[(Kind::HEARTBEAT, "x")]);
    let (mut sim, side, echo) = (Simulation::new(1), Side::says(beats), Ear::default());
    accepting(&mut sim, "hub", &side);
    let handler = echo.clone();
    sim.host("field", move |boot| {
        let handler = handler.clone();
        let client = TypedClient::new(SimpleReactor::plain, move || handler.clone());
        boot.connect(client.heartbeats().client(), "hub:9000").map(drop)
    });
    sim.run_for(ms(1900));
    assert_eq!(echo.notes(), ["open"]);
    sim.run_for(ms(1100));
    assert_eq!(echo.notes(), ["open", DROPPED]);
}

#[test]
fn both_sides_may_beat_and_expect() {
    let both = HeartbeatConfig::both().interval(secs(1)).tolerance(secs(3));
    let (mut sim, hub_echo) = (Simulation::new(1), Ear::default());
    let handler = hub_echo.clone();
    sim.host("hub", move |boot| {
        let handler = handler.clone();
        let server = TypedServer::new(SimpleReactor::plain, move |_peer| handler.clone());
        boot.serve(server.heartbeat(both).server(), "0.0.0.0:9000").map(drop)
    });
    let field = sim.host("field", move |boot| {
        let client = TypedClient::new(SimpleReactor::plain, Ear::default).heartbeat(both);
        boot.connect(client.client(), "hub:9000").map(drop)
    });
    sim.run_for(secs(60));
    assert_eq!(hub_echo.notes(), ["open"]);
    sim.freeze(field);
    sim.run_for(secs(4));
    assert_eq!(hub_echo.notes()[1..], ["closed: HeartbeatTimedOut { silence: 3s, tolerance: 3s }"]);
}

#[test]
fn a_failed_attempt_is_told() {
    let (mut sim, echo) = (Simulation::new(1), Ear::default());
    sim.host("hub", |_boot| Ok(()));
    let handler = echo.clone();
    sim.host("field", move |boot| {
        let handler = handler.clone();
        let client = TypedClient::new(SimpleReactor::plain, move || handler.clone());
        let client: Client<_> = client.client().on_failed(|_reactor, _error| {});
        boot.connect(client, "hub:9000").map(drop)
    });
    sim.run_for(secs(1));
    let notes = Rc::clone(&echo.notes);
    assert!(notes.borrow()[0].starts_with("failed: "), "{:?}", notes.borrow());
}
