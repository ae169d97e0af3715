//! What goes wrong is told in one line, with the right exit code, and without a panic.

mod common;

#[cfg(unix)]
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
#[cfg(unix)]
use std::net::TcpStream;

#[cfg(unix)]
use common::PATIENCE;
use common::{Running, only_line, reactor, run};

#[test]
fn bad_arguments_are_one_line_and_exit_code_2() {
    for args in [
        &[][..],
        &["sing"],
        &["pingpong", "--size", "none"],
        &["pingpong", "--duration", "10"],
        &["pingpong", "--duration", "1s", "--messages", "1"],
        &["pingpong", "--connect", "127.0.0.1:1", "--loops", "2"],
        &["pingpong", "--connect", "127.0.0.1"],
        &["pingpong", "--size", "1000000", "--outstanding", "1000000"],
        &["echo", "--listen", "127.0.0.1:port"],
        &["echo", "--loops", "0"],
        &["time", "extra"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        only_line(&output);
    }
}

#[test]
fn a_port_in_use_is_one_line_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["echo", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = only_line(&output);
    assert!(line.contains(&format!("{address} is in use - choose another port")), "{line}");
}

#[test]
fn an_address_of_another_machine_is_refused_in_one_line() {
    // TEST-NET-1 (RFC 5737) belongs to nobody.
    let output = run(&["discard", "--listen", "192.0.2.1:9"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(only_line(&output).contains("an address of this machine"));
}

#[test]
fn a_refused_connection_is_one_line_that_says_what_to_start() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    let output = run(&["pingpong", "--connect", &address]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = only_line(&output);
    assert!(line.contains(&format!("{address} refused the connection - start a server")), "{line}");
}

#[test]
fn a_name_that_does_not_exist_is_one_line() {
    // RFC 6761: no resolver answers for `.invalid`.
    let output = run(&["pingpong", "--connect", "reactor.invalid:7"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(only_line(&output).contains("cannot resolve the name \"reactor.invalid\""));
}

#[test]
fn a_closed_stdout_is_no_failure() {
    for args in [
        &["--help"][..],
        &["--version"],
        &["pingpong", "--messages", "100"],
        &["pingpong", "--messages", "100", "--json"],
    ] {
        let mut running = Running::start(reactor(args));
        drop(running.child().stdout.take());
        let output = running.end();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{args:?}: {output:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_a_failure() {
    let mut command = reactor(&["pingpong", "--messages", "100"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = Running::start(command).end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(only_line(&output).contains("cannot write to stdout"));
}

#[test]
#[cfg(unix)]
fn a_service_serves_also_when_nobody_reads_where() {
    let mut running = Running::start(reactor(&["-vv", "time"]));
    drop(running.child().stdout.take());
    // The library tells it too, among its events.
    let events = BufReader::new(running.child().stderr.take().unwrap()).lines();
    let address = events.map_while(Result::ok).find_map(|line| {
        let (_, address) = line.split_once("listening address=")?;
        Some(address.to_owned())
    });
    let mut stream = TcpStream::connect(address.unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut time = Vec::new();
    stream.read_to_end(&mut time).unwrap();
    assert_eq!(time.len(), 4);
    drop(stream);
    running.signal("TERM");
    assert_eq!(running.end().status.code(), Some(0));
}
