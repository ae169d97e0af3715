//! Random actions in every callback, under every fault, against the order that is promised.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::rig::{Rig, secs};
use super::teller::{Log, Teller};
use crate::base::{ConnId, Rng};
use crate::net::{ConnConfig, ConnectOptions, OnHighMark};
use crate::protocol::{Conn, Eof, Failure, Flow, LoopConfig, Reactor, Tag};
use crate::sys::memory::Call;

/// What all handlers of one run share.
#[derive(Clone)]
struct Chaos {
    log: Log,
    shared: Rc<RefCell<Dice>>,
}

struct Dice {
    rng: Rng,
    /// Connections that were ever made, on either loop.
    known: Vec<ConnId>,
    /// How many more connections may be started.
    connects_left: u32,
    born: usize,
}

const TARGETS: [&str; 6] =
    ["a:7000", "b:7000", "a:7001", "10.9.9.9:80", "nowhere:80", "127.0.0.1:7000"];

impl Chaos {
    fn new(seed: u64, log: &Log) -> Self {
        let rng = Rng::new(seed);
        let dice = Dice { rng, known: Vec::new(), connects_left: 30, born: 0 };
        Self { log: log.clone(), shared: Rc::new(RefCell::new(dice)) }
    }

    fn below(&self, bound: u64) -> u64 {
        self.shared.borrow_mut().rng.below(bound)
    }

    fn len(&self, bound: u64) -> usize {
        usize::try_from(self.below(bound)).unwrap()
    }

    fn some_id(&self) -> Option<ConnId> {
        let known = self.shared.borrow().known.clone();
        (!known.is_empty()).then(|| known[self.len(known.len() as u64)])
    }

    fn delay(&self) -> Duration {
        Duration::from_micros(self.below(20_000))
    }

    /// Makes a handler that does something random whenever it is called.
    fn handler(&self) -> Teller {
        self.shared.borrow_mut().born += 1;
        let name = format!("h{}", self.shared.borrow().born);
        let new = || self.clone();
        let (opened, data, eof, timer) = (new(), new(), new(), new());
        let (pressure, message, stop, close, failed) = (new(), new(), new(), new(), new());
        Teller::new(&self.log, name)
            .on_open(move |conn| {
                opened.shared.borrow_mut().known.push(conn.id());
                opened.act(conn)
            })
            .on_data(move |conn, input| {
                input.consume(data.len(2 * input.len() as u64 + 1));
                data.act(conn)
            })
            .on_eof(move |conn, _| {
                eof.act(conn)?;
                Ok(if eof.below(2) == 0 { Eof::Close } else { Eof::KeepOpen })
            })
            .on_timer(move |conn, _| timer.act(conn))
            .on_pressure(move |conn, _| pressure.act(conn))
            .on_message(move |conn, _| message.act(conn))
            .on_stop(move |conn| {
                stop.act(conn)?;
                if stop.below(2) == 0 {
                    conn.close();
                }
                Ok(())
            })
            .on_close(move |conn| {
                assert!(conn.write("too late").is_err() && conn.shutdown_write().is_err());
                let _ignored = close.act(conn);
            })
            .on_failed(move |reactor| failed.act_on_loop(reactor))
    }

    /// Does a few random things to the connection itself, to others, and to the loop.
    fn act(&self, conn: &mut Conn<'_>) -> Flow {
        for _ in 0..self.below(3) {
            match self.below(20) {
                0..=4 => drop(conn.write(vec![1; self.len(5_000)])),
                5 => drop(conn.write_shared(vec![2; self.len(100_000)].into())),
                6 => conn.pause(),
                7 | 8 => conn.resume(),
                9 => conn.set_timer(Tag(0), self.delay()),
                10 => conn.set_timer(Tag(1), self.delay()),
                11 => drop(conn.cancel_timer(Tag(0))),
                12 => drop(conn.shutdown_write()),
                13 => conn.close(),
                14 if self.below(3) == 0 => conn.abort(),
                15 if self.below(3) == 0 => return Err(Failure::msg("enough")),
                16 if self.below(6) == 0 => panic!("chaos"),
                _ => self.act_on_loop(conn.reactor()),
            }
        }
        Ok(())
    }

    fn act_on_loop(&self, reactor: &mut Reactor<'_>) {
        let id = self.some_id();
        match (self.below(14), id) {
            (0 | 1, _) => self.connect(reactor),
            (2, Some(id)) => drop(reactor.write(id, vec![3; self.len(3_000)])),
            (3, Some(id)) => drop(reactor.message(id, ())),
            (4, Some(id)) => drop(reactor.close(id)),
            (5, Some(id)) if self.below(3) == 0 => drop(reactor.abort(id)),
            (6, Some(id)) => {
                if let Some(mut other) = reactor.conn(id) {
                    other.pause();
                    other.set_timer(Tag(2), self.delay());
                }
            }
            (7, Some(id)) => {
                if let Some(mut other) = reactor.conn(id) {
                    other.resume();
                }
            }
            (8, _) => drop(reactor.broadcast(vec![4; self.len(2_000)])),
            (9, _) => {
                let later = self.clone();
                reactor.call_later(self.delay(), move |reactor| later.act_on_loop(reactor));
            }
            (10, _) => {
                let later = self.clone();
                reactor.defer(move |reactor| later.act_on_loop(reactor));
            }
            (11, Some(id)) => drop(reactor.conn_handle(id).message(())),
            (12, Some(id)) => drop(reactor.conn_handle(id).send("posted")),
            (13, _) if self.below(40) == 0 => reactor.stop(),
            _ => {}
        }
    }

    fn connect(&self, reactor: &mut Reactor<'_>) {
        if self.shared.borrow().connects_left == 0 {
            return;
        }
        self.shared.borrow_mut().connects_left -= 1;
        let target = TARGETS[self.len(TARGETS.len() as u64)];
        let handler = self.handler();
        let options = ConnectOptions::default().config(self.config());
        let id = reactor.connect_with(target, options, handler).unwrap();
        self.shared.borrow_mut().known.push(id);
    }

    fn config(&self) -> ConnConfig {
        let config = match self.below(3) {
            0 => ConnConfig::default().marks(100, 1_000).on_high_mark(OnHighMark::Tell),
            1 => ConnConfig::default().marks(1_000, 1_000).output_max(50_000),
            _ => ConnConfig::default().input_max(20_000),
        };
        if self.below(2) == 0 { config } else { config.linger(secs(1)).drain(secs(2)) }
    }
}

/// Errors that the kernel may give at any time.
const FAULTS: [(Call, i32); 10] = [
    (Call::Receive, 104),
    (Call::Receive, 11),
    (Call::Send, 32),
    (Call::Send, 11),
    (Call::ShutdownWrite, 107),
    (Call::SetOption, 22),
    (Call::Register, 12),
    (Call::Accept, 24),
    (Call::Connect, 101),
    (Call::Connected, 111),
];

fn storm(seed: u64) {
    let mut rig = Rig::seeded(seed);
    rig.add("a", LoopConfig::default());
    rig.add("b", LoopConfig::default());
    let chaos = Chaos::new(seed, &rig.log);
    if seed.is_multiple_of(2) {
        rig.world.spurious(30);
    }
    if seed.is_multiple_of(3) {
        rig.world.chop(500);
    }
    rig.world.latency(Duration::from_micros(100 * (seed % 7)));
    rig.world.capacity([500, 5_000, 100_000][usize::try_from(seed % 3).unwrap()]);
    for index in [0, 1] {
        let factory = chaos.clone();
        rig.listen(index, chaos.config(), move || {
            (factory.below(20) != 0).then(|| factory.handler())
        });
        if seed.is_multiple_of(5) {
            rig.host(index).set_descriptor_limit(6);
        }
    }
    for round in 0..10 {
        for index in [0, 1] {
            chaos.connect(&mut rig.reactor(index));
            if seed % 4 == 1 {
                let (call, errno) = FAULTS[chaos.len(FAULTS.len() as u64)];
                rig.host(index).fail_next(call, errno);
            }
        }
        rig.advance(Duration::from_millis(3 + round));
    }
    // Whoever is left is told to go, then made to.
    for index in [0, 1] {
        rig.reactor(index).stop();
    }
    rig.advance(secs(200));
    for index in [0, 1] {
        rig.reactor(index).stop_now();
    }
    rig.advance(secs(200));
    rig.assert_clean(&seed);
    let lines = rig.log.take();
    let ends = lines.iter().filter(|line| line.contains("closed:")).count();
    let failures = lines.iter().filter(|line| line.contains("failed:")).count();
    let opens = lines.iter().filter(|line| line.ends_with(" open")).count();
    assert_eq!(opens, ends, "seed {seed}: each opened connection ends once");
    let stats = [rig.stats(0), rig.stats(1)];
    let opened: u64 = stats.iter().map(|stats| stats.connected + stats.accepted).sum();
    assert!(opened >= opens as u64 && failures + opens <= chaos.shared.borrow().born);
    for index in [0, 1] {
        assert!(rig.host(index).open_descriptors() <= 2, "seed {seed}: descriptors are left");
    }
}

#[test]
fn whatever_callbacks_do_each_connection_is_opened_first_and_closed_last_once() {
    // A handler's panic is part of the storm; its message would drown the test's own.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"chaos") {
            hook(info);
        }
    }));
    for seed in 0..400 {
        storm(seed);
    }
}
