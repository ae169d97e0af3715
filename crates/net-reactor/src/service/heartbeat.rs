//! Heartbeats: small frames that say that their sender lives.

mod beat;
mod config;
mod pulse;
mod round_trip;

use std::fmt;

pub use self::beat::{Beat, BeatFormat, TextBeats};
pub use self::config::HeartbeatConfig;
use self::pulse::{Pulse, Signs, Verdict};
pub use self::round_trip::RoundTrip;
use self::round_trip::RoundTrips;
use crate::base::{Bug, planted};
use crate::codec::Decoder;
use crate::net::{CloseReason, ConnectError, Pressure};
use crate::protocol::{
    Eof, Failure, Flow, FrameConn, FrameHandler, HEARTBEAT, Message, Reactor, Tag,
};

/// What is called with each measured round trip.
type OnRoundTrip<C, H> = Box<dyn FnMut(&mut H, &mut FrameConn<'_, C>, RoundTrip) -> Flow>;

/// Heartbeats on a connection that speaks in frames: a [handler](FrameHandler) around another one,
/// which sees no beat.
///
/// It sends beats, or expects to hear from the peer, or both, as its [`HeartbeatConfig`] says; it
/// answers pings in any case. What beats look like says a [`BeatFormat`]: [`TextBeats`] for codecs
/// whose frames are bytes.
///
/// ```
/// use net_reactor::{Heartbeat, HeartbeatConfig, TextBeats, codec::LengthPrefix, prelude::*};
/// use std::time::Duration;
///
/// /// A device that reports now and then.
/// struct Device;
///
/// impl FrameHandler<LengthPrefix> for Device {
///     fn on_frame(&mut self, _conn: &mut FrameConn<'_, LengthPrefix>, report: &[u8]) -> Flow {
///         println!("{report:?}");
///         Ok(())
///     }
///
///     fn on_close(&mut self, _conn: &mut FrameConn<'_, LengthPrefix>, reason: CloseReason) {
///         if let CloseReason::HeartbeatTimedOut { silence, .. } = reason {
///             println!("not a byte for {silence:?}");
///         }
///     }
/// }
///
/// let config = HeartbeatConfig::ping()
///     .interval(Duration::from_secs(10))
///     .tolerance(Duration::from_secs(25));
/// let server = Server::new(move |_peer| {
///     let device = Heartbeat::new(config, TextBeats::new(), Device);
///     Framed::new(LengthPrefix::u32(), device)
/// });
/// ```
///
/// # When a peer counts as dead
///
/// When nothing has arrived for the tolerance, the connection is aborted with
/// [`CloseReason::HeartbeatTimedOut`]. Any received byte counts, not only beats, and not only whole
/// frames: a large frame that comes slowly is no silence. (A peer that drips on purpose is a matter
/// for [`Timeouts`](crate::Timeouts).) Messages touch no timer: there is one for each connection, which
/// looks when something last came and moves itself.
///
/// Time is not held against a peer that this side did not listen to:
///
/// - While the handler has [paused](crate::Conn::pause) reading, silence does not count.
/// - While reading is held back because of queued output, output that the kernel takes counts like
///   input. A peer that takes nothing and says nothing for the tolerance counts as dead.
/// - When this loop itself was late, by a callback that blocked or a process that was stopped, the
///   peer gets the time by which it was late, at most the tolerance once more. Before it is judged,
///   the loop has looked again at everything that waits in the kernel.
/// - After the peer's FIN nothing is expected any more.
///
/// # Beats
///
/// They are sent on a grid of the interval; what a late loop missed is not sent later. While queued
/// output is above the high mark none is added to it. The timer's tag is from the library's own range
/// ([`Tag::RESERVED_MIN`]).
pub struct Heartbeat<C: Decoder, F, H> {
    format: F,
    handler: H,
    pulse: Pulse,
    asks: bool,
    trips: RoundTrips,
    on_round_trip: Option<OnRoundTrip<C, H>>,
}

impl<C, F, H> Heartbeat<C, F, H>
where
    C: Decoder,
    F: BeatFormat<C>,
    H: FrameHandler<C>,
{
    /// Puts heartbeats around a handler.
    pub fn new(config: HeartbeatConfig, format: F, handler: H) -> Self {
        let pulse = Pulse::new(config.interval_to_send(), config.tolerance_to_expect());
        let (asks, trips) = (config.asks(), RoundTrips::default());
        Self { format, handler, pulse, asks, trips, on_round_trip: None }
    }

    /// Sets what is called when the answer to a ping has arrived.
    ///
    /// # Errors
    ///
    /// An error of `call` closes the connection with that reason, as of any callback.
    #[must_use]
    pub fn on_round_trip(
        mut self,
        call: impl FnMut(&mut H, &mut FrameConn<'_, C>, RoundTrip) -> Flow + 'static,
    ) -> Self {
        self.on_round_trip = Some(Box::new(call));
        self
    }

    /// Returns the handler, such as to look at it in a test.
    pub fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// Returns the round trips measured so far; `None` before the first answer.
    #[must_use]
    pub fn round_trip(&self) -> Option<RoundTrip> {
        self.trips.measured()
    }

    /// Something was received that is a beat.
    fn on_beat(&mut self, conn: &mut FrameConn<'_, C>, beat: Beat) -> Flow {
        match beat {
            Beat::Alive => {}
            Beat::Ping(number) if conn.is_open() => {
                self.format.send(conn, Beat::Pong(number))?;
            }
            Beat::Ping(_) => {}
            Beat::Pong(number) => {
                let measured = self.trips.answered(number, conn.reactor().now());
                if let (Some(trip), Some(call)) = (measured, &mut self.on_round_trip) {
                    call(&mut self.handler, conn, trip)?;
                }
            }
        }
        Ok(())
    }

    /// The timer is due: sends a beat if it is time, and judges the silence if it is time.
    fn on_pulse(&mut self, conn: &mut FrameConn<'_, C>) -> Flow {
        let now = conn.reactor().now();
        let stats = conn.stats();
        let signs = Signs {
            received_at: stats.received_at,
            bytes_out: stats.bytes_out,
            is_paused: conn.is_paused(),
            connections: conn.reactor().connections(),
        };
        if let Verdict::Dead { silence, tolerance } = self.pulse.judge(now, signs)
            && !planted(Bug::DeadPeersKept)
        {
            conn.abort_because(CloseReason::HeartbeatTimedOut { silence, tolerance });
            return Ok(());
        }
        if self.pulse.takes_beat(now) && conn.is_open() {
            let beat = if self.asks { Beat::Ping(self.trips.ask(now)) } else { Beat::Alive };
            self.format.send(conn, beat)?;
        }
        self.wake_later(conn);
        Ok(())
    }

    fn wake_later(&self, conn: &mut FrameConn<'_, C>) {
        if let Some(at) = self.pulse.next() {
            let now = conn.reactor().now();
            conn.set_timer(HEARTBEAT, at.saturating_since(now));
        }
    }
}

impl<C, F, H> FrameHandler<C> for Heartbeat<C, F, H>
where
    C: Decoder + 'static,
    F: BeatFormat<C>,
    H: FrameHandler<C>,
{
    fn on_open(&mut self, conn: &mut FrameConn<'_, C>) -> Flow {
        self.pulse.start(conn.reactor().now());
        self.wake_later(conn);
        self.handler.on_open(conn)
    }

    #[inline]
    fn on_frame(&mut self, conn: &mut FrameConn<'_, C>, frame: C::Frame<'_>) -> Flow {
        match self.format.recognise(&frame) {
            None => self.handler.on_frame(conn, frame),
            Some(beat) => self.on_beat(conn, beat),
        }
    }

    fn on_malformed(&mut self, conn: &mut FrameConn<'_, C>, error: &C::Error) -> Flow {
        self.handler.on_malformed(conn, error)
    }

    fn on_eof(&mut self, conn: &mut FrameConn<'_, C>, rest: &[u8]) -> Result<Eof, Failure> {
        let eof = self.handler.on_eof(conn, rest)?;
        self.pulse.expect_no_more();
        Ok(eof)
    }

    fn on_pressure(&mut self, conn: &mut FrameConn<'_, C>, pressure: Pressure) -> Flow {
        let (now, bytes_out) = (conn.reactor().now(), conn.stats().bytes_out);
        self.pulse.on_pressure(pressure, now, bytes_out);
        self.handler.on_pressure(conn, pressure)
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, C>, tag: Tag) -> Flow {
        if tag == HEARTBEAT { self.on_pulse(conn) } else { self.handler.on_timer(conn, tag) }
    }

    fn on_message(&mut self, conn: &mut FrameConn<'_, C>, message: Message) -> Flow {
        self.handler.on_message(conn, message)
    }

    fn on_stop(&mut self, conn: &mut FrameConn<'_, C>) -> Flow {
        self.handler.on_stop(conn)
    }

    fn on_close(&mut self, conn: &mut FrameConn<'_, C>, reason: CloseReason) {
        self.handler.on_close(conn, reason);
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.handler.on_connect_failed(reactor, error);
    }
}

impl<C: Decoder, F: fmt::Debug, H> fmt::Debug for Heartbeat<C, F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat")
            .field("format", &self.format)
            .field("pulse", &self.pulse)
            .finish_non_exhaustive()
    }
}
