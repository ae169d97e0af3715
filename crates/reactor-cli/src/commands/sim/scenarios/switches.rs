//! Frames each of which says in which codec the next one comes.

use std::time::Duration;

use net_reactor::codec::{AnyCodec, Delimited, Encoder, LengthPrefix, Lines, Netstring};
use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;

const NEXT: Tag = Tag(1);
const OVERDUE: Tag = Tag(2);
const PATIENCE: Duration = Duration::from_secs(20);
/// The most frames that are sent at once.
const BATCH_MAX: u64 = 40;

/// How a frame is cut. Both sides begin with the first.
const CODECS: [fn() -> AnyCodec; 5] = [
    || AnyCodec::new(Lines::new()),
    || AnyCodec::new(LengthPrefix::u16()),
    || AnyCodec::new(Netstring::new()),
    || AnyCodec::new(LengthPrefix::varint().counts_itself()),
    || AnyCodec::new(Delimited::new("\r\n--")),
];

/// Returns the codec that a frame names: its first digit.
fn named(frame: &[u8]) -> AnyCodec {
    let digit = frame.first().map_or(0, |digit| usize::from(digit.wrapping_sub(b'0')));
    CODECS[digit % CODECS.len()]()
}

/// Answers in the codec of the question, and reads on in the one that it names.
struct Hub;

impl FrameHandler<AnyCodec> for Hub {
    fn on_frame(&mut self, conn: &mut FrameConn<'_, AnyCodec>, frame: &[u8]) -> Flow {
        conn.send(frame)?;
        conn.set_codec(named(frame));
        Ok(())
    }
}

/// Sends frames of many codecs in one piece, and expects each back in its own.
struct Caller {
    lot: Lot,
    answered: Counter,
    /// Frames whose answers are to come, the next one last.
    awaited: Vec<Vec<u8>>,
    /// The number of the codec that comes next.
    codec: usize,
    number: u64,
}

impl Caller {
    fn new(lot: &Lot, answered: &Counter) -> Self {
        let (lot, answered) = (lot.clone(), answered.clone());
        Self { lot, answered, awaited: Vec::new(), codec: 0, number: 0 }
    }

    fn call(&mut self, conn: &mut FrameConn<'_, AnyCodec>) -> Flow {
        let mut wire = Vec::new();
        for _ in 0..1 + self.lot.below(BATCH_MAX) {
            let next = usize::try_from(self.lot.below(CODECS.len() as u64)).unwrap_or(0);
            let padding = "=".repeat(usize::try_from(self.lot.size(2_000)).unwrap_or(1));
            let frame = format!("{next} {} {padding}", self.number);
            wire.extend(CODECS[self.codec]().to_bytes(&frame)?);
            self.awaited.push(frame.into_bytes());
            self.codec = next;
            self.number += 1;
        }
        self.awaited.reverse();
        conn.set_timer(OVERDUE, PATIENCE);
        Ok(conn.write(wire)?)
    }
}

impl FrameHandler<AnyCodec> for Caller {
    fn on_open(&mut self, conn: &mut FrameConn<'_, AnyCodec>) -> Flow {
        self.call(conn)
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, AnyCodec>, frame: &[u8]) -> Flow {
        let awaited = self.awaited.pop();
        assert_eq!(awaited.as_deref(), Some(frame), "another frame was awaited");
        conn.set_codec(named(frame));
        if self.awaited.is_empty() {
            self.answered.add(1);
            conn.cancel_timer(OVERDUE);
            conn.set_timer(NEXT, self.lot.time(Duration::from_secs(3)));
        }
        Ok(())
    }

    fn on_malformed(
        &mut self,
        _conn: &mut FrameConn<'_, AnyCodec>,
        error: &net_reactor::codec::DecodeError,
    ) -> Flow {
        panic!("what the hub sends is framed: {error}")
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, AnyCodec>, tag: Tag) -> Flow {
        if tag == OVERDUE {
            conn.abort();
            return Ok(());
        }
        self.call(conn)
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let answers = counters(sim.pick("clients", 1..=5));
    let lot = Lot::new(sim);
    sim.host("hub", |boot| {
        let server = Server::new(|_: &Peer| Framed::new(CODECS[0](), Hub));
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    for (number, answered) in answers.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let (draws, answered) = (lot.clone(), answered.clone());
            let make = move || Framed::new(CODECS[0](), Caller::new(&draws, &answered));
            Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(120), "every frame comes back in its codec");
}
