//! A kernel on its worst behaviour: what was sent arrives, once and whole.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::rig::{Rig, ms, secs};
use super::teller::Log;
use crate::base::{Input, Rng};
use crate::net::{CloseReason, ConnConfig, ConnectError, ConnectOptions, OnHighMark};
use crate::protocol::{Conn, Eof, Failure, Flow, LoopConfig, Protocol, Reactor, Tag};

fn number(rng: &mut Rng, below: u64) -> usize {
    usize::try_from(rng.below(below)).unwrap()
}

/// Sends back what it gets, also after the peer has finished.
struct Echo {
    rng: Rng,
    log: Log,
}

impl Protocol for Echo {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        // Takes a part now and then, and leaves the rest for the next time.
        let count = if self.rng.below(2) == 0 { input.len() } else { number(&mut self.rng, 2_000) };
        let count = count.min(input.len());
        conn.write(input.take(count).unwrap_or_default())?;
        match self.rng.below(8) {
            0 => {
                conn.pause();
                let id = conn.id();
                conn.reactor().call_later(ms(3), move |reactor| {
                    if let Some(mut conn) = reactor.conn(id) {
                        conn.resume();
                    }
                });
            }
            1 => conn.resume(),
            _ => {}
        }
        Ok(())
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        conn.write(input.take_all())?;
        Ok(Eof::Close)
    }

    fn on_close(&mut self, _: &mut Conn<'_>, reason: CloseReason) {
        self.log.note(format!("server {reason}"));
    }
}

/// Sends random bytes in random pieces at random times, then finishes, and compares the echo.
struct Sender {
    rng: Rng,
    log: Log,
    unsent: Vec<Vec<u8>>,
    expected: Vec<u8>,
    received: Vec<u8>,
}

impl Sender {
    fn new(seed: u64, log: &Log) -> Self {
        let mut rng = Rng::new(seed);
        let pieces = rng.below(12);
        let mut piece = || {
            let size = [10, 1_000, 20_000][number(&mut rng, 3)];
            let len = number(&mut rng, size);
            (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect()
        };
        let unsent: Vec<Vec<u8>> = (0..pieces).map(|_| piece()).collect();
        let expected = unsent.iter().rev().flatten().copied().collect();
        Self { rng, log: log.clone(), unsent, expected, received: Vec::new() }
    }

    fn go_on(&mut self, conn: &mut Conn<'_>) -> Flow {
        for _ in 0..=self.rng.below(3) {
            let Some(piece) = self.unsent.pop() else { return Ok(conn.shutdown_write()?) };
            if self.rng.below(2) == 0 {
                conn.write(&piece)?;
            } else {
                conn.write_shared(piece.into())?;
            }
        }
        conn.set_timer(Tag(1), Duration::from_micros(self.rng.below(5_000)));
        Ok(())
    }
}

/// Who sends without waiting for the answers must go on reading, or both sides wait for ever.
fn sender_options() -> ConnectOptions {
    let config = ConnConfig::default().on_high_mark(OnHighMark::Tell);
    ConnectOptions::default().config(config)
}

impl Protocol for Sender {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.go_on(conn)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _: Tag) -> Flow {
        self.go_on(conn)
    }

    fn on_data(&mut self, _: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.received.extend_from_slice(input.take_all());
        Ok(())
    }

    fn on_close(&mut self, _: &mut Conn<'_>, reason: CloseReason) {
        assert_eq!(self.received.len(), self.expected.len());
        assert!(self.received == self.expected, "the bytes differ");
        self.log.note(format!("client {reason}"));
    }

    fn on_connect_failed(&mut self, _: &mut Reactor<'_>, error: ConnectError) {
        self.log.fault(error.to_string());
    }
}

/// A world with seeded faults, with a loop that echoes and one that does not yet do anything.
fn bad_world(seed: u64, rng: &mut Rng) -> Rig {
    let mut rig = Rig::seeded(seed);
    rig.add("a", LoopConfig::default());
    rig.add("b", LoopConfig::default());
    if rng.below(2) == 0 {
        rig.world.spurious(50);
    }
    if rng.below(4) != 0 {
        rig.world.chop([20, 200, 2_000, 30_000][number(rng, 4)]);
    }
    if rng.below(2) == 0 {
        rig.world.latency(Duration::from_micros(rng.below(20_000)));
    }
    if rng.below(2) == 0 {
        rig.world.capacity([1_000, 5_000, 200_000][number(rng, 3)]);
    }
    let (inner, log) = (RefCell::new(rng.clone()), rig.log.clone());
    let config = match rng.below(3) {
        0 => ConnConfig::default().marks(100, 1_000),
        1 => ConnConfig::default().marks(0, 0),
        _ => ConnConfig::default(),
    };
    rig.listen(0, config, move || Echo {
        rng: Rng::new(inner.borrow_mut().next_u64()),
        log: log.clone(),
    });
    rig
}

#[test]
fn an_echo_with_half_closes_arrives_whole_under_any_behaviour_of_the_kernel() {
    for seed in 0..150 {
        let mut rng = Rng::new(seed);
        let mut rig = bad_world(seed, &mut rng);
        let clients = 1 + number(&mut rng, 4);
        for _ in 0..clients {
            let sender = Sender::new(rng.next_u64(), &rig.log);
            rig.connect_with(1, "a:7000", sender_options(), sender);
        }
        rig.advance(secs(3_600));
        let mut lines = rig.log.take();
        lines.sort();
        let mut expected = vec!["client closed by the peer"; clients];
        expected.extend(vec!["server closed by the peer"; clients]);
        assert_eq!(lines, expected, "seed {seed}");
        rig.assert_clean(&seed);
        let (server, client) = (rig.stats(0), rig.stats(1));
        assert_eq!((server.bytes_in, server.bytes_out), (client.bytes_out, client.bytes_in));
        // The reserve of each loop, and the listener.
        let open = (rig.host(0).open_descriptors(), rig.host(1).open_descriptors());
        assert_eq!(open, (2, 1), "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut rng = Rng::new(seed);
        let mut rig = bad_world(seed, &mut rng);
        let sender = Sender::new(rng.next_u64(), &rig.log);
        rig.connect_with(1, "a:7000", sender_options(), sender);
        rig.advance(secs(3_600));
        (rig.log.take(), rig.stats(0), rig.stats(1))
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

/// Writes everything at once and closes; the other side must get all of it.
struct Farewell {
    bytes: usize,
}

impl Protocol for Farewell {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write(vec![5; self.bytes])?;
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _: &mut Conn<'_>, _: &mut Input<'_>) -> Flow {
        unreachable!("the close has begun");
    }
}

struct Collect {
    sent: usize,
    got: Rc<RefCell<Vec<usize>>>,
    count: usize,
}

impl Protocol for Collect {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        // Never read by the other side.
        conn.write(vec![6; self.sent])?;
        Ok(())
    }

    fn on_data(&mut self, _: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.count += input.take_all().len();
        Ok(())
    }

    fn on_close(&mut self, _: &mut Conn<'_>, _: CloseReason) {
        self.got.borrow_mut().push(self.count);
    }
}

#[test]
fn a_close_with_unread_input_delivers_everything_that_was_queued() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let mut rig = bad_world(seed, &mut rng);
        let bytes = number(&mut rng, 100_000);
        let got: Rc<RefCell<Vec<usize>>> = Rc::default();
        rig.listen_on_port(1, 7002, move || Farewell { bytes });
        let collect = Collect { sent: number(&mut rng, 50_000), got: Rc::clone(&got), count: 0 };
        rig.connect(0, "b:7002", collect);
        rig.advance(secs(3_600));
        assert_eq!(*got.borrow(), [bytes], "seed {seed}");
        rig.assert_clean(&seed);
    }
}
