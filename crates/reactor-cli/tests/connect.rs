//! `reactor connect` as a part of a pipeline.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

use common::{PATIENCE, Running, Service, noise, only_line, reactor, run};

/// Starts the command connected to an address, and sends it `input` from a thread.
fn connect(address: impl ToString, input: Vec<u8>) -> Running {
    let mut command = reactor(&["connect", &address.to_string()]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.child().stdin.take().unwrap();
    // It may end before it has read everything.
    thread::spawn(move || drop(stdin.write_all(&input)));
    running
}

/// Serves one connection on a thread of its own.
fn serve_one<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, thread::JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        serve(stream)
    });
    (address, thread)
}

fn assert_done(output: &Output, stdout: &[u8]) {
    assert_eq!(output.status.code(), Some(0), "{:?}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{output:?}");
    assert!(output.stdout == stdout, "{} bytes came", output.stdout.len());
}

#[test]
fn what_is_piped_in_comes_back_from_an_echo_byte_for_byte() {
    let service = Service::start(&["echo"]);
    for size in [0, 1, 8 << 20] {
        let input = noise(size);
        assert_done(&connect(service.address, input.clone()).end(), &input);
    }
}

#[test]
fn a_unix_socket_serves_and_is_called_like_an_address() {
    let path = std::env::temp_dir().join(format!("reactor-cli-{}.sock", std::process::id()));
    let target = format!("unix:{}", path.display());
    let mut service = Running::start(reactor(&["echo", "--listen", &target]));
    let mut line = String::new();
    let stdout = service.child().stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert_eq!(line, format!("listening on {target}\n"));
    assert_done(&connect(&target, b"hello".to_vec()).end(), b"hello");
    // Taken, and then free again: a signal that stops it takes its file along.
    let second = only_line(&run(&["echo", "--listen", &target]));
    assert!(second.contains("is in use"), "{second}");
    service.signal("TERM");
    assert!(service.end().status.success());
    assert!(!path.exists());
    let nobody = only_line(&run(&["connect", &target]));
    assert!(nobody.contains(&format!("{target} refused the connection")), "{nobody}");
}

#[test]
fn a_regular_file_an_empty_one_and_no_stdin_at_all_are_sent() {
    let service = Service::start(&["echo"]);
    let address = service.address.to_string();
    let path = std::env::temp_dir().join(format!("reactor-connect-{}", std::process::id()));
    fs::write(&path, noise(300_000)).unwrap();
    let mut command = reactor(&["connect", &address]);
    command.stdin(File::open(&path).unwrap());
    fs::remove_file(&path).unwrap();
    assert_done(&Running::start(command).end(), &noise(300_000));

    assert_done(&run(&["connect", &address]), b"");

    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$0" connect "$1" <&-"#, env!("CARGO_BIN_EXE_reactor"), &address]);
    shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    assert_done(&Running::start(shell).end(), b"");
}

#[test]
fn the_end_of_stdin_is_sent_and_the_rest_is_awaited() {
    let (address, server) = serve_one(|mut stream| {
        let mut question = Vec::new();
        stream.read_to_end(&mut question).unwrap();
        stream.write_all(&question.repeat(1000)).unwrap();
        question
    });
    assert_done(&connect(address, b"all of it".to_vec()).end(), &b"all of it".repeat(1000));
    assert_eq!(server.join().unwrap(), b"all of it");
}

#[test]
fn a_peer_that_ends_first_is_still_sent_the_rest() {
    let (address, server) = serve_one(|mut stream| {
        stream.write_all(b"go on").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        rest
    });
    let mut command = reactor(&["connect", &address]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut word = [0; 5];
    running.child().stdout.as_mut().unwrap().read_exact(&mut word).unwrap();
    assert_eq!(&word, b"go on");
    let mut stdin = running.child().stdin.take().unwrap();
    stdin.write_all(&noise(1 << 20)).unwrap();
    drop(stdin);
    assert_done(&running.end(), b"");
    assert!(server.join().unwrap() == noise(1 << 20));
}

/// Returns the most memory a process has used, in KiB.
#[cfg(target_os = "linux")]
fn peak_memory_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_what_is_passed_through() {
    const BYTES: usize = 64 << 20;
    // Out: a peer that reads nothing before it is told to. In: a stdout that nobody reads either.
    let (go, told) = std::sync::mpsc::channel();
    let (address, server) = serve_one(move |mut stream| {
        told.recv_timeout(PATIENCE).unwrap();
        let mut reader = stream.try_clone().unwrap();
        let counting =
            thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()).unwrap());
        stream.write_all(&vec![7; BYTES]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        counting.join().unwrap()
    });
    let mut command = reactor(&["connect", &address]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.child().stdin.take().unwrap();
    let feeding = thread::spawn(move || stdin.write_all(&vec![8; BYTES]));
    let mut stdout = running.child().stdout.take().unwrap();
    go.send(()).unwrap();
    let mut back = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match stdout.read(&mut buffer).unwrap() {
            0 => break,
            count => back += count,
        }
        // Each of them would hold most of it if it did not wait for the next.
        let peak = peak_memory_kib(running.child().id());
        assert!(peak < 32 << 10, "{peak} KiB");
    }
    feeding.join().unwrap().unwrap();
    assert_eq!((back, server.join().unwrap()), (BYTES, BYTES as u64));
    assert_eq!(running.end().status.code(), Some(0));
}

#[test]
fn a_stdout_that_is_closed_early_ends_it_cleanly() {
    let service = Service::start(&["chargen"]);
    let mut running = connect(service.address, b"anything".to_vec());
    let mut stdout = running.child().stdout.take().unwrap();
    let mut line = [0; 74];
    stdout.read_exact(&mut line).unwrap();
    assert!(line.ends_with(b"\r\n"));
    drop(stdout);
    assert_done(&running.end(), b"");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_a_failure() {
    let service = Service::start(&["chargen"]);
    let mut command = reactor(&["connect", &service.address.to_string()]);
    command.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = Running::start(command).end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(only_line(&output).contains("cannot write to stdout: No space left"), "{output:?}");
}

#[test]
fn a_stdin_that_cannot_be_read_is_a_failure() {
    let service = Service::start(&["echo"]);
    let mut command = reactor(&["connect", &service.address.to_string()]);
    command.stdin(File::open(std::env::temp_dir()).unwrap());
    let output = Running::start(command).end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(only_line(&output).contains("cannot read stdin: Is a directory"), "{output:?}");
}

#[test]
fn a_reset_is_a_failure_after_what_had_arrived() {
    let (address, server) = serve_one(|mut stream| {
        stream.write_all(b"half").unwrap();
        // Not read by then: the kernel resets it.
        stream.peek(&mut [0]).unwrap();
    });
    let output = connect(address, b"unread".to_vec()).end();
    server.join().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.starts_with("reactor: reset by the peer"), "{line}");
}

#[test]
fn what_cannot_be_connected_is_one_line_and_stdin_is_not_touched() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    // Whoever comes next in the script gets all of stdin.
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        r#""$0" connect "$1"; echo $?; cat"#,
        env!("CARGO_BIN_EXE_reactor"),
        &address,
    ]);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(shell);
    running.child().stdin.take().unwrap().write_all(b"for the next\n").unwrap();
    let output = running.end();
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.contains(&format!("{address} refused the connection")), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert_eq!(output.stdout, b"1\nfor the next\n");

    // 192.0.2.1 (RFC 5737) belongs to nobody; whether it is unreachable or silent is up to the host.
    let output = run(&["connect", "192.0.2.1:9", "--connect-deadline", "50ms"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    only_line(&output);

    for args in [
        &["connect"][..],
        &["connect", "localhost"],
        &["connect", "a:1", "--connect-deadline", "5"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        only_line(&output);
    }
}

#[test]
fn a_signal_ends_it_with_a_code_of_its_own() {
    let (address, server) = serve_one(|mut stream| {
        stream.write_all(b"hello").unwrap();
        let mut rest = Vec::new();
        // Reset, for there was more to come.
        stream.read_to_end(&mut rest).map_err(|error| error.kind())
    });
    let mut command = reactor(&["connect", &address]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let stdin = running.child().stdin.take().unwrap();
    running.child().stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    running.signal("INT");
    let output = running.end();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(only_line(&output), "reactor: interrupted\n");
    assert_eq!(server.join().unwrap(), Err(std::io::ErrorKind::ConnectionReset));
    drop(stdin);
}
