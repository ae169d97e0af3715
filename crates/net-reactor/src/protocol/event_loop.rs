//! The loop, as its owner holds it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Reactor;
use super::core::Core;
#[cfg(feature = "sim")]
use super::core::Leftovers;
use super::dispatcher::Dispatcher;
use super::handle::LoopHandle;
use super::loop_config::LoopConfig;
use super::loop_shared::{InLoop, LoopShared, StopRequest};
use super::loop_stats::LoopStats;
use super::stopping::{StopState, Stopped};
#[cfg(test)]
use crate::base::Instant;
use crate::base::LoopId;
use crate::driver::{Engine, Ops, Readiness};
use crate::event_loop::{Monitor, SignalWatch, Stages, fall_asleep, wake_up};
#[cfg(feature = "sim")]
use crate::net::Watched;
use crate::sys::Sys;
use crate::sys::native::Native;

/// A loop: one thread that waits for events and calls handlers.
///
/// It stays on the thread that made it; other threads hold a [`LoopHandle`]. Connections,
/// listeners and timers belong to it and end with it. Dropping it closes them without a callback:
/// who wants `on_close` told stops the loop first.
///
/// ```
/// use net_reactor::EventLoop;
/// use std::time::Duration;
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.reactor().call_later(Duration::from_millis(1), |reactor| reactor.stop());
/// event_loop.run()?;
/// # Ok::<(), net_reactor::LoopError>(())
/// ```
#[derive(Debug)]
pub struct EventLoop {
    driven: Box<dyn Driven>,
    handle: LoopHandle,
    signals: Option<SignalWatch>,
}

/// The kernel refused what a loop needs.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoopError {
    /// The loop could not be made: no descriptors, or no memory.
    Start {
        /// What the system call said.
        source: io::Error,
    },
    /// Waiting for events failed.
    Wait {
        /// What the system call said.
        source: io::Error,
    },
}

impl fmt::Display for LoopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start { .. } => "cannot make the event loop",
            Self::Wait { .. } => "cannot wait for events",
        })
    }
}

impl Error for LoopError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Start { source } | Self::Wait { source } => Some(source),
        }
    }
}

impl EventLoop {
    /// Makes a loop with default limits.
    ///
    /// # Errors
    ///
    /// [`LoopError::Start`] when the kernel refuses the descriptors that a loop needs.
    pub fn new() -> Result<Self, LoopError> {
        Self::with_config(LoopConfig::default())
    }

    /// Makes a loop.
    ///
    /// # Errors
    ///
    /// [`LoopError::Start`] when the kernel refuses the descriptors that a loop needs.
    pub fn with_config(config: LoopConfig) -> Result<Self, LoopError> {
        let native = Native::new().map_err(|source| LoopError::Start { source })?;
        Ok(Self::on(native, config))
    }

    /// Makes a loop on any kernel.
    pub(crate) fn on<S: Sys + fmt::Debug>(sys: S, config: LoopConfig) -> Self
    where
        Readiness<S>: fmt::Debug,
    {
        static NEXT_ID: AtomicU32 = AtomicU32::new(0);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self::numbered(LoopId(id % LoopId::SIMULATED_MIN), sys, config)
    }

    /// Makes a loop that has its number from whoever made its kernel.
    pub(crate) fn numbered<S: Sys + fmt::Debug>(id: LoopId, sys: S, config: LoopConfig) -> Self
    where
        Readiness<S>: fmt::Debug,
    {
        let mut engine = Readiness::new(sys);
        engine.limit_workers(config.workers);
        let shared = Arc::new(LoopShared::new(id, engine.waker(), config.inbox));
        let core = Core::new(engine.now(), engine.seed(), shared, &config);
        let handle = core.handle();
        let dispatcher = Dispatcher { engine, core, is_polled: false, progress: false };
        let driven = Box::new(Looper { dispatcher, monitor: Monitor::default() });
        Self { driven, handle, signals: None }
    }

    /// Returns a handle for other threads.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        self.handle.clone()
    }

    /// Returns the loop as callbacks see it, to set it up before it runs.
    pub fn reactor(&mut self) -> Reactor<'_> {
        self.driven.reactor()
    }

    /// Runs until the loop is stopped, by [`LoopHandle::stop`], [`Reactor::stop`] or a signal.
    ///
    /// A stop that was asked for before makes it return after the graceful steps. After a stop the
    /// loop can be run again: timers, tasks and connections that were added meanwhile are served
    /// then.
    ///
    /// # Errors
    ///
    /// [`LoopError::Wait`] when the kernel refuses to wait, which leaves the loop as it is.
    pub fn run(&mut self) -> Result<Stopped, LoopError> {
        let _in_loop = InLoop::enter(self.handle.shared.id);
        loop {
            self.driven.turn(None)?;
            if let Some(stopped) = self.driven.take_stopped() {
                return Ok(stopped);
            }
        }
    }

    /// Runs one turn, which sleeps for at most `limit` (`None`: until there is something to do).
    ///
    /// For programs that have a main loop of their own. Returns how the loop stopped, if it did.
    ///
    /// # Errors
    ///
    /// [`LoopError::Wait`] when the kernel refuses to wait.
    pub fn turn(&mut self, limit: Option<Duration>) -> Result<Option<Stopped>, LoopError> {
        let _in_loop = InLoop::enter(self.handle.shared.id);
        self.driven.turn(limit)?;
        Ok(self.driven.take_stopped())
    }

    /// Stops the loop gracefully on SIGINT and SIGTERM; a second signal stops it at once.
    ///
    /// # Errors
    ///
    /// When the handlers cannot be installed.
    ///
    /// # Platform
    ///
    /// Unix.
    pub fn stop_on_signals(&mut self) -> io::Result<()> {
        let handle = self.handle();
        self.signals = Some(SignalWatch::start(move |signal| {
            tracing::info!(signal, "a signal asks the loop to stop");
            match handle.shared.stop_request() {
                StopRequest::None => handle.stop(),
                StopRequest::Graceful | StopRequest::Now => handle.stop_now(),
            }
        })?);
        Ok(())
    }

    /// Returns the loop's counters.
    #[must_use]
    pub fn stats(&self) -> LoopStats {
        self.driven.stats()
    }
}

/// What a simulation does with a loop: it takes the turns apart and looks inside between them.
#[cfg(feature = "sim")]
impl EventLoop {
    /// Lets a watch see everything that the loop calls, writes and reads.
    pub(crate) fn watch(&mut self, watched: Watched) {
        self.driven.watch(watched);
    }

    pub(crate) fn id(&self) -> LoopId {
        self.handle.shared.id
    }

    /// Returns what is left in a loop that has stopped, apart from what its user keeps there.
    pub(crate) fn leftovers(&self) -> Leftovers {
        self.driven.leftovers()
    }

    /// The first half of a turn; returns for how long the loop would sleep.
    pub(crate) fn fall_asleep(&mut self) -> Option<Duration> {
        self.driven.fall_asleep()
    }

    /// The second half of a turn, which must follow the first.
    pub(crate) fn wake_up(
        &mut self,
        timeout: Option<Duration>,
    ) -> Result<Option<Stopped>, LoopError> {
        let _in_loop = InLoop::enter(self.handle.shared.id);
        self.driven.wake_up(timeout)?;
        Ok(self.driven.take_stopped())
    }
}

/// What the tests of a loop look at between two turns.
#[cfg(test)]
impl EventLoop {
    /// Returns a time before which no timer is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.driven.next_deadline()
    }

    /// Whether the last turn did something, or left something to do at once.
    pub(crate) fn is_busy(&self) -> bool {
        self.driven.is_busy()
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        // Posts are refused from now on; what was queued is dropped here, on the loop's thread.
        drop(self.handle.shared.inbox.close());
    }
}

/// A turn that took at least this long was no spinning: 1 ms.
const SLEEP_MIN: Duration = Duration::from_millis(1);

/// A loop whose engine is forgotten.
trait Driven: fmt::Debug {
    fn turn(&mut self, limit: Option<Duration>) -> Result<(), LoopError>;
    #[cfg(feature = "sim")]
    fn fall_asleep(&mut self) -> Option<Duration>;
    #[cfg(feature = "sim")]
    fn wake_up(&mut self, timeout: Option<Duration>) -> Result<(), LoopError>;
    #[cfg(feature = "sim")]
    fn watch(&mut self, watched: Watched);
    #[cfg(feature = "sim")]
    fn leftovers(&self) -> Leftovers;
    fn take_stopped(&mut self) -> Option<Stopped>;
    fn reactor(&mut self) -> Reactor<'_>;
    fn stats(&self) -> LoopStats;
    #[cfg(test)]
    fn next_deadline(&self) -> Option<Instant>;
    #[cfg(test)]
    fn is_busy(&self) -> bool;
}

#[derive(Debug)]
struct Looper<E: Engine> {
    dispatcher: Dispatcher<E>,
    monitor: Monitor<crate::sys::Token>,
}

impl<E: Engine> Looper<E> {
    fn second_half(&mut self, timeout: Option<Duration>, in_haste: bool) -> Result<(), LoopError> {
        let before = self.dispatcher.core.net.now;
        wake_up(&mut self.dispatcher, timeout).map_err(|source| LoopError::Wait { source })?;
        let slept = in_haste || self.dispatcher.core.net.now - before >= SLEEP_MIN;
        let source = self.dispatcher.engine.last_report();
        let progress = self.dispatcher.made_progress();
        if let Some(spin) = self.monitor.turn_ended(progress, slept, source) {
            tracing::warn!(?spin, "the loop wakes up again and again and finds nothing to do");
        }
        Ok(())
    }
}

impl<E: Engine + fmt::Debug> Driven for Looper<E> {
    fn turn(&mut self, limit: Option<Duration>) -> Result<(), LoopError> {
        let timeout = fall_asleep(&self.dispatcher, limit);
        self.dispatcher.is_polled = limit.is_some();
        // Who asked for a turn without sleep gets one; it is the loop's own haste that is a fault.
        self.second_half(timeout, limit == Some(Duration::ZERO))
    }

    #[cfg(feature = "sim")]
    fn fall_asleep(&mut self) -> Option<Duration> {
        fall_asleep(&self.dispatcher, None)
    }

    #[cfg(feature = "sim")]
    fn wake_up(&mut self, timeout: Option<Duration>) -> Result<(), LoopError> {
        self.second_half(timeout, false)
    }

    #[cfg(feature = "sim")]
    fn watch(&mut self, watched: Watched) {
        self.dispatcher.core.net.watched = watched;
    }

    #[cfg(feature = "sim")]
    fn leftovers(&self) -> Leftovers {
        self.dispatcher.core.leftovers()
    }

    fn take_stopped(&mut self) -> Option<Stopped> {
        let StopState::Over(stopped) = self.dispatcher.core.stop else { return None };
        self.dispatcher.core.stop = StopState::Running;
        self.dispatcher.core.net.stopping = false;
        self.dispatcher.core.shared.clear_stop_request();
        Some(stopped)
    }

    fn reactor(&mut self) -> Reactor<'_> {
        self.dispatcher.core.net.set_now(self.dispatcher.engine.now());
        self.dispatcher.reactor()
    }

    fn stats(&self) -> LoopStats {
        let Dispatcher { engine, core, .. } = &self.dispatcher;
        let net = core.net.stats;
        let turns = self.monitor.counters();
        LoopStats {
            turns: turns.turns,
            idle_turns: turns.idle_turns,
            spins: turns.spins,
            stale_events: engine.stale_events(),
            connections: core.net.conns_len(),
            descriptors: core.net.fds_len(),
            datagram_sockets: core.net.datagrams_len(),
            datagrams_in: net.datagrams_in,
            datagrams_out: net.datagrams_out,
            accepted: net.accepted,
            connected: net.connected,
            closed: net.closed,
            accept_errors: net.accept_errors,
            turned_away: net.turned_away,
            refused: net.refused,
            bytes_in: net.bytes_in,
            bytes_out: net.bytes_out,
            timers: core.net.timers.len(),
            jobs: core.jobs.len(),
            jobs_refused: core.jobs_refused,
        }
    }

    #[cfg(test)]
    fn next_deadline(&self) -> Option<Instant> {
        self.dispatcher.core.net.timers.next_deadline()
    }

    #[cfg(test)]
    fn is_busy(&self) -> bool {
        self.dispatcher.made_progress() || self.dispatcher.patience() == Some(Duration::ZERO)
    }
}
