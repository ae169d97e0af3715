//! Histories that are right, and one that is wrong for each rule.

mod bytes;
mod order;
mod real;

use std::cell::Cell;

use super::*;
use crate::base::Key;
use crate::net::{CloseReason, ConnectError};
use crate::sys::{CloseHow, Wire};

/// One loop that says what a test tells it to say.
struct Teller {
    oracles: Oracles,
    eye: Box<dyn Watch>,
}

const CONN: Key = Key { index: 3, generation: 0 };
const LIMIT: usize = 1000;

/// The ends of a connection between the first two tellers.
const HERE: Wire = Wire { own: 1, peer: 2 };
const THERE: Wire = Wire { own: 2, peer: 1 };

impl Teller {
    fn new() -> Self {
        Self::of(&Oracles::new(), 0)
    }

    fn of(oracles: &Oracles, number: usize) -> Self {
        Self { oracles: oracles.clone(), eye: oracles.eye(number, "host") }
    }

    fn call(&mut self, callback: Callback) {
        self.eye.entered(Some(CONN), callback);
        self.eye.left(None);
    }

    fn open(&mut self, wire: Option<Wire>) {
        self.eye.opened(CONN, wire);
        self.call(Callback::Open);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.eye.wrote(CONN, bytes, 0, LIMIT);
    }

    fn data(&mut self, bytes: &[u8], kept_bytes: usize) {
        self.call(Callback::Data);
        self.eye.consumed(CONN, bytes, kept_bytes, LIMIT);
    }

    fn eof(&mut self, bytes: &[u8], kept_bytes: usize) {
        self.call(Callback::Eof);
        self.eye.consumed(CONN, bytes, kept_bytes, LIMIT);
    }

    fn close(&mut self, reason: &CloseReason) {
        self.eye.closed(CONN, reason, CloseHow::Fin);
        self.call(Callback::Close);
    }

    #[track_caller]
    fn is_right(&self) {
        assert_eq!(self.oracles.violation(), None);
    }

    /// Asserts that the last thing it said was wrong, and why.
    #[track_caller]
    fn is_wrong(&self, oracle: OracleKind, part: &str) {
        let violation = self.oracles.violation().expect("a violation");
        assert_eq!(violation.oracle, oracle, "{violation}");
        assert!(violation.message.contains(part), "{violation}");
        assert!(violation.message.starts_with("host (loop "), "{violation}");
    }
}

#[test]
fn a_panic_is_a_violation_with_its_message() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.eye.entered(Some(CONN), Callback::Timer);
    teller.eye.left(Some("assertion failed: a == b"));
    teller.is_wrong(OracleKind::Panic, "assertion failed: a == b");
    assert_eq!(teller.oracles.counters().panics, 1);
}

#[test]
fn a_panic_that_is_allowed_is_none() {
    let mut teller = Teller::new();
    teller.oracles.allow_panics(true);
    teller.open(None);
    teller.eye.entered(Some(CONN), Callback::Timer);
    teller.eye.left(Some("boom"));
    teller.close(&CloseReason::HandlerPanicked { message: "boom".into() });
    teller.is_right();
}

#[test]
fn a_panic_that_was_made_is_none() {
    let mut teller = Teller::new();
    let asked = Rc::new(Cell::new(0));
    let counter = Rc::clone(&asked);
    teller.oracles.sabotage(move |callback| {
        counter.set(counter.get() + 1);
        callback == Callback::Data
    });
    teller.open(None);
    assert!(teller.eye.entered(Some(CONN), Callback::Data));
    teller.eye.left(Some("a panic of the simulation's making"));
    teller.eye.consumed(CONN, b"", 0, LIMIT);
    teller.close(&CloseReason::HandlerPanicked { message: "of the simulation's making".into() });
    teller.eye.entered(None, Callback::Function);
    teller.eye.left(None);
    teller.is_right();
    let counters = teller.oracles.counters();
    assert_eq!((counters.panics, counters.panics_made), (0, 1));
    assert_eq!(asked.get(), 2, "neither on_close nor a function may be made to panic");
}

#[test]
fn both_panics_of_an_end_are_told_and_it_ends_once() {
    let mut teller = Teller::new();
    teller.oracles.allow_panics(true);
    teller.open(None);
    teller.eye.closed(CONN, &CloseReason::Closed, CloseHow::Fin);
    teller.eye.entered(Some(CONN), Callback::Close);
    teller.eye.left(Some("on_close"));
    teller.eye.left(Some("drop"));
    teller.eye.left(None);
    teller.is_right();
    assert_eq!(teller.oracles.counters().panics, 2);
}

#[test]
fn output_over_its_limit_is_a_violation() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.eye.wrote(CONN, b"x", LIMIT, LIMIT);
    teller.is_right();
    teller.eye.wrote(CONN, b"x", LIMIT + 1, LIMIT);
    teller.is_wrong(OracleKind::Memory, "1001 bytes queued");
}

#[test]
fn too_much_input_left_must_be_the_end() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.data(b"", LIMIT + 1);
    teller.is_right();
    teller.call(Callback::Timer);
    teller.is_wrong(OracleKind::Memory, "after too much input was left");

    let mut teller = Teller::new();
    teller.open(None);
    teller.data(b"", LIMIT + 1);
    let overflow = CloseReason::InputOverflow { unconsumed_bytes: LIMIT + 1, limit_bytes: LIMIT };
    teller.close(&overflow);
    teller.is_right();
}

#[test]
fn too_much_input_at_once_is_a_violation() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.data(&vec![0; 256 * 1024], LIMIT);
    teller.is_right();
    teller.data(&vec![0; 256 * 1024], LIMIT + 1);
    teller.is_wrong(OracleKind::Memory, "at once");
}

#[test]
fn a_limit_that_was_not_reached_closes_nothing() {
    for reason in [
        CloseReason::InputOverflow { unconsumed_bytes: 5, limit_bytes: 5 },
        CloseReason::SlowConsumer { queued_bytes: 4, limit_bytes: 5 },
    ] {
        let mut teller = Teller::new();
        teller.open(None);
        teller.close(&reason);
        teller.is_wrong(OracleKind::Memory, "within its limits");
    }
}

#[test]
fn a_connection_left_open_is_a_violation_at_the_end() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.is_right();
    let found = teller.oracles.finish();
    teller.is_wrong(OracleKind::Resources, "3v0 was opened and never told its end");
    assert_eq!(found, teller.oracles.violation());
}

#[test]
fn a_loop_that_is_gone_owes_nothing() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.oracles.loop_gone(0);
    teller.call(Callback::Open);
    assert_eq!(teller.oracles.finish(), None);
}

#[test]
fn the_first_violation_is_kept() {
    let mut teller = Teller::new();
    teller.call(Callback::Data);
    let first = teller.oracles.violation();
    teller.call(Callback::Close);
    assert!(first.is_some());
    assert_eq!(teller.oracles.violation(), first);
    assert_eq!(teller.oracles.finish(), first);
}

#[test]
fn everything_is_counted() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.write(b"abc");
    teller.data(b"de", 0);
    teller.close(&CloseReason::Closed);
    let next = Key { generation: 1, ..CONN };
    teller.eye.connect_failed(next, &ConnectError::Cancelled);
    teller.eye.entered(Some(next), Callback::ConnectFailed);
    teller.eye.left(None);
    teller.is_right();
    let counters = teller.oracles.counters();
    assert_eq!((counters.bytes_written, counters.bytes_consumed), (3, 2));
    assert_eq!((counters.opened, counters.closed, counters.connect_failures), (1, 1, 1));
    assert!(counters.calls() >= 1);
    assert_eq!(counters.callbacks.iter().sum::<u64>(), 4);
}
