//! Clients that connect again whenever they are not connected.

use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{ConnectOptions, buggify};

use super::lot::{Counter, Lot};

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How to reach a server, and what to run on each connection to it.
pub(super) struct Dialer<P> {
    pub(super) target: &'static str,
    pub(super) options: ConnectOptions,
    pub(super) lot: Lot,
    /// Counts the attempts.
    pub(super) attempts: Counter,
    /// The pause after a connection or the first failure; it doubles with each further one.
    pub(super) pause_min: Duration,
    pub(super) make: Box<dyn Fn() -> P>,
}

impl<P: Protocol> Dialer<P> {
    pub(super) fn new(target: &'static str, lot: &Lot, make: impl Fn() -> P + 'static) -> Self {
        Self {
            target,
            options: ConnectOptions::default(),
            lot: lot.clone(),
            attempts: Counter::default(),
            pause_min: PAUSE_MIN,
            make: Box::new(make),
        }
    }

    /// Keeps one connection open for as long as the loop runs.
    pub(super) fn keep(self, reactor: &mut Reactor<'_>) {
        dial(&Rc::new(self), reactor, 0);
    }
}

fn dial<P: Protocol>(dialer: &Rc<Dialer<P>>, reactor: &mut Reactor<'_>, failures: u32) {
    dialer.attempts.add(1);
    let inner = (dialer.make)();
    let handler = Redial { dialer: Rc::clone(dialer), inner, failures };
    let dialed = reactor.connect_with(dialer.target, dialer.options.clone(), handler);
    assert!(dialed.is_ok(), "the target is one: {dialed:?}");
}

/// A handler that sees to the next connection at its end.
struct Redial<P> {
    dialer: Rc<Dialer<P>>,
    inner: P,
    /// Attempts in a row that came to nothing.
    failures: u32,
}

impl<P: Protocol> Redial<P> {
    fn again(&self, reactor: &mut Reactor<'_>, failures: u32) {
        if reactor.is_stopping() {
            return;
        }
        let pause = self.dialer.pause_min.saturating_mul(1 << failures.min(8)).min(PAUSE_MAX);
        let dialer = Rc::clone(&self.dialer);
        // Some clients are not in a hurry, and are seldom met in a test that always is.
        let pause = if buggify!("redial late") { PAUSE_MAX * 3 } else { pause };
        let pause = pause / 2 + dialer.lot.time(pause / 2);
        reactor.call_later(pause, move |reactor| {
            if !reactor.is_stopping() {
                dial(&dialer, reactor, failures);
            }
        });
    }
}

impl<P: Protocol> Protocol for Redial<P> {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.failures = 0;
        self.inner.on_open(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.inner.on_data(conn, input)
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.inner.on_eof(conn, input)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.inner.on_pressure(conn, pressure)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.inner.on_timer(conn, tag)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        self.inner.on_message(conn, message)
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.inner.on_stop(conn)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.inner.on_close(conn, reason);
        self.again(conn.reactor(), self.failures);
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.inner.on_connect_failed(reactor, error);
        self.again(reactor, self.failures + 1);
    }
}
