//! The client: one factory, any number of connections.

use std::fmt;
use std::rc::Rc;

use super::dialer::{Dialer, Dialing, OnProgress};
use super::member::Member;
use super::roster::{OnFailed, Roster};
use super::{Error, Place, Progress, Reconnect, Reconnector, Threads};
use crate::base::{ConnId, Lendable};
use crate::net::{ConnectError, ConnectOptions, Target, TargetError};
use crate::protocol::{EventLoop, LoopConfig, LoopHandle, LoopStats, Protocol, Reactor, Stopped};

/// Keeps the connections of a client up; exists only for a factory that can outlive the call.
type Keep<F> = fn(Client<F>, Reconnect, &Target, Rc<Roster>, &mut Reactor<'_>) -> Vec<Reconnector>;

/// Makes connections from a factory of handlers.
///
/// ```no_run
/// use net_reactor::{Client, prelude::*};
///
/// struct Hello;
///
/// impl Protocol for Hello {
///     fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
///         conn.write("hello\n")?;
///         Ok(())
///     }
///
///     fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
///         println!("{}", String::from_utf8_lossy(input.take_all()));
///         conn.close();
///         Ok(())
///     }
/// }
///
/// Client::new(|| Hello).connect("127.0.0.1:9000")?.run()?;
/// # Ok::<(), Error>(())
/// ```
pub struct Client<F> {
    factory: F,
    options: ConnectOptions,
    loop_config: LoopConfig,
    connections: usize,
    on_failed: Option<OnFailed>,
    reconnect: Option<(Reconnect, Keep<F>)>,
    on_progress: Option<OnProgress>,
    stop_on_signals: bool,
}

impl<F> fmt::Debug for Client<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl<F, P> Client<F>
where
    F: FnMut() -> P,
    P: Protocol,
{
    /// Makes a client; `factory` makes the handler of each connection.
    pub fn new(factory: F) -> Self {
        Self {
            factory,
            options: ConnectOptions::default(),
            loop_config: LoopConfig::default(),
            connections: 1,
            on_failed: None,
            reconnect: None,
            on_progress: None,
            stop_on_signals: false,
        }
    }

    /// Sets how many connections [`connect`](Self::connect) opens.
    #[must_use]
    pub fn connections(mut self, count: usize) -> Self {
        self.connections = count;
        self
    }

    /// Sets the deadline, the local address, and the limits of the connections.
    #[must_use]
    pub fn options(mut self, options: ConnectOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the limits of the loop that [`connect`](Self::connect) makes.
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

    /// Sets what is called when a connection cannot be opened.
    ///
    /// Without it the first failure ends [`RunningClient::run`] with [`Error::Connect`]. It belongs to
    /// a client with a loop of its own: on a loop that exists already, the handler's
    /// [`on_connect_failed`](Protocol::on_connect_failed) is told, and
    /// [`on_progress`](Self::on_progress).
    #[must_use]
    pub fn on_failed(mut self, call: impl FnMut(&mut Reactor<'_>, ConnectError) + 'static) -> Self {
        self.on_failed = Some(Box::new(call));
        self
    }

    /// Opens the connections, on a loop made for this client.
    ///
    /// # Errors
    ///
    /// [`Error::Target`] when the text is no target, [`Error::Loop`] when no loop can be made,
    /// [`Error::Signals`] when no signal handler can. What happens to the connections shows in
    /// [`RunningClient::run`].
    pub fn connect<T>(self, target: T) -> Result<RunningClient, Error>
    where
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        let target = target.try_into().map_err(TargetError::from)?;
        self.connect_in(&mut Threads, &target)
    }

    /// Opens the connections on a loop that `place` makes.
    pub(crate) fn connect_in(
        mut self,
        place: &mut impl Place,
        target: &Target,
    ) -> Result<RunningClient, Error> {
        let mut event_loop = place.first_loop(self.loop_config.clone())?;
        if self.stop_on_signals {
            place.stop_on_signals(&mut event_loop).map_err(Error::Signals)?;
        }
        let roster = Roster::new(self.connections, self.on_failed.take());
        let mut reactor = event_loop.reactor();
        if self.connections == 0 {
            reactor.stop();
        }
        let reconnectors = match self.reconnect.take() {
            Some((policy, keep)) => keep(self, policy, target, Rc::clone(&roster), &mut reactor),
            None => {
                self.open(target, &roster, &mut reactor);
                Vec::new()
            }
        };
        Ok(RunningClient { event_loop, roster, reconnectors })
    }

    /// Opens each connection once.
    fn open(mut self, target: &Target, roster: &Rc<Roster>, reactor: &mut Reactor<'_>) {
        for _ in 0..self.connections {
            let member = Member { inner: (self.factory)(), owner: Rc::clone(roster) };
            reactor.connect_target(target.clone(), self.options.clone(), Box::new(member));
        }
    }

    /// Opens one more connection, on a loop that exists already.
    ///
    /// A failed attempt is told to the handler's
    /// [`on_connect_failed`](Protocol::on_connect_failed).
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the text is no target.
    pub fn connect_on<T>(
        &mut self,
        reactor: &mut Reactor<'_>,
        target: T,
    ) -> Result<ConnId, TargetError>
    where
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        reactor.connect_with(target, self.options.clone(), (self.factory)())
    }
}

/// Reconnecting: the factory outlives the call that starts the client.
impl<F, P> Client<F>
where
    F: FnMut() -> P + 'static,
    P: Protocol,
{
    /// Connects again, by this policy, whenever a connection is lost or cannot be opened.
    ///
    /// Each time `factory` makes a new handler. What this side closes with
    /// [`Conn::close`](crate::Conn::close) is not opened again, and neither is what it cancels;
    /// every other end is followed by another attempt, also
    /// [`Conn::abort`](crate::Conn::abort), an `Err` and a panic of the handler. A stop of the loop
    /// ends it, and so does a [`Reconnector`].
    ///
    /// ```no_run
    /// # use net_reactor::{prelude::*, Reconnect};
    /// # struct Device;
    /// # impl Protocol for Device {
    /// #     fn on_data(&mut self, _: &mut Conn<'_>, _: &mut net_reactor::Input<'_>) -> Flow { Ok(()) }
    /// # }
    /// Client::new(|| Device).reconnect(Reconnect::default()).connect("hub.example:9000")?.run()?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// [`on_failed`](Self::on_failed) is only called with the failure after which it gives up.
    #[must_use]
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = Some((policy, Self::keep));
        self
    }

    /// Sets what is called with each attempt and each outcome of a client that
    /// [connects again](Self::reconnect).
    #[must_use]
    pub fn on_progress(
        mut self,
        call: impl FnMut(&mut Reactor<'_>, &Reconnector, Progress<'_>) + 'static,
    ) -> Self {
        self.on_progress = Some(Box::new(call));
        self
    }

    /// Keeps one connection up, on a loop that exists already, by the policy of
    /// [`reconnect`](Self::reconnect) or the default one.
    ///
    /// The first attempt begins in the next turn.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the text is no target.
    pub fn keep_on<T>(
        mut self,
        reactor: &mut Reactor<'_>,
        target: T,
    ) -> Result<Reconnector, TargetError>
    where
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        let target = target.try_into()?;
        let policy = self.reconnect.take().map(|(policy, _)| policy).unwrap_or_default();
        Ok(Dialer::begin(&self.dialing(policy, None), target, reactor))
    }

    /// Opens the connections, again and again.
    fn keep(
        self,
        policy: Reconnect,
        target: &Target,
        roster: Rc<Roster>,
        reactor: &mut Reactor<'_>,
    ) -> Vec<Reconnector> {
        let connections = self.connections;
        let dialing = self.dialing(policy, Some(roster));
        (0..connections).map(|_| Dialer::begin(&dialing, target.clone(), reactor)).collect()
    }

    fn dialing(self, policy: Reconnect, roster: Option<Rc<Roster>>) -> Rc<Dialing<F>> {
        Rc::new(Dialing {
            factory: Lendable::new(self.factory),
            policy,
            options: self.options,
            on_progress: self.on_progress.map(Lendable::new),
            roster,
        })
    }
}

/// A client whose connections are on their way.
#[derive(Debug)]
pub struct RunningClient {
    event_loop: EventLoop,
    roster: Rc<Roster>,
    reconnectors: Vec<Reconnector>,
}

impl RunningClient {
    /// Returns a handle of the loop for other threads.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        self.event_loop.handle()
    }

    /// Returns the connections that are kept up, if a policy was set with
    /// [`reconnect`](Client::reconnect).
    #[must_use]
    pub fn reconnectors(&self) -> &[Reconnector] {
        &self.reconnectors
    }

    /// Returns the loop, to set up timers and the like before it runs.
    pub fn reactor(&mut self) -> Reactor<'_> {
        self.event_loop.reactor()
    }

    /// Returns the loop's counters.
    #[must_use]
    pub fn stats(&self) -> LoopStats {
        self.event_loop.stats()
    }

    /// Takes the client apart: its loop, and what tells the first failure once that has stopped.
    #[cfg(feature = "sim")]
    pub(crate) fn into_parts(self) -> (EventLoop, impl FnOnce() -> Option<ConnectError>) {
        let Self { event_loop, roster, .. } = self;
        (event_loop, move || roster.take_first_error())
    }

    /// Runs until every connection has ended, or the loop is stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] when a connection could not be opened and no
    /// [`on_failed`](Client::on_failed) was set; [`Error::Loop`] when the loop could not wait.
    pub fn run(mut self) -> Result<Stopped, Error> {
        let stopped = self.event_loop.run()?;
        match self.roster.take_first_error() {
            Some(error) => Err(error.into()),
            None => Ok(stopped),
        }
    }
}
