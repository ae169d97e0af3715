//! What every kernel guarantees beside its sockets, and about all of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::rig::{Rig, failed};
use crate::sys::{CloseHow, KeepAlive, Resolution, SocketOption, Sys};

suite! {
    a_closed_socket_is_never_reported,
    options_are_taken,
    a_wake_up_from_another_thread_ends_a_wait,
    a_wake_up_before_the_wait_is_not_lost,
    a_name_is_answered_once_for_each_query,
    an_unknown_name_is_an_error,
    an_offloaded_job_runs_once,
    the_clock_never_goes_back,
    the_wall_clock_is_later_than_this_test,
}

pub(super) fn a_closed_socket_is_never_reported<S: Sys>(mut rig: Rig<S>) {
    let (client, mut server) = rig.pair();
    let (mut other, mut witness) = rig.pair();
    rig.send_all(&mut server, b"news for the client");
    let closed = client.token;
    rig.sys.close(client.stream, CloseHow::Fin);
    rig.seen.clear();
    // What is reported later than the close is seen by the time the witness has heard.
    rig.report(server.token, failed);
    rig.send_all(&mut other, b"now");
    let heard = rig.receive(&mut witness).unwrap();
    assert!(!heard.is_empty() && b"now".starts_with(&heard));
    assert!(rig.seen.iter().all(|report| report.token != closed));
}

pub(super) fn options_are_taken<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    for option in [
        SocketOption::NoDelay(true),
        SocketOption::KeepAlive(Some(KeepAlive::after(Duration::from_secs(9)))),
        SocketOption::KeepAlive(None),
        SocketOption::SendBuffer(8 * 1024),
        SocketOption::ReceiveBuffer(8 * 1024),
    ] {
        rig.sys.set_option(&client.stream, option).unwrap();
    }
    rig.send_all(&mut client, b"still here");
    rig.sys.shutdown_write(&client.stream).unwrap();
    assert_eq!(rig.receive_all(&mut server).unwrap(), b"still here");
}

fn a_wake_up_from_another_thread_ends_a_wait<S: Sys>(mut rig: Rig<S>) {
    let waker = rig.sys.waker();
    let thread = std::thread::spawn(move || waker.wake());
    rig.sys.wait(None, &mut Vec::new()).unwrap();
    thread.join().unwrap();
}

fn a_wake_up_before_the_wait_is_not_lost<S: Sys>(mut rig: Rig<S>) {
    let waker = rig.sys.waker();
    waker.wake();
    waker.wake();
    let mut reports = Vec::new();
    rig.sys.wait(None, &mut reports).unwrap();
    assert!(reports.is_empty(), "a wake-up is not a socket");
}

fn a_name_is_answered_once_for_each_query<S: Sys>(mut rig: Rig<S>) {
    let queries = [rig.key(), rig.key(), rig.key()];
    for query in queries {
        rig.sys.resolve(query, "localhost");
    }
    let mut answered = Vec::new();
    while answered.len() < queries.len() {
        let Resolution { query, outcome } = rig.until(|rig| rig.sys.resolved());
        assert!(outcome.unwrap().iter().all(IpAddr::is_loopback));
        answered.push(query);
    }
    answered.sort();
    assert_eq!(answered, queries);
    // A number is its own answer, and by now a second one to an old query would be there as well.
    let literal = rig.key();
    rig.sys.resolve(literal, "192.0.2.7");
    let Resolution { query, outcome } = rig.until(|rig| rig.sys.resolved());
    assert_eq!(query, literal);
    assert_eq!(outcome.unwrap(), [IpAddr::from([192, 0, 2, 7])]);
    assert!(rig.sys.resolved().is_none());
}

fn an_unknown_name_is_an_error<S: Sys>(mut rig: Rig<S>) {
    let query = rig.key();
    // Too long for a label (RFC 1035, section 2.3.4), so that no name server is asked.
    rig.sys.resolve(query, &"x".repeat(64));
    let resolution = rig.until(|rig| rig.sys.resolved());
    assert_eq!(resolution.query, query);
    assert!(resolution.outcome.is_err());
}

fn an_offloaded_job_runs_once<S: Sys>(mut rig: Rig<S>) {
    let runs = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let runs = Arc::clone(&runs);
        let job = Box::new(move || {
            runs.fetch_add(1, Ordering::SeqCst);
        });
        assert!(rig.sys.offload(job).is_ok());
    }
    rig.until(|_| (Arc::strong_count(&runs) == 1).then_some(()));
    rig.round();
    assert_eq!(runs.load(Ordering::SeqCst), 10);
}

fn the_clock_never_goes_back<S: Sys>(mut rig: Rig<S>) {
    let mut last = rig.sys.now();
    for _ in 0..1_000 {
        let now = rig.sys.now();
        assert!(now >= last);
        last = now;
    }
    rig.sys.wait(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    assert!(rig.sys.now() >= last);
}

fn the_wall_clock_is_later_than_this_test<S: Sys>(rig: Rig<S>) {
    // 2026-01-01T00:00:00Z.
    let written = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    assert!(rig.sys.wall() >= written);
}
