//! The client: one factory, any number of connections.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use super::{Error, Place, Threads};
use crate::base::{ConnId, Input};
use crate::net::{CloseReason, ConnectError, ConnectOptions, Pressure, Target, TargetError};
use crate::protocol::{
    Conn, Eof, EventLoop, Failure, Flow, LoopConfig, LoopHandle, LoopStats, Message, Protocol,
    Reactor, Stopped, Tag,
};

/// What is called with each failed attempt.
type OnFailed = Box<dyn FnMut(&mut Reactor<'_>, ConnectError)>;

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
    /// Without it the first failure ends [`RunningClient::run`] with [`Error::Connect`].
    #[must_use]
    pub fn on_failed(mut self, call: impl FnMut(&mut Reactor<'_>, ConnectError) + 'static) -> Self {
        self.on_failed = Some(Box::new(call));
        self
    }

    /// Opens the connections, on a loop made for this client.
    ///
    /// # Errors
    ///
    /// [`Error::Target`] when the text is no target, [`Error::Loop`] when no loop can be made, [`Error::Signals`] when no signal handler can. What
    /// happens to the connections shows in [`RunningClient::run`].
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
        let roster = Rc::new(Roster {
            live: Cell::new(self.connections),
            first_error: Cell::new(None),
            on_failed: Cell::new(self.on_failed.take()),
        });
        let mut reactor = event_loop.reactor();
        for _ in 0..self.connections {
            let member = Member { inner: (self.factory)(), roster: Rc::clone(&roster) };
            reactor.connect_target(target.clone(), self.options.clone(), Box::new(member));
        }
        if self.connections == 0 {
            reactor.stop();
        }
        Ok(RunningClient { event_loop, roster })
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

/// A client whose connections are on their way.
#[derive(Debug)]
pub struct RunningClient {
    event_loop: EventLoop,
    roster: Rc<Roster>,
}

impl RunningClient {
    /// Returns a handle of the loop for other threads.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        self.event_loop.handle()
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
        let Self { event_loop, roster } = self;
        (event_loop, move || roster.first_error.take())
    }

    /// Runs until every connection has ended, or the loop is stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] when a connection could not be opened and no
    /// [`on_failed`](Client::on_failed) was set; [`Error::Loop`] when the loop could not wait.
    pub fn run(mut self) -> Result<Stopped, Error> {
        let stopped = self.event_loop.run()?;
        match self.roster.first_error.take() {
            Some(error) => Err(error.into()),
            None => Ok(stopped),
        }
    }
}

/// What the connections of one client share.
struct Roster {
    /// Connections whose end is still to come.
    live: Cell<usize>,
    first_error: Cell<Option<ConnectError>>,
    /// Taken out while it runs.
    on_failed: Cell<Option<OnFailed>>,
}

impl Roster {
    fn leave(&self, reactor: &mut Reactor<'_>) {
        self.live.set(self.live.get() - 1);
        if self.live.get() == 0 {
            reactor.stop();
        }
    }

    fn fail(&self, reactor: &mut Reactor<'_>, error: ConnectError) {
        if let Some(call) = self.on_failed.take() {
            PutBack { call: Some(call), place: &self.on_failed }.run(reactor, error);
        } else if !matches!(error, ConnectError::Cancelled) {
            // Cancelling is somebody's wish, not a failure.
            let first = self.first_error.take();
            self.first_error.set(first.or(Some(error)));
            reactor.stop();
        }
    }
}

/// A function taken out to be run; it is put back also when it panics.
struct PutBack<'a> {
    call: Option<OnFailed>,
    place: &'a Cell<Option<OnFailed>>,
}

impl PutBack<'_> {
    fn run(mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        if let Some(call) = &mut self.call {
            call(reactor, error);
        }
    }
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        self.place.set(self.call.take());
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster").field("live", &self.live.get()).finish_non_exhaustive()
    }
}

/// A handler that signs off from its client's roster at its end.
struct Member<P> {
    inner: P,
    roster: Rc<Roster>,
}

impl<P: Protocol> Protocol for Member<P> {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.inner.on_open(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.inner.on_data(conn, input)
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.inner.on_eof(conn, input)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.inner.on_pressure(conn, pressure)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.inner.on_timer(conn, tag)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        self.inner.on_message(conn, message)
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.inner.on_stop(conn)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        // First, so that a panic of the handler's own callback cannot keep the client running.
        self.roster.leave(conn.reactor());
        self.inner.on_close(conn, reason);
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        // First, so that a panic of the user's own functions cannot keep the client running.
        self.roster.leave(reactor);
        let fail = AssertUnwindSafe(|| self.roster.fail(reactor, error.clone()));
        let failed = catch_unwind(fail);
        self.inner.on_connect_failed(reactor, error);
        // The handler is told all the same; the loop deals with the panic.
        failed.unwrap_or_else(|panic| resume_unwind(panic));
    }
}
