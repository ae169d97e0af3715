//! Connections, as the loop offers them to callbacks.

use bytes::Bytes;

use crate::base::{Bug, ConnId, Key, planted};
use crate::net::{Closed, ConnectOptions, Target, TargetError};
use crate::protocol::handle::ConnHandle;
use crate::protocol::task::LocalTask;
use crate::protocol::{Conn, Message, Protocol, Reactor};

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
        if planted(Bug::NestedCallback)
            && let Some(mut handler) = self.core.handlers.take(conn)
        {
            let _ = handler.on_message(&mut Conn::new(conn, self.core, self.ops), message);
            self.core.handlers.put(conn, handler);
            return Ok(());
        }
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
    /// Names are resolved without blocking the loop. Up to 16 of their addresses are tried, IPv6 and
    /// IPv4 by turns: each as soon as one before it has failed, or 250 ms after it, and the first
    /// that answers wins (RFC 8305). When all have failed the last failure is told.
    ///
    /// Closing the connection by its id cancels the attempt, and so does a stop of the loop, also
    /// when it has begun already.
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
