//! What is to happen in a simulation, and when.

use std::collections::BTreeMap;

use super::Simulation;
use crate::base::Instant;

/// Something that a test or the fault plan does at a time.
pub(super) type Act = Box<dyn FnOnce(&mut Simulation)>;

/// Acts by time, and then in the order in which they were written down.
#[derive(Default)]
pub(super) struct Agenda {
    acts: BTreeMap<(Instant, u64), Act>,
    written: u64,
}

impl Agenda {
    pub(super) fn write(&mut self, at: Instant, act: Act) {
        self.acts.insert((at, self.written), act);
        self.written += 1;
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.acts.keys().next().map(|(at, _)| *at)
    }

    /// Takes an act that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Act> {
        let entry = self.acts.first_entry()?;
        let due = entry.key().0 <= now;
        due.then(|| entry.remove())
    }
}
