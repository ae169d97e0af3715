//! The echo and the ping-pong in frames; and what is none.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod common;

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ChildStderr;

use common::{Service, only_line, run};

const FRAMINGS: [&str; 3] = ["line", "length32", "netstring"];

/// Starts an echo that tells its events, and returns them line by line.
fn echo(framing: &str) -> (Service, Lines<BufReader<ChildStderr>>) {
    let mut service = Service::start(&["-v", "echo", "--framing", framing]);
    let events = BufReader::new(service.running.child().stderr.take().unwrap()).lines();
    (service, events)
}

/// Sends `question`, finishes, and returns all that comes back.
fn ask(mut stream: TcpStream, question: &[u8]) -> Vec<u8> {
    stream.write_all(question).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn frames_come_back_as_they_were_sent() {
    for (framing, wire) in [
        ("raw", &b"\0any\xff"[..]),
        ("line", b"one\r\n\ntwo\xff\r\r\n"),
        ("length32", b"\0\0\0\0\0\0\0\x05hello"),
        ("netstring", b"0:,5:hello,"),
    ] {
        let service = Service::start(&["echo", "--framing", framing]);
        assert_eq!(ask(service.connect(), wire), wire, "{framing}");
    }
}

#[test]
fn a_connection_that_breaks_its_framing_ends_alone_and_the_log_says_why() {
    let two_mebibytes = vec![b'x'; 2 << 20];
    for (framing, whole, broken, says) in [
        ("line", &b"one\n"[..], &two_mebibytes[..], "a frame has no end within 1048576 bytes"),
        ("line", b"one\n", b"half a line", "the peer finished 11 bytes into a frame"),
        ("length32", b"\0\0\0\x01x", b"\xff\xff\xff\xff", "4294967295 bytes is over the limit"),
        ("length32", b"\0\0\0\x01x", b"\0\0\0\x02x", "the peer finished 5 bytes into a frame"),
        ("netstring", b"1:x,", b"\x80garbage\0", "a length has something else than digits"),
        ("netstring", b"1:x,", b"01:x,", "a length begins with a zero"),
        ("netstring", b"1:x,", b"1:x;", "does not end in a comma"),
    ] {
        let (service, mut events) = echo(framing);
        let mut other = service.connect();
        let mut stream = service.connect();
        stream.write_all(whole).unwrap();
        let mut back = vec![0; whole.len()];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(back, whole);
        // The service may close before it has taken all of it.
        let _ = stream.write_all(broken).and_then(|()| stream.shutdown(Shutdown::Write));
        let event = events.find_map(|line| line.ok().filter(|line| line.contains("closed")));
        let event = event.unwrap();
        assert!(event.contains("the peer broke the protocol") && event.contains(says), "{event}");
        // The others are as they were.
        other.write_all(whole).unwrap();
        other.read_exact(&mut back).unwrap();
        assert_eq!(back, whole);
    }
}

#[test]
fn a_client_that_is_cut_off_in_the_middle_of_a_line_is_logged() {
    let (service, mut events) = echo("line");
    let stream = service.connect();
    (&stream).write_all(b"half a line").unwrap();
    // Reset instead of finished.
    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(stream);
    let event = events.find_map(|line| line.ok().filter(|line| line.contains("closed")));
    assert!(event.as_ref().unwrap().contains("reset by the peer"), "{event:?}");
    assert_eq!(ask(service.connect(), b"next\n"), b"next\n");
}

#[test]
fn frames_are_measured_as_bytes_are() {
    for framing in FRAMINGS {
        for size in ["1", "64", "1048576"] {
            let service = Service::start(&["echo", "--framing", framing]);
            let address = service.address.to_string();
            let at_other = ["--connect", &address];
            for more in [&at_other[..], &["--loops", "2"]] {
                let args = ["pingpong", "--json", "--framing", framing, "--size", size];
                let load = ["--connections", "3", "--outstanding", "5", "--messages", "50"];
                let output = run(&[&args[..], &load, more].concat());
                assert_eq!(output.status.code(), Some(0), "{framing} {size}: {output:?}");
                let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(
                    (&result["messages"], &result["framing"]),
                    (&50.into(), &framing.into())
                );
                assert_eq!(result["damaged_messages"], 0);
            }
        }
    }
}

#[test]
fn a_server_of_another_framing_ends_the_measurement_with_a_clear_line() {
    for (server, client, says) in [
        ("netstring", "line", "closed by the peer"),
        ("netstring", "length32", "closed by the peer"),
        ("length32", "netstring", "closed by the peer"),
        ("netstring", "raw", "closed by the peer"),
        // Printing characters are no length.
        ("length32", "line", "closed by the peer"),
    ] {
        let service = Service::start(&["echo", "--framing", server]);
        let address = service.address.to_string();
        let args = ["pingpong", "--connect", &address, "--framing", client, "--connections", "1"];
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1), "{server} {client}: {output:?}");
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.starts_with("reactor: 1 connection ended"), "{line}");
        assert!(line.contains(says), "{server} {client}: {line}");
        assert!(line.contains(&format!("with the framing {client}?")), "{line}");
    }
}

#[test]
fn what_comes_back_in_no_frame_is_told() {
    let service = Service::start(&["chargen"]);
    for (framing, says) in [("length32", "over the limit"), ("netstring", "than digits")] {
        let address = service.address.to_string();
        let args = ["pingpong", "--connect", &address, "--framing", framing, "--connections", "1"];
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1), "{framing}: {output:?}");
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.contains("the peer broke the protocol: "), "{line}");
        assert!(line.contains(says), "{line}");
    }
}

#[test]
fn simple_reactors_frames_come_back_as_it_sends_them() {
    let plain = ["echo", "--framing", "simplereactor", "--no-compression", "--no-heartbeat"];
    let service = Service::start(&plain);
    let hello = b"\x0f\0\0\0\x01\0\0\0hello world";
    assert_eq!(ask(service.connect(), hello), hello);

    // With heartbeats there is a frame of type 2 each second.
    let service = Service::start(&plain[..4]);
    let mut head = [0; 8];
    service.connect().read_exact(&mut head).unwrap();
    assert_eq!(head[4..], 2_u32.to_le_bytes());
}

#[test]
fn simple_reactors_frames_are_measured_with_all_options() {
    for options in [&[][..], &["--no-compression"], &["--no-heartbeat"]] {
        let service = Service::start(&[&["echo", "--framing", "simplereactor"], options].concat());
        let address = service.address.to_string();
        for more in [&["--connect", &address][..], &["--loops", "2"]] {
            for size in ["1", "64", "100000"] {
                let args = ["pingpong", "--json", "--framing", "simplereactor", "--size", size];
                let load = ["--connections", "3", "--outstanding", "2", "--messages", "20"];
                let output = run(&[&args[..], &load, options, more].concat());
                assert_eq!(output.status.code(), Some(0), "{options:?} {size}: {output:?}");
                let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(result["framing"], "simplereactor");
                assert_eq!(
                    (&result["messages"], &result["damaged_messages"]),
                    (&20.into(), &0.into())
                );
            }
        }
    }
}

#[test]
fn simple_reactors_that_do_not_agree_are_told_so() {
    for (server, says) in [
        // What is not packed cannot be unpacked.
        (&["echo", "--framing", "simplereactor", "--no-compression"][..], "broke the protocol"),
        // Nobody beats.
        (&["discard"], "the peer was silent for"),
    ] {
        let service = Service::start(server);
        let address = service.address.to_string();
        let args = ["pingpong", "--connect", &address, "--framing", "simplereactor"];
        let output = run(&[&args[..], &["--connections", "1"]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.starts_with("reactor: 1 connection ended before"), "{line}");
        assert!(line.contains(says), "{line}");
    }
}

#[test]
fn an_unknown_framing_is_one_line_that_lists_the_known() {
    for command in ["echo", "pingpong"] {
        let output = run(&[command, "--framing", "morse"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(
            only_line(&output).contains("raw, line, length32, netstring, simplereactor"),
            "{output:?}"
        );
    }
}
