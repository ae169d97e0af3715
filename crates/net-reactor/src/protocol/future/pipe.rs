//! What an awaited stream shares with the handler of its connection.

use std::fmt;
use std::rc::Rc;
use std::task::Waker;

use super::wishes::Wishes;
use super::write::Outcome;
use crate::base::{Address, ConnId, Inbound, Input, Lendable};
use crate::net::CloseReason;
use crate::protocol::stream::{Look, WRITES_MAX, Want, Writes, close_reason_of};
use crate::protocol::{Conn, Failure, ReadError, WriteRefused};

/// One connection, between its handler on the loop and the futures that read and write it.
///
/// Received bytes come to lie here, and a read takes them out when it is polled, not before: one that
/// is dropped has taken nothing. The connection is read only while a read waits.
pub(super) struct Pipe {
    pub(super) id: ConnId,
    pub(super) peer: Address,
    pub(super) wishes: Wishes,
    side: Lendable<Side>,
}

/// The state of a [`Pipe`].
#[derive(Default)]
pub(super) struct Side {
    received: Inbound,
    /// The most that may lie here without satisfying the read that waits.
    limit_bytes: usize,
    reader: Option<Waker>,
    /// Why nothing more is received.
    over: Option<ReadError>,
    /// A read failed in a way that closes the stream.
    is_failed: bool,
    /// What the connection is to be closed with, unless it is over.
    failure: Option<Failure>,
    reason: Option<Rc<CloseReason>>,
    writes: Writes<Rc<Outcome>>,
    /// The most output that may be queued.
    output_bytes_max: usize,
    /// Writes that were asked for in this poll, and their bytes: they are queued when it is over.
    asked: usize,
    asked_bytes: usize,
}

impl Pipe {
    pub(super) fn new(conn: &mut Conn<'_>) -> Rc<Self> {
        let (limit_bytes, output_bytes_max) = conn.limits();
        let side = Side { limit_bytes, output_bytes_max, ..Side::default() };
        Rc::new(Self {
            id: conn.id(),
            peer: conn.peer_address(),
            wishes: conn.reactor().async_loop().into_wishes(),
            side: Lendable::new(side),
        })
    }

    /// Looks at the state or changes it. No code of a user runs within.
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Side) -> R) -> R {
        self.side.lend(look).expect("invariant: what looks at a side asks for no other look")
    }

    /// Has something done with the connection after this poll, if there still is one.
    pub(super) fn wish(&self, wish: impl FnOnce(&mut Conn<'_>) + 'static) {
        let id = self.id;
        self.wishes.push(move |reactor| {
            if let Some(mut conn) = reactor.conn(id) {
                wish(&mut conn);
            }
        });
    }

    /// Closes the connection after this poll: for what a future of it fails with meanwhile, if one
    /// does.
    pub(super) fn wish_close(self: &Rc<Self>) {
        let pipe = Rc::clone(self);
        self.wish(move |conn| {
            let failure = pipe.with(|side| side.failure.take());
            conn.close_because(failure.map_or(CloseReason::Closed, close_reason_of));
        });
    }

    pub(super) fn fail(self: &Rc<Self>, failure: Failure) {
        self.with(|side| side.failure = Some(failure));
        self.wish_close();
    }

    /// Closes for a read that failed; in the next turn, so that a last word that is written at once
    /// still goes out.
    pub(super) fn wish_close_for(&self, error: ReadError) {
        let id = self.id;
        let reason = close_reason_of(error.into());
        self.wishes.push(move |reactor| {
            reactor.defer(move |reactor| {
                if let Some(mut conn) = reactor.conn(id) {
                    conn.close_because(reason);
                }
            });
        });
    }

    pub(super) fn write(self: &Rc<Self>, bytes: Vec<u8>, outcome: Rc<Outcome>) {
        if let Err(full) = self.with(|side| side.ask_to_write(bytes.len())) {
            return outcome.tell(Err(full));
        }
        let pipe = Rc::clone(self);
        self.wishes.push(move |reactor| {
            let conn = reactor.conn(pipe.id);
            let written = pipe.with(|side| side.write(conn, &bytes, Rc::clone(&outcome)));
            if written.is_err() {
                outcome.tell(written);
            }
        });
    }
}

/// The reading side.
impl Side {
    /// Takes what satisfies a read: `None` while it has to wait.
    pub(super) fn take(&mut self, want: &mut Want) -> Option<Result<Vec<u8>, ReadError>> {
        if self.is_failed {
            return Some(Err(ReadError::Closed));
        }
        let mut input = Input::new(self.received.unread(), self.received.mark);
        let look = match want.take(&mut input) {
            Look::Taken(bytes) => Some(Ok(bytes.to_vec())),
            Look::TooLong { limit_bytes } => Some(Err(ReadError::TooLong { limit_bytes })),
            Look::More => None,
        };
        let (left, mark) = (input.len(), input.mark());
        self.received.consume(self.received.unread().len() - left);
        self.received.mark = mark;
        look.or_else(|| self.over.map(Err)).or_else(|| self.overflow(left).map(Err))
    }

    /// Moves at most `count` bytes behind those in `buffer`; returns how many.
    pub(super) fn take_into(&mut self, buffer: &mut Vec<u8>, count: usize) -> usize {
        let count = count.min(self.received.unread().len());
        buffer.extend_from_slice(&self.received.unread()[..count]);
        self.received.consume(count);
        count
    }

    /// Takes everything, once nothing follows.
    pub(super) fn take_rest(&mut self) -> Option<Result<Vec<u8>, ReadError>> {
        let length = self.received.unread().len();
        match self.over {
            Some(_) => {
                let mut rest = Vec::new();
                self.take_into(&mut rest, length);
                Some(Ok(rest))
            }
            None => self.overflow(length).map(Err),
        }
    }

    /// Makes a write wait for the end of this poll, unless more waits already than may be queued.
    fn ask_to_write(&mut self, bytes: usize) -> Result<(), WriteRefused> {
        let limit_bytes = self.output_bytes_max;
        let asked_bytes = self.asked_bytes.saturating_add(bytes);
        if self.asked >= WRITES_MAX || asked_bytes > limit_bytes {
            return Err(WriteRefused::Full { limit_bytes });
        }
        self.asked += 1;
        self.asked_bytes = asked_bytes;
        Ok(())
    }

    /// Carries out a write that was asked for.
    fn write(
        &mut self,
        conn: Option<Conn<'_>>,
        bytes: &[u8],
        outcome: Rc<Outcome>,
    ) -> Result<(), WriteRefused> {
        self.asked -= 1;
        self.asked_bytes -= bytes.len();
        self.writes.write(&mut conn.ok_or(WriteRefused::Closed)?, bytes, outcome)
    }

    pub(super) fn over(&self) -> Option<ReadError> {
        self.over
    }

    fn overflow(&self, left: usize) -> Option<ReadError> {
        let limit_bytes = self.limit_bytes;
        (left > limit_bytes).then_some(ReadError::BufferFull { limit_bytes })
    }

    pub(super) fn note_failed(&mut self) {
        self.is_failed = true;
    }

    /// A read waits. A stream that does so with nothing received owns no buffer.
    pub(super) fn wait(&mut self, reader: &Waker) {
        if self.received.unread().is_empty() {
            self.received = Inbound::default();
        }
        self.reader = Some(reader.clone());
    }

    pub(super) fn forget_reader(&mut self) {
        self.reader = None;
    }

    pub(super) fn reason(&self) -> Option<Rc<CloseReason>> {
        self.reason.clone()
    }
}

/// The connection's side. What these return is to be woken, or told, when the look is over.
impl Side {
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Option<Waker> {
        self.received.append(bytes);
        self.reader.take()
    }

    pub(super) fn end(&mut self, over: ReadError) -> Option<Waker> {
        self.over.get_or_insert(over);
        self.reader.take()
    }

    pub(super) fn note_reason(&mut self, reason: CloseReason) {
        self.reason = Some(Rc::new(reason));
    }

    pub(super) fn writes(&mut self) -> &mut Writes<Rc<Outcome>> {
        &mut self.writes
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("id", &self.id).finish_non_exhaustive()
    }
}
