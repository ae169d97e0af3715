//! A server on SimpleReactor's wire.

use std::fmt;

use bytes::Bytes;

use super::{SERVER_HEARTBEAT, Settings, TypedHandle, TypedHandler};
use crate::codec::{SimpleReactor, TypedFrame};
use crate::endpoint::Server;
use crate::protocol::{Flow, FrameConn, FrameHandler, Peer};
use crate::service::HeartbeatConfig;

/// A server that speaks [`SimpleReactor`]'s protocol: typed messages, connections by id, heartbeats.
///
/// ```no_run
/// use net_reactor::{codec::SimpleReactor, prelude::*, simple_reactor::TypedServer};
///
/// let echo = TypedServer::on_data(SimpleReactor::plain, |conn, data| Ok(conn.send(data)?));
/// echo.heartbeats().server().listen("127.0.0.1:8080")?.run()?;
/// # Ok::<(), Error>(())
/// ```
///
/// The handler is one of frames, made for each peer: it is told what it is told with any codec, and is
/// given the frames of the [application](crate::codec::Kind::Application) and of the
/// [system types](Self::system_type) that were named. Others, and those that are too short, are passed
/// over with a line in the log, at the first, the second, the fourth, and so on of a connection.
///
/// | in Python | here |
/// |---|---|
/// | `set_app_data_callback(f)` | [`on_data`](Self::on_data), or [`FrameHandler::on_frame`] |
/// | none: connected, closed, failed | [`FrameHandler::on_open`], [`on_close`](FrameHandler::on_close) with the reason, [`on_connect_failed`](FrameHandler::on_connect_failed) |
/// | `conn.send_data(data)` | [`FrameConn::send`] |
/// | `send_data(key, data)`, `broadcast_data(data)` | [`TypedHandle::send`], [`broadcast`](TypedHandle::broadcast), from any thread |
/// | `disconnect(key)`, `check_connected(key)` | [`TypedHandle::disconnect`], [`is_connected`](TypedHandle::is_connected) |
/// | `use_heartbeat()` | [`heartbeats`](Self::heartbeats) |
/// | `add_timer_task(interval, f)`, `remove_timer(id)` | [`Reactor::call_every`](crate::Reactor::call_every), [`cancel`](crate::Reactor::cancel) |
/// | `loop.add_inloop_functor(f)` | [`LoopHandle::run_in_loop`](crate::LoopHandle::run_in_loop) |
/// | `close()` | [`ServerHandle::stop`](crate::ServerHandle::stop) |
pub struct TypedServer<W, F> {
    settings: Settings<W>,
    factory: F,
}

impl<W> TypedServer<W, ()>
where
    W: Fn() -> SimpleReactor + Clone + 'static,
{
    /// Makes a server whose handler is one closure, cloned for each connection and called with the data
    /// of each message.
    pub fn on_data<C>(
        wire: W,
        call: C,
    ) -> TypedServer<W, impl FnMut(&Peer) -> OnTypedData<C> + Clone + use<W, C>>
    where
        C: FnMut(&mut FrameConn<'_, SimpleReactor>, &[u8]) -> Flow + Clone + 'static,
    {
        TypedServer::new(wire, move |_peer: &Peer| OnTypedData { call: call.clone() })
    }
}

impl<W, F, H> TypedServer<W, F>
where
    W: Fn() -> SimpleReactor + Clone + 'static,
    F: FnMut(&Peer) -> H + Clone + 'static,
    H: FrameHandler<SimpleReactor>,
{
    /// Makes a server. `wire` makes the codec of each connection, `factory` its handler.
    pub fn new(wire: W, factory: F) -> Self {
        Self { settings: Settings::new(wire), factory }
    }

    /// Sends a beat each second on every connection, as `use_heartbeat` does in Python.
    #[must_use]
    pub fn heartbeats(self) -> Self {
        self.heartbeat(SERVER_HEARTBEAT)
    }

    /// Sets another heartbeat, such as one that also expects to hear from the clients. A client in
    /// Python sends no beats: only its messages show that it lives.
    #[must_use]
    pub fn heartbeat(mut self, config: HeartbeatConfig) -> Self {
        self.settings.heartbeat = config;
        self
    }

    /// Sets what the frames of heartbeats carry, which must not be empty. Nobody looks at it.
    #[must_use]
    pub fn heartbeat_payload(mut self, data: impl Into<Bytes>) -> Self {
        self.settings.beats = self.settings.beats.payload(data);
        self
    }

    /// Gives the handler frames of this kind too; see
    /// [`Kind::System`](crate::codec::Kind::System).
    #[must_use]
    pub fn system_type(mut self, number: u32) -> Self {
        self.settings.add_kind(number);
        self
    }

    /// Lists the connections in a handle that was made before, such as one that its handlers have, or
    /// one of several servers and clients.
    #[must_use]
    pub fn listed_in(mut self, handle: &TypedHandle) -> Self {
        self.settings.handle = handle.clone();
        self
    }

    /// Returns the connections, as they come and go, for any thread.
    #[must_use]
    pub fn handle(&self) -> TypedHandle {
        self.settings.handle.clone()
    }

    /// Returns it as a [`Server`], to set loops and limits, to listen and to run.
    pub fn server(self) -> Server<impl FnMut(&Peer) -> TypedHandler<H> + Clone + use<W, F, H>> {
        let Self { settings, mut factory } = self;
        Server::new(move |peer: &Peer| settings.around(factory(peer)))
    }
}

impl<W, F> fmt::Debug for TypedServer<W, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedServer")
            .field("heartbeat", &self.settings.heartbeat)
            .field("handle", &self.settings.handle)
            .finish_non_exhaustive()
    }
}

/// A handler that is one closure, called with the data of each message.
#[derive(Clone)]
pub struct OnTypedData<C> {
    call: C,
}

impl<C> FrameHandler<SimpleReactor> for OnTypedData<C>
where
    C: FnMut(&mut FrameConn<'_, SimpleReactor>, &[u8]) -> Flow + 'static,
{
    fn on_frame(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, frame: TypedFrame<'_>) -> Flow {
        (self.call)(conn, frame.data())
    }
}

impl<C> fmt::Debug for OnTypedData<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnTypedData")
    }
}
