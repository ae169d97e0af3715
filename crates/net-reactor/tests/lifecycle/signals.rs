//! Signals of the operator, sent to a process of their own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{LoopConfig, Server};

use crate::support::{PATIENCE, Script, child, give_up, is_child, peer, spawn};

/// Serves until a signal comes, and says where and how it ended.
fn serve(on_stop: fn(&mut Conn<'_>) -> Flow) {
    let factory =
        move |_: &Peer| Script::new().on_open(|conn| Ok(conn.write("here")?)).on_stop(on_stop);
    let server = Server::new(factory).stop_on_signals();
    let server = server.loop_config(LoopConfig::default().drain(3 * PATIENCE));
    let mut bound = server.listen("127.0.0.1:0").unwrap();
    // A test that fails must not leave this process behind.
    give_up(&mut bound.reactor());
    eprintln!("serves {}", bound.local_address().port().unwrap());
    let stopped = bound.run().unwrap();
    eprintln!("aborted {}", stopped.aborted);
}

struct Served {
    process: Child,
    lines: BufReader<std::process::ChildStderr>,
    port: u16,
}

impl Served {
    fn start(test: &str) -> Self {
        let mut command = child(test, &[]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = spawn(&mut command);
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let port = value(&mut lines, "serves ").parse().unwrap();
        Self { process, lines, port }
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = spawn(Command::new("kill").args(["-s", name, &id])).wait().unwrap();
        assert!(sent.success());
    }

    fn ends_with_aborted(mut self) -> String {
        let aborted = value(&mut self.lines, "aborted ");
        std::io::copy(&mut self.lines, &mut std::io::sink()).unwrap();
        assert!(self.process.wait().unwrap().success());
        aborted
    }
}

/// Returns what follows `key` on the first line that has it.
fn value(lines: &mut impl BufRead, key: &str) -> String {
    let found = lines
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once(key).map(|(_, value)| value.trim().to_owned()));
    found.unwrap_or_else(|| panic!("the process ended without {key:?}"))
}

#[test]
fn sigterm_stops_gracefully() {
    if is_child() {
        return serve(|conn| {
            conn.write(" and gone")?;
            conn.close();
            Ok(())
        });
    }
    for name in ["TERM", "INT"] {
        let served = Served::start("signals::sigterm_stops_gracefully");
        let mut stream = peer(([127, 0, 0, 1], served.port).into());
        stream.read_exact(&mut [0; 4]).unwrap();
        served.signal(name);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, " and gone");
        drop(stream);
        assert_eq!(served.ends_with_aborted(), "0");
    }
}

#[test]
fn a_second_signal_does_not_wait_any_longer() {
    if is_child() {
        return serve(|conn| Ok(conn.write("told")?));
    }
    let served = Served::start("signals::a_second_signal_does_not_wait_any_longer");
    let mut stream = peer(([127, 0, 0, 1], served.port).into());
    stream.read_exact(&mut [0; 4]).unwrap();
    served.signal("TERM");
    // The handler was told and does not finish; only then is the second one another one.
    stream.read_exact(&mut [0; 4]).unwrap();
    served.signal("TERM");
    assert_eq!(served.ends_with_aborted(), "1");
}

#[test]
fn a_storm_of_signals_that_nobody_asked_for_harms_no_loop() {
    if is_child() {
        // Handled by the watch of another loop: this one only has its system calls interrupted.
        let mut other = EventLoop::new().unwrap();
        other.stop_on_signals().unwrap();
        let mut event_loop = EventLoop::new().unwrap();
        let ticks = std::rc::Rc::new(std::cell::Cell::new(0));
        event_loop.reactor().call_every(Duration::from_millis(1), move |reactor, _| {
            ticks.set(ticks.get() + 1);
            if ticks.get() == 1 {
                eprintln!("serves 0");
            }
            if ticks.get() == 200 {
                reactor.stop();
            }
        });
        event_loop.run().unwrap();
        eprintln!("aborted 0");
        return;
    }
    let test = "signals::a_storm_of_signals_that_nobody_asked_for_harms_no_loop";
    let served = Served::start(test);
    let id = served.process.id().to_string();
    let storm =
        format!("i=0; while [ $i -lt 300 ]; do kill -s INT {id} || exit 0; i=$((i+1)); done");
    let sent = spawn(Command::new("sh").args(["-c", &storm]).stderr(Stdio::null())).wait();
    sent.unwrap();
    assert_eq!(served.ends_with_aborted(), "0");
}
