//! Every error of the kernel at every call: one end, and the loop lives.

use super::rig::{Rig, secs};
use super::teller::Teller;
use crate::net::{ConnConfig, ConnectOptions};
use crate::protocol::LoopError;
use crate::sys::memory::Call;
use crate::sys::{KeepAlive, ListenOptions};

const EPERM: i32 = 1;
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EINVAL: i32 = 22;
const EMFILE: i32 = 24;
const EPIPE: i32 = 32;
const EADDRINUSE: i32 = 98;
const EADDRNOTAVAIL: i32 = 99;
const ENETDOWN: i32 = 100;
const ENETUNREACH: i32 = 101;
const ECONNRESET: i32 = 104;
const ENOBUFS: i32 = 105;
const ENOTCONN: i32 = 107;
const ETIMEDOUT: i32 = 110;
const ECONNREFUSED: i32 = 111;
const EHOSTUNREACH: i32 = 113;

/// Loop 0 connects to loop 1, which echoes; the first call of this kind on loop 0 fails.
///
/// Returns what the connecting side was told, without the times.
fn echo_with(call: Call, errno: i32) -> Vec<String> {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(1, ConnConfig::default(), move || {
        Teller::new(&log, "peer").on_data(|conn, input| Ok(conn.write(input.take_all())?))
    });
    let keep_alive = KeepAlive::after(secs(10));
    let config = ConnConfig::default().keep_alive(keep_alive).send_buffer(1_000);
    let handler = Teller::new(&rig.log, "conn")
        .on_open(|conn| {
            conn.write("word")?;
            Ok(conn.shutdown_write()?)
        })
        .keeps_open();
    rig.host(0).fail_next(call, errno);
    let options = ConnectOptions::default().config(config);
    rig.connect_with(0, "10.0.0.2:7000", options, handler);
    rig.advance(secs(100));
    rig.assert_clean(&(call, errno));
    let lines = rig.log.take();
    let lines = lines.iter().filter_map(|line| line.split_once(" conn "));
    let told: Vec<_> = lines.map(|(_, what)| what.to_owned()).collect();
    // The loop lives.
    let next = Teller::new(&rig.log, "next").on_open(|conn| {
        conn.abort();
        Ok(())
    });
    rig.connect(0, "10.0.0.2:7000", next);
    rig.settle();
    assert!(rig.log.take().iter().any(|line| line.contains("next open")), "{call:?} {errno}");
    told
}

const WELL: [&str; 4] = ["open", "data 4", "eof", "closed: closed by the peer"];

/// What a peer finds at the end of a connection whose first call of this kind failed.
fn end_at_peer(call: Call, errno: i32) -> Result<bool, std::io::ErrorKind> {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(1, ConnConfig::default(), move || {
        Teller::new(&log, "conn").on_data(|conn, input| {
            input.take_all();
            Ok(conn.write("half of the answer")?)
        })
    });
    let peer = rig.bare("c");
    let mut stream = peer.connect("10.0.0.2:7000");
    rig.settle();
    rig.host(1).fail_next(call, errno);
    stream.send(b"question").unwrap();
    rig.settle();
    stream.receive().map(|(_, ended)| ended).map_err(|error| error.kind())
}

#[test]
fn a_peer_does_not_take_a_broken_connection_for_a_finished_one() {
    let reset = Err(std::io::ErrorKind::ConnectionReset);
    for errno in [ENOBUFS, ENOMEM, EHOSTUNREACH] {
        assert_eq!(end_at_peer(Call::Send, errno), reset, "send, errno {errno}");
        assert_eq!(end_at_peer(Call::Receive, errno), reset, "receive, errno {errno}");
    }
    assert_eq!(end_at_peer(Call::Send, EAGAIN), Ok(false));
}

#[test]
fn an_error_of_receive_ends_the_connection() {
    for (errno, reason) in [
        (ECONNRESET, "reset by the peer"),
        (ETIMEDOUT, "the connection broke"),
        (ENETDOWN, "the connection broke"),
        (EHOSTUNREACH, "the connection broke"),
        (ENOMEM, "the connection broke"),
    ] {
        let told = echo_with(Call::Receive, errno);
        assert_eq!(told, ["open".to_owned(), format!("closed: {reason}")], "errno {errno}");
    }
    assert_eq!(echo_with(Call::Receive, EAGAIN), WELL);
}

#[test]
fn an_error_of_send_ends_the_connection() {
    for (errno, reason) in [
        (EPIPE, "reset by the peer"),
        (ECONNRESET, "reset by the peer"),
        (ETIMEDOUT, "the connection broke"),
        (ENOBUFS, "the connection broke"),
    ] {
        let told = echo_with(Call::Send, errno);
        assert_eq!(told, ["open".to_owned(), format!("closed: {reason}")], "errno {errno}");
    }
    assert_eq!(echo_with(Call::Send, EAGAIN), WELL);
}

#[test]
fn an_error_of_shutdown_ends_the_connection() {
    let told = echo_with(Call::ShutdownWrite, ENOTCONN);
    assert_eq!(told, ["open", "closed: reset by the peer"]);
}

#[test]
fn an_option_that_cannot_be_set_is_no_reason_to_close() {
    for errno in [EINVAL, ECONNRESET, EPERM] {
        assert_eq!(echo_with(Call::SetOption, errno), WELL, "errno {errno}");
    }
}

#[test]
fn an_error_of_connect_is_the_outcome() {
    for call in [Call::Connect, Call::Connected] {
        for (errno, outcome) in [
            (ECONNREFUSED, "10.0.0.2:7000 refused the connection"),
            (ECONNRESET, "10.0.0.2:7000 refused the connection"),
            (ETIMEDOUT, "no answer within 30s"),
            (ENETUNREACH, "10.0.0.2:7000 cannot be reached"),
            (EHOSTUNREACH, "10.0.0.2:7000 cannot be reached"),
            (EADDRINUSE, "cannot use the local address"),
            (EADDRNOTAVAIL, "cannot use the local address"),
            (EMFILE, "cannot connect"),
            (ENOBUFS, "cannot connect"),
        ] {
            assert_eq!(echo_with(call, errno), [format!("failed: {outcome}")], "{call:?} {errno}");
        }
    }
}

#[test]
fn an_accepted_peer_that_cannot_be_registered_is_dropped_and_the_next_one_served() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    rig.host(0).fail_next(Call::Register, ENOMEM);
    for name in ["one", "two"] {
        let handler = Teller::new(&rig.log, name);
        rig.connect(1, "10.0.0.1:7000", handler);
    }
    rig.settle();
    let lines = rig.log.take();
    assert_eq!(lines.iter().filter(|line| line.contains("conn open")).count(), 1, "{lines:?}");
    let dropped = |line: &String| line.contains("one failed") || line.contains("one closed");
    assert!(lines.iter().any(dropped), "{lines:?}");
    assert_eq!(rig.stats(0).connections, 1);
    rig.log.assert_faultless(&"register");
}

#[test]
fn an_error_of_listen_leaves_nothing_behind() {
    let mut rig = Rig::pair();
    for errno in [EMFILE, EPERM, EADDRINUSE] {
        rig.host(0).fail_next(Call::Listen, errno);
        let address = ([0, 0, 0, 0], 7000);
        let result = rig.reactor(0).listen(
            address,
            &ListenOptions::default(),
            ConnConfig::default(),
            |_| None::<Teller>,
        );
        assert!(result.is_err());
        assert_eq!(rig.host(0).open_descriptors(), 1);
    }
    rig.listen(0, ConnConfig::default(), || None::<Teller>);
}

#[test]
fn an_error_of_wait_is_told_and_leaves_the_loop_as_it_is() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.reactor(0).defer(move |reactor| log.at(reactor.now(), "task"));
    rig.host(0).fail_next(Call::Wait, ENOMEM);
    let error = rig.event_loop(0).turn(None).unwrap_err();
    assert!(matches!(error, LoopError::Wait { .. }));
    assert!(rig.log.take().is_empty());
    rig.settle();
    assert_eq!(rig.log.take(), ["0ns task"]);
}

#[test]
fn a_call_that_was_interrupted_is_not_the_end() {
    // The seam promises that EINTR stays below it; accept(2) alone passes on what a peer caused.
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    rig.host(0).fail_next(Call::Accept, EINTR);
    let handler = Teller::new(&rig.log, "peer");
    rig.connect(1, "10.0.0.1:7000", handler);
    rig.settle();
    assert!(rig.log.take().contains(&"0ns conn open".to_owned()));
}
