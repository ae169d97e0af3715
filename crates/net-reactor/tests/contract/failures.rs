//! Handlers that fail: what they wrote, what their reason says, and what the others notice.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use net_reactor::{
    CloseReason, Conn, ConnConfig, ConnectError, Failure, Flow, Input, Protocol, Reactor,
};

use crate::probe::{Plan, Seen, Step, command};
use crate::support::{ByHand, Echo, MIB, ON_PURPOSE, PATIENCE, Served, assert_same, pattern};

#[test]
fn a_reply_written_before_an_error_is_still_delivered() {
    let (plan, watch) = Plan::new(|conn, step| {
        if let Step::Data(_) = step {
            conn.write(pattern(3 * MIB))?;
            conn.write("go away")?;
            return Err(Failure::msg(ON_PURPOSE));
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    peer.send(pattern(MIB));
    let got = peer.read_to_end();
    assert_same(&got[..3 * MIB], &pattern(3 * MIB));
    assert_eq!(&got[3 * MIB..], b"go away");
    drop(peer);
    assert!(matches!(watch.close_reason(), CloseReason::HandlerFailed { .. }));
}

#[test]
fn the_reason_carries_the_error_as_its_source() {
    let (plan, watch) = Plan::new(|_, step| {
        if let Step::Data(bytes) = step {
            std::str::from_utf8(bytes)?.trim().parse::<u8>()?;
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    peer.send("300");
    assert_eq!(peer.read_to_end(), b"");
    drop(peer);
    let reason = watch.close_reason();
    let source = reason.source().expect("there is a cause");
    assert!(source.downcast_ref::<std::num::ParseIntError>().is_some(), "{source:?}");
    assert!(!reason.to_string().contains(&source.to_string()), "the cause is told once");
    assert!(!reason.is_clean());
}

#[test]
fn a_panic_resets_the_peer_and_says_what_it_said() {
    let (plan, watch) = Plan::new(|conn, step| {
        if let Step::Data(_) = step {
            conn.write("never sent")?;
            std::panic::panic_any(ON_PURPOSE);
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut bystander = served.bystander();
    let mut peer = served.peer();
    peer.send("x");
    assert_eq!(peer.read_until_reset(), b"");
    let reason = watch.close_reason();
    let CloseReason::HandlerPanicked { message } = &reason else { panic!("{reason:?}") };
    assert_eq!(message, ON_PURPOSE);
    bystander.check();
}

#[test]
fn a_panicking_factory_costs_only_its_peer() {
    let made = Arc::new(AtomicUsize::new(0));
    let served = Served::new(move || {
        if made.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            std::panic::panic_any(ON_PURPOSE);
        }
        Echo::new()
    });
    let mut bystander = served.bystander();
    for round in 0..10 {
        let mut peer = served.peer();
        if round % 2 == 0 {
            assert_eq!(peer.read_until_over().0, b"");
        } else {
            peer.send("x");
            peer.finish();
            assert_eq!(peer.read_to_end(), b"x");
        }
    }
    bystander.check();
    let (_, stats) = served.finish();
    assert_eq!((stats.accepted, stats.closed), (11, 11));
}

/// Panics in whichever of its last moments it is told to.
struct BadEnd {
    in_on_close: bool,
    in_drop: bool,
}

impl Protocol for BadEnd {
    fn on_data(&mut self, conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        conn.close();
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, _reason: CloseReason) {
        if self.in_on_close {
            std::panic::panic_any(ON_PURPOSE);
        }
    }

    fn on_connect_failed(&mut self, _reactor: &mut Reactor<'_>, _error: ConnectError) {
        self.on_end();
    }
}

impl BadEnd {
    fn on_end(&self) {
        if self.in_on_close {
            std::panic::panic_any(ON_PURPOSE);
        }
    }
}

impl Drop for BadEnd {
    fn drop(&mut self) {
        if self.in_drop {
            std::panic::panic_any(ON_PURPOSE);
        }
    }
}

const BAD_ENDS: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

#[test]
fn panics_in_on_close_and_in_drop_harm_nobody_even_both_at_once() {
    for (in_on_close, in_drop) in BAD_ENDS {
        let served = Served::new(move || BadEnd { in_on_close, in_drop });
        let mut bystander = served.bystander();
        for _ in 0..5 {
            let mut peer = served.peer();
            peer.send("x");
            peer.read_until_over();
        }
        bystander.check();
        let (_, stats) = served.finish();
        assert_eq!((stats.accepted, stats.closed), (6, 6));
    }
}

#[test]
fn panics_at_the_end_of_a_failed_connect_harm_nobody_even_both_at_once() {
    for (in_on_close, in_drop) in BAD_ENDS {
        // Bound and closed again: nobody listens there.
        let nobody = crate::peer::Host::new().address.clone();
        let served = Served::new(Echo::new);
        let mut bystander = served.bystander();
        served
            .handle
            .run_in_loop(move |reactor| {
                reactor.connect(nobody, BadEnd { in_on_close, in_drop }).unwrap();
            })
            .unwrap();
        bystander.check();
        served.finish();
    }
}

#[test]
fn a_message_whose_drop_panics_harms_nobody_when_its_connection_is_gone() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(ON_PURPOSE);
        }
    }
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || plan.probe());
    let mut bystander = served.bystander();
    let peer = served.peer();
    let handle = watch.opened();
    drop(peer);
    watch.story();
    handle.message(Bomb).unwrap();
    bystander.check();
}

#[test]
fn functions_on_the_loop_that_panic_harm_nobody() {
    let served = Served::new(Echo::new);
    let mut bystander = served.bystander();
    let (told, heard) = channel();
    served
        .handle
        .run_in_loop(move |reactor| {
            reactor.call_later(Default::default(), |_| std::panic::panic_any(ON_PURPOSE));
            reactor.call_every(std::time::Duration::from_millis(1), |_, _| {
                std::panic::panic_any(ON_PURPOSE)
            });
            reactor.defer(|_| std::panic::panic_any(ON_PURPOSE));
            let then = move |_: &mut Reactor<'_>, result: Result<(), net_reactor::WorkError>| {
                told.send(result.is_err()).unwrap();
                std::panic::panic_any(ON_PURPOSE);
            };
            reactor.run_blocking(|| std::panic::panic_any(ON_PURPOSE), then).unwrap();
            std::panic::panic_any(ON_PURPOSE);
        })
        .unwrap();
    assert!(heard.recv_timeout(PATIENCE).unwrap());
    bystander.check();
    served.finish();
}

#[test]
fn every_tenth_handler_panics_and_the_others_lose_no_byte() {
    const PEERS: usize = 40;
    struct Fragile {
        number: usize,
        echoed: usize,
    }
    impl Protocol for Fragile {
        fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
            let bytes = input.take_all();
            self.echoed += bytes.len();
            conn.write(bytes)?;
            if self.number.is_multiple_of(10) && self.echoed > 1000 {
                std::panic::panic_any(ON_PURPOSE);
            }
            Ok(())
        }
    }
    let mut count = 0;
    let served = Served::new(move || {
        count += 1;
        Fragile { number: count - 1, echoed: 0 }
    });
    // One after the other, so that the numbers agree.
    let peers: Vec<_> = (0..PEERS).map(|_| served.peer()).collect();
    let talks: Vec<_> = peers
        .into_iter()
        .map(|mut peer| {
            std::thread::spawn(move || {
                let sent = pattern(200_000);
                let sending = peer.send_aside(sent.clone(), true);
                let (got, over) = peer.read_until_over();
                let _ = sending.join().unwrap();
                over.is_none() && got == sent
            })
        })
        .collect();
    let whole: Vec<_> = talks.into_iter().map(|talk| talk.join().unwrap()).collect();
    let expected: Vec<_> = (0..PEERS).map(|number| number % 10 != 0).collect();
    assert_eq!(whole, expected);
}

#[test]
fn a_failure_in_one_connection_loses_nothing_that_another_wrote_in_the_same_turn() {
    let (plan, watch) = Plan::passive();
    let mut by_hand = ByHand::new(ConnConfig::default(), move || plan.probe());
    let mut peers: Vec<_> = (0..3).map(|_| crate::peer::Peer::connect(&by_hand.address)).collect();
    by_hand.turn_until(|event_loop| event_loop.stats().accepted == 3);
    let seen = watch.so_far();
    let handles: Vec<_> = seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Open(handle) => Some(handle.clone()),
            _ => None,
        })
        .collect();
    // All of this happens in one turn.
    handles[0].send("before").unwrap();
    command(&handles[1], |conn| {
        conn.write("lost")?;
        std::panic::panic_any(ON_PURPOSE)
    });
    handles[2].send("after").unwrap();
    by_hand.turn();
    assert_eq!(peers[0].receive(6), b"before");
    peers[1].read_until_reset();
    assert_eq!(peers[2].receive(5), b"after");
}
