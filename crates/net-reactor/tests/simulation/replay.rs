//! The same seed gives the same run; and what the environment can ask of a test.
//!
//! The tests that end in a child process run this test binary again, so that no two tests share an
//! environment.

use std::env;
use std::process::Command;

use net_reactor::prelude::*;
use net_reactor::sim::{self, Fault, Faults, Run, Simulation};

use super::support::{Caller, Log, echo, ms, secs};

/// A hub of two loops and a field of five connections, in every kind of trouble.
fn troubled(sim: &mut Simulation) {
    sim.faults(Faults::swarm());
    sim.host("hub", |boot| {
        let echo = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
        boot.serve(echo.loops(2), "0.0.0.0:9000").map(drop)
    });
    sim.host("field", |boot| {
        let caller = Caller::new(&Log::default()).every(ms(500));
        let client = Client::new(move || caller.clone()).connections(5).on_failed(|_, _| ());
        boot.connect(client, "hub:9000").map(drop)
    });
    sim.run_for(secs(5));
}

#[test]
fn a_thousand_runs_of_one_seed_are_one_run() {
    for seed in [3, 14] {
        let first = Run::new(seed).perform(troubled);
        assert_eq!(first.failure, None);
        assert!(first.fired.iter().map(|(_, count)| count).sum::<u64>() > 10, "{:?}", first.fired);
        for _ in 1..1_000 {
            let again = Run::new(seed).perform(troubled);
            assert_eq!((again.trace_hash, again.events), (first.trace_hash, first.events));
        }
    }
}

#[test]
fn lines_do_not_change_the_run() {
    for seed in 0..10 {
        let silent = Run::new(seed).perform(troubled);
        let told = Run::new(seed).trace_lines(usize::MAX).perform(troubled);
        assert_eq!(silent.trace_hash, told.trace_hash, "seed {seed}");
        assert_eq!(told.trace.len() as u64, told.events);
    }
}

#[test]
fn runs_do_not_shift_each_other() {
    let alone = Run::new(3).perform(troubled).trace_hash;
    let mut outer = Simulation::new(1);
    echo(&mut outer, "hub");
    outer.run_for(secs(1));
    assert_eq!(Run::new(3).perform(troubled).trace_hash, alone);
    outer.finish();
    let elsewhere = std::thread::spawn(|| Run::new(3).perform(troubled).trace_hash);
    assert_eq!(elsewhere.join().expect("it runs"), alone);
}

/// Run by other tests in a process of its own: says what each run is, and fails as it is asked to.
#[test]
#[ignore = "other tests run it in a process of its own"]
fn child() {
    let fails = env::var("CHILD_FAILS").is_ok();
    sim::seeds(3, |sim| {
        let clients = sim.pick("clients", 1..=9);
        sim.faults(Faults::only([Fault::Clog, Fault::LinkReset]).every(secs(1)));
        echo(sim, "hub");
        echo(sim, "other");
        sim.run_for(secs(30));
        let [clogs, resets] = [Fault::Clog, Fault::LinkReset].map(|fault| sim.fired(fault) > 0);
        println!("ran {} clients {clients} clog {clogs} reset {resets}", sim.seed());
        sim.check(!(fails && clogs && clients >= 2), "all is well");
    });
    let hash = Run::new(11).perform(troubled).trace_hash;
    println!("hash {hash:016x}");
}

/// Runs [`child`] with these variables and no others; returns whether it passed, and what it said.
fn child_with(variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--exact", "replay::child", "--ignored", "--nocapture"]);
    for name in ["SIM_SEED", "SIM_SEEDS", "SIM_FAULTS", "SIM_PICKS"] {
        command.env_remove(name);
    }
    command.env("RUST_BACKTRACE", "0").envs(variables.iter().copied());
    let output = command.output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The runs that a child has made, the second one of the first seed left out.
fn ran(said: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = said.lines().filter(|line| line.starts_with("ran ")).collect();
    lines.dedup();
    lines
}

#[test]
fn the_environment_chooses_seeds() {
    let (passed, said) = child_with(&[]);
    assert!(passed && ran(&said).len() == 3, "{said}");
    let (_, said) = child_with(&[("SIM_SEEDS", "7")]);
    assert_eq!(ran(&said).len(), 7, "{said}");
    let (_, said) = child_with(&[("SIM_SEED", "42")]);
    assert!(matches!(ran(&said)[..], [one] if one.starts_with("ran 42 ")), "{said}");
}

#[test]
fn the_environment_chooses_faults_and_picks() {
    let (_, said) = child_with(&[("SIM_FAULTS", "clog")]);
    assert!(ran(&said).iter().all(|line| line.ends_with("clog true reset false")), "{said}");
    let (_, said) = child_with(&[("SIM_FAULTS", "none")]);
    assert!(ran(&said).iter().all(|line| line.ends_with("clog false reset false")), "{said}");
    let (_, said) = child_with(&[("SIM_PICKS", "clients=77")]);
    assert!(ran(&said).iter().all(|line| line.contains("clients 77 ")), "{said}");
}

#[test]
fn what_makes_no_sense_is_said() {
    for (name, value) in [("SIM_SEED", "x"), ("SIM_FAULTS", "clog,rain"), ("SIM_PICKS", "clients")]
    {
        let (passed, said) = child_with(&[(name, value)]);
        assert!(!passed && said.contains(&format!("{name}={value} makes no sense")), "{said}");
    }
}

#[test]
fn a_failure_is_printed_with_a_line_that_repeats_it() {
    let (passed, said) = child_with(&[("CHILD_FAILS", "1"), ("SIM_SEEDS", "50")]);
    assert!(!passed && said.contains("check: all is well"), "{said}");
    assert!(said.contains("fault clog"), "the end of the trace: {said}");
    let line = said.lines().find_map(|line| line.strip_prefix("repeat it with: ")).expect("a line");
    let variables: Vec<(&str, &str)> =
        line.split(' ').filter_map(|each| each.split_once('=')).collect();
    let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["SIM_SEED", "SIM_FAULTS", "SIM_PICKS"]);
    assert_eq!(variables[1..], [("SIM_FAULTS", "clog"), ("SIM_PICKS", "clients=2")]);
    let again: Vec<_> = variables.into_iter().chain([("CHILD_FAILS", "1")]).collect();
    let (passed, said) = child_with(&again);
    assert!(!passed && said.contains("check: all is well"), "{said}");
    assert!(ran(&said)[0].ends_with("clients 2 clog true reset false"), "{said}");
}

#[test]
fn two_processes_give_the_same_trace() {
    let hashes = [child_with(&[]).1, child_with(&[("HOME", "/elsewhere")]).1].map(|said| {
        let hash = said.lines().find_map(|line| line.strip_prefix("hash ")).expect("a hash");
        hash.to_owned()
    });
    assert_eq!(hashes[0], hashes[1]);
    assert_eq!(hashes[0], format!("{:016x}", Run::new(11).perform(troubled).trace_hash));
}

#[test]
#[should_panic(expected = "something in this test depends on more than the seed")]
fn a_test_that_does_not_repeat_is_told_so() {
    let runs = std::cell::Cell::new(0);
    sim::seeds(1, |sim| {
        runs.set(runs.get() + 1);
        sim.run_for(secs(runs.get()));
        sim.note("a turn that no other run takes");
        sim.check(false, "it fails");
    });
}
