//! Output that somebody makes at the pace at which the peer takes it.

use bytes::Bytes;

use super::phase::Phase;
use super::{Closed, Net, Notice};
use crate::base::Key;
use crate::driver::Ops;

/// Who has the next word on a connection that is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// Nobody feeds it.
    Off,
    /// The connection: it tells when its queue has come down to the low mark.
    Awaited,
    /// The producer: it was told that more is wanted.
    Wanted,
}

impl Net {
    /// Begins to feed an open connection: from here on its FIN waits for the end of that. Returns
    /// `false` when it is fed already.
    pub(crate) fn begin_feed(&mut self, key: Key) -> Result<bool, Closed> {
        let conn = self.conns.get_mut(key).ok_or(Closed)?;
        if conn.phase != Phase::Open || !conn.is_writable() {
            return Err(Closed);
        }
        let is_free = conn.feed == Feed::Off;
        if is_free {
            conn.feed = Feed::Wanted;
        }
        Ok(is_free)
    }

    /// Queues what a producer made, also while a close or a half-close waits for its end.
    pub(crate) fn feed<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        bytes: Bytes,
        ops: &mut O,
    ) -> Result<(), Closed> {
        let conn = self.conns.get_mut(key).filter(|conn| conn.feed != Feed::Off).ok_or(Closed)?;
        if let Some(goodbye) = &mut conn.goodbye {
            // The peer has taken what was there before: its patience begins anew.
            goodbye.patience_ends = self.now + conn.config.linger;
            self.timers.rearm(goodbye.deadline, goodbye.patience_ends);
        }
        if conn.config.layer.is_none() {
            return self.append_shared(key, bytes, ops);
        }
        self.append_layered(key, &bytes, ops)?;
        if self.watched.is_present() {
            self.tell_written(key, &bytes);
        }
        Ok(())
    }

    /// Asks for a notice once the queue is at the low mark; at once, if it is.
    pub(crate) fn await_low_mark<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        if self.has_layer(key) {
            // What it keeps back waits as well, and is not in the queue yet.
            self.flush_layer(key, ops);
        }
        if let Some(conn) = self.conns.get_mut(key)
            && conn.feed != Feed::Off
        {
            conn.feed = Feed::Awaited;
            self.check_feed(key);
        }
    }

    /// Tells a producer that awaits it that its connection is at the low mark.
    pub(super) fn check_feed(&mut self, key: Key) {
        if let Some(conn) = self.conns.get_mut(key)
            && conn.feed == Feed::Awaited
            && conn.queued_bytes() <= conn.config.low_mark_bytes
        {
            conn.feed = Feed::Wanted;
            self.notices.push_back(Notice::FeedWanted(key));
        }
    }

    /// Whether a producer has the word.
    pub(crate) fn is_feed_wanted(&self, key: Key) -> bool {
        self.conns.get(key).is_some_and(|conn| conn.feed == Feed::Wanted)
    }

    /// Ends feeding; a FIN that has waited for it goes behind what is queued.
    pub(crate) fn end_feed<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(conn) = self.conns.get(key).filter(|conn| conn.feed != Feed::Off) else { return };
        if conn.config.layer.is_some() && conn.fin.is_wanted() {
            self.finish_layer(key, ops);
        }
        if let Some(conn) = self.conns.get_mut(key) {
            conn.feed = Feed::Off;
            self.mark_dirty(key);
        }
    }
}
