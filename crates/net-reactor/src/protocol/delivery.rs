//! What of the input reaches a handler, and in which order.

use super::Eof;
use super::dispatcher::Dispatcher;
use crate::base::{Bug, Inbound, Input, Key, ScanMark, planted};
use crate::driver::{Engine, Lease};
use crate::net::{Callback, CloseReason, PeerEnd, Phase, Received};

impl<E: Engine> Dispatcher<E> {
    /// Delivers received bytes, behind those that the connection has kept.
    pub(super) fn on_data(&mut self, key: Key, mut lease: E::Lease) {
        let received = lease.bytes().len() as u64;
        match self.core.net.on_received(key, received, &mut self.engine) {
            Received::Unwanted => {}
            Received::Fresh => self.deliver_fresh(key, lease.bytes(), ScanMark::default()),
            Received::After(waiting) => self.deliver_after(key, waiting, &mut lease),
            Received::Layered => self.deliver_layered(key, lease.bytes()),
        }
        self.engine.recycle(lease);
        self.follow_up();
    }

    /// Delivers fresh bytes behind those that the connection has kept.
    fn deliver_after(&mut self, key: Key, mut waiting: Box<Inbound>, lease: &mut E::Lease) {
        // Moving what waits before the fresh bytes costs no more than the fresh bytes did, if
        // there are as many of them; otherwise they are appended, so that a slow drip into a
        // large frame stays linear.
        let front = waiting.unread();
        let short = front.len() <= lease.bytes().len();
        if let Some(joined) = short.then(|| lease.with_front(front)).flatten() {
            let mark = waiting.mark;
            self.core.net.give_input(waiting);
            self.deliver_fresh(key, joined, mark);
        } else {
            waiting.append(lease.bytes());
            self.deliver_kept(key, waiting);
        }
    }

    /// Delivers what received bytes become in the connection's layer.
    fn deliver_layered(&mut self, key: Key, received: &[u8]) {
        let Some(plain) = self.core.net.read_layer(key, received, &mut self.engine) else { return };
        let bytes = &plain.memory[..plain.bytes];
        if !bytes.is_empty() {
            match self.core.net.take_input(key) {
                Some(mut waiting) => {
                    waiting.append(bytes);
                    self.deliver_kept(key, waiting);
                }
                None => self.deliver_fresh(key, bytes, ScanMark::default()),
            }
        }
        self.core.net.give_plain(plain.memory);
        if let Some(error) = plain.error {
            self.core.net.refuse_layer(key, error, &mut self.engine);
        }
    }

    /// Delivers bytes that lie in the receive buffer, and keeps what is left of them.
    fn deliver_fresh(&mut self, key: Key, bytes: &[u8], mark: ScanMark) {
        let (left, mark) = self.call_on_data(key, bytes, mark);
        if left > 0 {
            let rest = &bytes[bytes.len() - left..];
            self.core.net.keep_rest(key, rest, mark, &mut self.engine);
        }
    }

    /// Delivers bytes that the connection has kept.
    fn deliver_kept(&mut self, key: Key, mut input: Box<Inbound>) {
        let (left, mark) = self.call_on_data(key, input.unread(), input.mark);
        let consumed = input.unread().len() - left;
        input.consume(consumed);
        input.mark = mark;
        self.core.net.put_input(key, input, &mut self.engine);
    }

    /// Returns how many bytes were left, and how far they were searched.
    fn call_on_data(&mut self, key: Key, bytes: &[u8], mark: ScanMark) -> (usize, ScanMark) {
        let mut input = Input::new(bytes, mark);
        self.call(key, Callback::Data, |handler, conn| handler.on_data(conn, &mut input));
        let (left, mark) = (input.len(), input.mark());
        if self.core.net.watched.is_present() {
            self.tell_consumed(key, &bytes[..bytes.len() - left], left);
        }
        (left, mark)
    }

    /// Tells the watch what a handler took of its input.
    #[cold]
    fn tell_consumed(&mut self, key: Key, bytes: &[u8], kept_bytes: usize) {
        if let Some(conn) = self.core.net.conn(key) {
            let limit_bytes = conn.config.input_bytes_max;
            self.core.net.watched.consumed(key, bytes, kept_bytes, limit_bytes);
        }
    }

    /// Delivers what a pause held back: unconsumed input, then the peer's end.
    pub(super) fn deliver_waiting(&mut self, key: Key) {
        if !self.core.net.is_flowing(key) {
            return;
        }
        let overtakes = planted(Bug::EndOvertakesInput)
            && self.core.net.conn(key).is_some_and(|conn| conn.end.has_come());
        if !overtakes
            && self.core.net.take_input_waits(key)
            && let Some(input) = self.core.net.take_input(key)
        {
            // Delivered before the peer's end: what a pause held back must not be lost to it.
            self.deliver_kept(key, input);
        }
        if self.core.net.layer_reads_on(key) {
            self.deliver_layered(key, &[]);
        }
        if self.core.net.take_eof(key) {
            self.call_on_eof(key);
        }
        self.follow_up();
    }

    /// Delivers what a handler has left, because it asked for that; nothing too.
    pub(super) fn deliver_again(&mut self, key: Key) {
        if self
            .core
            .net
            .conn(key)
            .is_some_and(|conn| conn.phase == Phase::Open && conn.end != PeerEnd::Told)
        {
            let input = self.core.net.take_input(key).unwrap_or_default();
            self.deliver_kept(key, input);
        }
    }

    fn call_on_eof(&mut self, key: Key) {
        let waiting = self.core.net.take_input(key);
        let bytes = waiting.as_ref().map_or(&[][..], |waiting| waiting.unread());
        let mut input = Input::new(bytes, ScanMark::default());
        let mut decision = Eof::Close;
        let done = self.call(key, Callback::Eof, |handler, conn| {
            decision = handler.on_eof(conn, &mut input)?;
            Ok(())
        });
        let left = input.len();
        self.tell_consumed(key, &bytes[..bytes.len() - left], left);
        if let Some(waiting) = waiting {
            self.core.net.give_input(waiting);
        }
        if done {
            let Self { engine, core, .. } = self;
            match decision {
                Eof::Close => core.net.close(key, CloseReason::PeerClosed, engine),
                Eof::KeepOpen => core.net.keep_open(key, engine),
            }
        }
    }
}
