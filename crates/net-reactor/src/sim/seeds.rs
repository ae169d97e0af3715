//! A test under many seeds.

use std::collections::BTreeSet;
use std::env;

use super::{Run, Simulation};

/// Lines of the trace that a failure is printed with.
const TRACE_LINES: usize = 40;

/// Runs `test` under `count` seeds, and fails with the smallest run that fails.
///
/// The seeds are 0, 1, 2 and so on. A test of the user's own is an ordinary `#[test]` that calls
/// this. The environment overrides:
///
/// | variable | meaning |
/// |---|---|
/// | `SIM_SEEDS=5000` | so many seeds instead of `count` |
/// | `SIM_SEED=42` | this seed alone |
/// | `SIM_FAULTS=clog,send-short` | only these kinds of fault (`none` for none) |
/// | `SIM_PICKS=clients=3` | these sizes instead of the seed's |
///
/// ```
/// use net_reactor::sim::{self, Faults};
/// # use net_reactor::prelude::*;
/// use std::time::Duration;
///
/// sim::seeds(20, |sim| {
///     sim.faults(Faults::harmless());
///     // Hosts, then:
///     sim.run_for(Duration::from_secs(60));
/// });
/// ```
///
/// # Panics
///
/// When a run fails: with the end of its trace, the failure, and the line that repeats it; or when
/// a variable makes no sense; or when `count` is 0. A run that goes another way when it is repeated
/// is reported as that: a failing one is repeated, and of the others the first.
#[track_caller]
pub fn seeds(count: u64, test: impl Fn(&mut Simulation)) {
    let only = read("SIM_SEED", |text| text.parse().ok());
    let count = read("SIM_SEEDS", |text| text.parse().ok()).unwrap_or(count);
    let faults = read("SIM_FAULTS", read_faults);
    let picks = read("SIM_PICKS", |text| text.split(',').map(read_pick).collect());
    assert!(count > 0 || only.is_some(), "no seed is to be run, and so nothing would be tested");
    let seeds = only.map_or(0..count, |seed: u64| seed..seed.saturating_add(1));
    let first_seed = seeds.start;
    for seed in seeds {
        let picks = picks.clone().unwrap_or_default();
        let run = Run { faults: faults.clone(), picks, ..Run::new(seed) };
        let first = run.perform(&test);
        // The first seed is run twice, to see whether the test depends on more than its seed.
        let is_first = seed == first_seed && only.is_none();
        if first.failure.is_none() && !is_first {
            continue;
        }
        let again = run.perform(&test);
        if again.trace_hash != first.trace_hash || again.failure != first.failure {
            let failure = first.failure.unwrap_or_default();
            panic!(
                "{failure}\nseed {seed} went another way when it was repeated: something in this \
                 test depends on more than the seed"
            );
        }
        if first.failure.is_none() {
            continue;
        }
        let small = run.shrink(&test).trace_lines(TRACE_LINES);
        let outcome = small.perform(&test);
        let failure = outcome.failure.unwrap_or_else(|| "the failure did not repeat".to_owned());
        let trace = outcome.trace.join("\n");
        panic!("{trace}\n\n{failure}\nrepeat it with: {}", variables(&small));
    }
}

fn read<T>(name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    let text = env::var(name).ok()?;
    let value = parse(&text);
    assert!(value.is_some(), "{name}={text} makes no sense");
    value
}

fn read_faults(text: &str) -> Option<BTreeSet<super::Fault>> {
    if text == "none" {
        return Some(BTreeSet::new());
    }
    text.split(',').map(|name| name.trim().parse().ok()).collect()
}

fn read_pick(text: &str) -> Option<(String, u64)> {
    let (name, value) = text.split_once('=')?;
    Some((name.trim().to_owned(), value.trim().parse().ok()?))
}

fn variables(run: &Run) -> String {
    let mut line = format!("SIM_SEED={}", run.seed);
    if let Some(faults) = &run.faults {
        let names: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(",") };
        line.push_str(&format!(" SIM_FAULTS={names}"));
    }
    if !run.picks.is_empty() {
        let picks: Vec<String> =
            run.picks.iter().map(|(name, value)| format!("{name}={value}")).collect();
        line.push_str(&format!(" SIM_PICKS={}", picks.join(",")));
    }
    line
}
