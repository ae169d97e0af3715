//! Simulated worlds: the same in every run, and what fails is told with the line that repeats it.

#![expect(clippy::unwrap_used, reason = "this is test code outside a test function")]

mod common;

use std::process::Output;

use common::{Running, only_line, reactor, run};

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Returns the hash in the summary.
fn trace_hash(output: &Output) -> String {
    let text = text(output);
    let line = text.lines().find(|line| line.contains("trace hash"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().last().unwrap().to_owned()
}

#[test]
fn every_scenario_passes_under_two_seeds() {
    let output = run(&["sim", "--seeds", "2"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = text(&output);
    for part in ["simulated runs", "virtual time", "events/s", "trace hash", "faults:"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_hash_is_the_same_for_any_number_of_jobs() {
    let hash = |jobs| {
        let args = ["sim", "--seeds", "4", "--scenario", "echo,timers,crash", "--jobs", jobs];
        let output = run(&args);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        trace_hash(&output)
    };
    assert_eq!(hash("1"), hash("2"));
    let other = run(&["sim", "--seeds", "4", "--scenario", "echo,timers", "--jobs", "1"]);
    assert_ne!(hash("1"), trace_hash(&other));
}

#[test]
fn each_run_can_be_audited() {
    let output = run(&["sim", "--seeds", "3", "--scenario", "broadcast,posts", "--audit", "2"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn what_does_not_exist_is_one_line_and_exit_code_2() {
    for (args, says) in [
        (&["--scenario", "sing"][..], "no scenario \"sing\" - see `reactor sim --list`"),
        (&["--faults", "rain"], "no kind of fault \"rain\" - see `reactor sim --list-faults`"),
        (&["--scenario", "echo", "--pick", "cats=3"], "picks \"cats\" - they pick bytes, clients"),
        (&["--pick", "clients"], "such as clients=3"),
        (&["--seed", "none"], "--seed"),
        (&["--from", "18446744073709551615", "--seeds", "5"], "no 5 seeds from 184467440737"),
    ] {
        let output = run(&[&["sim"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        let line = only_line(&output);
        assert!(line.contains(says), "{line}");
    }
}

#[test]
fn a_failure_is_told_with_the_line_that_repeats_it() {
    let output = run(&["sim", "--scenario", "broken", "--seeds", "2"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = text(&output);
    assert!(text.contains("failed: check: this scenario is broken"), "{text}");
    let repeat = text.lines().find_map(|line| line.trim().strip_prefix("repeat: reactor "));
    let repeat = repeat.unwrap_or_else(|| panic!("{text}"));
    // Nothing of it is needed but the least of its sizes.
    assert_eq!(repeat, "sim --scenario broken --seed 0 --faults none --pick clients=2");
    let words: Vec<&str> = repeat.split(' ').chain(["--trace", "--trace-lines", "5"]).collect();
    let output = run(&words);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("failed: check: this scenario is broken"), "{text}");
    let trace = text.lines().take_while(|line| !line.is_empty()).count();
    assert_eq!(trace, 5, "{text}");
}

#[test]
fn kinds_of_fault_that_never_happen_can_be_a_failure() {
    let args = ["sim", "--scenario", "echo", "--seeds", "1", "--faults", "none"];
    assert_eq!(run(&args).status.code(), Some(0));
    let output = run(&[&args[..], &["--require-all-faults"]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.contains("never happened: accept-process-files"), "{line}");
}

#[test]
fn the_lists_tell_of_scenarios_and_faults() {
    let scenarios = text(&run(&["sim", "--list"]));
    assert!(scenarios.lines().count() >= 20, "{scenarios}");
    assert!(!scenarios.contains("broken"), "{scenarios}");
    let faults = text(&run(&["sim", "--list-faults"]));
    for part in ["accept-aborted", "clog", "staged", "harmless", "failing"] {
        assert!(faults.contains(part), "{part}: {faults}");
    }
}

#[test]
fn the_summary_can_be_an_object() {
    let output = run(&["sim", "--scenario", "broken", "--seeds", "1", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["runs"], 1);
    assert_eq!(value["failed"], 1);
    assert_eq!(value["failures"][0]["scenario"], "broken");
    assert!(value["trace_hash"].as_str().is_some_and(|hash| hash.len() == 16), "{value}");
}

#[test]
fn each_failure_has_a_command_of_its_own() {
    let args = ["sim", "--scenario", "broken", "--seeds", "7", "--faults", "clog"];
    let printed = text(&run(&args));
    let lines = printed.lines().map(str::trim);
    let repeats: Vec<&str> = lines.filter_map(|line| line.strip_prefix("repeat: ")).collect();
    let output = run(&[&args[..], &["--json"]].concat());
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&value["failed"], repeats.len()), (&7.into(), 7), "{printed}");
    for (seed, repeat) in repeats.iter().enumerate() {
        let start = format!("reactor sim --scenario broken --seed {seed} --faults ");
        assert!(repeat.starts_with(&start), "{repeat}");
        assert_eq!(value["failures"][seed]["repeat"], *repeat);
    }
    // Those beyond the first ones are as they were.
    assert_eq!(repeats[6], "reactor sim --scenario broken --seed 6 --faults clog");
}

/// Starts a simulation, interrupts it once it is at work, and returns its end and its last line.
#[cfg(unix)]
fn interrupted(args: &[&str]) -> (Output, String) {
    use std::io::{BufRead, BufReader};

    let mut running = Running::start(reactor(&[&["-vv", "sim"], args].concat()));
    let mut lines = BufReader::new(running.child().stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("simulating")), "it did not start");
    running.signal("INT");
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).last());
    (running.end(), rest.join().unwrap().unwrap())
}

#[test]
#[cfg(unix)]
fn an_interrupted_simulation_has_failed() {
    let endless = ["--scenario", "timers", "--jobs", "1"];
    for (limit, says) in [
        (&["--seeds", "123456789"][..], " of 123,456,789 runs"),
        (&["--minutes", "600"], " runs, before the time was over"),
        // A run whose repetitions are not all done is none.
        (&["--seeds", "3", "--audit", "4000000000"], "interrupted after 0 of 3 runs"),
    ] {
        let (output, line) = interrupted(&[&endless[..], limit].concat());
        assert_eq!(output.status.code(), Some(1), "{limit:?}: {output:?}");
        assert!(text(&output).contains("ended early"), "{limit:?}: {output:?}");
        assert!(line.starts_with("reactor: interrupted after "), "{limit:?}: {line}");
        assert!(line.ends_with(says), "{limit:?}: {line}");
    }
}

#[test]
fn seeds_are_read_as_hexadecimal_too() {
    let hash = |seed| trace_hash(&run(&["sim", "--scenario", "timers", "--seed", seed]));
    assert_eq!(hash("0x2a"), hash("42"));
}

#[cfg(feature = "power")]
#[test]
fn planted_bugs_are_found() {
    for (bug, by) in [
        ("failed-address-leaks", "sockets open"),
        ("declined-peer-leaks", "neither served nor turned away"),
        ("posts-lost-at-stop", "ran before the stop"),
    ] {
        let found = text(&run(&["sim", "--planted", bug, "--seeds", "3"]));
        assert!(found.contains(by), "{bug}: {found}");
    }
}
