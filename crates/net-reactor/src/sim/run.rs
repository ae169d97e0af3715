//! One run of a test under one seed, and the smallest run that still fails.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::Duration;

use super::{OracleKind, Simulation};
use crate::sys::memory::Fault;

/// What a run depends on: the seed, and what was taken out of it.
///
/// [`seeds`](super::seeds()) does for a test what is needed mostly; this is what it is made of.
///
/// ```
/// use net_reactor::sim::Run;
/// use std::time::Duration;
///
/// let outcome = Run::new(7).perform(|sim| {
///     let hosts = sim.pick("hosts", 1..=5);
///     sim.run_for(Duration::from_secs(60));
///     assert!(hosts <= 5);
/// });
/// assert_eq!(outcome.failure, None);
/// assert_eq!(outcome.time, Duration::from_secs(60));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// The only kinds of fault that may happen; `None` for all that the test chooses.
    pub faults: Option<BTreeSet<Fault>>,
    /// Values for [`Simulation::pick`] by name, instead of those that the seed gives.
    pub picks: BTreeMap<String, u64>,
    /// How many lines of the trace are kept: the last ones.
    pub trace_lines: usize,
}

/// What came of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Which promise was broken, if one was. Without it a failure is a panic of the test itself.
    pub oracle: Option<OracleKind>,
    /// How much time passed in the world.
    pub time: Duration,
    /// Turns of all loops.
    pub turns: u64,
    /// Callbacks and functions that were called.
    pub callbacks: u64,
    /// Everything that happened in the world: calls, reports, segments, callbacks.
    pub events: u64,
    /// The hash of all of it.
    pub trace_hash: u64,
    /// How often each kind of fault happened.
    pub fired: Vec<(Fault, u64)>,
    /// The kinds of fault that the seed had chosen.
    pub faults: BTreeSet<Fault>,
    /// What the seed picked.
    pub picks: BTreeMap<String, Pick>,
    /// The last lines of the trace.
    pub trace: Vec<String>,
}

/// A size that the seed chose.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// What it chose.
    pub value: u64,
    /// The least that it could have chosen.
    pub least: u64,
}

impl Run {
    /// Makes the run of a seed with nothing taken out.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, faults: None, picks: BTreeMap::new(), trace_lines: 0 }
    }

    /// Keeps the last lines of the trace, which makes the run slower. None are kept by default.
    #[must_use]
    pub fn trace_lines(mut self, lines: usize) -> Self {
        self.trace_lines = lines;
        self
    }

    /// Runs `test`, and then the end of the simulation with its checks.
    ///
    /// A panic of the test, or a broken promise, becomes the outcome's failure; nothing is printed.
    /// With `panic = "abort"` the process ends instead.
    pub fn perform(&self, test: impl FnOnce(&mut Simulation)) -> Outcome {
        let _quiet = Quiet::start();
        let mut sim = Simulation::of(self);
        let failure = panic::catch_unwind(AssertUnwindSafe(|| {
            test(&mut sim);
            sim.finish();
        }));
        let failure = failure.err().map(|panic| with_place(&message_of(&*panic)));
        let outcome = sim.outcome(failure);
        // What the test left in its handlers is dropped here, while panics are kept quiet.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(sim)));
        outcome
    }

    /// Takes out of a failing run whatever is not needed for it to fail.
    ///
    /// Kinds of fault are left out, and sizes made small, one after the other, as long as the test
    /// fails in the same way: with the same first word of its message, which names the oracle. A run
    /// that does not fail, or not every time, is returned as it is.
    ///
    /// It repeats the run often: about twice for each kind of fault at the most, and a few dozen
    /// times for each size.
    #[must_use]
    pub fn shrink(&self, test: impl Fn(&mut Simulation)) -> Self {
        let first = self.perform(&test);
        let Some(failure) = first.failure else { return self.clone() };
        let fails = |run: &Self| {
            let again = run.perform(&test).failure;
            again.is_some_and(|again| kind_of(&again) == kind_of(&failure))
        };
        let mut best = Self { faults: Some(first.faults.clone()), ..self.clone() };
        if !fails(&best) {
            return self.clone();
        }
        // Half of them at once while that works, then one by one.
        let mut chunk = first.faults.len().div_ceil(2).max(1);
        loop {
            let kinds: Vec<Fault> = best.faults.iter().flatten().copied().collect();
            for part in kinds.chunks(chunk) {
                let mut smaller = best.clone();
                let faults = smaller.faults.get_or_insert_default();
                faults.retain(|fault| !part.contains(fault));
                if fails(&smaller) {
                    best = smaller;
                }
            }
            if chunk == 1 {
                break;
            }
            chunk = chunk.div_ceil(2);
        }
        for (name, pick) in first.picks {
            best.shrink_pick(name, pick, &fails);
        }
        best
    }

    /// Finds the smallest size that still fails, halving the distance to the least.
    fn shrink_pick(&mut self, name: String, pick: Pick, fails: &impl Fn(&Self) -> bool) {
        let mut value = *self.picks.get(&name).unwrap_or(&pick.value);
        let mut step = value.saturating_sub(pick.least);
        while step > 0 {
            let mut smaller = self.clone();
            smaller.picks.insert(name.clone(), value.saturating_sub(step).max(pick.least));
            if value > pick.least && fails(&smaller) {
                value = smaller.picks[&name];
                *self = smaller;
            } else {
                step /= 2;
            }
        }
    }
}

/// The part of a failure that stays the same when the run becomes smaller.
fn kind_of(failure: &str) -> &str {
    failure.split([':', ' ']).next().unwrap_or_default()
}

/// As options of `reactor sim`: `--seed 7 --faults clog,send-short --pick clients=3`.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--seed {}", self.seed)?;
        if let Some(faults) = &self.faults {
            let names: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
            write!(
                f,
                " --faults {}",
                if names.is_empty() { "none".into() } else { names.join(",") }
            )?;
        }
        for (name, value) in &self.picks {
            write!(f, " --pick {name}={value}")?;
        }
        Ok(())
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without text").into()
}

thread_local! {
    /// How many runs on this thread want panics not to be printed.
    static QUIET: Cell<u32> = const { Cell::new(0) };

    /// Where the last panic that was not printed came from.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Adds to a message of a panic where it came from, unless it says so, or nobody knows.
pub(super) fn with_place(message: &str) -> String {
    match PLACE.take() {
        Some(place) => format!("{message}, at {place}"),
        None => message.to_owned(),
    }
}

/// Keeps the panics of this thread off the terminal: a run has thousands, and reports the one that
/// counts.
struct Quiet;

impl Quiet {
    fn start() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let print = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if QUIET.get() == 0 {
                    print(info);
                } else {
                    PLACE.set(info.location().map(ToString::to_string));
                }
            }));
        });
        QUIET.set(QUIET.get() + 1);
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(QUIET.get() - 1);
    }
}
