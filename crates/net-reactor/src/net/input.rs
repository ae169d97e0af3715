//! The way in: data, the peer's end, failure.

use super::connection::PeerEnd;
use super::phase::Phase;
use super::{CloseReason, Net, Notice, OnHighMark};
use crate::base::{Bug, Inbound, Key, ScanMark, planted};
use crate::driver::{Ops, ReadMode};

/// What is to be done with received bytes.
#[derive(Debug)]
pub(crate) enum Received {
    /// Nobody wants them.
    Unwanted,
    /// The handler wants them.
    Fresh,
    /// The handler wants them behind these, which it left unconsumed before.
    After(Box<Inbound>),
    /// The layer wants them.
    Layered,
}

impl Net {
    /// Counts received bytes and says what is to be done with them.
    pub(crate) fn on_received<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        bytes: u64,
        ops: &mut O,
    ) -> Received {
        let Some(conn) = self.conns.get_mut(key) else { return Received::Unwanted };
        conn.bytes_in += bytes;
        conn.received_at = self.now;
        self.stats.bytes_in += bytes;
        if conn.phase != Phase::Open && !planted(Bug::DataAfterClose) {
            self.discard_input(key, bytes, ops);
            return Received::Unwanted;
        }
        if conn.config.read_rate.is_some() {
            self.meter_received(key, bytes, ops);
        }
        let Some(conn) = self.conns.get_mut(key) else { return Received::Unwanted };
        if conn.config.layer.is_some() {
            return Received::Layered;
        }
        if self.guards.is_any() {
            let kept_bytes = conn.input.as_ref().map_or(0, |input| input.unread().len() as u64);
            self.guards.note_received(key, kept_bytes, bytes);
        }
        conn.input_waits = false;
        conn.input.take().map_or(Received::Fresh, Received::After)
    }

    /// Notes the peer's end; returns whether the handler is to decide about it.
    pub(crate) fn on_eof<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) -> bool {
        let Some(conn) = self.conns.get_mut(key) else { return false };
        conn.end = PeerEnd::Untold;
        match conn.phase {
            Phase::Open => conn.config.layer.is_none() || self.end_layer(key, ops),
            Phase::Closing => {
                self.end_goodbye(key, ops);
                false
            }
            Phase::Connecting | Phase::Closed => false,
        }
    }

    /// The handler keeps the connection open although the peer has finished.
    pub(crate) fn keep_open<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let both_over = self.conns.get(key).is_some_and(|conn| conn.fin.is_wanted());
        if both_over {
            self.close(key, CloseReason::PeerClosed, ops);
        }
    }

    /// The socket broke, or could not be connected.
    pub(crate) fn on_failed<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        error: std::io::Error,
        ops: &mut O,
    ) {
        match self.conns.get(key).map(|conn| conn.phase) {
            Some(Phase::Connecting) => self.on_connect_error(key, error, ops),
            Some(Phase::Open | Phase::Closing) => {
                self.break_off(key, error, ops);
            }
            Some(Phase::Closed) | None => {}
        }
    }

    /// Tells the engine whether this connection's input is wanted now.
    ///
    /// A closing connection is always read: its input is thrown away, and the peer's end is awaited.
    pub(super) fn set_read_mode<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let closing = conn.phase != Phase::Open;
        let is_throttled = self.throttles.hold_reading(key);
        let held_back = conn.pressured && conn.on_high_mark == OnHighMark::PauseReading;
        let is_held = held_back || is_throttled || self.layers.reads_on(key);
        let wanted = closing || !(conn.paused || is_held);
        ops.read_mode(key, if wanted { ReadMode::Flow } else { ReadMode::Paused });
        let is_paused = conn.paused || is_throttled;
        if self.guards.note_reading(key, wanted, is_paused) {
            self.look_in_time(key);
        }
    }

    /// Whether the handler may be given input now.
    pub(crate) fn is_flowing(&self, key: Key) -> bool {
        let conn = self.conns.get(key);
        conn.is_some_and(|conn| conn.phase == Phase::Open && !conn.paused && !conn.held)
    }

    /// Whether a handler that works through a batch goes on with it, and keeps the rest otherwise.
    ///
    /// Above the high mark the rest waits for the low mark, as input that is not read yet does.
    pub(crate) fn goes_on(&mut self, key: Key) -> bool {
        let Some(conn) = self.conns.get_mut(key) else { return false };
        conn.phase == Phase::Open && !conn.paused && !self.holds_back(key)
    }

    /// Whether input is held back because output is above the high mark; then it is owed at the low one.
    pub(crate) fn holds_back(&mut self, key: Key) -> bool {
        let Some(conn) = self.conns.get_mut(key) else { return false };
        conn.held = conn.pressured && conn.on_high_mark == OnHighMark::PauseReading;
        conn.held
    }

    /// Tells kept input, or an end that was not told, in the next turn, unless a pause does it.
    pub(crate) fn owe_input(&mut self, key: Key) {
        let flowing = self.is_flowing(key);
        let Some(conn) = self.conns.get_mut(key).filter(|_| flowing) else { return };
        conn.input_waits |= conn.input.is_some();
        if conn.input_waits || self.layers.reads_on(key) || conn.end == PeerEnd::Untold {
            self.notices.push_back(Notice::InputWaits(key));
        }
    }

    /// Whether kept input is owed to the handler, after a pause; it is not owed any more then.
    pub(crate) fn take_input_waits(&mut self, key: Key) -> bool {
        let conn = self.conns.get_mut(key);
        conn.is_some_and(|conn| std::mem::take(&mut conn.input_waits))
    }

    /// Whether the peer's end is still to be told to the handler; it counts as told then.
    pub(crate) fn take_eof(&mut self, key: Key) -> bool {
        let flowing = self.is_flowing(key);
        let Some(conn) = self.conns.get_mut(key) else { return false };
        let again = conn.end == PeerEnd::Told && planted(Bug::EndToldTwice);
        let owed = flowing && (conn.end == PeerEnd::Untold || again);
        if owed {
            conn.end = PeerEnd::Told;
        }
        owed
    }

    /// Takes the unconsumed input of a connection for the length of one callback.
    pub(crate) fn take_input(&mut self, key: Key) -> Option<Box<Inbound>> {
        let conn = self.conns.get_mut(key)?;
        conn.input_waits = false;
        conn.input.take()
    }

    /// Keeps what a callback left of fresh bytes.
    pub(crate) fn keep_rest<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        rest: &[u8],
        mark: ScanMark,
        ops: &mut O,
    ) {
        let mut input = self.in_pool.take();
        input.append(rest);
        input.mark = mark;
        self.put_input(key, input, ops);
    }

    /// Puts unconsumed input back after a callback.
    pub(crate) fn put_input<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        input: Box<Inbound>,
        ops: &mut O,
    ) {
        let unconsumed_bytes = input.unread().len();
        let Some(conn) = self.conns.get_mut(key) else { return self.in_pool.give(input) };
        if conn.phase != Phase::Open || unconsumed_bytes == 0 {
            return self.in_pool.give(input);
        }
        if planted(Bug::PauseForgetsInput) && conn.paused {
            return self.in_pool.give(input);
        }
        let limit_bytes = conn.config.input_bytes_max;
        if unconsumed_bytes > limit_bytes && !planted(Bug::InputUnbounded) {
            self.in_pool.give(input);
            let reason = CloseReason::InputOverflow { unconsumed_bytes, limit_bytes };
            return self.close(key, reason, ops);
        }
        conn.input = Some(input);
        if self.guards.is_any() {
            self.watch_message(key, unconsumed_bytes as u64);
        }
    }

    pub(crate) fn give_input(&mut self, input: Box<Inbound>) {
        self.in_pool.give(input);
    }
}
