//! Everything at random, from a seed: the order of callbacks holds whatever happens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use net_reactor::{Conn, ConnId, Failure, Flow, Tag};

use crate::peer::Peer;
use crate::probe::{Plan, Seen, Step, Watch};
use crate::support::{ByHand, Chance, KIB, ON_PURPOSE, brief, pattern};

const PEERS: usize = 12;

/// Does one thing to a connection; returns whether that must be its end.
fn act(chance: &mut Chance, conn: &mut Conn<'_>, others: &[ConnId]) -> (Flow, bool) {
    let other = others.get(chance.below(others.len().max(1))).copied();
    match chance.below(26) {
        0..=3 => (conn.write(pattern(chance.below(2 * KIB))).map_err(Failure::from), false),
        4 => (conn.write(pattern(chance.below(400 * KIB))).map_err(Failure::from), false),
        5 => (
            conn.write_shared(pattern(chance.below(90 * KIB)).into()).map_err(Failure::from),
            false,
        ),
        6 => (conn.shutdown_write().map_err(Failure::from), false),
        7 | 8 => {
            conn.pause();
            (Ok(()), false)
        }
        9..=12 => {
            conn.resume();
            (Ok(()), false)
        }
        13 => {
            let delay = Duration::from_millis(chance.below(3) as u64);
            conn.set_timer(Tag(u32::try_from(chance.below(3)).unwrap()), delay);
            (Ok(()), false)
        }
        14 => {
            let own = conn.id();
            (conn.reactor().message(own, ()).map_err(Failure::from), false)
        }
        15 => {
            conn.close();
            (Ok(()), true)
        }
        16 => {
            conn.abort();
            (Ok(()), true)
        }
        17 => (Err(Failure::msg(ON_PURPOSE)), true),
        18 => std::panic::panic_any(ON_PURPOSE),
        19 => {
            if let Some(other) = other {
                conn.reactor().close(other);
            }
            (Ok(()), false)
        }
        20 => {
            if let Some(other) = other {
                // Gone, perhaps.
                let _ = conn.reactor().write(other, pattern(chance.below(70 * KIB)));
            }
            (Ok(()), false)
        }
        21 => {
            if let Some(other) = other
                && let Some(mut other) = conn.reactor().conn(other)
            {
                other.resume();
            }
            (Ok(()), false)
        }
        _ => (Ok(()), false),
    }
}

fn plan(seed: u64, number: usize, others: &Arc<Mutex<Vec<ConnId>>>) -> (Plan, Watch) {
    let chance = Mutex::new((Chance(seed << 8 | number as u64), false));
    let others = Arc::clone(others);
    let (plan, watch) = Plan::new(move |conn, step| {
        let mut others = others.lock().unwrap();
        let Ok(mut state) = chance.lock() else {
            assert_eq!(step, Step::Close, "a callback after a panic");
            return Ok(());
        };
        let (chance, over) = &mut *state;
        match step {
            Step::Open => others.push(conn.id()),
            Step::Close => return Ok(()),
            _ => assert!(!*over, "{step:?} after the end"),
        }
        let known = others.clone();
        drop(others);
        let (flow, ends) = act(chance, conn, &known);
        *over |= ends || flow.is_err();
        flow
    });
    (if number.is_multiple_of(2) { plan.keep_open() } else { plan }, watch)
}

/// Lets a peer do one thing; returns it if it is still there.
fn stir(chance: &mut Chance, mut peer: Peer) -> Option<Peer> {
    match chance.below(24) {
        0 => peer.reset(),
        1 => drop(peer),
        2 => {
            let _ = peer.stream.shutdown(std::net::Shutdown::Write);
            return Some(peer);
        }
        3..=10 => {
            peer.try_send(&pattern(1 + chance.below(100 * KIB)));
            return Some(peer);
        }
        11..=20 => {
            peer.try_receive();
            return Some(peer);
        }
        _ => return Some(peer),
    }
    None
}

#[test]
fn whatever_happens_each_connection_opens_first_and_closes_once_and_last() {
    for seed in 0..40 {
        let mut chance = Chance(seed);
        let others = Arc::new(Mutex::new(Vec::new()));
        let (plans, watches): (Vec<_>, Vec<_>) =
            (0..PEERS).map(|number| plan(seed, number, &others)).unzip();
        let mut plans = plans.into_iter();
        let config = brief()
            .send_buffer(32 * KIB)
            .marks(8 * KIB, 32 * KIB)
            .output_max(600 * KIB)
            .linger(Duration::from_millis(100))
            .drain(Duration::from_millis(20));
        let mut by_hand = ByHand::new(config, move || plans.next().unwrap().probe());
        let mut peers: Vec<_> =
            (0..PEERS).map(|_| Some(Peer::connect_small(&by_hand.address))).collect();
        for _ in 0..300 {
            let which = chance.below(PEERS);
            peers[which] = peers[which].take().and_then(|peer| stir(&mut chance, peer));
            if chance.below(3) == 0 {
                by_hand.event_loop.turn(Some(Duration::ZERO)).unwrap();
            }
        }
        by_hand.turn_until(|event_loop| event_loop.stats().accepted == PEERS as u64);
        by_hand.turn();
        // A paused connection notices no FIN: what is left is reset.
        peers.into_iter().flatten().for_each(Peer::reset);
        for id in others.lock().unwrap().clone() {
            by_hand.event_loop.reactor().close(id);
        }
        by_hand.turn_until_empty();
        by_hand.assert_quiet();
        let stats = by_hand.event_loop.stats();
        assert_eq!((stats.closed, stats.timers), (PEERS as u64, 0), "seed {seed}: {stats:?}");
        for watch in watches {
            check(seed, &watch.so_far());
        }
    }
}

/// Checks one connection's order of callbacks.
fn check(seed: u64, story: &[Seen]) {
    let [Seen::Open(_), between @ .., Seen::Close(_), Seen::Dropped] = story else {
        panic!("seed {seed}: {story:?}")
    };
    let mut ended = false;
    let mut pressured = false;
    for seen in between {
        match seen {
            Seen::Open(_) | Seen::Close(_) | Seen::Dropped => panic!("seed {seed}: {story:?}"),
            Seen::Data(_) => assert!(!ended, "seed {seed}: data after the end"),
            Seen::Eof => assert!(!std::mem::replace(&mut ended, true), "seed {seed}: two ends"),
            Seen::Pressure(pressure) => {
                let high = *pressure == net_reactor::Pressure::High;
                assert_ne!(pressured, high, "seed {seed}: {pressure:?} twice");
                pressured = high;
            }
            Seen::Timer | Seen::Message | Seen::Stop => {}
        }
    }
}
