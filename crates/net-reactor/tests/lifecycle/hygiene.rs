//! What other programs and the process see of a loop: no descriptors, no leaks.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use net_reactor::Balance;
use net_reactor::prelude::*;

use crate::support::{
    Running, Script, closed_port, echo, expect_echo, is_child, listen, peer, run_child, spawn,
    turn_until, witness,
};

/// What a process's open descriptors lead to.
fn descriptors(process: &str) -> BTreeSet<String> {
    let folder = Path::new("/proc").join(process).join("fd");
    let entries = fs::read_dir(folder).unwrap().map_while(Result::ok);
    entries
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|target| target.display().to_string())
        .collect()
}

/// What a loop opens: sockets, event queues, wake-up counters, pipes between threads.
fn is_ours(target: &str) -> bool {
    ["socket:", "anon_inode:", "/dev/null"].iter().any(|kind| target.starts_with(kind))
}

#[test]
fn a_child_process_inherits_no_descriptor_of_a_loop() {
    if !Path::new("/proc/self/fd").exists() {
        return;
    }
    let server = Running::start(|| {
        let server = Server::new(|_: &Peer| echo()).loops(2);
        server.balance(Balance::LeastLoaded).listen("127.0.0.1:0")
    });
    let mut streams = [peer(server.address), peer(server.address), peer(server.address)];
    for stream in &mut streams {
        expect_echo(stream, b"open");
    }
    let mut watching = EventLoop::new().unwrap();
    let (script, told) = witness();
    watching.reactor().connect(server.address, script).unwrap();
    turn_until(&mut watching, "connected", || !told.borrow().is_empty());
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut stranger = spawn(&mut command);
    // An answer means that the other program has been executed.
    let mut input = stranger.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"ready\n").unwrap();
    let mut line = String::new();
    BufReader::new(stranger.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let inherited = descriptors(&stranger.id().to_string());
    let shared: Vec<_> =
        inherited.iter().filter(|target| is_ours(target) && *target != "/dev/null").collect();
    assert!(shared.is_empty(), "{shared:?}");
    drop((input, streams, watching));
    stranger.wait().unwrap();
    server.stop();
}

/// Does everything that opens a descriptor, once, and drops it all.
fn use_everything() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = listen(&mut event_loop, |_| {
        echo().on_open(|conn| {
            conn.reactor().run_blocking(|| (), |_, _| {})?;
            Ok(())
        })
    });
    let log = crate::support::Log::default();
    for _ in 0..10 {
        let (closed, failed) = (log.clone(), log.clone());
        let good = Script::new()
            .on_open(|conn| {
                conn.close();
                Ok(())
            })
            .on_close(move |_, _| closed.note("closed"));
        let bad = Script::new().on_failed(move |_, _| failed.note("failed"));
        event_loop.reactor().connect(address, good).unwrap();
        event_loop.reactor().connect(closed_port(), bad).unwrap();
    }
    turn_until(&mut event_loop, "all have ended", || log.len() == 20);
    // Some are left open, for the drop of the loop.
    for _ in 0..3 {
        event_loop.reactor().connect(address, Script::new()).unwrap();
        event_loop.turn(Some(crate::support::PATIENCE)).unwrap();
    }
}

#[test]
fn a_dropped_loop_leaves_no_descriptor_behind() {
    if !Path::new("/proc/self/fd").exists() {
        return;
    }
    if !is_child() {
        // In a process of its own, where no other test opens anything.
        let test = "hygiene::a_dropped_loop_leaves_no_descriptor_behind";
        return run_child(test, &[]);
    }
    let count = || fs::read_dir("/proc/self/fd").unwrap().count();
    use_everything();
    let before = count();
    for _ in 0..20 {
        use_everything();
    }
    assert_eq!(count(), before);
}
