//! Connections with a layer: where their bytes change.

use super::layer::{LayerError, Read, Then};
use super::{CloseReason, Closed, Connection, Net, Notice, OnHighMark};
use crate::base::{Bug, Inbound, Key, planted};
use crate::driver::Ops;

/// The most plain bytes that a layer gives a handler at once: 256 KiB, as a receive does.
const PLAIN_BYTES_MAX: usize = crate::driver::READ_BYTES_PER_TURN;

/// A large write goes through a layer in pieces of this size, so that the limit of queued output
/// ends it in time: 64 KiB.
const PIECE_BYTES: usize = 64 * 1024;

/// What came out of a layer, in memory of the loop that is to be given back.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) memory: Vec<u8>,
    pub(crate) bytes: usize,
    /// Why nothing follows, if nothing does.
    pub(crate) error: Option<LayerError>,
}

impl Net {
    /// Gives a new connection its layer, if its configuration has one.
    pub(super) fn add_layer(&mut self, key: Key) {
        let layer = self.conns.get(key).and_then(|conn| conn.config.layer.as_ref());
        if let Some(layered) = layer.map(super::Layer::make) {
            self.layers.put(key, layered);
        }
    }

    pub(crate) fn has_layer(&self, key: Key) -> bool {
        self.layers.get(key).is_some()
    }

    /// Queues what plain bytes become.
    pub(super) fn write_layered<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        plain: &[u8],
        ops: &mut O,
    ) -> Result<(), Closed> {
        self.conns.get(key).filter(|conn| conn.is_writable()).ok_or(Closed)?;
        self.append_layered(key, plain, ops)
    }

    /// Does so also on a connection that its handler can no longer write to.
    pub(super) fn append_layered<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        plain: &[u8],
        ops: &mut O,
    ) -> Result<(), Closed> {
        for piece in plain.chunks(PIECE_BYTES) {
            self.transform(key, ops, |layer, wire| layer.write(piece, wire))?;
        }
        // What the layer keeps back is flushed at the end of the turn.
        self.mark_dirty(key);
        Ok(())
    }

    /// Queues what the layer has kept back, at the end of a turn.
    pub(super) fn flush_layer<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        if planted(Bug::LayerUnflushed) {
            return;
        }
        // Going over a limit has its own consequences.
        let _closed = self.transform(key, ops, |layer, wire| layer.flush(wire));
    }

    /// Queues the layer's end, before our side finishes; behind all that a producer is still to feed.
    pub(super) fn finish_layer<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let _closed = self.transform(key, ops, |layer, wire| layer.finish(wire));
    }

    fn transform<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        ops: &mut O,
        append: impl FnOnce(&mut dyn super::layer::Transform, &mut Vec<u8>),
    ) -> Result<(), Closed> {
        let takes_output = self.conns.get(key).is_some_and(|conn| conn.takes_output());
        let Some(layered) = self.layers.get_mut(key).filter(|_| takes_output) else {
            return Ok(());
        };
        let mut wire = std::mem::take(&mut self.spare);
        append(&mut *layered.transform, &mut wire);
        let queued = self.append(key, wire.len(), ops, |out| out.push_copy(&wire));
        self.keep_spare(wire);
        queued
    }

    /// Passes received bytes through the layer, behind those that wait, for the handler to be given
    /// what they become: at most its share of a turn. The rest waits for the next, and the
    /// connection is not read until then.
    pub(crate) fn read_layer<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        fresh: &[u8],
        ops: &mut O,
    ) -> Option<Plain> {
        let conn = self.conns.get_mut(key)?;
        let layered = self.layers.get_mut(key)?;
        let mut memory = std::mem::take(&mut self.plain);
        let is_joined = !layered.waiting.unread().is_empty();
        if is_joined {
            layered.waiting.append(fresh);
        }
        let wire = if is_joined { layered.waiting.unread() } else { fresh };
        let mut rest = wire;
        let Read { bytes, then } = layered.transform.read(&mut rest, &mut memory, PLAIN_BYTES_MAX);
        let (taken, left) = (wire.len() - rest.len(), rest.len());
        let (reads_on, error) = match then {
            Then::Receive => (false, None),
            Then::ReadOn => (true, None),
            Then::Fail(error) => (false, Some(error)),
        };
        if !reads_on {
            layered.waiting = Inbound::default();
        } else if is_joined {
            layered.waiting.consume(taken);
        } else {
            layered.waiting.append(&fresh[fresh.len() - left..]);
        }
        if self.guards.is_any() {
            let kept_bytes = conn.input.as_ref().map_or(0, |input| input.unread().len() as u64);
            self.guards.note_received(key, kept_bytes, bytes as u64);
        }
        if std::mem::replace(&mut layered.reads_on, reads_on) != reads_on {
            self.set_read_mode(key, ops);
        }
        if reads_on {
            self.notices.push_back(Notice::InputWaits(key));
        }
        Some(Plain { memory, bytes, error })
    }

    /// Takes the loop's memory back.
    pub(crate) fn give_plain(&mut self, memory: Vec<u8>) {
        self.plain = memory;
    }

    /// Whether the layer has more for the handler, which may be given it now.
    pub(crate) fn layer_reads_on(&self, key: Key) -> bool {
        let is_held_back =
            |conn: &Connection| conn.pressured && conn.on_high_mark == OnHighMark::PauseReading;
        self.layers.reads_on(key)
            && !self.conns.get(key).is_none_or(is_held_back)
            && self.is_flowing(key)
    }

    /// Closes a connection whose peer's bytes have broken the rules of the layer.
    pub(crate) fn refuse_layer<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        source: LayerError,
        ops: &mut O,
    ) {
        self.close(key, CloseReason::Malformed { source }, ops);
    }

    /// The peer has finished; returns whether its bytes are whole, and closes otherwise.
    pub(super) fn end_layer<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) -> bool {
        let end = self.layers.get_mut(key).map(|layered| layered.transform.read_end());
        match end {
            Some(Err(source)) => {
                self.refuse_layer(key, source, ops);
                false
            }
            Some(Ok(())) | None => true,
        }
    }
}
