//! The way out: queue, flush, watermarks.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;

use super::config::{FLUSH_EARLY_BYTES, SEND_AT_ONCE_BYTES};
use super::connection::{Fin, Pressure};
use super::feeding::Feed;
use super::phase::Phase;
use super::staging::{Growing, Staged};
use super::{CloseReason, Closed, Connection, Net, Notice};
use crate::base::{Bug, Key, OutQueue, SHARE_BYTES_MIN, planted};
use crate::driver::{Flushed, Ops};
use crate::sys::CloseHow;

/// The memory that encoders use which cannot write to the staging area is kept up to this size.
const SPARE_BYTES_MAX: usize = 64 * 1024;

impl Net {
    /// Queues a copy of `bytes`. See [`Conn::write`](crate::Conn::write).
    pub(crate) fn write<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        bytes: &[u8],
        ops: &mut O,
    ) -> Result<(), Closed> {
        let written = self.write_copy(key, bytes, ops);
        if self.watched.is_present() && written.is_ok() {
            self.tell_written(key, bytes);
        }
        written
    }

    #[inline]
    fn write_copy<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        bytes: &[u8],
        ops: &mut O,
    ) -> Result<(), Closed> {
        let conn = self.conns.get_mut(key).ok_or(Closed)?;
        if planted(Bug::LargeWriteOvertakes)
            && conn.is_writable()
            && conn.phase == Phase::Open
            && conn.out.is_some()
            && bytes.len() >= SEND_AT_ONCE_BYTES
        {
            return self.send_at_once(key, bytes, ops);
        }
        // The common case: an open connection to which nothing clings, and a small write.
        if conn.phase == Phase::Open && conn.out.is_none() && !conn.fin.is_wanted() {
            let unmarked_bytes = conn.config.unmarked_bytes;
            if self.staging.append(&mut conn.staged, bytes, unmarked_bytes) {
                if !conn.dirty {
                    conn.dirty = true;
                    self.dirty.push(key);
                }
                return Ok(());
            }
            let queued_bytes = conn.staged.len() + bytes.len();
            let is_large = bytes.len() >= SEND_AT_ONCE_BYTES;
            let unbounded = planted(Bug::LargeWriteUnbounded);
            if is_large
                && (unbounded || queued_bytes <= conn.config.output_bytes_max)
                && conn.config.layer.is_none()
                && conn.config.write_rate.is_none()
            {
                return self.send_at_once(key, bytes, ops);
            }
        }
        if conn.config.layer.is_some() {
            return self.write_layered(key, bytes, ops);
        }
        self.queue(key, bytes.len(), ops, |out| out.push_copy(bytes))
    }

    /// Gives the staging area out, for a connection to append its output where it is sent from.
    ///
    /// Where that cannot be, the area is memory for one frame instead, which is then written as
    /// anything else is, and its `end_max` is zero.
    pub(crate) fn give_staging(&mut self, key: Key) -> Growing {
        // The common case, as in `write_copy`.
        let conn = self.conns.get(key).filter(|conn| {
            conn.phase == Phase::Open && conn.out.is_none() && !conn.fin.is_wanted()
        });
        conn.and_then(|conn| self.staging.give_out(conn.staged, conn.config.unmarked_bytes))
            .unwrap_or_else(|| Growing::aside(std::mem::take(&mut self.spare)))
    }

    /// Takes back what [`give_staging`](Self::give_staging) gave out, with the output in it.
    ///
    /// A lot of it is sent at once, while it is in the nearest cache, and its place is used again.
    /// Left to the end of the turn, the output of many connections would go through memory twice.
    pub(crate) fn take_staging<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        growing: Growing,
        ops: &mut O,
    ) {
        if growing.end_max == 0 {
            return self.keep_spare(growing.bytes);
        }
        // The connection cannot have ended meanwhile: nobody could tell it to.
        let mut nobody = Staged::default();
        let conn = self.conns.get_mut(key);
        let (part, dirty) = match conn {
            Some(conn) => (&mut conn.staged, Some(&mut conn.dirty)),
            None => (&mut nobody, None),
        };
        let added = self.staging.put_back(part, growing);
        if let Some(dirty) = dirty.filter(|dirty| !added.is_empty() && !**dirty) {
            *dirty = true;
            self.dirty.push(key);
        }
        if self.watched.is_present() && !added.is_empty() {
            let added = added.to_vec();
            self.tell_written(key, &added);
        }
        if let Some(part) = self.conns.get(key).map(|conn| conn.staged)
            && part.len() >= SEND_AT_ONCE_BYTES
        {
            self.flush(key, ops);
            if self.conns.get(key).is_none_or(|conn| conn.staged.len() == 0) {
                self.staging.free_last(part);
            }
        }
    }

    /// Queues the last part of an area that was given out and could not stay there, from `start`
    /// on, as any other write.
    pub(crate) fn write_behind<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        mut growing: Growing,
        start: usize,
        ops: &mut O,
    ) -> Result<(), Closed> {
        let bytes = if growing.end_max == 0 {
            std::mem::take(&mut growing.bytes)
        } else {
            let mut bytes = std::mem::take(&mut self.spare);
            bytes.extend_from_slice(&growing.bytes[start..]);
            growing.bytes.truncate(start);
            self.take_staging(key, growing, ops);
            bytes
        };
        let written = self.write(key, &bytes, ops);
        self.keep_spare(bytes);
        written
    }

    pub(super) fn keep_spare(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        if bytes.capacity() <= SPARE_BYTES_MAX {
            self.spare = bytes;
        }
    }

    /// Queues `bytes` without copying them, unless they are small.
    pub(crate) fn write_shared<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        bytes: Bytes,
        ops: &mut O,
    ) -> Result<(), Closed> {
        let is_layered = self.conns.get(key).is_some_and(|conn| conn.config.layer.is_some());
        if bytes.len() < SHARE_BYTES_MIN || is_layered {
            return self.write(key, &bytes, ops);
        }
        self.conns.get(key).filter(|conn| conn.is_writable()).ok_or(Closed)?;
        self.append_shared(key, bytes, ops)
    }

    /// Does so also on a connection that its handler can no longer write to.
    pub(super) fn append_shared<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        bytes: Bytes,
        ops: &mut O,
    ) -> Result<(), Closed> {
        if !self.watched.is_present() {
            return self.append(key, bytes.len(), ops, |out| out.push_shared(bytes));
        }
        let copy = bytes.clone();
        self.append(key, bytes.len(), ops, |out| out.push_shared(bytes))?;
        self.tell_written(key, &copy);
        Ok(())
    }

    /// Tells the watch of a write that was accepted.
    #[cold]
    pub(super) fn tell_written(&mut self, key: Key, bytes: &[u8]) {
        if let Some(conn) = self.conns.get(key) {
            let (queued, limit) = (conn.queued_bytes(), conn.config.output_bytes_max);
            self.watched.wrote(key, bytes, queued, limit);
        }
    }

    /// Sends a large write now, behind what is staged, from where both lie.
    ///
    /// Copying it first would cost more than the system call that joining it could save.
    fn send_at_once<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        bytes: &[u8],
        ops: &mut O,
    ) -> Result<(), Closed> {
        let conn = self.conns.get_mut(key).ok_or(Closed)?;
        let staged = self.staging.part(std::mem::take(&mut conn.staged));
        let slices = [IoSlice::new(staged), IoSlice::new(bytes)];
        let slices = if staged.is_empty() { &slices[1..] } else { &slices };
        match ops.send(key, slices) {
            Ok(sent) => {
                conn.bytes_out += sent as u64;
                self.stats.bytes_out += sent as u64;
                self.guards.note_sent(key, sent as u64);
                if sent < staged.len() + bytes.len() {
                    conn.blocked = true;
                    let out = if planted(Bug::LargeWriteOvertakes) {
                        conn.out.get_or_insert_with(|| self.out_pool.take())
                    } else {
                        conn.out.insert(self.out_pool.take())
                    };
                    let repeats = planted(Bug::ShortSendRepeats);
                    let taken = if repeats { 0 } else { sent.saturating_sub(staged.len()) };
                    out.push_copy(&staged[sent.min(staged.len())..]);
                    out.push_copy(&bytes[taken..]);
                    self.watch_output(key);
                    if !planted(Bug::LargeWriteUnmarked) {
                        self.check_high_mark(key, ops);
                    }
                }
            }
            Err(error) => self.break_off(key, error, ops),
        }
        Ok(())
    }

    /// Puts bytes into the connection's own queue, behind what it has staged.
    fn queue<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        added_bytes: usize,
        ops: &mut O,
        push: impl FnOnce(&mut OutQueue),
    ) -> Result<(), Closed> {
        self.conns.get(key).filter(|conn| conn.is_writable()).ok_or(Closed)?;
        self.append(key, added_bytes, ops, push)
    }

    pub(super) fn append<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        added_bytes: usize,
        ops: &mut O,
        push: impl FnOnce(&mut OutQueue),
    ) -> Result<(), Closed> {
        let conn = self.conns.get_mut(key).ok_or(Closed)?;
        if added_bytes == 0 {
            return Ok(());
        }
        let queued_bytes = conn.queued_bytes() + added_bytes;
        let limit_bytes = conn.config.output_bytes_max;
        if queued_bytes > limit_bytes && !planted(Bug::OutputUnbounded) {
            let reason = CloseReason::SlowConsumer { queued_bytes, limit_bytes };
            self.finish(key, reason, CloseHow::Reset, ops);
            return Err(Closed);
        }
        let out = conn.out.get_or_insert_with(|| self.out_pool.take());
        let staged = self.staging.part(std::mem::take(&mut conn.staged));
        if planted(Bug::SharedOvertakesStaged) {
            push(out);
            out.push_copy(staged);
        } else {
            out.push_copy(staged);
            push(out);
        }
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(key);
        }
        if queued_bytes >= FLUSH_EARLY_BYTES && !conn.blocked && conn.phase == Phase::Open {
            self.flush(key, ops);
        }
        self.check_high_mark(key, ops);
        Ok(())
    }

    fn check_high_mark<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.pressured || conn.queued_bytes() <= conn.config.high_mark_bytes {
            return;
        }
        conn.pressured = true;
        self.flow_changes = self.flow_changes.wrapping_add(1);
        let (is_open, is_fed) = (conn.phase == Phase::Open, conn.feed != Feed::Off);
        if is_open {
            self.set_read_mode(key, ops);
        }
        if is_open || is_fed {
            self.notices.push_back(Notice::Pressure(key, Pressure::High));
        }
    }

    /// Has the handler told, once, at the end of this turn, when what could be sent was sent.
    /// [`Connection::bytes_out`] says how far that went.
    pub(crate) fn tell_sent(&mut self, key: Key) {
        self.tell_sent_later(key);
        self.mark_dirty(key);
    }

    /// Has the handler told, once, when the kernel has next taken output.
    pub(crate) fn tell_sent_later(&mut self, key: Key) {
        if let Some(conn) = self.conns.get_mut(key) {
            conn.tells_sent = true;
        }
    }

    /// Puts a connection on the list of those that the end of the turn looks at.
    pub(super) fn mark_dirty(&mut self, key: Key) {
        if let Some(conn) = self.conns.get_mut(key)
            && !conn.dirty
        {
            conn.dirty = true;
            self.dirty.push(key);
        }
    }

    pub(crate) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Flushes every connection that was written to, in the order of their first writes.
    pub(crate) fn flush_dirty<O: Ops + ?Sized>(&mut self, ops: &mut O) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            let Some(conn) = self.conns.get_mut(key) else { continue };
            if conn.config.layer.is_some() {
                self.flush_layer(key, ops);
            }
            if let Some(conn) = self.conns.get_mut(key) {
                conn.dirty = false;
                self.flush(key, ops);
            }
        }
        // Keeps the memory; what a flush has put on the list meanwhile is rare and short.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
        self.staging.clear();
    }

    /// The kernel has room again.
    pub(crate) fn on_writable<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        if let Some(conn) = self.conns.get_mut(key) {
            conn.blocked = false;
            self.flush(key, ops);
        }
    }

    /// Sends what is queued, and then takes the step that waited for the queue to be empty.
    fn flush<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.blocked {
            return note_sent(key, conn, &mut self.notices);
        }
        if !matches!(conn.phase, Phase::Open | Phase::Closing) {
            return;
        }
        let flushed = if conn.staged.len() > 0 {
            self.send_staged(key, ops)
        } else {
            self.send_queued(key, ops)
        };
        if let Err(error) = flushed {
            return self.break_off(key, error, ops);
        }
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.blocked || self.guards.is_any() {
            self.watch_output(key);
        }
        let Some(conn) = self.conns.get_mut(key) else { return };
        note_sent(key, conn, &mut self.notices);
        if conn.pressured {
            self.check_low_mark(key, ops);
        } else if conn.fin.is_wanted() {
            self.finish_output(key, ops);
        } else if conn.feed == Feed::Off {
            return;
        }
        self.check_feed(key);
    }

    /// Sends what is staged from where it lies; the rest moves to the connection's queue.
    fn send_staged<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(key) else { return Ok(()) };
        debug_assert!(conn.out.is_none(), "what is staged is all there is");
        let bytes = self.staging.part(std::mem::take(&mut conn.staged));
        let sent = ops.send(key, &[IoSlice::new(bytes)])?;
        conn.bytes_out += sent as u64;
        self.stats.bytes_out += sent as u64;
        self.guards.note_sent(key, sent as u64);
        if sent < bytes.len() {
            conn.blocked = true;
            let rest = if planted(Bug::ShortSendDropsRest) { &[] } else { &bytes[sent..] };
            conn.out.insert(self.out_pool.take()).push_copy(rest);
        }
        Ok(())
    }

    /// Sends from the connection's queue.
    fn send_queued<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(key) else { return Ok(()) };
        let Some(out) = &mut conn.out else { return Ok(()) };
        let before = out.len();
        let limit_bytes = self.throttles.sendable(key, self.now);
        let flushed = ops.flush(key, out, limit_bytes);
        let sent = (before - out.len()) as u64;
        conn.bytes_out += sent;
        self.stats.bytes_out += sent;
        self.guards.note_sent(key, sent);
        let is_metered = self.throttles.note_sent(key, sent, self.now);
        match flushed {
            Flushed::Drained => {
                if let Some(out) = conn.out.take() {
                    self.out_pool.give(out);
                }
            }
            Flushed::Blocked => conn.blocked = true,
            Flushed::Yielded if is_metered => self.await_send_tokens(key),
            Flushed::Yielded => self.mark_dirty(key),
            Flushed::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn check_low_mark<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if !conn.pressured || conn.queued_bytes() > conn.config.low_mark_bytes {
            return;
        }
        conn.pressured = false;
        if conn.phase == Phase::Open {
            let owed = std::mem::take(&mut conn.held) || self.layers.reads_on(key);
            if !planted(Bug::PressurePauseForever) {
                self.set_read_mode(key, ops);
            }
            if !planted(Bug::LowMarkUntold) {
                self.notices.push_back(Notice::Pressure(key, Pressure::Low));
            }
            if owed {
                self.owe_input(key);
            }
        } else if conn.feed != Feed::Off {
            self.notices.push_back(Notice::Pressure(key, Pressure::Low));
        }
        self.finish_output(key, ops);
    }

    /// Sends FIN once the queue is empty, if one is wanted, and ends a finished goodbye.
    fn finish_output<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let overtakes = planted(Bug::FinOvertakesOutput);
        if !conn.fin.is_wanted()
            || conn.feed != Feed::Off
            || (conn.queued_bytes() > 0 && !overtakes)
        {
            return;
        }
        if !conn.fin.is_sent() {
            conn.fin = Fin::Sent;
            if let Err(error) = ops.shutdown_write(key) {
                return self.break_off(key, error, ops);
            }
            self.shorten_patience(key);
        }
        self.end_goodbye(key, ops);
    }
}

/// Tells a handler that asked for it how far its output came.
fn note_sent(key: Key, conn: &mut Connection, notices: &mut VecDeque<Notice>) {
    if std::mem::take(&mut conn.tells_sent) {
        notices.push_back(Notice::Sent(key));
    }
}
