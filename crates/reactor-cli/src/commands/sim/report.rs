//! The summary of all runs, for people and for programs.

use std::fmt::Write;

use net_reactor::sim::Fault;
use serde_json::{Map, Value, json};

use super::plan::Plan;
use super::shrink::Story;
use super::tally::Tally;
use crate::output::grouped;

const SECONDS_PER_HOUR: f64 = 3600.0;

/// What is to be told.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) plan: &'a Plan,
    pub(super) tally: &'a Tally,
    pub(super) stories: &'a [Story],
}

impl Report<'_> {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_trace(&mut text);
        let _ = self.write_summary(&mut text);
        let _ = self.write_faults(&mut text);
        let _ = self.write_failures(&mut text);
        text
    }

    fn write_trace(&self, text: &mut String) -> std::fmt::Result {
        for line in &self.tally.trace {
            writeln!(text, "{line}")?;
        }
        if self.tally.trace.is_empty() { Ok(()) } else { writeln!(text) }
    }

    fn write_summary(&self, text: &mut String) -> std::fmt::Result {
        let Self { plan, tally, .. } = self;
        let row = |text: &mut String, label: &str, number: &str, unit: &str| {
            writeln!(text, "{}", format!("  {label:<13} {number:>20} {unit}").trim_end())
        };
        let runs = grouped(tally.runs);
        writeln!(text, "{runs} simulated runs of {} scenarios\n", plan.scenarios.len())?;
        if tally.is_cut_short {
            writeln!(text, "  ended early: what follows is the sum so far\n")?;
        }
        row(text, "virtual time", &format!("{:.1}", self.virtual_hours()), "hours")?;
        row(text, "real time", &format!("{:.2}", tally.real_time.as_secs_f64()), "seconds")?;
        row(text, "speed", &whole(self.speed()), "times real time")?;
        row(text, "events", &grouped(tally.events), "")?;
        row(text, "rate", &whole(self.events_per_second()), "events/s")?;
        row(text, "trace hash", &format!("{:016x}", tally.hash), "")?;
        row(text, "failures", &grouped(tally.failures.len() as u64), "")
    }

    fn write_faults(&self, text: &mut String) -> std::fmt::Result {
        let mut fired: Vec<(Fault, u64)> =
            Fault::ALL.iter().map(|fault| (*fault, self.fired(*fault))).collect();
        fired.retain(|(_, count)| *count > 0);
        writeln!(text, "\n  faults: {} of {} kinds", fired.len(), Fault::ALL.len())?;
        for pair in fired.chunks(2) {
            text.push_str("  ");
            for (fault, count) in pair {
                write!(text, "  {:<27} {:>12}", fault.name(), grouped(*count))?;
            }
            text.push('\n');
        }
        Ok(())
    }

    fn write_failures(&self, text: &mut String) -> std::fmt::Result {
        let (long, short): (Vec<_>, Vec<_>) = self.stories.iter().partition(|each| each.is_long);
        for Story { failure, repeat, .. } in long {
            writeln!(text, "\n  failed: {}\n  repeat: {repeat}", failure.replace('\n', " "))?;
        }
        if !short.is_empty() {
            writeln!(text, "\n  also failed:")?;
        }
        for Story { repeat, .. } in short {
            writeln!(text, "  repeat: {repeat}")?;
        }
        Ok(())
    }

    /// Returns the result as one JSON object on one line.
    pub(super) fn json(&self) -> String {
        let Self { plan, tally, stories } = self;
        let names: Vec<&str> = plan.scenarios.iter().map(|each| each.name).collect();
        let faults: Map<String, Value> = Fault::ALL
            .iter()
            .map(|fault| (fault.name().to_owned(), self.fired(*fault).into()))
            .collect();
        let failures: Vec<Value> = stories
            .iter()
            .map(|story| {
                json!({
                    "scenario": story.scenario,
                    "seed": story.seed,
                    "failure": story.failure,
                    "repeat": story.repeat,
                })
            })
            .collect();
        json!({
            "scenarios": names,
            "runs": tally.runs,
            "ended_early": tally.is_cut_short,
            "virtual_seconds": tally.virtual_time.as_secs_f64(),
            "real_seconds": tally.real_time.as_secs_f64(),
            "speed": self.speed(),
            "events": tally.events,
            "events_per_second": self.events_per_second(),
            "trace_hash": format!("{:016x}", tally.hash),
            "faults": faults,
            "failed": tally.failures.len(),
            "failures": failures,
            "trace": tally.trace,
        })
        .to_string()
    }

    fn fired(&self, fault: Fault) -> u64 {
        self.tally.fired.get(&fault).copied().unwrap_or(0)
    }

    fn virtual_hours(&self) -> f64 {
        self.tally.virtual_time.as_secs_f64() / SECONDS_PER_HOUR
    }

    fn speed(&self) -> f64 {
        self.per_second(self.tally.virtual_time.as_secs_f64())
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate needs few digits")]
    fn events_per_second(&self) -> f64 {
        self.per_second(self.tally.events as f64)
    }

    fn per_second(&self, amount: f64) -> f64 {
        amount / self.tally.real_time.as_secs_f64().max(0.001)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are small and not negative"
)]
fn whole(number: f64) -> String {
    grouped(number as u64)
}
