//! Simulated worlds: scenarios under many seeds, with faults.

mod crew;
mod plan;
#[cfg(feature = "power")]
mod power;
mod report;
mod scenarios;
mod shrink;
mod tally;

use std::fmt::Write;

use net_reactor::sim::Fault;

use self::plan::{Limit, Plan};
use self::report::Report;
use self::scenarios::Scenario;
use self::tally::Tally;
use crate::args::SimArgs;
use crate::failure::Failure;
use crate::output::{self, grouped};

/// Runs what was asked for, and prints what came of it.
pub(crate) fn run(args: &SimArgs) -> Result<(), Failure> {
    if args.list {
        return output::print(&list());
    }
    if args.list_faults {
        return output::print(&list_faults());
    }
    #[cfg(feature = "power")]
    if let Some(bug) = &args.planted {
        return power::hunt(bug, args.seeds);
    }
    #[cfg(feature = "power")]
    if args.power {
        return power::measure(args.seeds, Plan::new(args)?.workers);
    }
    let plan = Plan::new(args)?;
    let mut tally = crew::work(&plan)?;
    tally.failures.sort_by_key(|each| (each.job.seed, each.job.scenario.name));
    let stories = shrink::tell(&plan, &tally)?;
    let report = Report { plan: &plan, tally: &tally, stories: &stories };
    output::print(&if args.json { report.json() } else { report.text() })?;
    verdict(args, &plan, &tally)
}

fn verdict(args: &SimArgs, plan: &Plan, tally: &Tally) -> Result<(), Failure> {
    let mut faults = Vec::new();
    if !tally.failures.is_empty() {
        let (failed, runs) = (grouped(tally.failures.len() as u64), grouped(tally.runs));
        faults.push(format!("{failed} of {runs} runs failed - the lines above repeat them"));
    }
    if tally.is_cut_short {
        let runs = grouped(tally.runs);
        faults.push(match plan.limit {
            Limit::Runs(all) => format!("interrupted after {runs} of {} runs", grouped(all)),
            Limit::Time(_) => format!("interrupted after {runs} runs, before the time was over"),
        });
    }
    if !faults.is_empty() {
        return Err(Failure::run(faults.join("; ")));
    }
    let missing: Vec<&str> = tally.never_fired().map(Fault::name).collect();
    if args.require_all_faults && !missing.is_empty() {
        return Err(Failure::run(format!(
            "never happened: {} - run more seeds or more scenarios",
            missing.join(", ")
        )));
    }
    Ok(())
}

fn list() -> String {
    let mut text = String::new();
    for Scenario { name, about, .. } in scenarios::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<16} {about}");
    }
    text
}

fn list_faults() -> String {
    let mut text = String::new();
    for fault in Fault::ALL {
        let class = match fault {
            fault if fault.is_staged() => "staged",
            fault if fault.is_harmless() => "harmless",
            _ => "failing",
        };
        let _ = writeln!(text, "{:<27} {class:<9} {}", fault.name(), fault.about());
    }
    text
}
