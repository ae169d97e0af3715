//! One protocol by itself: bytes in, bytes out, and a clock that only the test moves.

mod peer;
mod told;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use self::peer::Peer;
use self::told::{Story, Told};
use super::oracle::Oracles;
use crate::base::{ConnId, Instant, LoopId};
use crate::net::{CloseReason, ConnConfig, Watched};
use crate::protocol::{EventLoop, LoopConfig, Protocol, Reactor, Shared, Stopped};
use crate::sys::ListenOptions;
use crate::sys::memory::World;

/// Where the loop listens.
const PORT: u16 = 7000;

/// How much the simulated kernel buffers at each end: 512 KiB, more than a loop reads in one turn.
const BUFFER_BYTES: usize = 512 * 1024;

/// Turns after which a handler that always has something to do is said to spin.
const TURNS_MAX: usize = 100_000;

/// One handler on a real connection of a real loop, for tests that go byte by byte.
///
/// The loop, the connection and its limits are those of production; only the kernel below is
/// simulated, and the peer does what the test says. Nothing waits: each verb returns when the loop
/// has nothing left to do at this time, and time passes in [`advance`](Self::advance) alone.
///
/// ```
/// use net_reactor::{prelude::*, sim::Solo};
/// use std::time::Duration;
///
/// /// Echoes lines, and hangs up on who is silent for a minute.
/// struct Lines;
///
/// impl Protocol for Lines {
///     fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
///         conn.set_timer(Tag(0), Duration::from_secs(60));
///         Ok(())
///     }
///
///     fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
///         conn.set_timer(Tag(0), Duration::from_secs(60));
///         while let Some(line) = input.line(1024)? {
///             conn.write(line)?;
///             conn.write("\n")?;
///         }
///         Ok(())
///     }
///
///     fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
///         conn.write("bye\n")?;
///         conn.close();
///         Ok(())
///     }
/// }
///
/// let mut solo = Solo::new(Lines);
/// solo.feed("he");
/// assert_eq!(solo.output(), b"");
/// solo.feed("llo\n");
/// assert_eq!(solo.output(), b"hello\n");
///
/// solo.advance(Duration::from_secs(59));
/// assert!(!solo.saw_fin());
/// solo.advance(Duration::from_secs(1));
/// assert_eq!(solo.output(), b"bye\n");
/// assert!(solo.saw_fin());
///
/// solo.finish();
/// assert!(matches!(solo.close_reason(), Some(CloseReason::Closed)));
/// ```
///
/// # Panics
///
/// A panic in the handler, such as of an assertion in it, fails the test: the verb that led to it
/// panics as well, unless [`allow_panics`](Self::allow_panics) was called. So does one that finds a
/// promise of the library broken, or a handler that is never done, such as one that sets a timer of
/// no time again and again.
pub struct Solo<P> {
    world: World,
    event_loop: EventLoop,
    oracles: Oracles,
    peer: Peer,
    handler: Shared<P>,
    story: Rc<RefCell<Story>>,
    id: ConnId,
    close_reason: Option<CloseReason>,
    stopped: Option<Stopped>,
}

/// Making.
impl<P: Protocol> Solo<P> {
    /// Opens a connection with default limits; `on_open` was called.
    #[track_caller]
    #[must_use]
    pub fn new(handler: P) -> Self {
        Self::with_config(ConnConfig::default(), handler)
    }

    /// Opens a connection; `on_open` was called.
    #[track_caller]
    #[must_use]
    pub fn with_config(config: ConnConfig, handler: P) -> Self {
        let world = World::new(0);
        world.capacity(BUFFER_BYTES);
        let oracles = Oracles::new();
        let memory = world.host("solo");
        let address = SocketAddr::new(memory.host().ip(), PORT);
        let id = LoopId(LoopId::SIMULATED_MIN);
        let mut event_loop = EventLoop::numbered(id, memory, LoopConfig::default());
        event_loop.watch(Watched::by(oracles.eye(0, "solo")));

        let handler = Shared::new(handler);
        let story = Rc::<RefCell<Story>>::default();
        let mut told = Some(Told::new(handler.clone(), Rc::clone(&story)));
        event_loop
            .reactor()
            .listen(address, &ListenOptions::default(), config, move |_| told.take())
            .expect("invariant: nobody else listens in an empty world");
        let peer = Peer::connect(world.host("peer"), address);
        let id = ConnId { loop_id: id, key: crate::base::Key { index: 0, generation: 0 } };
        let (close_reason, stopped) = (None, None);
        let mut solo =
            Self { world, event_loop, oracles, peer, handler, story, id, close_reason, stopped };
        solo.settle();
        solo.id = solo.story.borrow().id.expect("invariant: the peer was accepted");
        solo
    }

    /// Lets the handler panic: its connection is closed with
    /// [`HandlerPanicked`](CloseReason::HandlerPanicked), as in production.
    pub fn allow_panics(&mut self) {
        self.oracles.allow_panics(true);
    }
}

/// What the peer does.
impl<P: Protocol> Solo<P> {
    /// Sends bytes; the handler gets them in one `on_data`, together with what it left before.
    ///
    /// More than 256 KiB come in several calls, as always. What a handler that does not read has no
    /// room for waits at the peer. What comes after the end of the connection goes nowhere.
    #[track_caller]
    pub fn feed(&mut self, bytes: impl AsRef<[u8]>) {
        self.peer.feed(bytes.as_ref());
        self.settle();
    }

    /// Sends bytes one by one, each for an `on_data` of its own.
    #[track_caller]
    pub fn feed_each_byte(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref() {
            self.feed([*byte]);
        }
    }

    /// Sends FIN: the peer has finished sending, and goes on reading.
    #[track_caller]
    pub fn finish(&mut self) {
        self.peer.finish();
        self.settle();
    }

    /// Sends RST: the peer is gone, and what it has not read is lost.
    #[track_caller]
    pub fn reset(&mut self) {
        self.peer.reset();
        self.settle();
    }

    /// Lets the peer read nothing, with every buffer on the way full, or lets it read everything
    /// again.
    ///
    /// While it is full, all that the handler writes is queued, and
    /// [`output`](Self::output) gets nothing.
    #[track_caller]
    pub fn full(&mut self, is_full: bool) {
        self.peer.full(is_full);
        self.settle();
    }

    /// Takes what the handler has written since this was last asked, as far as the peer got it.
    pub fn output(&mut self) -> Vec<u8> {
        self.peer.take_output()
    }

    /// Whether the peer has read everything up to FIN: the handler's side has finished sending.
    #[must_use]
    pub fn saw_fin(&self) -> bool {
        self.peer.saw_fin()
    }

    /// Whether the peer got RST: the connection was aborted, or broke off.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.peer.was_reset()
    }
}

/// What the handler's own side does.
impl<P: Protocol> Solo<P> {
    /// Lets time pass. Timers run in their order, each at its own time.
    #[track_caller]
    pub fn advance(&mut self, time: Duration) {
        let end = self.world.now() + time;
        loop {
            let sleep = self.settle_for();
            let now = self.world.now();
            let wakes = sleep.map(|sleep| now + sleep);
            let Some(next) = wakes.into_iter().chain(self.world.next_event()).min() else {
                self.world.advance(end - now);
                return;
            };
            self.world.advance(next.min(end) - now);
            if next > end {
                return;
            }
        }
    }

    /// Sends a message to the handler's `on_message`; dropped if the connection has ended.
    #[track_caller]
    pub fn message<M: Send + 'static>(&mut self, message: M) {
        let id = self.id;
        // There is nobody left to be told, which the test can ask for itself.
        let _ended = self.event_loop.reactor().message(id, message);
        self.settle();
    }

    /// Stops the loop gracefully: `on_stop` is called. See [`stopped`](Self::stopped).
    #[track_caller]
    pub fn stop(&mut self) {
        self.event_loop.reactor().stop();
        self.settle();
    }

    /// Runs the loop until it has nothing left to do at this time.
    ///
    /// The other verbs do so themselves; this one follows calls of [`reactor`](Self::reactor).
    #[track_caller]
    pub fn settle(&mut self) {
        self.settle_for();
    }

    /// Returns the loop as callbacks see it.
    pub fn reactor(&mut self) -> Reactor<'_> {
        self.event_loop.reactor()
    }

    /// Looks at the handler or changes it.
    pub fn with<R>(&self, look: impl FnOnce(&mut P) -> R) -> R {
        self.handler.with(look).expect("invariant: no callback runs between two verbs")
    }

    /// Settles, and returns how long nothing will happen then: `None` for ever.
    #[track_caller]
    fn settle_for(&mut self) -> Option<Duration> {
        for _ in 0..TURNS_MAX {
            let moved = self.peer.move_bytes();
            let sleep = self.event_loop.fall_asleep();
            let rests = !moved && sleep != Some(Duration::ZERO) && self.world.is_quiet();
            let turned = self.event_loop.wake_up(sleep);
            let stopped = turned.expect("invariant: this kernel never refuses to wait");
            self.stopped = stopped.or(self.stopped);
            if rests {
                let told = self.story.borrow_mut().reason.take();
                self.close_reason = told.or_else(|| self.close_reason.take());
                return match self.oracles.violation() {
                    Some(violation) => panic!("{violation}"),
                    None => sleep,
                };
            }
        }
        panic!("the handler is never done at {:?}", self.world.now());
    }
}

/// How it stands.
impl<P> Solo<P> {
    /// Whether `on_close` has not been called. A close that waits for the peer's end is open still.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.close_reason.is_none()
    }

    /// Returns what `on_close` was told.
    ///
    /// The error within [`HandlerFailed`](CloseReason::HandlerFailed) has the text of the handler's
    /// error here, and not its type.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.close_reason.as_ref()
    }

    /// Returns how the loop stopped, if it did.
    #[must_use]
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// Returns the time, which begins at [`Instant`]'s origin.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.world.now()
    }

    /// Returns the identity of the connection.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }
}

impl<P> fmt::Debug for Solo<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solo")
            .field("now", &self.now())
            .field("close_reason", &self.close_reason)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
