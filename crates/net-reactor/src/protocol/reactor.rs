//! The loop, as callbacks hold it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::core::{Acceptor, Core, PendingJob, SpreadTo};
use super::handle::{ConnHandle, LoopHandle, StopRequest};
use super::task::{LocalTask, panic_message};
use super::{
    Conn, Factory, IntoHandler, Message, Peer, Protocol, QueueFull, Task, Tick, WorkError,
};
use crate::base::{ConnId, Instant, Key, ListenerId, TimerId};
use crate::driver::Ops;
use crate::net::{Closed, ConnConfig, ConnectOptions, ListenError, Target, TargetError};
use crate::sys::ListenOptions;

/// The loop, lent for one callback: timers, connections, listeners, tasks.
///
/// No method calls user code; everything that follows is queued and told in its place.
pub struct Reactor<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) ops: &'a mut dyn Ops,
}

/// Time and functions.
impl Reactor<'_> {
    /// Returns the time of this turn. It stands still during a turn.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.core.net.now
    }

    /// Calls `call` after `delay`; never earlier.
    ///
    /// Calls with equal deadlines run in the order in which they were made. A delay of zero runs
    /// in the next turn. The loop sleeps with a resolution of 1 ms.
    pub fn call_later(
        &mut self,
        delay: Duration,
        call: impl FnOnce(&mut Reactor<'_>) + 'static,
    ) -> TimerId {
        self.call_at(self.now() + delay, call)
    }

    /// Calls `call` at `deadline`, or in the next turn when that has passed.
    pub fn call_at(
        &mut self,
        deadline: Instant,
        call: impl FnOnce(&mut Reactor<'_>) + 'static,
    ) -> TimerId {
        self.core.call_at(deadline, Box::new(call))
    }

    /// Calls `call` every `period`, the first time after one period.
    ///
    /// The ticks stay on the grid of the first one however long the calls take. Ticks that pass
    /// while the loop is busy are skipped, and [`Tick::missed`] counts them. A call that panics is
    /// cancelled. Periods below 1 ms count as 1 ms.
    pub fn call_every(
        &mut self,
        period: Duration,
        call: impl FnMut(&mut Reactor<'_>, Tick) + 'static,
    ) -> TimerId {
        self.core.call_every(period, Box::new(call))
    }

    /// Cancels a timer; returns whether it was active.
    ///
    /// It holds also for a timer that is due in this very turn.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.core.cancel_call(timer)
    }

    /// Moves a timer to `delay` from now; returns whether it was active.
    pub fn reset(&mut self, timer: TimerId, delay: Duration) -> bool {
        let deadline = self.now() + delay;
        self.core.move_call(timer, deadline)
    }

    /// Puts a timer off by `more`; returns whether it was active.
    pub fn delay(&mut self, timer: TimerId, more: Duration) -> bool {
        match self.core.call_deadline(timer) {
            Some(deadline) => self.core.move_call(timer, deadline + more),
            None => false,
        }
    }

    /// Whether a timer will still run.
    #[must_use]
    pub fn is_active(&self, timer: TimerId) -> bool {
        self.core.call_deadline(timer).is_some()
    }

    /// Returns when a timer will run, if it is active.
    #[must_use]
    pub fn deadline(&self, timer: TimerId) -> Option<Instant> {
        self.core.call_deadline(timer)
    }

    /// Runs `call` in the task phase: in this turn if that is still to come, else in the next.
    pub fn defer(&mut self, call: impl FnOnce(&mut Reactor<'_>) + 'static) {
        self.core.local.push_back(LocalTask::Run(Box::new(call)));
    }

    /// Runs `work` on a worker thread, then `then` with its result on this loop.
    ///
    /// A panic in `work` comes back as [`WorkError`]. There are at most 4 threads and 1024 waiting
    /// jobs for each loop. If the loop is dropped first, `then` is never called.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when too many jobs wait; nothing is run then.
    pub fn run_blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(&mut Reactor<'_>, Result<T, WorkError>) + 'static,
    ) -> Result<(), QueueFull> {
        let then = Box::new(move |reactor: &mut Reactor<'_>, result: super::task::WorkResult| {
            let result = result.map(|value| match value.downcast::<T>() {
                Ok(value) => *value,
                Err(_) => unreachable!("invariant: a job's result has the job's type"),
            });
            then(reactor, result);
        });
        let job = self.core.jobs.insert(PendingJob { then });
        let owner = self.core.handle();
        let run = Box::new(move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
                .map(|value| Box::new(value) as Box<dyn std::any::Any + Send>)
                .map_err(|panic| WorkError::Panicked { message: panic_message(&*panic) });
            // A refusal means that the loop is gone, or drowns: nobody is left to be told.
            if owner.post(Task::Finished { job, result }).is_err() {
                tracing::warn!("the result of a blocking job was dropped");
            }
        });
        if self.ops.offload(run).is_err() {
            self.core.jobs.remove(job);
            return Err(QueueFull);
        }
        Ok(())
    }
}

/// Connections.
impl Reactor<'_> {
    /// Returns a connection by its id, or `None` when it has ended.
    pub fn conn(&mut self, id: ConnId) -> Option<Conn<'_>> {
        let key = self.core.conn_key(id)?;
        let conn = Conn::new(key, self.core, self.ops);
        conn.is_alive().then_some(conn)
    }

    /// Queues a copy of `bytes` on a connection.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the connection has ended, or as for [`Conn::write`].
    pub fn write(&mut self, id: ConnId, bytes: impl AsRef<[u8]>) -> Result<(), Closed> {
        self.conn(id).ok_or(Closed)?.write(bytes)
    }

    /// Sends a message to a connection's [`on_message`](crate::Protocol::on_message), in the task
    /// phase of this turn or the next. It is dropped if the connection ends before.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the connection has ended.
    pub fn message<M: Send + 'static>(&mut self, id: ConnId, message: M) -> Result<(), Closed> {
        let conn = self.core.conn_key(id).ok_or(Closed)?;
        let message: Message = Box::new(message);
        self.core.local.push_back(LocalTask::Message { conn, message });
        Ok(())
    }

    /// Sends `bytes` to every open connection that this loop has accepted; returns to how many.
    ///
    /// All of them share one buffer. Each is subject to its own limits: a slow one is closed and
    /// holds nobody back.
    pub fn broadcast(&mut self, bytes: impl Into<Bytes>) -> usize {
        self.broadcast_if(bytes, |_| true)
    }

    /// Like [`broadcast`](Self::broadcast), to those connections that `wanted` chooses.
    pub fn broadcast_if(
        &mut self,
        bytes: impl Into<Bytes>,
        mut wanted: impl FnMut(ConnId) -> bool,
    ) -> usize {
        let bytes = bytes.into();
        let keys = self.accepted_keys();
        let mut reached = 0;
        for key in keys {
            if wanted(self.core.conn_id(key)) {
                let sent = self.core.net.write_shared(key, bytes.clone(), &mut *self.ops);
                reached += usize::from(sent.is_ok());
            }
        }
        reached
    }

    /// Returns the open connections that this loop has accepted.
    #[must_use]
    pub fn accepted(&self) -> Vec<ConnId> {
        self.accepted_keys().into_iter().map(|key| self.core.conn_id(key)).collect()
    }

    fn accepted_keys(&self) -> Vec<Key> {
        let conns = self.core.net.conns();
        conns
            .filter(|(_, conn)| conn.listener.is_some() && conn.is_writable())
            .map(|(key, _)| key)
            .collect()
    }

    /// Returns how many connections this loop holds, in every state.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.core.net.conns_len()
    }

    /// Connects to `target` with `handler`, which is told the outcome.
    ///
    /// Exactly one of [`on_open`](Protocol::on_open) and
    /// [`on_connect_failed`](Protocol::on_connect_failed) is called, never from within this call.
    /// Names are resolved without blocking the loop; their addresses are tried one after the
    /// other. Closing the connection by its id cancels the attempt.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the text is no target.
    pub fn connect<T>(&mut self, target: T, handler: impl Protocol) -> Result<ConnId, TargetError>
    where
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        self.connect_with(target, ConnectOptions::default(), handler)
    }

    /// Like [`connect`](Self::connect), with options.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the text is no target.
    pub fn connect_with<T>(
        &mut self,
        target: T,
        options: ConnectOptions,
        handler: impl Protocol,
    ) -> Result<ConnId, TargetError>
    where
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        Ok(self.connect_target(target.try_into()?, options, Box::new(handler)))
    }

    pub(crate) fn connect_target(
        &mut self,
        target: Target,
        options: ConnectOptions,
        handler: Box<dyn Protocol>,
    ) -> ConnId {
        let key = self.core.net.connect(target, options, &mut *self.ops);
        self.core.handlers.put(key, handler);
        self.core.conn_id(key)
    }

    /// Closes a connection gracefully; returns whether it existed. See [`Conn::close`].
    pub fn close(&mut self, id: ConnId) -> bool {
        self.conn(id).map(|mut conn| conn.close()).is_some()
    }

    /// Resets a connection; returns whether it existed. See [`Conn::abort`].
    pub fn abort(&mut self, id: ConnId) -> bool {
        self.conn(id).map(|mut conn| conn.abort()).is_some()
    }

    /// Returns a handle of a connection for other threads.
    #[must_use]
    pub fn conn_handle(&self, id: ConnId) -> ConnHandle {
        ConnHandle { id, owner: self.core.handle() }
    }
}

/// Listeners and the loop itself.
impl Reactor<'_> {
    /// Listens on `address`; `factory` makes the handler of each accepted peer, or declines it.
    ///
    /// # Errors
    ///
    /// [`ListenError`] when the address cannot be listened on.
    pub fn listen<H: IntoHandler>(
        &mut self,
        address: SocketAddr,
        options: &ListenOptions,
        config: ConnConfig,
        mut factory: impl FnMut(&Peer) -> H + 'static,
    ) -> Result<ListenerId, ListenError> {
        let factory = Box::new(move |peer: &Peer| factory(peer).into_handler());
        self.listen_boxed(address, options, config, factory)
    }

    pub(crate) fn listen_boxed(
        &mut self,
        address: SocketAddr,
        options: &ListenOptions,
        config: ConnConfig,
        factory: Factory,
    ) -> Result<ListenerId, ListenError> {
        let listener = self.listen_socket(address, options, config)?;
        self.set_factory(listener, factory);
        Ok(listener)
    }

    /// Opens a listening socket; its peers are declined until it has a factory.
    pub(crate) fn listen_socket(
        &mut self,
        address: SocketAddr,
        options: &ListenOptions,
        config: ConnConfig,
    ) -> Result<ListenerId, ListenError> {
        let key = self.core.net.listen(address, options, Rc::new(config), &mut *self.ops)?;
        Ok(self.core.listener_id(key))
    }

    pub(crate) fn set_factory(&mut self, listener: ListenerId, factory: Factory) {
        self.core.acceptors.put(listener.key, Acceptor { factory, spread: Vec::new() });
    }

    pub(crate) fn adopt_listener(
        &mut self,
        socket: std::net::TcpListener,
        config: ConnConfig,
    ) -> Result<ListenerId, ListenError> {
        let key = self.core.net.adopt_listener(socket, Rc::new(config), &mut *self.ops)?;
        Ok(self.core.listener_id(key))
    }

    /// Adds a listener without a socket, for peers that another loop accepts.
    pub(crate) fn add_fed_listener(
        &mut self,
        address: SocketAddr,
        config: ConnConfig,
        factory: Factory,
    ) -> Key {
        let key = self.core.net.add_fed_listener(address, Rc::new(config));
        self.core.acceptors.put(key, Acceptor { factory, spread: Vec::new() });
        key
    }

    /// Lets another loop take over a share of a listener's peers.
    pub(crate) fn spread_to(&mut self, listener: ListenerId, target: SpreadTo) {
        if let Some(acceptor) = self.core.acceptors.get_mut(listener.key) {
            acceptor.spread.push(target);
        }
    }

    /// Returns the address that a listener is bound to, with the port the kernel chose for port 0.
    #[must_use]
    pub fn listener_address(&self, listener: ListenerId) -> Option<SocketAddr> {
        let key = self.listener_key(listener)?;
        self.core.net.listener_address(key)
    }

    /// Stops listening; connections that were accepted live on. Returns whether it was listening.
    pub fn unlisten(&mut self, listener: ListenerId) -> bool {
        let Some(key) = self.listener_key(listener) else { return false };
        self.core.acceptors.take(key);
        self.core.net.unlisten(key, &mut *self.ops)
    }

    pub(crate) fn listener_key(&self, listener: ListenerId) -> Option<Key> {
        (listener.loop_id == self.core.loop_id()).then_some(listener.key)
    }

    /// Returns a handle of this loop for other threads.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        self.core.handle()
    }

    /// Stops the loop gracefully; see [`LoopHandle::stop`].
    pub fn stop(&mut self) {
        self.core.shared.request_stop(StopRequest::Graceful);
    }

    /// Stops the loop at the end of this turn; open connections are aborted.
    pub fn stop_now(&mut self) {
        self.core.shared.request_stop(StopRequest::Now);
    }

    /// Whether the loop has begun to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.core.shared.stop_request() != StopRequest::None
    }
}

impl std::fmt::Debug for Reactor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reactor").field("loop", &self.core.loop_id()).finish_non_exhaustive()
    }
}
