//! What came of the runs so far.

use std::collections::BTreeMap;
use std::time::Duration;

use net_reactor::sim::{Fault, Outcome};

use super::plan::Job;

/// A run that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) job: Job,
    pub(super) failure: String,
    /// It came out differently when it was repeated, so it cannot be made smaller.
    pub(super) is_unsteady: bool,
}

/// The sum over all runs; the same in whatever order they end.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: u64,
    pub(super) virtual_time: Duration,
    /// How long all of it took.
    pub(super) real_time: Duration,
    pub(super) events: u64,
    pub(super) fired: BTreeMap<Fault, u64>,
    /// The hashes of all traces in one.
    pub(super) hash: u64,
    pub(super) failures: Vec<Failed>,
    /// The end of the last trace that was kept.
    pub(super) trace: Vec<String>,
    /// It was ended before all was run.
    pub(super) is_cut_short: bool,
}

impl Tally {
    /// Adds a run; `hashes` are those of its repetitions.
    pub(super) fn add(&mut self, job: Job, outcome: Outcome, hashes: &[u64]) {
        self.runs += 1;
        self.virtual_time += outcome.time;
        self.events += outcome.events;
        self.hash = self.hash.wrapping_add(mark(job, outcome.trace_hash));
        for (fault, count) in outcome.fired {
            *self.fired.entry(fault).or_default() += count;
        }
        if !outcome.trace.is_empty() {
            self.trace = outcome.trace;
        }
        let other = hashes.iter().find(|hash| **hash != outcome.trace_hash);
        let differs = other.map(|other| {
            let first = outcome.trace_hash;
            format!("audit: the same run has the traces {first:016x} and {other:016x}")
        });
        let is_unsteady = differs.is_some();
        if let Some(failure) = differs.or(outcome.failure) {
            self.failures.push(Failed { job, failure, is_unsteady });
        }
    }

    /// Returns the kinds of fault that have not happened in any run.
    pub(super) fn never_fired(&self) -> impl Iterator<Item = Fault> {
        let has_not = |fault: &Fault| self.fired.get(fault).is_none_or(|count| *count == 0);
        Fault::ALL.iter().copied().filter(has_not)
    }
}

/// Returns a run's share in the common hash. The shares are added up, so that the order in which
/// runs end does not matter.
fn mark(job: Job, trace_hash: u64) -> u64 {
    // FNV-1a over the name, the seed and the trace, and then a mixing step of SplitMix64.
    let words = job.seed.to_le_bytes().into_iter().chain(trace_hash.to_le_bytes());
    let bytes = job.scenario.name.bytes().chain(words);
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}
