//! A server that hands its socket to a successor: two processes, one backlog, nobody refused.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use net_reactor::ListeningSocket;
use net_reactor::prelude::*;

use super::support::{PATIENCE, Script, child, give_up, is_child, spawn, std_listener};

/// Greets each peer with the number of the process that serves it.
fn greeter() -> Server<impl FnMut(&Peer) -> Script> {
    Server::new(|_: &Peer| {
        Script::new().on_open(|conn| {
            conn.write(std::process::id().to_string().as_bytes())?;
            conn.close();
            Ok(())
        })
    })
}

/// The successor: serves what its standard input is, until that is asked for.
fn succeed() {
    let inherited = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let socket = ListeningSocket::try_from(inherited).unwrap();
    let mut bound = greeter().adopt(socket).unwrap();
    give_up(&mut bound.reactor());
    // In a loop that runs: whoever reads this can count on it.
    bound.reactor().defer(|_| eprintln!("serves"));
    bound.run().unwrap();
}

/// Connects again and again, and says of each answer whether this process gave it.
fn call(address: SocketAddr, done: &AtomicBool, told: &Sender<bool>) {
    let own = std::process::id().to_string();
    while !done.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("nobody is refused");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("nobody is reset");
        assert!(!answer.is_empty(), "everybody is answered");
        told.send(answer == own).unwrap();
    }
}

#[test]
fn a_successor_takes_over_and_nobody_is_refused() {
    if is_child() {
        return succeed();
    }
    let (socket, address) = std_listener();
    let (report, handle) = channel();
    let served = socket.try_clone().unwrap();
    let serving = std::thread::spawn(move || {
        let bound = greeter().adopt(served).unwrap();
        report.send(bound.handle()).unwrap();
        bound.run().unwrap();
    });
    let old = handle.recv_timeout(PATIENCE).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let (told, answers) = channel();
    let calling: Vec<_> = (0..4)
        .map(|_| {
            let (done, told) = (Arc::clone(&done), told.clone());
            std::thread::spawn(move || call(address, &done, &told))
        })
        .collect();
    let await_answers = |is_own: bool| {
        let answers = std::iter::from_fn(|| Some(answers.recv_timeout(PATIENCE).unwrap()));
        assert_eq!(answers.filter(|each| *each == is_own).take(50).count(), 50);
    };
    await_answers(true);
    let mut command = child("successor::a_successor_takes_over_and_nobody_is_refused", &[]);
    // This process keeps no duplicate: from now on the successor holds the socket open.
    command.stdin(Stdio::from(OwnedFd::from(socket))).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut successor = spawn(&mut command);
    // The command holds the duplicate that it was given.
    drop(command);
    let mut lines = BufReader::new(successor.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("serves")));
    old.stop();
    serving.join().unwrap();
    // What was answered before is of no interest.
    answers.try_iter().for_each(drop);
    await_answers(false);
    done.store(true, Ordering::Relaxed);
    for caller in calling {
        caller.join().unwrap();
    }
    successor.kill().unwrap();
    successor.wait().unwrap();
}

#[test]
fn only_a_listening_socket_of_streams_is_one() {
    let fails = |descriptor: OwnedFd| {
        let error = ListeningSocket::try_from(descriptor).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    };
    let (listener, address) = std_listener();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"?").unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    fails(reader.into());
    fails(UdpSocket::bind("127.0.0.1:0").unwrap().into());
    fails(UnixDatagram::unbound().unwrap().into());
    #[cfg(target_os = "linux")]
    fails(stream.into());
    assert!(ListeningSocket::try_from(OwnedFd::from(listener)).is_ok());
    let path = std::env::temp_dir().join(format!("reactor-{}-socket", std::process::id()));
    let unix = UnixListener::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(ListeningSocket::try_from(OwnedFd::from(unix)).is_ok());
}
