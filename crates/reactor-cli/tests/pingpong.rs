//! The ping-pong, against its own server and against odd ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use common::{PATIENCE, Running, Service, only_line, reactor, run};
use serde_json::Value;

/// Runs a ping-pong with `--json` and returns the object that it printed.
fn measure(args: &[&str]) -> Value {
    let output = run(&[&["pingpong", "--json"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_sane(result: &Value) {
    let number = |name: &str| result[name].as_f64().unwrap_or_else(|| panic!("{name} in {result}"));
    let (messages, seconds) = (number("messages"), number("elapsed_seconds"));
    assert!(messages > 0.0 && seconds > 0.0, "{result}");
    assert!((number("messages_per_second") - messages / seconds).abs() < 1.0, "{result}");
    let mebibytes = number("messages_per_second") * number("size_bytes") / 1_048_576.0;
    let told = number("payload_mebibytes_per_second_each_way");
    assert!((told - mebibytes).abs() < 0.01, "{result}");
    let latencies = ["p50", "p90", "p99", "p99_9", "max"]
        .map(|name| result["latency_nanoseconds"][name].as_u64().unwrap());
    assert!(latencies[0] > 0 && latencies.is_sorted(), "{result}");
    assert_eq!((number("damaged_messages"), number("lost_connections")), (0.0, 0.0));
    assert_eq!(result["interrupted"], false);
}

#[test]
fn a_number_of_messages_is_measured_exactly() {
    let result = measure(&["--messages", "1000", "--connections", "10"]);
    assert_sane(&result);
    assert_eq!(result["messages"], 1000);
    assert_eq!(result["connections"], 10);
    assert_eq!((&result["server"], &result["server_loops"]), (&"embedded".into(), &1.into()));
}

#[test]
fn many_outstanding_messages_of_an_odd_size_come_back_right() {
    for args in [
        ["--connections", "3", "--size", "1", "--outstanding", "200", "--messages", "50000"],
        ["--connections", "3", "--size", "4093", "--outstanding", "9", "--messages", "2000"],
        ["--connections", "7", "--size", "64", "--outstanding", "16", "--messages", "5"],
    ] {
        assert_sane(&measure(&args));
    }
}

#[test]
fn a_message_larger_than_every_buffer_does_not_deadlock() {
    assert_sane(&measure(&["--connections", "2", "--size", "33554432", "--messages", "3"]));
}

#[test]
fn a_duration_is_kept() {
    let result = measure(&["--duration", "200ms", "--connections", "600", "--loops", "2"]);
    assert_sane(&result);
    assert!(result["elapsed_seconds"].as_f64().unwrap() >= 0.2);
}

#[test]
fn another_process_can_be_measured_by_name() {
    let service = Service::start(&["echo"]);
    let target = format!("localhost:{}", service.address.port());
    let result = measure(&["--connect", &target, "--messages", "500", "--connections", "5"]);
    assert_sane(&result);
    assert_eq!((&result["server"], &result["server_loops"]), (&target.into(), &Value::Null));
}

#[test]
fn the_summary_names_its_units() {
    let output = run(&["pingpong", "--messages", "1000", "--connections", "10"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "no bar without a terminal: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["1,000", "messages/s", "MiB/s each way", "p50", "p90", "p99.9", "max", "µs"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

/// Serves one connection on a thread of its own.
fn serve_one(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        serve(stream);
    });
    address
}

fn play_with(address: SocketAddr, more: &[&str]) -> Running {
    let address = address.to_string();
    let args = ["pingpong", "--connect", &address, "--connections", "1", "--size", "8"];
    Running::start(reactor(&[&args, more].concat()))
}

fn echo(stream: &mut TcpStream, times: usize, change: u8) {
    let mut message = [0; 8];
    for _ in 0..times {
        stream.read_exact(&mut message).unwrap();
        message[5] ^= change;
        stream.write_all(&message).unwrap();
    }
}

#[test]
fn a_changed_byte_is_counted_and_is_a_failure() {
    let address = serve_one(|mut stream| {
        echo(&mut stream, 2, 0);
        echo(&mut stream, 1, 1);
        echo(&mut stream, 2, 0);
        let _ = stream.read(&mut [0]);
    });
    let output = play_with(address, &["--messages", "5", "--json"]).end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["messages"], &result["damaged_messages"]), (&4.into(), &1.into()));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("reactor: 1 of 5 messages came back different"), "{stderr}");
}

#[test]
fn a_server_that_sends_unasked_is_no_echo_server() {
    let address = serve_one(|mut stream| {
        echo(&mut stream, 1, 1);
        let _ = stream.write_all(&[0; 100]);
        let _ = stream.read(&mut [0]);
    });
    let output = play_with(address, &["--messages", "1000000"]).end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = only_line(&output);
    assert!(line.contains("came back different from what was sent - is 127.0.0.1:"), "{line}");
}

#[test]
fn a_lost_connection_is_a_failure_after_the_summary() {
    let address = serve_one(|mut stream| echo(&mut stream, 3, 0));
    let output = play_with(address, &[]).end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("(no connection left)"), "{stdout}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("reactor: 1 connection ended before"), "{stderr}");
}

#[test]
fn a_server_that_never_answers_is_a_failure() {
    let address = serve_one(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let output = play_with(address, &["--duration", "50ms"]).end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(only_line(&output).contains("no message came back"));
}

#[test]
#[cfg(unix)]
fn an_interrupt_prints_what_was_measured_so_far() {
    let (report, fourth_arrived) = std::sync::mpsc::channel();
    let address = serve_one(move |mut stream| {
        echo(&mut stream, 3, 0);
        // When the fourth message is here, the third has come back.
        stream.read_exact(&mut [0; 8]).unwrap();
        report.send(()).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let running = play_with(address, &["--json"]);
    fourth_arrived.recv_timeout(PATIENCE).unwrap();
    running.signal("INT");
    let output = running.end();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["messages"], &result["interrupted"]), (&3.into(), &true.into()));
}
