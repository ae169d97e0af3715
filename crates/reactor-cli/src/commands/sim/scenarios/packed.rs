//! Packed frames, which refer to those before them, and now and then a bomb.

use std::collections::VecDeque;
use std::time::Duration;

use net_reactor::codec::{Compressed, Compression, DecodeError, LengthPrefix, Unpacked};
use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;

const SPEAK: Tag = Tag(1);
const OVERDUE: Tag = Tag(2);

const FRAME_BYTES_MAX: usize = 4_000;
/// What a bomber says before it throws.
const WARNING: &[u8] = b"a bomb follows";

type Packed = Compressed<LengthPrefix>;

/// A small window: a large one is memory that each connection begins with clearing.
fn codec() -> Packed {
    let settings = Compression::zlib().window_bits(10);
    Compressed::new(LengthPrefix::u32(), settings).max(FRAME_BYTES_MAX)
}

/// Sends each frame back.
#[derive(Default)]
struct Echo {
    is_warned: bool,
}

impl FrameHandler<Packed> for Echo {
    fn on_open(&mut self, conn: &mut FrameConn<'_, Packed>) -> Flow {
        conn.set_timer(OVERDUE, Duration::from_secs(60));
        Ok(())
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, Packed>, frame: Unpacked<'_>) -> Flow {
        conn.set_timer(OVERDUE, Duration::from_secs(60));
        self.is_warned |= *frame == *WARNING;
        assert!(frame.len() <= FRAME_BYTES_MAX, "a frame over the limit was delivered");
        Ok(conn.send(&frame)?)
    }

    fn on_malformed(&mut self, _conn: &mut FrameConn<'_, Packed>, error: &DecodeError) -> Flow {
        assert!(self.is_warned, "an honest client's frame is no frame: {error}");
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, Packed>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

/// Sends frames that resemble each other, and compares what comes back.
struct Speaker {
    lot: Lot,
    awaited: VecDeque<Vec<u8>>,
    answered: Counter,
}

impl Speaker {
    fn make(&self) -> Vec<u8> {
        let size = usize::try_from(self.lot.size(FRAME_BYTES_MAX as u64)).unwrap_or(1);
        let noise = self.lot.below(4) == 0;
        let mut frame = Vec::with_capacity(size + 40);
        while frame.len() < size {
            let number = self.lot.below(if noise { u64::MAX } else { 9 });
            frame.extend_from_slice(format!("reading {number:x}; ").as_bytes());
        }
        frame.truncate(size);
        frame
    }
}

impl FrameHandler<Packed> for Speaker {
    fn on_open(&mut self, conn: &mut FrameConn<'_, Packed>) -> Flow {
        conn.set_timer(SPEAK, Duration::from_millis(1));
        conn.set_timer(OVERDUE, Duration::from_secs(30));
        Ok(())
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, Packed>, frame: Unpacked<'_>) -> Flow {
        let awaited = self.awaited.pop_front();
        assert_eq!(awaited.as_deref(), Some(&*frame), "a frame came that was not sent");
        self.answered.add(1);
        conn.set_timer(OVERDUE, Duration::from_secs(30));
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, Packed>, tag: Tag) -> Flow {
        if tag == OVERDUE {
            conn.abort();
            return Ok(());
        }
        for _ in 0..self.lot.size(4) {
            let frame = self.make();
            conn.send(&frame)?;
            self.awaited.push_back(frame);
        }
        conn.set_timer(SPEAK, self.lot.time(Duration::from_secs(2)));
        Ok(())
    }
}

/// Sends what unpacks to more than it should.
struct Bomber {
    lot: Lot,
    ended: Counter,
}

impl FrameHandler<Packed> for Bomber {
    fn on_open(&mut self, conn: &mut FrameConn<'_, Packed>) -> Flow {
        // Nothing else tells of a hub without power.
        conn.set_timer(OVERDUE, Duration::from_secs(30));
        conn.send(WARNING)?;
        let size = FRAME_BYTES_MAX + usize::try_from(self.lot.size(100_000)).unwrap_or(1);
        conn.send(&vec![0; size])?;
        Ok(())
    }

    fn on_frame(&mut self, _conn: &mut FrameConn<'_, Packed>, frame: Unpacked<'_>) -> Flow {
        assert_eq!(&*frame, WARNING, "a bomb was sent back");
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, Packed>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, Packed>, reason: CloseReason) {
        self.ended.add(u64::from(!matches!(reason, CloseReason::Aborted)));
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let answered = counters(sim.pick("clients", 1..=3));
    let ended = Counter::default();
    let lot = Lot::new(sim);
    sim.host("hub", move |boot| {
        let server = Server::new(|_: &Peer| Framed::new(codec(), Echo::default()));
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    for (number, answered) in answered.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let (draws, answered) = (lot.clone(), answered.clone());
            let make = move || {
                let (lot, answered) = (draws.clone(), answered.clone());
                Framed::new(codec(), Speaker { lot, awaited: VecDeque::new(), answered })
            };
            Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    let bombers = ended.clone();
    sim.host("bomber", move |boot| {
        let (draws, ended) = (lot.clone(), bombers.clone());
        let make = move || {
            let bomber = Bomber { lot: draws.clone(), ended: ended.clone() };
            Framed::new(codec().max(usize::MAX), bomber)
        };
        let pause_min = Duration::from_secs(2);
        Dialer { pause_min, ..Dialer::new("hub:9000", &lot, make) }.keep(&mut boot.reactor());
        Ok(())
    });
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &answered, Duration::from_secs(300), "every frame comes back");
    all_go_on(sim, &[ended], Duration::from_secs(300), "a bomb ends its connection");
}
