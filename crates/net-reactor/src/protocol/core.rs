//! The state of one loop, without its engine.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::calls::Call;
#[cfg(feature = "async")]
use super::future::Executor;
use super::handle::LoopHandle;
use super::loop_config::LoopConfig;
use super::loop_shared::LoopShared;
use super::stopping::StopState;
use super::task::{Continuation, LocalTask, Task};
use super::{Datagram, Factory, FdHandler, Message, Producer, Protocol, ServerHandle};
use crate::base::{
    ConnId, DatagramId, FdId, Instant, Key, ListenerId, LoopId, Rng, SideTable, Slab, TimerId,
};
use crate::net::Net;
use crate::sys::Job;

/// A value of a service that lives as long as a connection does. It is dropped when the connection
/// has ended, before its handler is told, or with the loop; dropping it calls no code of the user's.
pub(crate) type Kept = Box<dyn Any>;

/// Everything a loop knows, except how its bytes are moved.
///
/// Handlers stand in a table of their own beside the connections, so that one can be taken out and
/// called with `&mut` access to the rest.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) net: Net,
    pub(crate) handlers: SideTable<Box<dyn Protocol>>,
    pub(crate) fd_handlers: SideTable<Box<dyn FdHandler>>,
    pub(crate) datagram_handlers: SideTable<Box<dyn Datagram>>,
    /// Messages to connections that are not open yet.
    pub(crate) early: SideTable<Vec<Message>>,
    /// What services keep with a connection until its end.
    pub(crate) kept: SideTable<Vec<Kept>>,
    /// What feeds connections at the pace of their peers.
    pub(crate) producers: SideTable<Box<dyn Producer>>,
    pub(crate) acceptors: SideTable<Acceptor>,
    /// Functions that timers call.
    pub(crate) calls: Slab<Call>,
    pub(crate) jobs: Slab<PendingJob>,
    pub(crate) jobs_refused: u64,
    /// Those of the jobs that the queue had no place for yet.
    pub(crate) waiting_jobs: VecDeque<Key>,
    /// What this loop keeps for its own next turn.
    pub(crate) local: VecDeque<LocalTask>,
    /// What other threads have posted and this loop has taken.
    pub(crate) remote: VecDeque<Task>,
    pub(crate) shared: Arc<LoopShared>,
    /// Whether the last turn ran any of them.
    pub(crate) ran_posts: bool,
    /// The loops that serve together with this one, itself included; `None` while it is alone.
    pub(crate) server: Option<ServerHandle>,
    pub(crate) stop: StopState,
    pub(crate) drain: Duration,
    pub(crate) rng: Rng,
    #[cfg(feature = "async")]
    pub(crate) executor: Executor,
}

/// What a loop that has stopped should not have any more.
#[cfg(feature = "sim")]
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Leftovers {
    connections: usize,
    listeners: usize,
    /// Timers beside those of functions that the user set.
    timers: usize,
    handlers: usize,
    fds: usize,
    datagrams: usize,
    /// Connections with which a service keeps something.
    kept: usize,
    producers: usize,
    /// What the loop counts as its connections for those who spread peers.
    counted: usize,
}

/// Who serves the peers of a listener.
pub(crate) struct Acceptor {
    pub(crate) factory: Factory,
    /// Loops that share the listener's peers, if it spreads them.
    pub(crate) spread: Vec<SpreadTo>,
}

/// Another loop that takes accepted peers over.
#[derive(Debug, Clone)]
pub(crate) struct SpreadTo {
    pub(crate) owner: LoopHandle,
    /// The listener's place on that loop.
    pub(crate) listener: Key,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("spread", &self.spread.len()).finish_non_exhaustive()
    }
}

/// What waits for a blocking job.
pub(crate) struct PendingJob {
    pub(crate) then: Continuation,
    /// The job itself, until the queue has a place for it.
    pub(crate) waits: Option<Job>,
}

impl std::fmt::Debug for PendingJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PendingJob")
    }
}

impl Core {
    pub(crate) fn new(
        now: Instant,
        seed: u64,
        shared: Arc<LoopShared>,
        config: &LoopConfig,
    ) -> Self {
        Self {
            net: Net::new(now, config.names.clone()),
            handlers: SideTable::default(),
            fd_handlers: SideTable::default(),
            datagram_handlers: SideTable::default(),
            early: SideTable::default(),
            kept: SideTable::default(),
            producers: SideTable::default(),
            acceptors: SideTable::default(),
            calls: Slab::default(),
            jobs: Slab::default(),
            jobs_refused: 0,
            waiting_jobs: VecDeque::new(),
            local: VecDeque::new(),
            remote: VecDeque::new(),
            shared,
            ran_posts: false,
            server: None,
            stop: StopState::default(),
            drain: config.drain,
            rng: Rng::new(seed),
            #[cfg(feature = "async")]
            executor: Executor::default(),
        }
    }

    pub(crate) fn loop_id(&self) -> LoopId {
        self.shared.id
    }

    pub(crate) fn handle(&self) -> LoopHandle {
        LoopHandle { shared: Arc::clone(&self.shared) }
    }

    /// Returns the loops that serve together with this one.
    pub(crate) fn server(&self) -> ServerHandle {
        self.server.clone().unwrap_or_else(|| ServerHandle::new([self.handle()]))
    }

    pub(crate) fn conn_id(&self, key: Key) -> ConnId {
        ConnId { loop_id: self.loop_id(), key }
    }

    /// Returns the slot that an id names, if it is one of this loop.
    pub(crate) fn conn_key(&self, id: ConnId) -> Option<Key> {
        (id.loop_id == self.loop_id() && self.net.conn(id.key).is_some()).then_some(id.key)
    }

    pub(crate) fn timer_id(&self, key: Key) -> TimerId {
        TimerId { loop_id: self.loop_id(), key }
    }

    pub(crate) fn fd_id(&self, key: Key) -> FdId {
        FdId { loop_id: self.loop_id(), key }
    }

    pub(crate) fn datagram_id(&self, key: Key) -> DatagramId {
        DatagramId { loop_id: self.loop_id(), key }
    }

    /// Returns the slot of a socket of datagrams, if it is one of this loop and open.
    pub(crate) fn datagram_key(&self, id: DatagramId) -> Option<Key> {
        let is_ours = id.loop_id == self.loop_id() && self.net.hears_datagrams(id.key);
        is_ours.then_some(id.key)
    }

    pub(crate) fn listener_id(&self, key: Key) -> ListenerId {
        ListenerId { loop_id: self.loop_id(), key }
    }

    #[cfg(feature = "sim")]
    pub(crate) fn leftovers(&self) -> Leftovers {
        Leftovers {
            connections: self.net.conns_len(),
            listeners: self.net.listener_keys().len(),
            timers: self.net.timers.len().abs_diff(self.calls.len()),
            handlers: self.handlers.len() + self.fd_handlers.len() + self.datagram_handlers.len(),
            fds: self.net.fds_len(),
            datagrams: self.net.datagrams_len(),
            kept: self.kept.len(),
            producers: self.producers.len(),
            counted: self.shared.connections.load(std::sync::atomic::Ordering::Relaxed),
        }
    }

    /// Whether something is to be done without waiting for an event.
    pub(crate) fn has_work(&self) -> bool {
        #[cfg(feature = "async")]
        if self.executor.has_wishes() {
            return true;
        }
        !self.local.is_empty()
            || !self.remote.is_empty()
            || self.net.has_dirty()
            || self.net.has_notices()
    }
}
