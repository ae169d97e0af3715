//! Output that the peer does not read: marks, pauses, limits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::rig::{Rig, ms, secs};
use super::teller::{Log, Teller};
use crate::base::{ConnId, Input, Rng};
use crate::codec::Lines;
use crate::net::{CloseReason, Closed, ConnConfig, ConnectOptions, OnHighMark, Pressure};
use crate::protocol::{Conn, Flow, Framed, LoopConfig, Protocol};

fn marks(log: &Log) -> Vec<String> {
    let is_mark = |line: &String| line.contains("High") || line.contains("Low");
    log.take().into_iter().filter(is_mark).collect()
}

#[test]
fn high_and_low_alternate_however_the_peer_reads() {
    for seed in 0..40 {
        let mut rig = Rig::seeded(seed);
        rig.add("a", LoopConfig::default());
        rig.world.capacity(1_000);
        rig.world.chop(500);
        let log = rig.log.clone();
        let config = ConnConfig::default().marks(2_000, 5_000);
        rig.listen(0, config, move || Teller::new(&log, "conn"));
        let bare = rig.bare("b");
        let mut peer = bare.connect("10.0.0.1:7000");
        rig.settle();
        let id = rig.reactor(0).accepted()[0];
        let mut rng = Rng::new(seed);
        let (mut written, mut received) = (0, 0);
        for _ in 0..200 {
            if rng.below(2) == 0 {
                let bytes = vec![0; usize::try_from(rng.below(3_000)).unwrap()];
                rig.reactor(0).write(id, &bytes).unwrap();
                written += bytes.len();
            } else {
                for _ in 0..rng.below(20) {
                    received += peer.receive().unwrap().0.len();
                    rig.settle();
                }
            }
            rig.settle();
        }
        while received < written {
            received += peer.receive().unwrap().0.len();
            rig.settle();
        }
        let marks = marks(&rig.log);
        assert!(marks.len() >= 4 && marks.len().is_multiple_of(2), "seed {seed}: {marks:?}");
        for (at, mark) in marks.iter().enumerate() {
            let expected = if at.is_multiple_of(2) { "High" } else { "Low" };
            assert!(mark.contains(expected), "seed {seed}: {marks:?}");
        }
        rig.log.assert_faultless(&seed);
    }
}

#[test]
fn exactly_the_high_mark_is_not_above_it_and_exactly_the_low_mark_is_low() {
    let mut rig = Rig::pair();
    rig.world.capacity(100);
    let log = rig.log.clone();
    let config = ConnConfig::default().marks(100, 500);
    rig.listen(0, config, move || Teller::new(&log, "conn"));
    let bare = rig.bare("c");
    let mut peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    let id = rig.reactor(0).accepted()[0];
    // The two ends of the wire hold 200 bytes.
    rig.reactor(0).write(id, [0; 400]).unwrap();
    rig.settle();
    let queued = rig.reactor(0).conn(id).unwrap().stats().queued_bytes;
    rig.log.take();
    rig.reactor(0).write(id, vec![0; 500 - queued]).unwrap();
    rig.settle();
    assert!(marks(&rig.log).is_empty());
    rig.reactor(0).write(id, [0; 1]).unwrap();
    rig.settle();
    assert_eq!(marks(&rig.log), ["0ns conn High"]);
    while rig.reactor(0).conn(id).unwrap().stats().queued_bytes > 101 {
        assert!(marks(&rig.log).is_empty());
        assert!(!peer.receive().unwrap().0.is_empty());
        rig.settle();
    }
    peer.receive().unwrap();
    rig.settle();
    assert_eq!(marks(&rig.log), ["0ns conn Low"]);
}

#[test]
fn an_echo_server_stops_reading_from_a_peer_that_does_not_read() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    let config = ConnConfig::default().marks(1_000, 10_000);
    rig.listen(0, config, move || {
        Teller::new(&log, "conn").on_data(|conn, input| Ok(conn.write(input.take_all())?))
    });
    let bare = rig.bare("c");
    let mut peer = bare.connect("10.0.0.1:7000");
    let mut sent = 0;
    loop {
        match peer.send(&[0; 10_000]) {
            Ok(count) => sent += count,
            Err(error) => break assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        rig.settle();
        assert!(sent < 1_000_000, "it reads on");
    }
    let mut received = 0;
    while received < sent {
        received += peer.receive().unwrap().0.len();
        rig.settle();
    }
    let marks = marks(&rig.log);
    assert!(marks.len().is_multiple_of(2) && !marks.is_empty(), "{marks:?}");
}

#[test]
fn a_peer_that_never_reads_costs_no_more_than_the_limit() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default().output_max(100_000), move || Teller::new(&log, "conn"));
    let bare = rig.bare("c");
    let peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    let id = rig.reactor(0).accepted()[0];
    rig.reactor(0).write(id, vec![0; 64 * 1024]).unwrap();
    rig.settle();
    rig.reactor(0).write(id, vec![0; 100_000]).unwrap();
    assert!(rig.reactor(0).write(id, [0]).is_err());
    assert!(rig.reactor(0).write(id, [0]).is_err());
    rig.settle();
    let told = "0ns conn closed: the peer reads too slowly: 100001 bytes queued of 100000";
    assert_eq!(rig.log.take().last().unwrap(), told);
    peer.close();
    rig.assert_clean(&"slow");
}

/// One side of a relay: what comes in here goes out there.
struct Relay {
    other: Rc<Cell<Option<ConnId>>>,
    log: Log,
}

impl Protocol for Relay {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let other = self.other.get().ok_or(Closed)?;
        conn.reactor().write(other, input.take_all())?;
        Ok(())
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        if let Some(mut source) = self.other.get().and_then(|id| conn.reactor().conn(id)) {
            match pressure {
                Pressure::High => source.pause(),
                Pressure::Low => source.resume(),
            }
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.log.note(format!("relay: {reason}"));
        if let Some(other) = self.other.get() {
            conn.reactor().close(other);
        }
    }
}

/// Sends `total` bytes and expects as many.
struct Talker {
    left: usize,
    expected: usize,
    stalled: Rc<RefCell<usize>>,
}

impl Talker {
    fn fill(&mut self, conn: &mut Conn<'_>) -> Flow {
        while self.left > 0 && conn.stats().queued_bytes < 100_000 {
            let part = self.left.min(50_000);
            conn.write(vec![0; part])?;
            self.left -= part;
        }
        // Told again when what is queued has fallen to the low mark.
        Ok(())
    }
}

impl Protocol for Talker {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.fill(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.expected -= input.take_all().len();
        if self.expected == 0 {
            *self.stalled.borrow_mut() -= 1;
        }
        self.fill(conn)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        if pressure == Pressure::Low { self.fill(conn) } else { Ok(()) }
    }
}

/// Two talkers with a relay between them; returns how many of them are left waiting.
fn relay(bytes: usize, reaction: OnHighMark) -> usize {
    let mut rig = Rig::new();
    for name in ["left", "middle", "right"] {
        rig.add(name, LoopConfig::default());
    }
    rig.world.latency(ms(1));
    let stalled = Rc::new(RefCell::new(2));
    let talker = move |stalled: &Rc<RefCell<usize>>| Talker {
        left: bytes,
        expected: bytes,
        stalled: Rc::clone(stalled),
    };
    let mine = ConnConfig::default().marks(10_000, 50_000).on_high_mark(OnHighMark::Tell);
    for index in [0, 2] {
        let stalled = Rc::clone(&stalled);
        rig.listen(index, mine.clone(), move || talker(&stalled));
    }
    let config = ConnConfig::default().marks(10_000, 40_000).on_high_mark(reaction);
    let (left, right): (Rc<Cell<_>>, Rc<Cell<_>>) = Default::default();
    let halves = [("left:7000", &left, &right), ("right:7000", &right, &left)];
    for (target, own, other) in halves {
        let log = rig.log.clone();
        let half = Relay { other: Rc::clone(other), log };
        let options = ConnectOptions::default().config(config.clone());
        own.set(Some(rig.connect_with(1, target, options, half)));
    }
    rig.advance(secs(100));
    assert!(rig.log.take().is_empty(), "nothing has closed");
    stalled.take()
}

#[test]
fn a_relay_that_pauses_the_source_passes_10_mb_both_ways_at_once() {
    assert_eq!(relay(10_000_000, OnHighMark::Tell), 0);
}

#[test]
fn what_the_high_mark_does_can_be_changed_above_it() {
    let mut rig = Rig::new();
    rig.add("a", LoopConfig::default());
    rig.world.capacity(1_000);
    let answered = Rc::new(Cell::new(0));
    let count = Rc::clone(&answered);
    rig.listen(0, ConnConfig::default().marks(2_000, 5_000), move || {
        let count = Rc::clone(&count);
        Framed::on_frame(Lines::new(), move |conn, _line| {
            count.set(count.get() + 1);
            Ok(conn.send(&"x".repeat(6_000))?)
        })
    });
    let mut peer = rig.bare("b").connect("10.0.0.1:7000");
    peer.send(b"1\n2\n3\n").unwrap();
    rig.settle();
    assert_eq!(answered.get(), 1, "who does not read the answer may not ask more");
    let id = rig.reactor(0).accepted()[0];
    rig.reactor(0).conn(id).unwrap().set_on_high_mark(OnHighMark::Tell);
    rig.settle();
    assert_eq!(answered.get(), 3, "what was kept back comes");
    peer.send(b"4\n").unwrap();
    rig.settle();
    assert_eq!(answered.get(), 4, "what is new too");
    rig.reactor(0).conn(id).unwrap().set_on_high_mark(OnHighMark::PauseReading);
    peer.send(b"5\n").unwrap();
    rig.settle();
    assert_eq!(answered.get(), 4);
    peer.reset();
}

#[test]
fn one_large_write_beyond_the_limit_is_refused_like_any_other() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default().output_max(100_000), move || Teller::new(&log, "conn"));
    let peer = rig.bare("c").connect("10.0.0.1:7000");
    rig.settle();
    let id = rig.reactor(0).accepted()[0];
    assert!(rig.reactor(0).write(id, vec![1; 100_001]).is_err());
    rig.settle();
    assert!(rig.reactor(0).conn(id).is_none());
    peer.reset();
}

#[test]
fn a_shared_payload_goes_behind_the_small_writes_before_it() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    let mut peer = rig.bare("c").connect("10.0.0.1:7000");
    rig.settle();
    let id = rig.reactor(0).accepted()[0];
    let mut reactor = rig.reactor(0);
    let mut conn = reactor.conn(id).unwrap();
    conn.write(b"head").unwrap();
    conn.write_shared(vec![7; 1000].into()).unwrap();
    conn.write(b"tail").unwrap();
    rig.settle();
    let expected = [&b"head"[..], &[7; 1000], b"tail"].concat();
    assert_eq!(peer.receive().unwrap().0, expected);
}
