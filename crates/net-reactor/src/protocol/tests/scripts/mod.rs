//! Conformance scripts: whole event loops, told what to do in a small language, with the same
//! outcome on every kernel.
//!
//! A script runs on the real kernel, on the kernel in memory, and on one in memory that chops and
//! reports without cause. What each of its actors has seen is compared with what the script expects
//! of all of them, except for what `differences.txt` lists. The language and how to add a script
//! are in `docs/conformance.md`.

mod actor;
mod acts;
mod cast;
mod differences;
mod ground;
mod options;
mod peers;
mod source;
mod stage;
mod trace;
mod verbs;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use self::differences::Differences;
use self::ground::{Ground, Real, Simulated};
use self::source::{Case, Section, Seen, rewritten, sections};
use crate::driver::Readiness;

/// How many scripts there are at least, each row of a table counted.
const CASES_MIN: usize = 500;

/// How many sections there are at least.
const SECTIONS_MIN: usize = 200;

/// Set to anything, it makes the test of the real kernel write the expectations anew.
const REWRITE: &str = "NET_REACTOR_REWRITE_SCRIPTS";

/// Set to a part of a name, it leaves out all other scripts.
const ONLY: &str = "NET_REACTOR_ONLY_SCRIPTS";

struct File {
    path: PathBuf,
    header: String,
    sections: Vec<Section>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol/tests/scripts")
}

fn files() -> Vec<File> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "script"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let (header, sections) =
            sections(&text).unwrap_or_else(|complaint| panic!("{}: {complaint}", path.display()));
        File { path, header, sections }
    };
    paths.into_iter().map(read).collect()
}

fn cases(section: &Section) -> Vec<Case> {
    section.cases().unwrap_or_else(|complaint| panic!("{complaint}"))
}

/// Compares what was seen with what is expected on this kernel.
fn compare(kernel: &str, case: &Case, seen: &Seen, differences: &Differences) -> Vec<String> {
    let Some(expected) = &case.expected else {
        return vec!["nothing is expected of it; see docs/conformance.md".to_owned()];
    };
    let mut expected = expected.clone();
    let mut wrong = Vec::new();
    for (actor, line) in differences.of(&case.name, kernel) {
        if expected.insert(actor.clone(), line.clone()).as_ref() == Some(line) {
            wrong.push(format!("the listed difference of {actor} is none"));
        }
    }
    let actors: BTreeSet<&String> = expected.keys().chain(seen.keys()).collect();
    for actor in actors {
        let [wanted, got] = [&expected, seen].map(|lines| lines.get(actor));
        if wanted != got {
            let [wanted, got] = [wanted, got].map(|line| line.map_or("(nothing)", |line| line));
            wrong.push(format!("{actor} expected: {wanted}\n      {actor} saw:      {got}"));
        }
    }
    wrong
}

/// Runs every script on one kind of kernel.
fn run_all<G: Ground>()
where
    Readiness<G::Kernel>: fmt::Debug,
{
    let only = std::env::var(ONLY).unwrap_or_default();
    let differences = Differences::read();
    let mut wrong = Vec::new();
    for case in files().iter().flat_map(|file| &file.sections).flat_map(cases) {
        if !case.name.contains(&only) {
            continue;
        }
        let found = match stage::run::<G>(&case) {
            Ok(seen) => compare(G::NAME, &case, &seen, &differences),
            Err(complaint) => vec![complaint],
        };
        if !found.is_empty() {
            wrong.push(format!("{}:\n      {}", case.name, found.join("\n      ")));
        }
    }
    let count = wrong.len();
    assert!(wrong.is_empty(), "on {}, {count} scripts:\n{}", G::NAME, wrong.join("\n"));
}

/// Writes what the real kernel makes of every script into the files. A person then reads every
/// change, and judges it by the contract.
fn rewrite() {
    for file in files() {
        let mut told = Vec::new();
        for section in file.sections {
            let run = |case: &Case| {
                let failed = |wrong: String| {
                    let first = wrong.lines().next().unwrap_or_default().to_owned();
                    Seen::from([("FAILED".to_owned(), first)])
                };
                stage::run::<Real>(case).unwrap_or_else(failed)
            };
            let seen = cases(&section).iter().map(run).collect();
            told.push((section, seen));
        }
        std::fs::write(&file.path, rewritten(&file.header, &told)).unwrap();
    }
}

#[test]
fn scripts_on_the_real_kernel() {
    if std::env::var_os(REWRITE).is_some() {
        rewrite();
    }
    run_all::<Real>();
}

#[test]
fn scripts_on_the_kernel_in_memory() {
    run_all::<Simulated<false>>();
}

#[test]
fn scripts_on_a_rough_kernel_in_memory() {
    run_all::<Simulated<true>>();
}

#[test]
fn scripts_have_names_of_their_own_and_are_many() {
    let files = files();
    let sections: Vec<&Section> = files.iter().flat_map(|file| &file.sections).collect();
    let names: BTreeSet<&str> = sections.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names.len(), sections.len(), "two scripts have one name");
    let all: Vec<Case> = sections.iter().flat_map(|section| cases(section)).collect();
    assert!(sections.len() >= SECTIONS_MIN, "only {} sections", sections.len());
    assert!(all.len() >= CASES_MIN, "only {} scripts", all.len());
    Differences::read().check(&all);
}

#[test]
fn a_comparison_finds_a_wrong_trace_and_a_difference_that_is_none() {
    let seen = |line: &str| Seen::from([("p1".to_owned(), line.to_owned())]);
    let case = Case {
        label: String::new(),
        name: "one".to_owned(),
        lines: Vec::new(),
        expected: Some(seen("end")),
    };
    let none = Differences::default();
    assert!(compare("memory", &case, &seen("end"), &none).is_empty());
    assert_eq!(compare("memory", &case, &seen("reset"), &none).len(), 1);
    assert_eq!(compare("memory", &case, &Seen::new(), &none).len(), 1);
    let listed = Differences::parse("== one on memory\nbecause\n  p1: reset\n");
    assert!(compare("memory", &case, &seen("reset"), &listed).is_empty());
    assert!(compare("native", &case, &seen("end"), &listed).is_empty());
    assert_eq!(compare("memory", &case, &seen("end"), &listed).len(), 1);
    let none_any_more = Differences::parse("== one on memory\nbecause\n  p1: end\n");
    assert_eq!(compare("memory", &case, &seen("end"), &none_any_more).len(), 1);
}
