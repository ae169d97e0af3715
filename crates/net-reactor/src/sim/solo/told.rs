//! The handler, with an ear at the door.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::rc::Rc;

use crate::base::{ConnId, Input};
use crate::net::{CloseReason, ConnectError, Pressure};
use crate::protocol::{Conn, Eof, Failure, Flow, Message, Protocol, Reactor, Shared, Tag};

/// What the test wants to know of the callbacks.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) id: Option<ConnId>,
    pub(super) reason: Option<CloseReason>,
}

/// A handler whose beginning and end are written down.
pub(super) struct Told<P> {
    handler: Shared<P>,
    story: Rc<RefCell<Story>>,
}

impl<P> Told<P> {
    pub(super) fn new(handler: Shared<P>, story: Rc<RefCell<Story>>) -> Self {
        Self { handler, story }
    }
}

impl<P: Protocol> Protocol for Told<P> {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.story.borrow_mut().id = Some(conn.id());
        self.handler.on_open(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.handler.on_data(conn, input)
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.handler.on_eof(conn, input)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.handler.on_pressure(conn, pressure)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.handler.on_timer(conn, tag)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        self.handler.on_message(conn, message)
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.handler.on_stop(conn)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.story.borrow_mut().reason = Some(copy(&reason));
        self.handler.on_close(conn, reason);
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.handler.on_connect_failed(reactor, error);
    }
}

/// Makes a second reason of the same kind with the same text: the handler owns the first.
fn copy(reason: &CloseReason) -> CloseReason {
    match reason {
        CloseReason::PeerClosed => CloseReason::PeerClosed,
        CloseReason::Closed => CloseReason::Closed,
        CloseReason::Aborted => CloseReason::Aborted,
        CloseReason::Reset { source } => CloseReason::Reset { source: copy_io(source) },
        CloseReason::Broken { source } => CloseReason::Broken { source: copy_io(source) },
        CloseReason::SlowConsumer { queued_bytes, limit_bytes } => {
            CloseReason::SlowConsumer { queued_bytes: *queued_bytes, limit_bytes: *limit_bytes }
        }
        CloseReason::InputOverflow { unconsumed_bytes, limit_bytes } => {
            let (unconsumed_bytes, limit_bytes) = (*unconsumed_bytes, *limit_bytes);
            CloseReason::InputOverflow { unconsumed_bytes, limit_bytes }
        }
        CloseReason::LingerExpired { unsent_bytes } => {
            CloseReason::LingerExpired { unsent_bytes: *unsent_bytes }
        }
        CloseReason::HeartbeatTimedOut { silence, tolerance } => {
            CloseReason::HeartbeatTimedOut { silence: *silence, tolerance: *tolerance }
        }
        CloseReason::TimedOut { timeout, after } => {
            CloseReason::TimedOut { timeout: *timeout, after: *after }
        }
        CloseReason::Malformed { source } => {
            CloseReason::Malformed { source: copy_error(source.as_ref()) }
        }
        CloseReason::TransferFailed { source } => {
            CloseReason::TransferFailed { source: copy_io(source) }
        }
        CloseReason::HandlerFailed { source } => {
            CloseReason::HandlerFailed { source: copy_error(source.as_ref()) }
        }
        CloseReason::HandlerPanicked { message } => {
            CloseReason::HandlerPanicked { message: message.clone() }
        }
        CloseReason::LoopStopped => CloseReason::LoopStopped,
    }
}

fn copy_io(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

fn copy_error(error: &(dyn Error + Send + Sync)) -> Box<dyn Error + Send + Sync> {
    error.to_string().into()
}
