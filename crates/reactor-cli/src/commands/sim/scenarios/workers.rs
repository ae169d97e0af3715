//! Requests that come in heaps, and a server that reads on only when one is done.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Frame;

const WORK: Tag = Tag(1);
const IDLE: Tag = Tag(2);
const OVERDUE: Tag = Tag(3);
const SEND: Tag = Tag(4);

/// Serves one request at a time, and does not read while it does.
struct Worker {
    lot: Lot,
    work: Option<Frame>,
    /// Bytes of requests that were taken, and those that `on_data` has been shown.
    taken: usize,
    shown: usize,
}

impl Worker {
    fn finish(&mut self, conn: &mut Conn<'_>) -> Flow {
        if let Some(frame) = self.work.take() {
            conn.write(frame.encode())?;
            conn.resume();
        }
        Ok(())
    }
}

impl Protocol for Worker {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(IDLE, Duration::from_secs(60));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        assert!(!conn.is_paused() && self.work.is_none(), "input came in spite of a pause");
        self.shown = self.shown.max(self.taken + input.len());
        let before = input.len();
        self.work = Frame::take(input);
        self.taken += before - input.len();
        if self.work.is_some() {
            conn.pause();
            conn.set_timer(WORK, self.lot.time(Duration::from_millis(20)));
        }
        conn.set_timer(IDLE, Duration::from_secs(60));
        Ok(())
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        assert!(!conn.is_paused() && self.work.is_none(), "the end came in spite of a pause");
        assert!(self.taken + input.len() <= self.shown, "the end overtook input");
        assert!(Frame::take(input).is_none(), "the end overtook a request");
        Ok(Eof::Close)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag != WORK {
            conn.abort();
            return Ok(());
        }
        // Work ends in a timer, or elsewhere: then a message says so.
        if self.lot.below(2) == 0 && conn.handle().message(()).is_ok() {
            return Ok(());
        }
        self.finish(conn)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, _message: Message) -> Flow {
        self.finish(conn)
    }
}

/// How a customer sends its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// All at once.
    Heap,
    /// All at once, and then a FIN.
    HeapAndEnd,
    /// One after the other, without waiting for answers.
    Drops,
}

/// Sends requests and awaits the answer to each.
struct Customer {
    number: u32,
    lot: Lot,
    manner: Manner,
    requests: u64,
    sent: u64,
    answered: u64,
    calm: Counter,
    done: Counter,
    began_in_calm: bool,
}

impl Customer {
    fn send(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.sent += 1;
        let body_bytes = u32::try_from(self.lot.size(3_000)).unwrap_or(1);
        Ok(conn.write(Frame { sender: self.number, number: self.sent, body_bytes }.encode())?)
    }
}

impl Protocol for Customer {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.began_in_calm = self.calm.get() > 0;
        conn.set_timer(OVERDUE, Duration::from_secs(10));
        if self.manner == Manner::Drops {
            conn.set_timer(SEND, Duration::from_millis(1));
            return Ok(());
        }
        while self.sent < self.requests {
            self.send(conn)?;
        }
        if self.manner == Manner::HeapAndEnd {
            conn.shutdown_write()?;
        }
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            self.answered += 1;
            assert_eq!((frame.sender, frame.number), (self.number, self.answered));
        }
        if self.answered == self.requests {
            self.done.add(1);
            conn.close();
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == SEND {
            if self.sent < self.requests {
                conn.set_timer(SEND, self.lot.time(Duration::from_millis(20)));
                return self.send(conn);
            }
            return Ok(());
        }
        assert!(!self.began_in_calm, "a calm world owes {:?} an answer", self.manner);
        conn.abort();
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let requests = sim.pick("requests", 2..=12);
    let done = counters(sim.pick("customers", 1..=4));
    let (lot, calm) = (Lot::new(sim), Counter::default());
    let draws = lot.clone();
    sim.host("hub", move |boot| {
        let lot = draws.clone();
        let make = move |_: &Peer| Worker { lot: lot.clone(), work: None, taken: 0, shown: 0 };
        boot.serve(Server::new(make), "0.0.0.0:9000").map(drop)
    });
    for (number, done) in (0..).zip(done.iter().cloned()) {
        let (lot, calm) = (lot.clone(), calm.clone());
        sim.host(format!("customer-{number}"), move |boot| {
            let (draws, done, calm) = (lot.clone(), done.clone(), calm.clone());
            let make = move || Customer {
                number,
                lot: draws.clone(),
                manner: match draws.below(3) {
                    0 => Manner::Heap,
                    1 => Manner::HeapAndEnd,
                    _ => Manner::Drops,
                },
                requests,
                sent: 0,
                answered: 0,
                calm: calm.clone(),
                done: done.clone(),
                began_in_calm: false,
            };
            Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    // The kernel of a killed process sends its FIN wherever the stream is.
    sim.faults(Faults::swarm().without(Fault::ProcessKill));
    sim.run_for(Duration::from_secs(20));
    sim.calm();
    calm.add(1);
    sim.run_for(Duration::from_secs(15));
    all_go_on(sim, &done, Duration::from_secs(300), "customers are served again");
}
