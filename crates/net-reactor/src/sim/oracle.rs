//! The promises that every simulated run is checked against, all the time.
//!
//! | oracle | what must hold |
//! |---|---|
//! | bytes | what one end takes is what the other end wrote, see [`ledger`] |
//! | callbacks | the order that [`Protocol`](crate::Protocol) guarantees, see [`calls`] |
//! | memory | queued output and unconsumed input keep to their limits |
//! | panic | no user's code panics, unless the simulation made it |
//! | resources | every connection that was opened is closed by the end of the run |
//!
//! They learn everything through [`Watch`], so they hold for any program, and they know nothing of
//! what it does. The remaining kinds of [`OracleKind`] are the simulation's own.

mod calls;
mod eye;
mod ledger;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::rc::Rc;

use self::calls::LoopCalls;
use self::eye::Eye;
use self::ledger::Ledger;
use crate::net::{Callback, Watch};

/// Which kind of promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OracleKind {
    /// Bytes were lost, changed, repeated or made up on their way.
    Bytes,
    /// A callback came out of order, twice, not at all, or within another.
    Callbacks,
    /// Something was not given back: a connection, a socket, a timer.
    Resources,
    /// A loop turned again and again, and neither time nor anything else went on.
    Spin,
    /// A queue grew over its limit.
    Memory,
    /// The user's code panicked, as it does when an assertion in it fails.
    Panic,
    /// Something that had to happen did not.
    Liveness,
    /// A check of the test itself failed.
    Check,
}

impl OracleKind {
    /// Returns the name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Callbacks => "callbacks",
            Self::Resources => "resources",
            Self::Spin => "spin",
            Self::Memory => "memory",
            Self::Panic => "panic",
            Self::Liveness => "liveness",
            Self::Check => "check",
        }
    }
}

impl fmt::Display for OracleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A promise that was broken in a simulated run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Which kind of promise.
    pub(crate) oracle: OracleKind,
    /// What happened, and where.
    pub(crate) message: String,
}

impl Violation {
    pub(crate) fn new(oracle: OracleKind, message: impl Into<String>) -> Self {
        Self { oracle, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.oracle, self.message)
    }
}

impl Error for Violation {}

/// What a run has amounted to so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Callbacks by kind, in the order of [`Callback::ALL`].
    pub(crate) callbacks: [u64; Callback::ALL.len()],
    pub(crate) bytes_written: u64,
    pub(crate) bytes_consumed: u64,
    pub(crate) opened: u64,
    pub(crate) closed: u64,
    pub(crate) connect_failures: u64,
    /// Panics of the user's code, those not counted that the simulation made.
    pub(crate) panics: u64,
    pub(crate) panics_made: u64,
}

impl Counters {
    /// Returns how many callbacks there were.
    pub(crate) fn calls(&self) -> u64 {
        self.callbacks.iter().sum()
    }

    fn count(&mut self, callback: Callback) {
        if let Some(place) = Callback::ALL.iter().position(|each| *each == callback) {
            self.callbacks[place] += 1;
        }
    }
}

/// Decides whether a callback panics.
type Saboteur = Box<dyn FnMut(Callback) -> bool>;

/// The oracles of one simulation. A clone is another handle on the same ones.
#[derive(Clone)]
pub(crate) struct Oracles {
    books: Rc<RefCell<Books>>,
}

impl Oracles {
    pub(crate) fn new() -> Self {
        Self { books: Rc::default() }
    }

    /// Makes the watch of one loop. Numbers are never used again; the name is for messages.
    pub(crate) fn eye(&self, loop_number: usize, name: &str) -> Box<dyn Watch> {
        let calls = LoopCalls::new(format!("{name} (loop {loop_number})"));
        self.books.borrow_mut().loops.insert(loop_number, calls);
        Box::new(Eye::new(Rc::clone(&self.books), loop_number))
    }

    /// Forgets a loop that ended without its consent, such as by a crash.
    ///
    /// Its connections end untold, which is no fault; what it says from now on is ignored. To be
    /// called before any other loop can notice the end.
    pub(crate) fn loop_gone(&self, loop_number: usize) {
        let books = &mut *self.books.borrow_mut();
        let Some(calls) = books.loops.remove(&loop_number) else { return };
        for wire in calls.wires() {
            books.ledger.gone(wire);
        }
    }

    /// Closes the books of a loop that has stopped by itself, which must be in order.
    pub(crate) fn loop_over(&self, loop_number: usize) {
        let books = &mut *self.books.borrow_mut();
        let Some(calls) = books.loops.remove(&loop_number) else { return };
        if let Some(left) = calls.leftover() {
            books.verdict.get_or_insert(left);
        }
    }

    /// Returns the first promise that was broken.
    pub(crate) fn violation(&self) -> Option<Violation> {
        self.books.borrow().verdict.clone()
    }

    /// Checks what must hold when all loops have stopped; returns the first broken promise of the
    /// whole run.
    pub(crate) fn finish(&self) -> Option<Violation> {
        let books = &mut *self.books.borrow_mut();
        let left = books.loops.values().find_map(LoopCalls::leftover);
        books.verdict = books.verdict.take().or(left);
        books.verdict.clone()
    }

    /// Sets whether panics of the user's code are a matter of course; they are not by default.
    pub(crate) fn allow_panics(&self, yes: bool) {
        self.books.borrow_mut().panics_allowed = yes;
    }

    /// Lets callbacks of handlers panic whenever `decide` says so.
    ///
    /// Asked for every callback of an open connection but [`Callback::Close`]. It must not use
    /// these oracles itself.
    pub(crate) fn sabotage(&self, decide: impl FnMut(Callback) -> bool + 'static) {
        self.books.borrow_mut().saboteur = Some(Box::new(decide));
    }

    pub(crate) fn counters(&self) -> Counters {
        self.books.borrow().counters
    }
}

impl fmt::Debug for Oracles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let books = self.books.borrow();
        f.debug_struct("Oracles")
            .field("verdict", &books.verdict)
            .field("counters", &books.counters)
            .finish_non_exhaustive()
    }
}

/// What the oracles know.
#[derive(Default)]
struct Books {
    verdict: Option<Violation>,
    loops: BTreeMap<usize, LoopCalls>,
    ledger: Ledger,
    counters: Counters,
    panics_allowed: bool,
    saboteur: Option<Saboteur>,
}

impl Books {
    /// Applies a rule to what a loop says, and keeps the first rule that was broken.
    fn judge(
        &mut self,
        loop_number: usize,
        rule: impl FnOnce(&mut LoopCalls, &mut Ledger) -> Result<(), Violation>,
    ) {
        let Some(calls) = self.loops.get_mut(&loop_number) else { return };
        if let Err(mut violation) = rule(calls, &mut self.ledger) {
            violation.message = format!("{}: {}", calls.name(), violation.message);
            self.verdict.get_or_insert(violation);
        }
    }
}
