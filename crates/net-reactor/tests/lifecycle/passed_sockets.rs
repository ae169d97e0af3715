//! Sockets from a service manager: a shell stands in for it.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use net_reactor::passed_sockets;
use net_reactor::prelude::*;

use super::support::{PATIENCE, Script, child, give_up, is_child, run_child, spawn, std_listener};

/// Opens the descriptors 3 and 4 as a service manager does, and becomes the service.
const MANAGER: [&str; 3] = [
    "sh",
    "-c",
    r#"exec env LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:other "$0" "$@" 3<&0 4</dev/null 0</dev/null"#,
];

/// The service: greets the peers of its first socket.
fn serve() {
    let mut passed = passed_sockets().unwrap();
    assert!(passed_sockets().unwrap().is_empty(), "each has one owner");
    let names: Vec<_> = passed.iter().map(|each| each.name().map(str::to_owned)).collect();
    assert_eq!(names, [Some("web".to_owned()), Some("other".to_owned())]);
    let other = passed.pop().unwrap().into_listening_socket().unwrap_err();
    assert_eq!(other.kind(), std::io::ErrorKind::InvalidInput, "it is no socket");
    let web = passed.pop().unwrap().into_listening_socket().unwrap();
    let greeter = || {
        Script::new().on_open(|conn| {
            conn.write(b"welcome")?;
            conn.close();
            Ok(())
        })
    };
    let mut bound = Server::new(move |_: &Peer| greeter()).adopt(web).unwrap();
    give_up(&mut bound.reactor());
    bound.reactor().defer(|_| eprintln!("serves"));
    bound.run().unwrap();
}

fn greeting(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_service_serves_on_the_socket_that_its_manager_has_opened() {
    if is_child() {
        return serve();
    }
    let (socket, address) = std_listener();
    let test = "passed_sockets::a_service_serves_on_the_socket_that_its_manager_has_opened";
    let mut command = child(test, &MANAGER);
    command.stdin(Stdio::from(OwnedFd::from(socket))).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut service = spawn(&mut command);
    drop(command);
    let mut lines = BufReader::new(service.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("serves")));
    assert_eq!(greeting(address), "welcome");
    service.kill().unwrap();
    service.wait().unwrap();
}

#[test]
fn a_process_that_was_passed_none_has_none() {
    if is_child() {
        return assert!(passed_sockets().unwrap().is_empty());
    }
    let test = "passed_sockets::a_process_that_was_passed_none_has_none";
    run_child(test, &[]);
    // Those of another process are none of ours.
    run_child(test, &["env", "LISTEN_PID=1", "LISTEN_FDS=2"]);
}

#[test]
fn variables_that_make_no_sense_are_an_error() {
    if is_child() {
        let error = passed_sockets().unwrap_err();
        return assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    let test = "passed_sockets::variables_that_make_no_sense_are_an_error";
    run_child(test, &["sh", "-c", r#"exec env LISTEN_PID=$$ LISTEN_FDS=many "$0" "$@""#]);
}
