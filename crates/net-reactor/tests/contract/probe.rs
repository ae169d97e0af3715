//! A handler that tells a test what it sees, and does what the test says.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use net_reactor::{
    CloseReason, Conn, ConnHandle, Eof, Failure, Flow, Input, Message, Pressure, Protocol, Tag,
};

use crate::support::PATIENCE;

/// What a probe saw, in order.
#[derive(Debug)]
pub(crate) enum Seen {
    Open(ConnHandle),
    Data(Vec<u8>),
    Eof,
    Pressure(Pressure),
    Timer,
    Message,
    Stop,
    Close(CloseReason),
    /// The handler is gone: nothing can follow.
    Dropped,
}

/// The callback that a probe is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Open,
    Data(&'a [u8]),
    Eof,
    Pressure(Pressure),
    Timer(Tag),
    Message,
    Stop,
    Close,
}

type Act = Arc<dyn Fn(&mut Conn<'_>, Step<'_>) -> Flow + Send + Sync>;

/// A message that a probe runs.
type Command = Box<dyn FnOnce(&mut Conn<'_>) -> Flow + Send>;

/// Makes probes that report to one [`Watch`].
#[derive(Clone)]
pub(crate) struct Plan {
    seen: Sender<Seen>,
    act: Act,
    eof: Eof,
}

impl Plan {
    /// Makes a plan whose probes call `act` in each callback.
    pub(crate) fn new(
        act: impl Fn(&mut Conn<'_>, Step<'_>) -> Flow + Send + Sync + 'static,
    ) -> (Self, Watch) {
        let (seen, watch) = channel();
        (Self { seen, act: Arc::new(act), eof: Eof::Close }, Watch(watch))
    }

    /// Makes a plan whose probes do nothing by themselves.
    pub(crate) fn passive() -> (Self, Watch) {
        Self::new(|conn, step| {
            if step == Step::Stop {
                conn.close();
            }
            Ok(())
        })
    }

    /// Stays open after the peer's end.
    pub(crate) fn keep_open(mut self) -> Self {
        self.eof = Eof::KeepOpen;
        self
    }

    pub(crate) fn probe(&self) -> Probe {
        Probe { plan: self.clone() }
    }
}

pub(crate) struct Probe {
    plan: Plan,
}

impl Probe {
    fn see(&self, seen: Seen) {
        // A test that has seen enough is gone.
        let _ = self.plan.seen.send(seen);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.see(Seen::Dropped);
    }
}

impl Protocol for Probe {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.see(Seen::Open(conn.handle()));
        (self.plan.act)(conn, Step::Open)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let bytes = input.take_all();
        self.see(Seen::Data(bytes.to_vec()));
        (self.plan.act)(conn, Step::Data(bytes))
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        assert!(input.is_empty(), "a probe consumes everything");
        self.see(Seen::Eof);
        (self.plan.act)(conn, Step::Eof)?;
        Ok(self.plan.eof)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.see(Seen::Pressure(pressure));
        (self.plan.act)(conn, Step::Pressure(pressure))
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.see(Seen::Timer);
        (self.plan.act)(conn, Step::Timer(tag))
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        let message: Box<dyn Any> = message;
        match message.downcast::<Command>() {
            Ok(command) => command(conn),
            Err(_) => {
                self.see(Seen::Message);
                (self.plan.act)(conn, Step::Message)
            }
        }
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.see(Seen::Stop);
        (self.plan.act)(conn, Step::Stop)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.see(Seen::Close(reason));
        // There is nobody to take an error after the last callback.
        let _ = (self.plan.act)(conn, Step::Close);
    }
}

/// Runs `command` within a callback of a probe's connection.
pub(crate) fn command(
    handle: &ConnHandle,
    command: impl FnOnce(&mut Conn<'_>) -> Flow + Send + 'static,
) {
    let command: Command = Box::new(command);
    handle.message(command).unwrap();
}

/// What the probes of one plan see.
pub(crate) struct Watch(Receiver<Seen>);

impl Watch {
    /// Waits for what is seen next.
    pub(crate) fn next(&self) -> Seen {
        self.0.recv_timeout(PATIENCE).expect("a probe sees something")
    }

    /// Waits for the next opened connection, whatever comes before.
    pub(crate) fn opened(&self) -> ConnHandle {
        loop {
            if let Seen::Open(handle) = self.next() {
                return handle;
            }
        }
    }

    /// Waits until something is seen that `wanted` picks.
    pub(crate) fn until(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            let seen = self.next();
            if wanted(&seen) {
                return seen;
            }
            assert!(!matches!(seen, Seen::Dropped), "the handler went without it");
        }
    }

    /// Takes what has been seen so far.
    pub(crate) fn so_far(&self) -> Vec<Seen> {
        self.0.try_iter().collect()
    }

    /// Waits for the end of the only connection; returns the reason.
    pub(crate) fn close_reason(&self) -> CloseReason {
        self.story().1
    }

    /// Waits for the end of the only connection; returns what came before `on_close`, and the
    /// reason.
    ///
    /// Checks that `on_close` came once and last.
    pub(crate) fn story(&self) -> (Vec<Seen>, CloseReason) {
        let mut before = Vec::new();
        loop {
            match self.next() {
                Seen::Close(reason) => {
                    let after = self.next();
                    assert!(matches!(after, Seen::Dropped), "{after:?} after on_close");
                    return (before, reason);
                }
                Seen::Dropped => panic!("dropped without on_close, after {before:?}"),
                seen => before.push(seen),
            }
        }
    }

    /// Waits for the end of the only connection; returns all data it was given.
    pub(crate) fn data(&self) -> Vec<u8> {
        data_of(&self.story().0)
    }

    /// Waits until the probe was given `count` bytes, and returns them.
    pub(crate) fn data_until(&self, count: usize) -> Vec<u8> {
        let mut data = Vec::new();
        while data.len() < count {
            match self.next() {
                Seen::Data(bytes) => data.extend(bytes),
                Seen::Close(reason) => panic!("closed after {} bytes: {reason:?}", data.len()),
                _ => {}
            }
        }
        data
    }
}

/// Joins all data of a story.
pub(crate) fn data_of(story: &[Seen]) -> Vec<u8> {
    let data = story.iter().filter_map(|seen| match seen {
        Seen::Data(bytes) => Some(&bytes[..]),
        _ => None,
    });
    data.collect::<Vec<_>>().concat()
}
