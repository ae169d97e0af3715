//! The client: many connections, one end.

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{Client, ConnectOptions, Target};

use crate::support::{Log, PATIENCE, Running, Script, closed_port, give_up, std_listener};

/// Sends a word, and closes when it has come back.
fn one_word(log: &Log) -> Script {
    let log = log.clone();
    let mut got = Vec::new();
    Script::new().on_open(|conn| Ok(conn.write("word")?)).on_data(move |conn, bytes| {
        got.extend_from_slice(bytes);
        if got == b"word" {
            log.note("echo");
            conn.close();
        }
        Ok(())
    })
}

#[test]
fn a_client_runs_until_all_its_connections_have_ended() {
    let server = Running::start_echo();
    let log = Log::default();
    let noted = log.clone();
    let client = Client::new(move || one_word(&noted)).connections(50);
    let stopped = client.connect(server.address).unwrap().run().unwrap();
    assert_eq!(stopped.aborted, 0);
    assert_eq!(log.lines(), vec!["echo"; 50]);
    server.stop();
}

#[test]
fn a_client_without_connections_ends_at_once() {
    let client = Client::new(Script::new).connections(0);
    client.connect(closed_port()).unwrap().run().unwrap();
}

#[test]
fn a_failure_without_on_failed_is_the_error_of_the_run() {
    let client = Client::new(Script::new).connections(5);
    let error = client.connect(closed_port()).unwrap().run().unwrap_err();
    assert!(matches!(error, Error::Connect(ConnectError::Refused { .. })), "{error:?}");
}

#[test]
fn the_first_failure_is_the_error_and_the_others_are_cancelled() {
    // A name takes a worker thread, a broadcast address fails at once.
    let target = Target::Host("name.invalid".to_owned(), 80);
    let client = Client::new(Script::new).connections(3);
    let error = client.connect(target).unwrap().run().unwrap_err();
    let is_names = matches!(
        error,
        Error::Connect(ConnectError::NameNotFound { .. } | ConnectError::NameFailed { .. })
    );
    assert!(is_names, "{error:?}");
}

#[test]
fn on_failed_is_called_for_each_failure_and_the_run_ends_well() {
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let client = Client::new(Script::new).connections(7).on_failed(move |_, error| {
        assert!(matches!(error, ConnectError::Refused { .. }));
        counted.set(counted.get() + 1);
    });
    client.connect(closed_port()).unwrap().run().unwrap();
    assert_eq!(count.get(), 7);
}

#[test]
fn a_panicking_on_failed_does_not_keep_the_client_running() {
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let client = Client::new(Script::new).connections(3).on_failed(move |_, _| {
        counted.set(counted.get() + 1);
        panic!("on_failed panics");
    });
    let mut running = client.connect(closed_port()).unwrap();
    let gave_up = give_up(&mut running.reactor());
    running.run().expect("a failure that was told is no error");
    assert!(!gave_up.get(), "the client does not end");
    assert_eq!(count.get(), 3, "a panic must not silence the next failure");
}

#[test]
fn a_panicking_handler_does_not_keep_the_client_running() {
    let server = Running::start_echo();
    let places = RefCell::new(["open", "data", "close"].into_iter());
    let client = Client::new(move || {
        let place = places.borrow_mut().next().unwrap();
        Script::new()
            .on_open(move |conn| {
                assert_ne!(place, "open");
                Ok(conn.write("x")?)
            })
            .on_data(move |conn, _| {
                assert_ne!(place, "data");
                conn.close();
                Ok(())
            })
            .on_close(move |_, _| assert_ne!(place, "close"))
    });
    let mut running = client.connections(3).connect(server.address).unwrap();
    let gave_up = give_up(&mut running.reactor());
    running.run().unwrap();
    assert!(!gave_up.get(), "the client does not end");
    server.stop();
}

#[test]
fn a_client_can_be_stopped_from_another_thread() {
    let server = Running::start_echo();
    let log = Log::default();
    let noted = log.clone();
    let client = Client::new(move || {
        let (open, close) = (noted.clone(), noted.clone());
        Script::new()
            .on_open(move |conn| {
                open.note("open");
                let handle = conn.reactor().handle();
                if open.len() == 3 {
                    std::thread::spawn(move || handle.stop());
                }
                Ok(())
            })
            .on_close(move |_, reason| close.note(reason))
    });
    client.connections(3).connect(server.address).unwrap().run().unwrap();
    assert_eq!(log.lines()[3..], ["closed by this side"; 3]);
    server.stop();
}

#[test]
fn a_text_that_is_no_target_is_an_error_before_anything_runs() {
    let error = Client::new(Script::new).connect("no port here").unwrap_err();
    assert!(matches!(error, Error::Target(_)), "{error:?}");
}

#[test]
fn the_options_of_a_client_reach_each_of_its_connections() {
    let (listener, address) = std_listener();
    let local = std::net::SocketAddr::from(([127, 0, 0, 3], 0));
    let peers = std::thread::spawn(move || {
        let mut sources = Vec::new();
        for _ in 0..2 {
            let (mut stream, from) = listener.accept().unwrap();
            sources.push(from.ip());
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        }
        sources
    });
    let options = ConnectOptions::default().bind(local).deadline(Duration::from_secs(10));
    let client = Client::new(|| {
        Script::new().on_open(|conn| {
            conn.close();
            Ok(())
        })
    });
    client.options(options).connections(2).connect(address).unwrap().run().unwrap();
    assert_eq!(peers.join().unwrap(), [local.ip(); 2]);
}
