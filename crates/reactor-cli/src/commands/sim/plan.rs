//! What is to be run.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU64, NonZeroUsize};
use std::thread;
use std::time::Duration;

use net_reactor::sim::{Fault, Run};

use super::scenarios::{self, Scenario};
use super::tally::Failed;
use crate::args::SimArgs;
use crate::failure::Failure;

/// Runs, by number.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) scenarios: Vec<&'static Scenario>,
    first_seed: u64,
    pub(super) limit: Limit,
    faults: Option<BTreeSet<Fault>>,
    picks: BTreeMap<String, u64>,
    /// Threads that run simulations.
    pub(super) workers: usize,
    /// How often each run is performed.
    pub(super) times: u32,
    /// Lines of the trace that are kept; 0 for none.
    trace_lines: usize,
}

/// When it is over.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    Runs(u64),
    Time(Duration),
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) scenario: &'static Scenario,
    pub(super) seed: u64,
}

impl Plan {
    pub(super) fn new(args: &SimArgs) -> Result<Self, Failure> {
        let scenarios = choose(&args.scenario)?;
        let runs_of = |seeds: u64| Limit::Runs(seeds.saturating_mul(scenarios.len() as u64));
        let limit = match (args.seed, args.minutes) {
            (Some(_), _) => runs_of(1),
            (None, Some(minutes)) => {
                Limit::Time(Duration::from_secs(minutes.get().saturating_mul(60)))
            }
            (None, None) => {
                check_seeds(args.from, args.seeds)?;
                runs_of(args.seeds.get())
            }
        };
        let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let plan = Self {
            first_seed: args.seed.unwrap_or(args.from),
            limit,
            faults: args.faults.as_deref().map(read_faults).transpose()?,
            picks: args.pick.iter().cloned().collect(),
            workers: args.jobs.map_or_else(cores, NonZeroUsize::get),
            times: args.audit.get(),
            trace_lines: if args.trace { args.trace_lines.get() } else { 0 },
            scenarios,
        };
        plan.check_picks()?;
        Ok(plan)
    }

    /// Returns the run with this number, or `None` when there are not so many.
    pub(super) fn job(&self, number: u64) -> Option<Job> {
        if matches!(self.limit, Limit::Runs(runs) if number >= runs) {
            return None;
        }
        // All scenarios under one seed, then under the next: an early end has seen all of them.
        let count = self.scenarios.len() as u64;
        let scenario = usize::try_from(number % count).ok()?;
        let seed = self.first_seed.checked_add(number / count)?;
        Some(Job { scenario: self.scenarios.get(scenario)?, seed })
    }

    pub(super) fn run_of(&self, job: Job) -> Run {
        let mut run = Run::new(job.seed).trace_lines(self.trace_lines);
        run.faults.clone_from(&self.faults);
        run.picks.clone_from(&self.picks);
        run
    }

    /// Returns the command line that repeats a failure as it was.
    pub(super) fn line_of(&self, failed: &Failed) -> String {
        let Failed { job, is_unsteady, .. } = failed;
        let line = format!("reactor sim --scenario {} {}", job.scenario.name, self.run_of(*job));
        if *is_unsteady { format!("{line} --audit {}", self.times) } else { line }
    }

    /// Which sizes a scenario has shows only when it runs.
    fn check_picks(&self) -> Result<(), Failure> {
        if self.picks.is_empty() {
            return Ok(());
        }
        let mut known = BTreeSet::new();
        for scenario in &self.scenarios {
            let job = Job { scenario, seed: self.first_seed };
            known.extend(self.run_of(job).perform(scenario.run).picks.into_keys());
        }
        match self.picks.keys().find(|name| !known.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                let known: Vec<String> = known.into_iter().collect();
                Err(Failure::usage(format!(
                    "no scenario that runs picks {name:?} - they pick {}",
                    known.join(", ")
                )))
            }
        }
    }
}

/// Refuses a range of seeds that goes beyond the last one there is.
fn check_seeds(first: u64, count: NonZeroU64) -> Result<(), Failure> {
    match first.checked_add(count.get() - 1) {
        Some(_) => Ok(()),
        None => Err(Failure::usage(format!(
            "there are no {count} seeds from {first} on - the last seed is {}",
            u64::MAX
        ))),
    }
}

fn choose(names: &[String]) -> Result<Vec<&'static Scenario>, Failure> {
    if names.is_empty() {
        return Ok(scenarios::ALL.iter().collect());
    }
    let mut chosen = Vec::new();
    for name in names {
        let found = scenarios::find(name).ok_or_else(|| {
            Failure::usage(format!("there is no scenario {name:?} - see `reactor sim --list`"))
        })?;
        if !chosen.iter().any(|each: &&Scenario| each.name == found.name) {
            chosen.push(found);
        }
    }
    Ok(chosen)
}

fn read_faults(names: &[String]) -> Result<BTreeSet<Fault>, Failure> {
    if names == ["none"] {
        return Ok(BTreeSet::new());
    }
    let read = |name: &String| {
        name.parse::<Fault>().map_err(|error| {
            Failure::usage(format!("{error} - see `reactor sim --list-faults`, or write none"))
        })
    };
    names.iter().map(read).collect()
}
