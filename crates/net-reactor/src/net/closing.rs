//! The ways to end: close, abort, half-close, and failure.

use std::io;

use super::config::DRAIN_BYTES_MAX;
use super::connection::Goodbye;
use super::feeding::Feed;
use super::phase::Phase;
use super::staging::Staged;
use super::{CloseReason, Closed, ConnectError, Due, Net, Notice};
use crate::base::{Bug, Key, planted};
use crate::driver::Ops;
use crate::sys::CloseHow;

impl Net {
    /// Starts a graceful close: flush, FIN, wait for the peer's end, then tell `reason`.
    ///
    /// A plain `close(2)` with input unread would send RST, and the RST would destroy output that
    /// the peer has not read yet. So input is read and thrown away until the peer's FIN, within
    /// bounds of time and bytes.
    ///
    /// Does nothing when the connection is closing or closed already.
    pub(crate) fn close<O: Ops + ?Sized>(&mut self, key: Key, reason: CloseReason, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        match conn.phase {
            Phase::Connecting => self.fail_connect(key, ConnectError::Cancelled, ops),
            Phase::Open if planted(Bug::CloseResets) => {
                self.finish(key, reason, CloseHow::Reset, ops);
            }
            Phase::Open => {
                if conn.config.layer.is_some() && conn.feed == Feed::Off {
                    self.finish_layer(key, ops);
                }
                let open = self.conns.get_mut(key).filter(|conn| conn.phase == Phase::Open);
                let Some(conn) = open else { return };
                conn.phase = Phase::Closing;
                if let Some(layered) = self.layers.get_mut(key) {
                    layered.reads_on = false;
                }
                self.flow_changes = self.flow_changes.wrapping_add(1);
                conn.want_fin();
                if planted(Bug::CloseWithoutFlush) {
                    (conn.staged, conn.out) = (Staged::default(), None);
                }
                let config = &conn.config;
                let patience = if conn.fin.is_sent() {
                    config.drain.min(config.linger)
                } else {
                    config.linger
                };
                let patience_ends = self.now + patience;
                let deadline = self.timers.arm(patience_ends, Due::Linger(key));
                conn.goodbye =
                    Some(Box::new(Goodbye { reason, deadline, patience_ends, drained_bytes: 0 }));
                if let Some(input) = conn.input.take() {
                    self.in_pool.give(input);
                }
                self.drop_tag_timers(key);
                self.end_guard(key);
                self.lift_read_rate(key, ops);
                self.set_read_mode(key, ops);
                self.mark_dirty(key);
            }
            Phase::Closing | Phase::Closed => {}
        }
    }

    /// Drops queued output and resets the connection.
    pub(crate) fn abort<O: Ops + ?Sized>(&mut self, key: Key, reason: CloseReason, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        match conn.phase {
            Phase::Connecting => self.fail_connect(key, ConnectError::Cancelled, ops),
            Phase::Open | Phase::Closing => self.finish(key, reason, CloseHow::Reset, ops),
            Phase::Closed => {}
        }
    }

    /// Finishes our side after what is queued; reading goes on.
    pub(crate) fn shutdown_write<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        ops: &mut O,
    ) -> Result<(), Closed> {
        let conn = self.conns.get_mut(key).filter(|conn| conn.is_writable()).ok_or(Closed)?;
        if conn.config.layer.is_some() && conn.feed == Feed::Off {
            self.finish_layer(key, ops);
        }
        let conn = self.conns.get_mut(key).filter(|conn| conn.is_writable()).ok_or(Closed)?;
        conn.want_fin();
        if conn.end.has_come() {
            // Both directions are over: nothing could ever happen on this connection again.
            self.close(key, CloseReason::PeerClosed, ops);
        } else {
            self.mark_dirty(key);
        }
        Ok(())
    }

    /// Ends a goodbye when both sides have finished.
    pub(super) fn end_goodbye<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let eof = conn.end.has_come() || planted(Bug::CloseWithoutDrain);
        if conn.phase == Phase::Closing && conn.fin.is_sent() && eof {
            self.finish_goodbye(key, ops);
        }
    }

    /// Everything was handed to the kernel: closes the socket and tells the goodbye's reason.
    fn finish_goodbye<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let goodbye = self.conns.get_mut(key).and_then(|conn| conn.goodbye.take());
        if let Some(goodbye) = goodbye {
            self.timers.cancel(goodbye.deadline);
            self.finish(key, goodbye.reason, CloseHow::Fin, ops);
        }
    }

    /// After our FIN only the peer's end is awaited, which deserves less patience.
    pub(super) fn shorten_patience(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if let Some(goodbye) = &conn.goodbye {
            let soon = (self.now + conn.config.drain).min(goodbye.patience_ends);
            self.timers.rearm(goodbye.deadline, soon);
        }
    }

    /// The patience with a closing connection is at its end.
    pub(crate) fn on_linger_deadline<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.phase != Phase::Closing || planted(Bug::CloseWithoutDeadline) {
            return;
        }
        if conn.fin.is_sent() {
            self.finish_goodbye(key, ops);
        } else {
            let reason = CloseReason::LingerExpired { unsent_bytes: conn.queued_bytes() };
            self.finish(key, reason, CloseHow::Reset, ops);
        }
    }

    /// Throws input of a closing connection away.
    pub(super) fn discard_input<O: Ops + ?Sized>(&mut self, key: Key, bytes: u64, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if let Some(goodbye) = &mut conn.goodbye
            && conn.fin.is_sent()
        {
            goodbye.drained_bytes += bytes;
            if goodbye.drained_bytes > DRAIN_BYTES_MAX {
                self.finish_goodbye(key, ops);
            }
        }
    }

    /// The one way out for an open connection: the socket goes now, the handler is told soon.
    ///
    /// A goodbye that began with a failure ends with it, whatever became of the goodbye.
    pub(super) fn finish<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        reason: CloseReason,
        how: CloseHow,
        ops: &mut O,
    ) {
        if self.conns.get(key).is_some_and(|conn| conn.phase == Phase::Connecting) {
            return self.fail_connect(key, ConnectError::Cancelled, ops);
        }
        let goodbye = self.conns.get_mut(key).and_then(|conn| conn.goodbye.as_mut());
        let reason = match goodbye {
            Some(goodbye) if !goodbye.reason.is_clean() => {
                std::mem::replace(&mut goodbye.reason, CloseReason::Closed)
            }
            _ => reason,
        };
        if self.free_resources(key, how, ops) {
            self.notices.push_back(Notice::Closed(key, reason, how));
        }
    }

    /// Ends a connection whose socket broke.
    ///
    /// The peer gets a reset, unless it has had our FIN: an orderly end would say that what it got
    /// is all there was to say.
    pub(super) fn break_off<O: Ops + ?Sized>(&mut self, key: Key, error: io::Error, ops: &mut O) {
        let said_all = self.conns.get(key).is_some_and(|conn| conn.fin.is_sent());
        let how = if said_all { CloseHow::Fin } else { CloseHow::Reset };
        self.finish(key, CloseReason::from_io(error), how, ops);
    }

    /// Gives back the socket, timers and buffers of a connection. Returns `false` if it had been
    /// closed before.
    pub(super) fn free_resources<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        how: CloseHow,
        ops: &mut O,
    ) -> bool {
        let Some(conn) = self.conns.get_mut(key) else { return false };
        if conn.phase == Phase::Closed {
            return false;
        }
        conn.phase = Phase::Closed;
        conn.feed = Feed::Off;
        self.flow_changes = self.flow_changes.wrapping_add(1);
        ops.close(key, how);
        self.descriptor_freed = true;
        self.permits.take(key);
        conn.staged = Staged::default();
        if let Some(out) = conn.out.take() {
            self.out_pool.give(out);
        }
        self.layers.take(key);
        // Kept input stays until the end was told: a read of it may still be satisfied then.
        let attempt = conn.attempt.take();
        if let Some(goodbye) = conn.goodbye.take() {
            self.timers.cancel(goodbye.deadline);
        }
        if let Some(attempt) = attempt {
            self.end_attempt(&attempt, ops);
        }
        self.drop_tag_timers(key);
        self.end_guard(key);
        self.end_throttle(key);
        true
    }

    /// Closes an accepted connection that no handler wants, and forgets it.
    pub(crate) fn discard<O: Ops + ?Sized>(&mut self, key: Key, how: CloseHow, ops: &mut O) {
        self.free_resources(key, how, ops);
        self.release(key);
    }

    fn drop_tag_timers(&mut self, key: Key) {
        if planted(Bug::TimersOutliveConnection) {
            return;
        }
        if let Some(conn) = self.conns.get_mut(key) {
            for timer in conn.tag_timers.take_all() {
                self.timers.cancel(timer);
            }
        }
    }
}
