//! Clients on SimpleReactor's wire.

use std::fmt;

use super::{CLIENT_HEARTBEAT, Settings, TypedHandle, TypedHandler};
use crate::codec::SimpleReactor;
use crate::endpoint::Client;
use crate::protocol::FrameHandler;
use crate::service::HeartbeatConfig;

/// Any number of connections to servers that speak [`SimpleReactor`]'s protocol; the counterpart of
/// [`TypedServer`](crate::simple_reactor::TypedServer), with the same handlers.
///
/// ```no_run
/// use net_reactor::{codec::{SimpleReactor, TypedFrame}, prelude::*, simple_reactor::TypedClient};
///
/// struct Hello;
///
/// impl FrameHandler<SimpleReactor> for Hello {
///     fn on_open(&mut self, conn: &mut FrameConn<'_, SimpleReactor>) -> Flow {
///         Ok(conn.send("hello world")?)
///     }
///
///     fn on_frame(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, frame: TypedFrame<'_>) -> Flow {
///         println!("{}", String::from_utf8_lossy(frame.data()));
///         conn.close();
///         Ok(())
///     }
/// }
///
/// let client = TypedClient::new(SimpleReactor::plain, || Hello).heartbeats();
/// client.client().connections(100).connect("127.0.0.1:8080")?.run()?;
/// # Ok::<(), Error>(())
/// ```
///
/// `connect(addr)` of the Python client, which may be called at any time, is
/// [`Client::connect_on`].
pub struct TypedClient<W, F> {
    settings: Settings<W>,
    factory: F,
}

impl<W, F, H> TypedClient<W, F>
where
    W: Fn() -> SimpleReactor + 'static,
    F: FnMut() -> H + 'static,
    H: FrameHandler<SimpleReactor>,
{
    /// Makes a client. `wire` makes the codec of each connection, `factory` its handler.
    pub fn new(wire: W, factory: F) -> Self {
        Self { settings: Settings::new(wire), factory }
    }

    /// Drops a connection when its server has been silent for 2 s, as `use_heartbeat` does in Python.
    /// The server has to beat then.
    #[must_use]
    pub fn heartbeats(self) -> Self {
        self.heartbeat(CLIENT_HEARTBEAT)
    }

    /// Sets another heartbeat, such as one that also shows the server that this side lives.
    #[must_use]
    pub fn heartbeat(mut self, config: HeartbeatConfig) -> Self {
        self.settings.heartbeat = config;
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

    /// Makes the handler of one connection, for [`Reactor::connect`](crate::Reactor::connect): such as
    /// to connect again.
    pub fn protocol(&mut self) -> TypedHandler<H> {
        self.settings.around((self.factory)())
    }

    /// Returns it as a [`Client`], to set options, to connect and to run.
    pub fn client(self) -> Client<impl FnMut() -> TypedHandler<H> + use<W, F, H>> {
        let Self { settings, mut factory } = self;
        Client::new(move || settings.around(factory()))
    }
}

impl<W, F> fmt::Debug for TypedClient<W, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedClient")
            .field("heartbeat", &self.settings.heartbeat)
            .field("handle", &self.settings.handle)
            .finish_non_exhaustive()
    }
}
