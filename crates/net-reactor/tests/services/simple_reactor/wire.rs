//! What goes over the wire of a server, seen by a peer that speaks in bytes.

use net_reactor::codec::{Kind, SimpleReactor};
use net_reactor::prelude::*;
use net_reactor::sim::Simulation;
use net_reactor::simple_reactor::TypedServer;

use super::super::support::{Side, connecting, secs};
use super::{Ear, app, bytes_of, frames_of};

/// Lets a peer say bytes to a server; returns what the peer got, and what the handler was told.
fn say(wire: fn() -> SimpleReactor, kinds: &[u32], bytes: Vec<u8>) -> (Side, Ear) {
    let (mut sim, echo, side) = (Simulation::new(1), Ear::echoing(), Side::says(bytes));
    let (handler, kinds) = (echo.clone(), kinds.to_vec());
    sim.host("hub", move |boot| {
        let handler = handler.clone();
        let server = TypedServer::new(wire, move |_peer| handler.clone());
        let server = kinds.iter().fold(server, |server, kind| server.system_type(*kind));
        boot.serve(server.server(), "0.0.0.0:9000").map(drop)
    });
    connecting(&mut sim, "field", "hub:9000", &side);
    // A goodbye to a peer that does not answer it takes 5 s.
    sim.run_for(secs(10));
    (side, echo)
}

const WIRES: &[fn() -> SimpleReactor] = &[
    SimpleReactor::plain,
    || SimpleReactor::plain().obfuscated(),
    #[cfg(feature = "zlib")]
    SimpleReactor::zlib,
    #[cfg(feature = "zlib")]
    || SimpleReactor::zlib().obfuscated(),
];

#[test]
fn the_handler_is_given_the_frames_that_are_meant_for_it_and_the_connection_lives() {
    let frames = [
        (Kind::Application, "one"),
        (Kind::System(99), "nobody knows it"),
        (Kind::HEARTBEAT, "a beat"),
        (Kind::System(7), "known"),
        (Kind::Application, "two"),
    ];
    for wire in WIRES {
        let (side, echo) = say(*wire, &[7, 8], bytes_of(&mut wire(), &frames));
        let told = ["open", "application: one", "system type 7: known", "application: two"];
        assert_eq!(echo.notes(), told);
        let got = side.seen(|seen| seen.bytes.clone());
        assert_eq!(frames_of(&mut wire(), &got), [app("one"), app("two")]);
        assert!(!side.is_closed());
    }
}

#[test]
fn short_and_empty_frames_are_passed_over_and_what_follows_comes_at_once() {
    let bytes = b"\0\0\0\0\x02\0\0\0\xff\xff\x04\0\0\0\x01\0\0\0\0\0\0\0\x06\0\0\0\x01\0\0\0hi";
    let (side, echo) = say(SimpleReactor::plain, &[], bytes.to_vec());
    assert_eq!(echo.notes(), ["open", "application: hi"]);
    assert!(!side.is_closed());
}

#[test]
#[cfg(feature = "zlib")]
fn three_messages_packed_by_stock_zlib_are_echoed() {
    let packed: [&[u8]; 3] = [
        b"\x17\0\0\0\x78\x9c\x62\x64\x60\x60\xc8\x48\xcd\xc9\xc9\x57\x28\xcf\x2f\xca\x49\x01\0\0\0\xff\xff",
        b"\x09\0\0\0\x62\x44\xe5\x02\0\0\0\xff\xff",
        b"\x09\0\0\0\x02\x71\x2b\0\0\0\0\xff\xff",
    ];
    let (side, _) = say(SimpleReactor::zlib, &[], packed.concat());
    let got = side.seen(|seen| seen.bytes.clone());
    let texts = ["hello world", "hello world", "x"].map(app);
    assert_eq!(frames_of(&mut SimpleReactor::zlib(), &got), texts);
}

#[test]
fn what_is_no_frame_closes_its_connection_with_the_reason() {
    let wire = || SimpleReactor::plain().max(100);
    let (side, echo) = say(wire, &[], b"\xff\xff\xff\x7frubbish".to_vec());
    assert!(echo.notes()[1].starts_with("closed: Malformed"), "{:?}", echo.notes());
    assert!(side.seen(|seen| seen.eof), "the peer is told, too");
}

#[test]
fn a_message_of_ones_own_reaches_the_handler() {
    let (mut sim, echo) = (Simulation::new(1), Ear::default());
    let handler = echo.clone();
    sim.host("hub", move |boot| {
        let echo = handler.clone();
        let handler = handler.clone();
        let server = TypedServer::new(SimpleReactor::plain, move |_peer| handler.clone());
        let served = boot.serve(server.server(), "0.0.0.0:9000")?;
        boot.reactor().call_later(secs(1), move |_reactor| {
            let id = echo.id();
            let tell = move |reactor: &mut Reactor<'_>| reactor.message(id, 7_u32).unwrap();
            served.handle.loops()[0].run_in_loop(tell).unwrap();
        });
        Ok(())
    });
    connecting(&mut sim, "field", "hub:9000", &Side::says(""));
    sim.run_for(secs(2));
    assert_eq!(echo.notes(), ["open", "message: Some(7)"]);
}
