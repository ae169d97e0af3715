//! Producers: what feeds a connection at the pace at which its peer reads.

use std::io;

use super::core::Core;
use super::dispatcher::Dispatcher;
use super::task::LocalTask;
use super::{Conn, Reactor};
use crate::base::{ConnId, Key};
use crate::driver::Engine;
use crate::net::{CloseReason, Pressure};

/// What feeds one connection, kept beside its handler.
pub(crate) trait Producer {
    /// The output has come down to the low mark, or the producer asked to be called
    /// ([`Reactor::resume_producer`]).
    fn produce(&mut self, conn: &mut Conn<'_>) -> Produced;

    /// The connection's output crossed a mark.
    fn on_pressure(&mut self, reactor: &mut Reactor<'_>, pressure: Pressure);

    /// It is over; told once, and before the connection's end is.
    fn on_end(&mut self, reactor: &mut Reactor<'_>, end: ProducerEnd);
}

/// What a producer did.
#[derive(Debug)]
pub(crate) enum Produced {
    /// It fed the connection, and is to be called again at the low mark.
    More,
    /// It has nothing now, and will ask to be called.
    Later,
    /// It is finished.
    End,
    /// It cannot go on.
    Failed(io::Error),
}

/// Why a producer is called no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProducerEnd {
    /// It said so.
    Finished,
    /// Its connection ended, be it for an error of its own.
    Stopped,
}

impl<E: Engine> Dispatcher<E> {
    /// Lets a producer go on, if it has the word.
    pub(super) fn produce(&mut self, key: Key) {
        if !self.core.net.is_feed_wanted(key) {
            return;
        }
        let Some(mut producer) = self.core.producers.take(key) else { return };
        let mut produced = None;
        self.run(|Reactor { core, ops }| {
            produced = Some(producer.produce(&mut Conn::new(key, core, &mut **ops)));
        });
        let Self { engine, core, .. } = self;
        core.producers.put(key, producer);
        match produced {
            Some(Produced::More) => core.net.await_low_mark(key),
            Some(Produced::Later) => {}
            Some(Produced::End) => {
                core.net.end_feed(key);
                self.end_producer(key, ProducerEnd::Finished);
            }
            Some(Produced::Failed(source)) => {
                core.net.abort(key, CloseReason::TransferFailed { source }, engine);
            }
            None => {
                let source = io::Error::other("what makes the bytes panicked");
                core.net.abort(key, CloseReason::TransferFailed { source }, engine);
            }
        }
    }

    /// Tells a producer that output crossed a mark, also when the handler is past hearing it.
    pub(super) fn press_producer(&mut self, key: Key, pressure: Pressure) {
        if let Some(mut producer) = self.core.producers.take(key) {
            self.run(|reactor| producer.on_pressure(reactor, pressure));
            self.core.producers.put(key, producer);
        }
    }

    /// Tells a producer that it is over.
    pub(super) fn end_producer(&mut self, key: Key, end: ProducerEnd) {
        if let Some(mut producer) = self.core.producers.take(key) {
            self.run(|reactor| producer.on_end(reactor, end));
            // Dropping it runs the user's code, which may panic.
            self.run(|_| drop(producer));
        }
    }
}

impl Reactor<'_> {
    /// Calls a connection's producer in the task phase, if the connection wants more by then.
    pub(crate) fn resume_producer(&mut self, id: ConnId) {
        if let Some(key) = self.core.conn_key(id) {
            self.core.want_production(key);
        }
    }
}

impl Core {
    /// Has a producer called in the task phase: one that always has more would otherwise keep this
    /// turn from ending.
    pub(super) fn want_production(&mut self, key: Key) {
        self.local.push_back(LocalTask::Produce(key));
    }
}
