use std::env;
use std::process::Command;
use std::sync::mpsc;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::raise;

use crate::event_loop::signals::SignalWatch;

#[test]
fn dropping_the_watch_ends_its_thread() {
    let (sender, signals) = mpsc::channel();
    let watch = SignalWatch::start(move |signal| sender.send(signal).unwrap()).unwrap();
    drop(watch);
    assert_eq!(signals.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

/// Marks the process in which signals are raised: one reaches every watch of its process, and other
/// tests have some.
const RAISES_SIGNALS: &str = "NET_REACTOR_TEST_RAISES_SIGNALS";

#[test]
fn signals_reach_the_watch_and_not_the_process() {
    if env::var_os(RAISES_SIGNALS).is_some() {
        return raise_signals();
    }
    let path = concat!(module_path!(), "::signals_reach_the_watch_and_not_the_process");
    let (_, test) = path.split_once("::").unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(RAISES_SIGNALS, "1")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("1 passed"), "{output:?}");
}

fn raise_signals() {
    let (sender, signals) = mpsc::channel();
    let (other_sender, other_signals) = mpsc::channel();
    let watch = SignalWatch::start(move |signal| sender.send(signal).unwrap()).unwrap();
    let other = SignalWatch::start(move |signal| other_sender.send(signal).unwrap()).unwrap();
    for signal in [SIGTERM, SIGINT, SIGTERM] {
        raise(signal).unwrap();
        assert_eq!(signals.recv(), Ok(signal));
        assert_eq!(other_signals.recv(), Ok(signal));
    }
    drop(watch);
    raise(SIGTERM).unwrap();
    assert_eq!(other_signals.recv(), Ok(SIGTERM), "one watch does not end the other");
    drop(other);
    raise(SIGTERM).unwrap(); // does nothing, as documented
}
