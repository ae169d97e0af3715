//! The reads and writes of one stream, and when they are told.

use std::fmt;

use super::pending::{Answer, Outcome, Pending};
use super::writes::Writes;
use super::{LookAgain, ReadError, ReadRefused, StreamConn};
use crate::base::{Bug, Inbound, Input, planted};
use crate::net::{CloseReason, Closed};
use crate::protocol::{Conn, Eof, Failure, Flow, Message, Tag};

pub(super) type WriteThen = Box<dyn FnOnce(&mut StreamConn<'_>, Result<(), Closed>) -> Flow>;
pub(super) type OnClose = Box<dyn FnOnce(&mut StreamConn<'_>, &CloseReason)>;
pub(super) type OnTimer = Box<dyn FnMut(&mut StreamConn<'_>, Tag) -> Flow>;
pub(super) type OnMessage = Box<dyn FnMut(&mut StreamConn<'_>, Message) -> Flow>;

/// What a stream knows beside its connection.
///
/// While no read is pending, the connection is paused and what has arrived stays with it, as input
/// that the handler left. A read first looks there; only one that needs more has the connection read.
#[derive(Default)]
pub(super) struct State {
    pub(super) read: Option<Pending>,
    pub(super) writes: Writes<WriteThen>,
    /// Input for the next read: what a peer left that has finished; and, until the end of a callback
    /// without input, what a read that was started in it found with the connection.
    pub(super) kept: Option<Box<Inbound>>,
    /// The peer has finished.
    pub(super) ended: bool,
    /// A function of the user knows that.
    pub(super) told_of_end: bool,
    /// The user closes, whatever the peer does.
    pub(super) keeps_open: bool,
    /// A read has failed in a way that closes the stream.
    pub(super) failed: bool,
    /// A `LookAgain` is on its way.
    looks_again: bool,
    on_close: Option<OnClose>,
    on_timer: Option<OnTimer>,
    on_message: Option<OnMessage>,
}

/// Starting and setting.
impl State {
    /// Notes a read, unless there is one, or none could be served any more from what is `ahead`.
    pub(super) fn start_read(
        &mut self,
        conn: &mut Conn<'_>,
        ahead: &[u8],
        read: Pending,
    ) -> Result<(), ReadRefused> {
        if self.read.is_some() {
            return Err(ReadRefused::AlreadyReading);
        }
        if self.failed {
            return Err(ReadRefused::Closed);
        }
        match self.over(conn) {
            Some(ReadError::Ended) if !read.is_decided_by(ahead) => {
                self.told_of_end = true;
                return Err(ReadRefused::Ended);
            }
            // No turn comes in which a read of nothing could be told.
            Some(ReadError::Closed)
                if ahead.is_empty() || read.is_empty() || !read.is_decided_by(ahead) =>
            {
                return Err(ReadRefused::Closed);
            }
            _ => {}
        }
        if self.kept.is_none() && conn.is_reading() {
            // Taken now: a close would drop it, and the read may be satisfied by it.
            self.kept = conn.take_kept();
        }
        self.read = Some(read);
        Ok(())
    }

    pub(super) fn set_on_close(&mut self, call: OnClose) {
        self.on_close = Some(call);
    }

    pub(super) fn set_on_timer(&mut self, call: OnTimer) {
        self.on_timer = Some(call);
    }

    pub(super) fn set_on_message(&mut self, call: OnMessage) {
        self.on_message = Some(call);
    }
}

/// What the loop tells.
impl State {
    /// Calls a function of the user in a callback without input.
    pub(super) fn call(
        &mut self,
        conn: &mut Conn<'_>,
        call: impl FnOnce(&mut StreamConn<'_>) -> Flow,
    ) -> Flow {
        self.call_knowing(conn, None, call)?;
        self.settle(conn)
    }

    pub(super) fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.looks_again = false;
        self.serve(conn, input, None)?;
        self.settle(conn)
    }

    pub(super) fn on_eof(
        &mut self,
        conn: &mut Conn<'_>,
        input: &mut Input<'_>,
    ) -> Result<Eof, Failure> {
        self.ended = true;
        self.looks_again = false;
        self.serve(conn, input, None)?;
        if self.is_done() {
            return Ok(Eof::Close);
        }
        if !input.is_empty() {
            let mut kept = Box::<Inbound>::default();
            kept.append(input.take_all());
            self.kept = Some(kept);
        }
        self.settle(conn)?;
        Ok(Eof::KeepOpen)
    }

    pub(super) fn on_look_again(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.looks_again = false;
        self.serve_kept(conn, None)
    }

    /// The kernel took output: tells the writes whose end it has reached.
    pub(super) fn on_sent(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.writes.place(conn);
        // Those that the functions add wait for the next turn.
        for _ in 0..self.writes.len() {
            let Some(then) = self.writes.pop_sent(conn.stats().bytes_out) else { break };
            self.call_knowing(conn, None, |stream| then(stream, Ok(())))?;
        }
        if self.writes.len() > 0 {
            conn.tell_sent_later();
        }
        self.settle(conn)
    }

    pub(super) fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        let Some(mut call) = self.on_timer.take() else { return Ok(()) };
        let flow = self.call_knowing(conn, None, |stream| call(stream, tag));
        self.on_timer.get_or_insert(call);
        flow?;
        self.settle(conn)
    }

    pub(super) fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        let Some(mut call) = self.on_message.take() else { return Ok(()) };
        let flow = self.call_knowing(conn, None, |stream| call(stream, message));
        self.on_message.get_or_insert(call);
        flow?;
        self.settle(conn)
    }

    /// Tells everybody who still waits what became of it.
    ///
    /// The connection is over: what these functions return changes nothing any more.
    pub(super) fn on_close(&mut self, conn: &mut Conn<'_>, reason: &CloseReason) {
        while self.read.is_some() && !planted(Bug::ReadLostAtClose) {
            drop(self.serve_kept(conn, Some(reason)));
        }
        self.tell_writes(conn, reason);
        if let Some(call) = self.on_close.take() {
            drop(self.call_knowing(conn, Some(reason), |stream| {
                call(stream, reason);
                Ok(())
            }));
        }
    }
}

/// Serving.
impl State {
    /// Tells writes what became of them when the connection is over.
    fn tell_writes(&mut self, conn: &mut Conn<'_>, reason: &CloseReason) {
        let sent = conn.stats().bytes_out;
        while let Some(then) = self.writes.pop_sent(sent) {
            drop(self.call_knowing(conn, Some(reason), |stream| then(stream, Ok(()))));
        }
        while let Some(then) = self.writes.pop() {
            drop(self.call_knowing(conn, Some(reason), |stream| then(stream, Err(Closed))));
        }
    }

    /// Why no further byte comes, if none does.
    fn over(&self, conn: &Conn<'_>) -> Option<ReadError> {
        if !conn.is_reading() {
            Some(ReadError::Closed)
        } else {
            self.ended.then_some(ReadError::Ended)
        }
    }

    /// Whether nothing can happen any more that the user waits for.
    fn is_done(&self) -> bool {
        self.ended && self.told_of_end && self.read.is_none() && !self.keeps_open
    }

    /// Serves reads as long as functions ask for them and there are bytes.
    ///
    /// A read that takes no byte is the last one, so that a chain of them cannot hold the turn.
    fn serve(
        &mut self,
        conn: &mut Conn<'_>,
        input: &mut Input<'_>,
        reason: Option<&CloseReason>,
    ) -> Flow {
        loop {
            let over = self.over(conn);
            if over.is_none() && conn.holds_back() {
                return Ok(());
            }
            let Some(read) = self.read.take() else { return Ok(()) };
            let before = input.len();
            match read.take(input, conn.limits().0, over) {
                Outcome::Waits(read) => {
                    self.read = Some(read);
                    return Ok(());
                }
                Outcome::Done(answer) => self.tell(conn, answer, input.bytes(), reason)?,
            }
            if input.len() == before && conn.is_reading() {
                if self.read.is_some() {
                    self.look_again(conn);
                }
                return Ok(());
            }
        }
    }

    /// Serves reads from what was kept, when no more can come.
    fn serve_kept(&mut self, conn: &mut Conn<'_>, reason: Option<&CloseReason>) -> Flow {
        let mut kept = self.kept.take().or_else(|| conn.take_kept()).unwrap_or_default();
        let mut input = Input::new(kept.unread(), kept.mark);
        let flow = self.serve(conn, &mut input, reason);
        let (left, mark) = (input.len(), input.mark());
        let consumed = kept.unread().len() - left;
        kept.consume(consumed);
        kept.mark = mark;
        self.kept = Some(kept);
        flow?;
        self.settle(conn)
    }

    /// Tells a read what became of it, and does what follows from a failure.
    fn tell(
        &mut self,
        conn: &mut Conn<'_>,
        answer: Answer<'_>,
        ahead: &[u8],
        reason: Option<&CloseReason>,
    ) -> Flow {
        let error = answer.error();
        self.told_of_end |= answer.tells_of_the_end();
        self.failed |=
            matches!(error, Some(ReadError::TooLong { .. } | ReadError::BufferFull { .. }));
        let mut stream = StreamConn::new(conn, self, ahead, reason);
        let flow = answer.tell(&mut stream);
        match error {
            Some(error @ ReadError::TooLong { .. }) => Err(match flow {
                // The peer's fault, whether the function passes it on or not.
                Ok(()) => Failure::malformed(error),
                Err(failure) if failure.source().is::<ReadError>() => Failure::malformed(error),
                Err(failure) => failure,
            }),
            Some(ReadError::BufferFull { limit_bytes }) => {
                let unconsumed_bytes = ahead.len().max(limit_bytes + 1);
                conn.close_because(CloseReason::InputOverflow { unconsumed_bytes, limit_bytes });
                Ok(())
            }
            _ => end_kindly(conn, flow),
        }
    }

    /// Calls a function of the user; `reason` is known once the connection is over.
    fn call_knowing(
        &mut self,
        conn: &mut Conn<'_>,
        reason: Option<&CloseReason>,
        call: impl FnOnce(&mut StreamConn<'_>) -> Flow,
    ) -> Flow {
        let kept = self.kept.take();
        let ahead = kept.as_ref().map_or(&[][..], |kept| kept.unread());
        let flow = call(&mut StreamConn::new(conn, self, ahead, reason));
        if kept.is_some() {
            self.kept = kept;
        }
        end_kindly(conn, flow)
    }

    /// After functions of the user: has the connection read, or look again, or wait, or end.
    fn settle(&mut self, conn: &mut Conn<'_>) -> Flow {
        if !conn.is_reading() {
            // Closed by a function of the user. A read that can be satisfied still is.
            return if self.read.is_some() { self.serve_kept(conn, None) } else { Ok(()) };
        }
        if self.ended {
            match &self.read {
                Some(_) => self.look_again(conn),
                None if self.is_done() => conn.close_because(CloseReason::PeerClosed),
                None => {}
            }
            return Ok(());
        }
        let kept = self.kept.take();
        let has_kept = kept.is_some();
        if let Some(kept) = kept {
            // Back to where what still arrives is joined with it.
            conn.put_kept(kept);
        }
        match &self.read {
            Some(read) if has_kept || read.is_empty() => self.look_again(conn),
            Some(_) => conn.resume(),
            None => conn.pause(),
        }
        Ok(())
    }

    fn look_again(&mut self, conn: &mut Conn<'_>) {
        if std::mem::replace(&mut self.looks_again, true) {
            return;
        }
        if self.ended {
            let id = conn.id();
            // The connection is open, and a message to it is refused only when it is not.
            let _ = conn.reactor().message(id, LookAgain);
        } else {
            conn.look_again();
        }
    }
}

/// Closes for a peer that has finished as for any other that has, when a function passes that on.
fn end_kindly(conn: &mut Conn<'_>, flow: Flow) -> Flow {
    match flow {
        Err(failure) if is_peers_end(&failure) => {
            conn.close_because(CloseReason::PeerClosed);
            Ok(())
        }
        flow => flow,
    }
}

/// Whether a failure is that of a read whose peer has finished.
fn is_peers_end(failure: &Failure) -> bool {
    let source = failure.source();
    source.downcast_ref() == Some(&ReadError::Ended)
        || source.downcast_ref() == Some(&ReadRefused::Ended)
}

/// Returns what a connection closes with whose reader failed.
#[cfg(feature = "async")]
pub(crate) fn close_reason_of(failure: Failure) -> CloseReason {
    match failure.source().downcast_ref() {
        _ if is_peers_end(&failure) => CloseReason::PeerClosed,
        Some(error @ ReadError::TooLong { .. }) => Failure::malformed(*error).into_reason(),
        Some(ReadError::BufferFull { limit_bytes }) => CloseReason::InputOverflow {
            unconsumed_bytes: limit_bytes + 1,
            limit_bytes: *limit_bytes,
        },
        _ => failure.into_reason(),
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("read", &self.read)
            .field("writes", &self.writes.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
