//! The server: a listener, a factory, and one or several loops.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::{Arc, mpsc};
use std::thread;

use super::{BoundServer, Error, LoopThread, OnData, Place, RunningServer, Threads};
use crate::base::{Address, Input, ListenerId};
use crate::net::{ConnConfig, Door, ListenError, PeerLimits, Target, TargetError};
use crate::protocol::{
    Conn, EventLoop, Factory, Flow, IntoHandler, LoopConfig, Peer, Reactor, SpreadTo, Stopped,
};
use crate::sys::{ListenOptions, ListeningSocket};

/// How several loops share the peers of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Balance {
    /// Each loop has a listening socket of its own, and the kernel spreads the peers by a hash of
    /// their addresses (`SO_REUSEPORT`). No loop waits for another.
    #[default]
    ReusePort,
    /// One loop accepts, and hands each peer to the loop with the fewest connections. Evens out
    /// long-lived connections, at the price of one hand-over for each.
    LeastLoaded,
}

/// A makes-a-factory that can go to another thread.
type FactorySeed = Box<dyn FnOnce() -> Factory + Send>;

/// Makes a server from a factory of handlers.
///
/// ```no_run
/// use net_reactor::prelude::*;
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
///         conn.write(input.take_all())?;
///         Ok(())
///     }
/// }
///
/// fn main() -> Result<(), Error> {
///     Server::new(|_peer| Echo).listen("127.0.0.1:9000")?.run()?;
///     Ok(())
/// }
/// ```
pub struct Server<F> {
    factory: F,
    listen_options: ListenOptions,
    conn_config: ConnConfig,
    peer_limits: PeerLimits,
    loop_config: LoopConfig,
    loops: usize,
    balance: Balance,
    /// Copies the factory for another thread; present when the factory allows it.
    seed: Option<fn(&F) -> FactorySeed>,
    stop_on_signals: bool,
}

impl<F> fmt::Debug for Server<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("loops", &self.loops)
            .field("balance", &self.balance)
            .finish_non_exhaustive()
    }
}

impl Server<()> {
    /// Makes a server whose handler is one closure, cloned for each connection.
    ///
    /// ```no_run
    /// # use net_reactor::{Error, Server};
    /// Server::on_data(|conn, input| Ok(conn.write(input.take_all())?))
    ///     .listen("127.0.0.1:9000")?
    ///     .run()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn on_data<C>(call: C) -> Server<impl FnMut(&Peer) -> OnData<C> + Clone>
    where
        C: FnMut(&mut Conn<'_>, &mut Input<'_>) -> Flow + Clone + 'static,
    {
        Server::new(move |_peer: &Peer| OnData::new(call.clone()))
    }
}

impl<F, H> Server<F>
where
    F: FnMut(&Peer) -> H + 'static,
    H: IntoHandler,
{
    /// Makes a server. `factory` makes the handler of each accepted peer, or returns `None` to
    /// decline it.
    pub fn new(factory: F) -> Self {
        Self {
            factory,
            listen_options: ListenOptions::default(),
            conn_config: ConnConfig::default(),
            peer_limits: PeerLimits::default(),
            loop_config: LoopConfig::default(),
            loops: 1,
            balance: Balance::default(),
            seed: None,
            stop_on_signals: false,
        }
    }

    /// Sets the limits and options of the connections.
    #[must_use]
    pub fn connections(mut self, config: ConnConfig) -> Self {
        self.conn_config = config;
        self
    }

    /// Sets how many connections the server holds at most, in all and from one network.
    #[must_use]
    pub fn peer_limits(mut self, limits: PeerLimits) -> Self {
        self.peer_limits = limits;
        self
    }

    /// Sets how the listening socket is made.
    #[must_use]
    pub fn listener(mut self, options: ListenOptions) -> Self {
        self.listen_options = options;
        self
    }

    /// Sets the limits of the loops.
    #[must_use]
    pub fn loop_config(mut self, config: LoopConfig) -> Self {
        self.loop_config = config;
        self
    }

    /// Stops gracefully on SIGINT and SIGTERM, at once on a second signal.
    #[must_use]
    pub fn stop_on_signals(mut self) -> Self {
        self.stop_on_signals = true;
        self
    }

    /// Serves with `loops` loops, each on a thread of its own; at least one.
    ///
    /// The factory is cloned for each loop, so it must be `Clone + Send`; the handlers it makes
    /// need not be either, because a connection never leaves its loop.
    #[must_use]
    pub fn loops(mut self, loops: usize) -> Self
    where
        F: Clone + Send,
    {
        self.loops = loops.max(1);
        self.seed = Some(seed::<F, H>);
        self
    }

    /// Sets how several loops share the peers. The default is [`Balance::ReusePort`].
    #[must_use]
    pub fn balance(mut self, balance: Balance) -> Self {
        self.balance = balance;
        self
    }

    /// Binds an address, on loops made for this server: `127.0.0.1:9000`, `unix:/run/hub.sock`, and
    /// whatever else is a [`Target`].
    ///
    /// A name is resolved here, which may block; of several addresses the first that can be bound
    /// is taken. A Unix socket's file that nobody listens on any more is replaced, and the file goes
    /// when the listener does; several loops share it by [`Balance::LeastLoaded`]. Peers wait in the
    /// kernel's backlog until [`BoundServer::run`].
    ///
    /// # Errors
    ///
    /// [`Error::Target`] when the text names no address; [`Error::Listen`] when the address is bad or
    /// in use; [`Error::Loop`] or [`Error::Thread`] when the process is out of descriptors or threads.
    pub fn listen<T>(self, target: T) -> Result<BoundServer, Error>
    where
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        self.bind_first(target.try_into().map_err(TargetError::from)?)
    }

    /// Binds the address and runs the server on a thread of its own (and more for more loops).
    ///
    /// ```
    /// # use net_reactor::{Error, Server};
    /// let server = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?))
    ///     .spawn("127.0.0.1:0")?;
    /// println!("listening on {}", server.local_address());
    /// server.handle().stop();
    /// server.join()?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`listen`](Self::listen).
    pub fn spawn<T>(self, target: T) -> Result<RunningServer, Error>
    where
        F: Send,
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        let target = target.try_into().map_err(TargetError::from)?;
        let (report, reported) = mpsc::channel();
        let body = move || match self.bind_first(target) {
            Ok(bound) => {
                // The receiver waits for exactly this.
                let _ = report.send(Ok((bound.local_address(), bound.handle())));
                bound.run()
            }
            Err(error) => {
                let _ = report.send(Err(error));
                Ok(Stopped::default())
            }
        };
        let name = "net-reactor-0".to_owned();
        let thread = thread::Builder::new().name(name).spawn(body).map_err(Error::Thread)?;
        let died = || Error::Thread(io::Error::other("the thread died while it was set up"));
        let (address, handle) = reported.recv().map_err(|_| died())??;
        Ok(RunningServer { address, handle, thread })
    }

    /// Serves on a listening socket that was made elsewhere, such as by a service manager.
    ///
    /// The socket's own options stay as they are. With several loops they share it by
    /// [`Balance::LeastLoaded`], because one socket has one queue.
    ///
    /// # Errors
    ///
    /// As for [`listen`](Self::listen).
    pub fn adopt(mut self, socket: impl Into<ListeningSocket>) -> Result<BoundServer, Error> {
        let socket = socket.into();
        self.balance = Balance::LeastLoaded;
        let bound = self.bind(&mut Threads, |reactor, _options, config| {
            Ok(reactor.adopt_listener(socket, config.clone())?)
        })?;
        Ok(bound.into())
    }

    fn bind_first(self, target: Target) -> Result<BoundServer, Error> {
        Ok(self.bind_in(&mut Threads, target)?.into())
    }

    /// Binds the first address that can be bound, on loops that `place` makes.
    pub(crate) fn bind_in<L: Place>(
        mut self,
        place: &mut L,
        target: Target,
    ) -> Result<Bound<L::Loop>, Error> {
        if let Target::Unix { mode, .. } = &target {
            // One file is one socket, which is one queue.
            self.balance = Balance::LeastLoaded;
            self.listen_options.mode = mode.or(self.listen_options.mode);
        }
        let addresses = resolve(target)?;
        // Whoever asked for a shared port gets one, also with other servers; otherwise only the
        // loops of this server are to share it.
        let alone = !self.listen_options.reuse_port;
        self.bind(place, |reactor, options, config| {
            listen_first(&addresses, |address| {
                if alone {
                    listen_alone(reactor, address, options, config)
                } else {
                    reactor.listen_socket(address, options, config.clone())
                }
            })
        })
    }

    /// Makes the loops around a listener that `open` makes on the first one.
    fn bind<L: Place>(
        self,
        place: &mut L,
        open: impl FnOnce(&mut Reactor<'_>, &ListenOptions, &ConnConfig) -> Result<ListenerId, Error>,
    ) -> Result<Bound<L::Loop>, Error> {
        let mut event_loop = place.first_loop(self.loop_config.clone())?;
        if self.stop_on_signals {
            place.stop_on_signals(&mut event_loop).map_err(Error::Signals)?;
        }
        let shares_port = self.loops > 1 && self.balance == Balance::ReusePort;
        let options = if shares_port {
            self.listen_options.clone().reuse_port(true)
        } else {
            self.listen_options.clone()
        };
        let seeds: Vec<_> = match self.seed {
            Some(seed) => (1..self.loops).map(|_| seed(&self.factory)).collect(),
            None => Vec::new(),
        };
        let mut reactor = event_loop.reactor();
        let listener = open(&mut reactor, &options, &self.conn_config)?;
        let door = Door::new(self.peer_limits);
        reactor.set_door(listener, door.as_ref());
        reactor.set_factory(listener, boxed(self.factory));
        let address = reactor
            .listener_address(listener)
            .ok_or_else(|| bad_address("the listener is gone", io::ErrorKind::NotFound.into()))?;
        let more =
            MoreLoops { options, conn_config: self.conn_config, address: address.clone(), door };
        let mut others = Vec::new();
        for (number, seed) in seeds.into_iter().enumerate() {
            let name = format!("net-reactor-{}", number + 1);
            let config = self.loop_config.clone();
            others.push(match self.balance {
                Balance::ReusePort => more.sharing_port(place, &name, config, seed)?,
                Balance::LeastLoaded => {
                    more.fed_by(place, &mut reactor, listener, &name, config, seed)?
                }
            });
        }
        Ok(Bound { event_loop, listener, address, others })
    }

    /// Listens on a loop that exists already.
    ///
    /// # Errors
    ///
    /// [`ListenError`] when the address cannot be listened on.
    pub fn listen_on(
        self,
        reactor: &mut Reactor<'_>,
        address: impl Into<Address>,
    ) -> Result<ListenerId, ListenError> {
        let factory = boxed(self.factory);
        let config = self.conn_config;
        let listener =
            reactor.listen_boxed(address.into(), &self.listen_options, config, factory)?;
        reactor.set_door(listener, Door::new(self.peer_limits).as_ref());
        Ok(listener)
    }
}

fn boxed<F, H>(mut factory: F) -> Factory
where
    F: FnMut(&Peer) -> H + 'static,
    H: IntoHandler,
{
    Box::new(move |peer: &Peer| factory(peer).into_handler())
}

fn seed<F, H>(factory: &F) -> FactorySeed
where
    F: FnMut(&Peer) -> H + Clone + Send + 'static,
    H: IntoHandler,
{
    let factory = factory.clone();
    Box::new(move || boxed(factory))
}

fn bad_address(address: &str, source: io::Error) -> Error {
    Error::Listen(ListenError::BadAddress { address: address.to_owned(), source })
}

fn resolve(target: Target) -> Result<Vec<Address>, Error> {
    let (host, port) = match target {
        Target::Address(address) => return Ok(vec![address.into()]),
        Target::Unix { address, .. } => return Ok(vec![address.into()]),
        Target::Host(host, port) => (host, port),
    };
    let text = format!("{host}:{port}");
    match (host, port).to_socket_addrs() {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.map(Address::from).collect();
            if addresses.is_empty() {
                return Err(bad_address(&text, io::ErrorKind::NotFound.into()));
            }
            Ok(addresses)
        }
        Err(error) => Err(bad_address(&text, error)),
    }
}

/// Listens on the first address that can be bound.
fn listen_first(
    addresses: &[Address],
    mut listen: impl FnMut(Address) -> Result<ListenerId, ListenError>,
) -> Result<ListenerId, Error> {
    let mut last_error = bad_address("no address", io::ErrorKind::NotFound.into());
    for address in addresses {
        match listen(address.clone()) {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = error.into(),
        }
    }
    Err(last_error)
}

/// Listens on an address that nobody else listens on.
///
/// `SO_REUSEPORT` would let two servers share one port by mistake, each with half of the peers. So
/// the address is tried without it first.
fn listen_alone(
    reactor: &mut Reactor<'_>,
    address: Address,
    options: &ListenOptions,
    config: &ConnConfig,
) -> Result<ListenerId, ListenError> {
    if options.reuse_port && !address.is_port_open() {
        let alone = options.clone().reuse_port(false);
        let probe = reactor.listen_socket(address.clone(), &alone, config.clone())?;
        reactor.unlisten(probe);
    }
    reactor.listen_socket(address, options, config.clone())
}

/// The loops of a server, set up but not running.
pub(crate) struct Bound<L> {
    pub(crate) event_loop: EventLoop,
    pub(crate) listener: ListenerId,
    pub(crate) address: Address,
    pub(crate) others: Vec<L>,
}

impl From<Bound<LoopThread>> for BoundServer {
    fn from(bound: Bound<LoopThread>) -> Self {
        let Bound { event_loop, listener, address, others: threads } = bound;
        Self { event_loop, listener, address, threads }
    }
}

/// What the loops after the first one need.
struct MoreLoops {
    options: ListenOptions,
    conn_config: ConnConfig,
    address: Address,
    door: Option<Arc<Door>>,
}

impl MoreLoops {
    fn sharing_port<L: Place>(
        &self,
        place: &mut L,
        name: &str,
        config: LoopConfig,
        seed: FactorySeed,
    ) -> Result<L::Loop, Error> {
        let (options, conn_config) = (self.options.clone(), self.conn_config.clone());
        let (address, door) = (self.address.clone(), self.door.clone());
        let (made, _handle, ()) = place.another_loop(name, config, move |event_loop| {
            let mut reactor = event_loop.reactor();
            let listener = reactor.listen_boxed(address, &options, conn_config, seed())?;
            reactor.set_door(listener, door.as_ref());
            Ok(())
        })?;
        Ok(made)
    }

    fn fed_by<L: Place>(
        &self,
        place: &mut L,
        reactor: &mut Reactor<'_>,
        listener: ListenerId,
        name: &str,
        config: LoopConfig,
        seed: FactorySeed,
    ) -> Result<L::Loop, Error> {
        let (address, conn_config) = (self.address.clone(), self.conn_config.clone());
        let (made, owner, fed) = place.another_loop(name, config, move |event_loop| {
            Ok(event_loop.reactor().add_fed_listener(address, conn_config, seed()))
        })?;
        reactor.spread_to(listener, SpreadTo { owner, listener: fed });
        Ok(made)
    }
}
