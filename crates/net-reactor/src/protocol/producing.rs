//! How producers are asked for more, and told that it is over.

use std::io;

use super::core::Core;
use super::dispatcher::Dispatcher;
use super::producer::{Produced, ProducerEnd};
use super::task::LocalTask;
use super::{Conn, Reactor};
use crate::base::{ConnId, Key};
use crate::driver::Engine;
use crate::net::{CloseReason, Pressure};

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
            Some(Produced::More) => core.net.await_low_mark(key, engine),
            Some(Produced::Later) => {}
            Some(Produced::End) => {
                core.net.end_feed(key, engine);
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
