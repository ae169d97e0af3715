//! The power of the simulation: whether it finds bugs that were planted on purpose.
//!
//! Each bug has a process of its own, because a planted bug may keep a loop from ever coming back.

use std::env;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::num::NonZeroU64;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use net_reactor::planted::{Bug, plant};
use net_reactor::sim::Run;

use super::scenarios;
use crate::failure::Failure;
use crate::output;

/// How long the hunt for one bug may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// How a hunt ended.
#[derive(Debug)]
enum Catch {
    Found {
        runs: u64,
        scenario: String,
        seed: String,
        failure: String,
    },
    /// The process hung, or died: found as well, by whoever waits for it.
    Stuck,
    Missed,
}

/// Plants a bug and looks for it: all scenarios under one seed, then under the next. Prints one line
/// for the parent.
pub(super) fn hunt(name: &str, seeds: NonZeroU64) -> Result<(), Failure> {
    let bug: Bug = name.parse().map_err(|error| {
        Failure::usage(format!("{error} - see docs/power.md for those that there are"))
    })?;
    plant(Some(bug));
    let mut runs = 0_u64;
    for seed in 0..seeds.get() {
        for scenario in scenarios::ALL {
            runs += 1;
            if let Some(failure) = Run::new(seed).perform(scenario.run).failure {
                let failure = failure.lines().next().unwrap_or_default().replace('\t', " ");
                return output::print(&format!("{runs}\t{}\t{seed}\t{failure}", scenario.name));
            }
        }
    }
    output::print("missed")
}

/// Hunts for every planted bug, and prints the table.
pub(super) fn measure(seeds: NonZeroU64, jobs: usize) -> Result<(), Failure> {
    let next = Mutex::new(Bug::ALL.iter().copied().enumerate());
    let catches = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let next = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((number, bug)) = next else { break };
                    let catch = catch(bug, seeds);
                    let found = (number, bug, catch);
                    catches.lock().unwrap_or_else(PoisonError::into_inner).push(found);
                }
            });
        }
    });
    let mut catches = catches.into_inner().unwrap_or_else(PoisonError::into_inner);
    catches.sort_by_key(|(number, ..)| *number);
    output::print(&table(&catches))?;
    let missed: Vec<&str> = catches
        .iter()
        .filter(|(_, _, catch)| !matches!(catch, Ok(Catch::Found { .. } | Catch::Stuck)))
        .map(|(_, bug, _)| bug.name())
        .collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure::run(format!("not found within {seeds} seeds: {}", missed.join(", "))))
}

/// Runs this program once more, to hunt for one bug.
fn catch(bug: Bug, seeds: NonZeroU64) -> std::io::Result<Catch> {
    let mut child = Command::new(env::current_exe()?)
        .args(["sim", "--planted", bug.name(), "--seeds", &seeds.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .spawn()?;
    let line = first_line(&mut child);
    let _ = child.kill();
    child.wait()?;
    let Some(line) = line else { return Ok(Catch::Stuck) };
    let mut words = line.trim_end().split('\t').map(str::to_owned);
    let runs = words.next().and_then(|runs| runs.parse().ok());
    Ok(match (runs, words.next(), words.next(), words.next()) {
        (Some(runs), Some(scenario), Some(seed), Some(failure)) => {
            Catch::Found { runs, scenario, seed, failure }
        }
        _ => Catch::Missed,
    })
}

/// Waits for what a child has to say; `None` if it takes too long over it or dies first.
fn first_line(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take()?;
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        if BufReader::new(stdout).read_line(&mut line).is_ok_and(|len| len > 0) {
            // Nobody listens any more if it took too long.
            let _ = tell.send(line);
        }
    });
    told.recv_timeout(PATIENCE).ok()
}

fn table(catches: &[(usize, Bug, std::io::Result<Catch>)]) -> String {
    let mut text = String::from(
        "| planted bug | lesson | runs needed | found by | how |\n|---|---|---:|---|---|\n",
    );
    let mut needed = Vec::new();
    for (_, bug, catch) in catches {
        let (name, lesson) = (bug.name(), bug.lesson());
        // Writing to a string cannot fail.
        let _ = match catch {
            Ok(Catch::Found { runs, scenario, seed, failure }) => {
                needed.push(*runs);
                let how = failure.split(':').next().unwrap_or_default();
                writeln!(text, "| {name} | {lesson} | {runs} | {scenario}, seed {seed} | {how} |")
            }
            Ok(Catch::Stuck) => writeln!(text, "| {name} | {lesson} | | | it hangs or dies |"),
            Ok(Catch::Missed) => writeln!(text, "| {name} | {lesson} | **not found** | | |"),
            Err(error) => writeln!(text, "| {name} | {lesson} | | | {error} |"),
        };
    }
    needed.sort_unstable();
    let (bugs, found) = (catches.len(), needed.len());
    let (median, worst) = (needed.get(found / 2).unwrap_or(&0), needed.last().unwrap_or(&0));
    let _ = writeln!(
        text,
        "\n{found} of {bugs} bugs found by a failing run; the median needs {median} runs, the worst \
         {worst}. A run is one scenario under one seed."
    );
    text
}
