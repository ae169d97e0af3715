//! Handlers that tell what happens to them, and notice what should not.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::{Input, Instant};
use crate::net::{CloseReason, ConnectError, Pressure};
use crate::protocol::{Conn, Eof, Failure, Flow, Message, Protocol, Reactor, Tag};

/// What was told, each line with its time, and what should not have been.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Notes>);

#[derive(Default)]
struct Notes {
    lines: Mutex<Vec<String>>,
    faults: Mutex<Vec<String>>,
    inside: AtomicBool,
}

impl Log {
    pub(super) fn note(&self, line: impl Into<String>) {
        self.0.lines.lock().unwrap().push(line.into());
    }

    pub(super) fn at(&self, now: Instant, line: impl fmt::Display) {
        self.note(format!("{now:?} {line}"));
    }

    /// Returns the lines since the last call.
    pub(super) fn take(&self) -> Vec<String> {
        mem::take(&mut *self.0.lines.lock().unwrap())
    }

    pub(super) fn fault(&self, what: impl Into<String>) {
        self.0.faults.lock().unwrap().push(what.into());
    }

    /// Marks the length of one callback; a second one within it is a fault.
    pub(super) fn enter(&self) -> Inside {
        if self.0.inside.swap(true, Ordering::Relaxed) {
            self.fault("a callback ran within another");
        }
        Inside(self.clone())
    }

    pub(super) fn assert_faultless(&self, context: &dyn fmt::Debug) {
        assert_eq!(*self.0.faults.lock().unwrap(), Vec::<String>::new(), "{context:?}");
    }
}

pub(super) struct Inside(Log);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.inside.store(false, Ordering::Relaxed);
    }
}

/// Where a handler stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Unborn,
    Open,
    Over,
}

type OnConn = Box<dyn FnMut(&mut Conn<'_>) -> Flow>;
type OnData = Box<dyn FnMut(&mut Conn<'_>, &mut Input<'_>) -> Flow>;
type OnEof = Box<dyn FnMut(&mut Conn<'_>, &mut Input<'_>) -> Result<Eof, Failure>>;
type OnTimer = Box<dyn FnMut(&mut Conn<'_>, Tag) -> Flow>;
type OnPressure = Box<dyn FnMut(&mut Conn<'_>, Pressure) -> Flow>;
type OnMessage = Box<dyn FnMut(&mut Conn<'_>, Message) -> Flow>;
type OnClose = Box<dyn FnMut(&mut Conn<'_>)>;
type OnFailed = Box<dyn FnMut(&mut Reactor<'_>)>;

/// A handler that logs every callback with its time, and checks their order.
///
/// Unless told otherwise it consumes what it is given.
pub(super) struct Teller {
    name: String,
    log: Log,
    life: Life,
    on_open: OnConn,
    on_data: OnData,
    on_eof: OnEof,
    on_timer: OnTimer,
    on_pressure: OnPressure,
    on_message: OnMessage,
    on_stop: OnConn,
    on_close: OnClose,
    on_failed: OnFailed,
}

macro_rules! setters {
    ($($name:ident: ($($argument:ty),*) $(-> $result:ty)?;)*) => {
        $(pub(super) fn $name(
            mut self,
            call: impl FnMut($($argument),*) $(-> $result)? + 'static,
        ) -> Self {
            self.$name = Box::new(call);
            self
        })*
    };
}

impl Teller {
    pub(super) fn new(log: &Log, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            log: log.clone(),
            life: Life::Unborn,
            on_open: Box::new(|_| Ok(())),
            on_data: Box::new(|_, input| {
                input.take_all();
                Ok(())
            }),
            on_eof: Box::new(|_, _| Ok(Eof::Close)),
            on_timer: Box::new(|_, _| Ok(())),
            on_pressure: Box::new(|_, _| Ok(())),
            on_message: Box::new(|_, _| Ok(())),
            on_stop: Box::new(|conn| {
                conn.close();
                Ok(())
            }),
            on_close: Box::new(|_| {}),
            on_failed: Box::new(|_| {}),
        }
    }

    setters! {
        on_open: (&mut Conn<'_>) -> Flow;
        on_data: (&mut Conn<'_>, &mut Input<'_>) -> Flow;
        on_eof: (&mut Conn<'_>, &mut Input<'_>) -> Result<Eof, Failure>;
        on_timer: (&mut Conn<'_>, Tag) -> Flow;
        on_pressure: (&mut Conn<'_>, Pressure) -> Flow;
        on_message: (&mut Conn<'_>, Message) -> Flow;
        on_stop: (&mut Conn<'_>) -> Flow;
        on_close: (&mut Conn<'_>);
        on_failed: (&mut Reactor<'_>);
    }

    pub(super) fn keeps_open(self) -> Self {
        self.on_eof(|_, _| Ok(Eof::KeepOpen))
    }

    /// Notes a callback, and checks that it may come now.
    fn enter(&mut self, now: Instant, what: impl fmt::Display, from: Life, to: Life) -> Inside {
        let name = &self.name;
        if self.life != from {
            self.log.fault(format!("{name}: {what} while {:?} at {now:?}", self.life));
        }
        self.life = to;
        self.log.at(now, format_args!("{name} {what}"));
        self.log.enter()
    }

    fn enter_open(&mut self, conn: &mut Conn<'_>, what: impl fmt::Display) -> Inside {
        self.enter(conn.reactor().now(), what, Life::Open, Life::Open)
    }
}

impl Protocol for Teller {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let _inside = self.enter(conn.reactor().now(), "open", Life::Unborn, Life::Open);
        (self.on_open)(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let _inside = self.enter_open(conn, format_args!("data {}", input.len()));
        (self.on_data)(conn, input)
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        let _inside = self.enter_open(conn, "eof");
        (self.on_eof)(conn, input)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        let _inside = self.enter_open(conn, format_args!("{pressure:?}"));
        (self.on_pressure)(conn, pressure)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        let _inside = self.enter_open(conn, format_args!("timer {}", tag.0));
        (self.on_timer)(conn, tag)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        let _inside = self.enter_open(conn, "message");
        (self.on_message)(conn, message)
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        let _inside = self.enter_open(conn, "stop");
        (self.on_stop)(conn)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        let now = conn.reactor().now();
        let _inside = self.enter(now, format_args!("closed: {reason}"), Life::Open, Life::Over);
        (self.on_close)(conn);
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        let now = reactor.now();
        let _inside = self.enter(now, format_args!("failed: {error}"), Life::Unborn, Life::Over);
        (self.on_failed)(reactor);
    }
}
