//! A server that echoes, a caller that tells what it sees, and the log that both write.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Host, Simulation};
use net_reactor::{ConnectOptions, Instant};

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What was seen, each with the time on the clock of whoever saw it.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<(Duration, String)>>>);

impl Log {
    pub(crate) fn note(&self, now: Instant, text: impl Into<String>) {
        self.0.borrow_mut().push((now.saturating_since(Instant::ORIGIN), text.into()));
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.borrow().iter().map(|(_, text)| text.clone()).collect()
    }

    /// Returns when a text that begins like this was first written.
    pub(crate) fn when(&self, start: &str) -> Option<Duration> {
        let log = self.0.borrow();
        log.iter().find_map(|(at, text)| text.starts_with(start).then_some(*at))
    }

    /// Returns when the texts that begin like this were written.
    pub(crate) fn times(&self, start: &str) -> impl Iterator<Item = Duration> + use<> {
        let log = self.0.borrow();
        let times: Vec<_> =
            log.iter().filter(|(_, text)| text.starts_with(start)).map(|(at, _)| *at).collect();
        times.into_iter()
    }

    pub(crate) fn count(&self, start: &str) -> usize {
        self.0.borrow().iter().filter(|(_, text)| text.starts_with(start)).count()
    }

    pub(crate) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// Sends on opening, sends again a period after each answer, and writes down what happens.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) log: Log,
    /// What it says.
    pub(crate) text: Vec<u8>,
    /// How long after an answer it asks again, if it does.
    pub(crate) period: Option<Duration>,
    left: usize,
}

impl Caller {
    pub(crate) fn new(log: &Log) -> Self {
        Self { log: log.clone(), text: b"ping".to_vec(), period: None, left: 0 }
    }

    pub(crate) fn every(mut self, period: Duration) -> Self {
        self.period = Some(period);
        self
    }

    pub(crate) fn says(mut self, text: Vec<u8>) -> Self {
        self.text = text;
        self
    }

    fn ask(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.left += self.text.len();
        Ok(conn.write(&self.text)?)
    }
}

impl Protocol for Caller {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.log.note(conn.reactor().now(), "open");
        self.ask(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.left -= input.take_all().len();
        if self.left == 0 {
            self.log.note(conn.reactor().now(), "answer");
            if let Some(period) = self.period {
                conn.set_timer(Tag(0), period);
            }
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        self.ask(conn)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.log.note(conn.reactor().now(), format!("closed: {reason:?}"));
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.log.note(reactor.now(), format!("failed: {error:?}"));
    }
}

/// Adds a host that echoes on port 9000.
pub(crate) fn echo(sim: &mut Simulation, name: &str) -> Host {
    sim.host(name, |boot| {
        let echo = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
        boot.serve(echo, "0.0.0.0:9000").map(drop)
    })
}

/// Adds a host whose own loop connects a caller to `target` once.
pub(crate) fn calls(sim: &mut Simulation, name: &str, target: &str, caller: &Caller) -> Host {
    let (target, caller) = (target.to_owned(), caller.clone());
    sim.host(name, move |boot| {
        let options = ConnectOptions::default().deadline(secs(300));
        boot.reactor().connect_with(target.as_str(), options, caller.clone())?;
        Ok(())
    })
}

/// A handler that does nothing but be there.
pub(crate) struct Idle;

impl Protocol for Idle {
    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}
