//! Clients that connect again over real sockets, and handles of them on other threads.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{ConnConfig, ConnectOptions, Progress, Reconnect, Reconnector, Stopped};

use crate::support::{Deaf, PATIENCE, closed_port, wait_for};

const DELAY: Duration = Duration::from_millis(5);

/// Reads what comes.
struct Reader;

impl Protocol for Reader {
    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }
}

/// A client that runs on a thread of its own.
struct Running {
    steps: Receiver<String>,
    reconnector: Reconnector,
    thread: JoinHandle<Result<Stopped, Error>>,
}

impl Running {
    fn start(target: SocketAddr, policy: Reconnect) -> Self {
        let (step, steps) = mpsc::channel();
        let (give, given) = mpsc::channel();
        let thread = thread::spawn(move || {
            // Nobody here closes what was closed on him, so there is nothing to wait for.
            let config = ConnConfig::default().drain(Duration::ZERO);
            let options = ConnectOptions::default().config(config);
            let client = Client::new(|| Reader).reconnect(policy).options(options);
            let client = client.on_progress(move |_, _, progress| {
                let name = match progress {
                    Progress::Attempt { .. } => "attempt",
                    Progress::Opened { .. } => "opened",
                    Progress::Failed { .. } => "failed",
                    Progress::Lost { .. } => "lost",
                    _ => "ended",
                };
                let _ = step.send(name.to_owned());
            });
            let running = client.connect(target)?;
            give.send(running.reconnectors()[0].clone()).unwrap();
            running.run()
        });
        let reconnector = wait_for(&given, "the client");
        Self { steps, reconnector, thread }
    }

    fn expect(&self, step: &str) {
        assert_eq!(wait_for(&self.steps, step), step);
    }

    fn join(self) -> Vec<String> {
        assert_eq!(self.thread.join().unwrap().unwrap(), Stopped::default());
        self.steps.try_iter().collect()
    }
}

#[test]
fn a_client_comes_back_to_a_server_that_was_restarted_on_its_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let running = Running::start(address, Reconnect::fixed(DELAY));
    running.expect("attempt");
    let (accepted, _) = listener.accept().unwrap();
    running.expect("opened");
    drop(listener);
    drop(accepted);
    running.expect("lost");
    running.expect("attempt");
    running.expect("failed");
    // Others may take the port of a listener that was chosen by the system; then there is no way
    // to restart on it, and nothing to be shown.
    if let Ok(listener) = TcpListener::bind(address) {
        let _accepted = listener.accept().unwrap();
        while wait_for(&running.steps, "opened") != "opened" {}
        assert!(running.reconnector.connection().is_some());
        running.reconnector.close();
        while wait_for(&running.steps, "ended") != "ended" {}
    } else {
        running.reconnector.close();
    }
    assert!(running.join().iter().all(|step| step != "opened"));
}

#[test]
fn another_thread_stops_a_client_that_is_connecting() {
    let deaf = Deaf::new();
    let running = Running::start(deaf.address, Reconnect::fixed(PATIENCE));
    running.expect("attempt");
    running.reconnector.stop_trying();
    running.expect("failed");
    running.expect("ended");
    assert!(!running.reconnector.is_trying());
    assert_eq!(running.join(), [""; 0]);
}

#[test]
fn a_client_whose_loop_was_dropped_tries_no_more() {
    let mut event_loop = EventLoop::new().unwrap();
    let client = Client::new(|| Reader);
    let kept = client.keep_on(&mut event_loop.reactor(), closed_port()).unwrap();
    assert!(kept.is_trying());
    drop(event_loop);
    assert!(!kept.is_trying());
}

#[test]
fn eight_threads_that_change_their_minds_end_it_once() {
    let (deaf, listener) = (Deaf::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let running = Running::start(deaf.address, Reconnect::fixed(DELAY));
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (reconnector, deaf) = (running.reconnector.clone(), deaf.address);
            thread::spawn(move || {
                for round in 0..200 {
                    let target = if (round + number) % 2 == 0 { address } else { deaf };
                    reconnector.retarget(target).unwrap();
                    reconnector.retry_now();
                }
                reconnector.close();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut steps = Vec::new();
    while steps.last().is_none_or(|last| last != "ended") {
        steps.push(wait_for(&running.steps, "the end"));
    }
    let count = |step: &str| steps.iter().filter(|known| *known == step).count();
    assert_eq!(count("attempt"), count("opened") + count("failed"), "one outcome each");
    assert_eq!(count("opened"), count("lost"), "one end each");
    assert_eq!(running.join(), [""; 0]);
}
