//! Queues at their limits: unread input, one large write, posts to a loop.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Host, Simulation};
use net_reactor::{ConnConfig, LoopConfig, PostRefused};

use super::lot::{Counter, Lot, all_go_on};
use super::redial::Dialer;

const SEND: Tag = Tag(1);
const OVERDUE: Tag = Tag(2);

/// One receive, which is what comes on top of what was left.
const RECEIVE_MAX: usize = 256 * 1024;

/// Awaits the end of a line, and answers each with more than may be queued.
struct Lines {
    input_max: usize,
    output_max: usize,
    lot: Lot,
    overflowed: Counter,
    too_slow: Counter,
}

impl Protocol for Lines {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(OVERDUE, Duration::from_secs(60));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let most = self.input_max + RECEIVE_MAX;
        assert!(input.len() <= most, "{} bytes of unread input", input.len());
        if input.line(usize::MAX)?.is_some() {
            let more = usize::try_from(self.lot.size(100_000)).unwrap_or(1);
            let written = conn.write(vec![b'.'; self.output_max + more]);
            assert!(written.is_err(), "a write that is larger than the queue was taken");
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        match reason {
            CloseReason::InputOverflow { .. } => self.overflowed.add(1),
            CloseReason::SlowConsumer { .. } => self.too_slow.add(1),
            _ => {}
        }
    }
}

/// Writes a line in pieces; some of them have no end.
struct Writer {
    ends: bool,
    piece: usize,
    lot: Lot,
}

impl Protocol for Writer {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        if self.ends {
            // Nobody may be there any more to answer.
            conn.set_timer(OVERDUE, Duration::from_secs(20));
            return Ok(conn.write("a line\n")?);
        }
        self.on_timer(conn, SEND)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == OVERDUE {
            conn.abort();
            return Ok(());
        }
        conn.set_timer(tag, self.lot.time(Duration::from_millis(50)));
        Ok(conn.write(vec![b'x'; self.piece])?)
    }
}

/// What was posted to a loop and has not run, and how often a post was refused.
#[derive(Clone, Default)]
struct Post {
    waiting: Counter,
    refused: Counter,
    ran: Counter,
}

/// Adds a host with a loop that posts in bursts to another, which takes few.
fn office(sim: &mut Simulation, lot: &Lot, post: &Post) -> Host {
    let tasks_max = sim.pick("inbox_tasks", 1..=40);
    let bytes_max = sim.pick("inbox_bytes", 1..=50_000);
    let (lot, post) = (lot.clone(), post.clone());
    sim.host("office", move |boot| {
        let config = LoopConfig::default()
            .inbox_tasks_max(usize::try_from(tasks_max).unwrap_or(1))
            .inbox_bytes_max(usize::try_from(bytes_max).unwrap_or(1));
        let inbox = boot.spawn(config, |_event_loop| Ok(()))?;
        let (lot, post) = (lot.clone(), post.clone());
        boot.reactor().call_every(Duration::from_millis(500), move |_reactor, _tick| {
            // The other loop does not turn within this call.
            let (mut tasks, mut bytes) = (0, 0);
            for _ in 0..lot.below(80) {
                let size = if lot.below(2) == 0 { 0 } else { lot.size(10_000) };
                let refused = if size == 0 {
                    let (waiting, ran) = (post.waiting.clone(), post.ran.clone());
                    let call = move |_: &mut Reactor<'_>| {
                        waiting.take_away(1);
                        ran.add(1);
                    };
                    post.waiting.add(1);
                    let refused = inbox.run_in_loop(call).err().map(|error| error.reason);
                    post.waiting.take_away(u64::from(refused.is_some()));
                    refused
                } else {
                    let body = vec![0; usize::try_from(size).unwrap_or(1)];
                    inbox.broadcast(body).err().map(|error| error.reason)
                };
                match refused {
                    None => (tasks, bytes) = (tasks + 1, bytes + size),
                    Some(reason) => {
                        assert_eq!(reason, PostRefused::Full, "the loop is not gone");
                        post.refused.add(1);
                    }
                }
            }
            assert!(tasks <= tasks_max, "{tasks} posts wait where {tasks_max} may");
            assert!(bytes <= bytes_max, "{bytes} posted bytes wait where {bytes_max} may");
        });
        Ok(())
    })
}

pub(super) fn run(sim: &mut Simulation) {
    let input_max = usize::try_from(sim.pick("input_max", 1..=60_000)).unwrap_or(1);
    let output_max = usize::try_from(sim.pick("output_max", 1..=60_000)).unwrap_or(1);
    let piece = usize::try_from(sim.pick("piece", 1_000..=60_000)).unwrap_or(1);
    let lot = Lot::new(sim);
    let (overflowed, too_slow, post) = (Counter::default(), Counter::default(), Post::default());
    let (draws, counts) = (lot.clone(), [overflowed.clone(), too_slow.clone()]);
    sim.host("hub", move |boot| {
        let config = ConnConfig::default().input_max(input_max).output_max(output_max);
        let (lot, [overflowed, too_slow]) = (draws.clone(), counts.clone());
        let server = Server::new(move |_: &Peer| Lines {
            input_max,
            output_max,
            lot: lot.clone(),
            overflowed: overflowed.clone(),
            too_slow: too_slow.clone(),
        });
        boot.serve(server.connections(config), "0.0.0.0:9000").map(drop)
    });
    for ends in [false, true] {
        let lot = lot.clone();
        sim.host(format!("writer-{ends}"), move |boot| {
            let draws = lot.clone();
            let make = move || Writer { ends, piece, lot: draws.clone() };
            let mut dialer = Dialer::new("hub:9000", &lot, make);
            dialer.pause_min = Duration::from_secs(1);
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    let office = office(sim, &lot, &post);
    // What was posted to a process that is killed is lost with it.
    sim.spare(office);
    sim.faults(Faults::swarm().without(Fault::InboxFull));
    sim.run_for(Duration::from_secs(30));
    sim.calm();
    let counters = [overflowed, too_slow, post.ran.clone()];
    all_go_on(sim, &counters, Duration::from_secs(120), "limits hold, and others are served");
    let empty = sim.run_until(Duration::from_secs(1), |_| post.waiting.get() == 0);
    sim.check(empty, "what was taken is run");
}
