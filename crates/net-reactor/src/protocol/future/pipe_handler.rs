//! The handler of a connection that is awaited.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

use super::AsyncStream;
use super::connecting::Attempt;
use super::pipe::{Pipe, Side};
use crate::base::Input;
use crate::net::{CloseReason, ConnectError};
use crate::protocol::stream::Sent;
use crate::protocol::{
    Conn, Eof, Failure, Flow, Message, Protocol, Reactor, ReadError, WriteRefused,
};

type Serve = Box<dyn FnOnce(AsyncStream) -> Pin<Box<dyn Future<Output = Flow>>>>;

/// What becomes of a connection's stream when it is open.
pub(super) enum Open {
    /// A future of its own serves it.
    Serve(Serve),
    /// It is what somebody waits for.
    HandOver(Rc<Attempt>),
    /// It was open.
    Done,
}

/// Moves bytes and ends between a connection and a [`Pipe`].
pub(super) struct PipeHandler {
    open: Open,
    pipe: Option<Rc<Pipe>>,
}

impl PipeHandler {
    pub(super) fn new(open: Open) -> Self {
        Self { open, pipe: None }
    }

    fn with<R>(&self, look: impl FnOnce(&mut Side) -> R) -> Option<R> {
        self.pipe.as_ref().map(|pipe| pipe.with(look))
    }

    fn tell_sent(&self, sent: u64) {
        while let Some(outcome) = self.with(|side| side.writes().pop_sent(sent)).flatten() {
            outcome.tell(Ok(()));
        }
    }

    /// Ends the input; whoever waits for more looks again.
    fn end(&self, over: ReadError) {
        if let Some(reader) = self.with(|side| side.end(over)).flatten() {
            reader.wake();
        }
    }
}

impl Protocol for PipeHandler {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let pipe = Pipe::new(conn);
        self.pipe = Some(Rc::clone(&pipe));
        // Read only while somebody waits for it.
        conn.pause();
        let stream = AsyncStream::new(Rc::clone(&pipe));
        match std::mem::replace(&mut self.open, Open::Done) {
            Open::Serve(serve) => {
                conn.reactor().spawn(async move {
                    if let Err(failure) = serve(stream).await {
                        pipe.fail(failure);
                    }
                });
            }
            Open::HandOver(attempt) => attempt.tell(Ok(stream)),
            Open::Done => {}
        }
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        if let Some(reader) = self.with(|side| side.receive(input.take_all())).flatten() {
            reader.wake();
        }
        conn.pause();
        Ok(())
    }

    fn on_eof(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        let reader = self.with(|side| side.receive(input.take_all())).flatten();
        self.end(ReadError::Ended);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(Eof::KeepOpen)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        if message.is::<Sent>() {
            self.with(|side| side.writes().place(conn));
            self.tell_sent(conn.stats().bytes_out);
            if self.with(|side| side.writes().len() > 0) == Some(true) {
                conn.tell_sent_later();
            }
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.tell_sent(conn.stats().bytes_out);
        while let Some(outcome) = self.with(|side| side.writes().pop()).flatten() {
            outcome.tell(Err(WriteRefused::Closed));
        }
        self.with(|side| side.note_reason(reason));
        self.end(ReadError::Closed);
    }

    fn on_connect_failed(&mut self, _reactor: &mut Reactor<'_>, error: ConnectError) {
        if let Open::HandOver(attempt) = std::mem::replace(&mut self.open, Open::Done) {
            attempt.tell(Err(error));
        }
    }
}

impl fmt::Debug for PipeHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeHandler").field("pipe", &self.pipe).finish_non_exhaustive()
    }
}
