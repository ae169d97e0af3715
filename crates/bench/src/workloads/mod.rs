//! The workloads, one file each: a question, a load, a table.

pub(crate) mod allocs;
pub(crate) mod broadcast;
pub(crate) mod echo;
pub(crate) mod memory;
pub(crate) mod posts;
pub(crate) mod syscalls;
pub(crate) mod timers;

use std::io::{self, Write};
use std::time::Duration;

use crate::args::Arguments;
use crate::contenders::{Contender, Suite};
use crate::failure::Outcome;
use crate::machine::cores::{self, Cores};
use crate::report::Section;

/// How a run is made, the same for all workloads.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) cores: Cores,
    pub(crate) is_quick: bool,
    /// How often the contenders take turns.
    pub(crate) rounds: u32,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
    only: Vec<String>,
    row: Option<String>,
}

impl Settings {
    /// Takes the arguments, raises the descriptor limit and pins this thread to the load's core.
    pub(crate) fn from_arguments(arguments: &Arguments) -> Outcome<Self> {
        let is_quick = arguments.quick;
        let cores = Cores::detect()?;
        cores::raise_descriptor_limit()?;
        cores::pin(cores.load)?;
        let window_ms = arguments.window_ms.unwrap_or(if is_quick { 50 } else { 1000 });
        Ok(Self {
            cores,
            is_quick,
            rounds: arguments.rounds.unwrap_or(if is_quick { 1 } else { 9 }),
            warm_up: Duration::from_millis(if is_quick { 20 } else { 300 }),
            window: Duration::from_millis(window_ms),
            only: arguments.only.clone(),
            row: arguments.row.clone(),
        })
    }

    /// The contenders of a suite that were asked for; the reference is always among them.
    pub(crate) fn contenders(&self, suite: Suite) -> Vec<&'static Contender> {
        let all = suite.contenders().iter().enumerate();
        all.filter(|(index, one)| *index == 0 || self.wants(one.name)).map(|(_, one)| one).collect()
    }

    /// Whether a contender was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }

    /// Whether a row of echo or broadcast was asked for.
    pub(crate) fn wants_row(&self, name: &str) -> bool {
        self.row.as_ref().is_none_or(|wanted| name.contains(wanted.as_str()))
    }
}

/// Runs every workload.
pub(crate) fn run_all(settings: &Settings) -> Outcome<Vec<Section>> {
    let workloads: [fn(&Settings) -> Outcome<Section>; 7] = [
        echo::run,
        broadcast::run,
        memory::run,
        timers::run,
        posts::run,
        allocs::run,
        syscalls::run,
    ];
    workloads.iter().map(|run| run(settings)).collect()
}

/// Says on stderr what is being measured, for the person who waits.
fn tell(line: impl AsRef<str>) {
    // Progress is a courtesy; a closed stderr must not end the run.
    let _ = writeln!(io::stderr(), "{}", line.as_ref());
}
