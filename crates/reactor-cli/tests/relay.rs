//! `reactor relay`, with `reactor connect` before it and `reactor echo` behind it.

#![cfg(unix)]
mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::Stdio;
use std::thread;

use common::{PATIENCE, Running, Service, noise, only_line, reactor, run};

fn relay_to(target: impl ToString, more: &[&str]) -> Service {
    Service::start(&[&["-v", "relay", "--to", &target.to_string()], more].concat())
}

#[test]
fn what_is_piped_through_a_relay_to_an_echo_comes_back_byte_for_byte() {
    let echo = Service::start(&["echo"]);
    let relay = relay_to(echo.address, &[]);
    let mut command = reactor(&["connect", &relay.address.to_string()]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.child().stdin.take().unwrap();
    let input = noise(8 << 20);
    let sent = input.clone();
    thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = running.end();
    assert_eq!(output.status.code(), Some(0), "{:?}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == input, "{} bytes came", output.stdout.len());
}

#[test]
fn several_loops_relay_to_a_name_and_ends_pass_through() {
    let echo = Service::start(&["echo"]);
    let relay = relay_to(format!("localhost:{}", echo.address.port()), &["--loops", "2"]);
    let streams: Vec<_> = (0..8).map(|_| relay.connect()).collect();
    for (number, mut stream) in streams.into_iter().enumerate() {
        stream.write_all(&[b'x'; 1000][..=number]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        assert_eq!(back.len(), number + 1);
    }
}

#[test]
fn a_side_that_does_not_read_holds_the_other_back() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = relay_to(target.local_addr().unwrap(), &[]);
    let mut near = relay.connect();
    let (mut far, _) = target.accept().unwrap();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    // More than the relay and both kernels would ever keep.
    near.set_nonblocking(true).unwrap();
    let block = [7; 1 << 16];
    let mut taken = 0_usize;
    let mut refusals = 0;
    while taken < 256 << 20 {
        match near.write(&block) {
            Ok(count) => (taken, refusals) = (taken + count, 0),
            // Held back, and not for a moment only: what is said meanwhile the other way arrives.
            Err(_) if refusals == 20 => break,
            Err(_) => {
                refusals += 1;
                far.write_all(b"!").unwrap();
                near.set_nonblocking(false).unwrap();
                near.read_exact(&mut [0]).unwrap();
                near.set_nonblocking(true).unwrap();
            }
        }
    }
    assert!(taken < 256 << 20, "it takes without end");
    near.shutdown(Shutdown::Write).unwrap();
    let arrived = std::io::copy(&mut far, &mut std::io::sink()).unwrap();
    assert_eq!(arrived, taken as u64);
}

#[test]
fn a_target_that_refuses_is_logged_and_the_next_peer_is_served_when_it_is_back() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = gone.local_addr().unwrap();
    drop(gone);
    let mut relay = relay_to(address, &[]);
    let mut events = BufReader::new(relay.running.child().stderr.take().unwrap()).lines();
    let refused = relay.connect().read_to_end(&mut Vec::new());
    assert_eq!(refused.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset));
    let event = events.find_map(|line| line.ok().filter(|line| line.contains("cannot relay")));
    assert!(event.as_ref().unwrap().contains("refused the connection"), "{event:?}");

    let _echo = Service::start(&["echo", "--listen", &address.to_string()]);
    let mut stream = relay.connect();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

#[test]
fn a_pair_that_has_fallen_silent_ends_on_both_sides() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = relay_to(target.local_addr().unwrap(), &["--idle-timeout", "100ms"]);
    let mut near = relay.connect();
    let (mut far, _) = target.accept().unwrap();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();
    for side in [&mut near, &mut far] {
        // Whichever is judged first is closed, and the other one reset.
        match side.read(&mut [0]) {
            Ok(count) => assert_eq!(count, 0),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}

#[test]
fn peers_beyond_the_limit_are_reset_and_the_others_served() {
    let echo = Service::start(&["echo"]);
    for limit in ["--max-connections", "--max-per-network"] {
        let relay = relay_to(echo.address, &[limit, "2"]);
        let mut served: Vec<_> = (0..2).map(|_| relay.connect()).collect();
        let refused = relay.connect().read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(refused, Err(std::io::ErrorKind::ConnectionReset), "{limit}");
        for stream in &mut served {
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
        }
    }
}

#[test]
fn a_wrong_command_line_is_one_line() {
    for (args, says) in [
        (&[][..], "--to"),
        (&["--to", "localhost"], "no port"),
        (&["--to", "a:1", "--connect-deadline", "0s"], "longer than nothing"),
        (&["--to", "a:1", "--loops", "0"], "--loops"),
        (&["--to", "a:1", "--max-connections", "0"], "--max-connections"),
    ] {
        let output = run(&[&["relay"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(only_line(&output).contains(says), "{output:?}");
    }
}
