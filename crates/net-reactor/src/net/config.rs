//! What may be set on a connection, with the defaults in one place.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::Layer;
use super::happy_eyeballs::DIAL_DELAY;
use super::throttle::RateLimit;
use super::timeouts::Timeouts;
use crate::sys::KeepAlive;

/// Output above this mark pauses reading and is told to the handler: 256 KiB.
pub(crate) const HIGH_MARK_BYTES: usize = 256 * 1024;
/// Output at or below this mark ends the pause: 64 KiB.
pub(crate) const LOW_MARK_BYTES: usize = 64 * 1024;
/// More output than this closes the connection: 16 MiB.
pub(crate) const OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// More unconsumed input than this closes the connection: 2 MiB.
pub(crate) const INPUT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// A graceful close that takes longer becomes an abort: 30 s.
pub(crate) const LINGER: Duration = Duration::from_secs(30);
/// How long a graceful close waits for the peer's end after its own FIN: 5 s.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);
/// How much input a graceful close throws away after its own FIN: 16 MiB.
pub(crate) const DRAIN_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Output that reaches this size within a turn leaves before the turn ends: 64 KiB.
pub(crate) const FLUSH_EARLY_BYTES: usize = 64 * 1024;
/// A single write of at least this size is sent at once, without being copied: 8 KiB.
pub(crate) const SEND_AT_ONCE_BYTES: usize = 8 * 1024;
/// How long a connector tries, name resolution included: 30 s.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(30);

/// What happens by itself while queued output is above the high mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnHighMark {
    /// Reading from this connection pauses until the low mark. Right where the output answers the
    /// input, as in most servers: who does not read the answers may not ask more.
    #[default]
    PauseReading,
    /// Nothing; [`on_pressure`](crate::Protocol::on_pressure) decides. Right where the output comes
    /// from elsewhere, as in a relay: there the *source* is to be paused, and pausing this
    /// connection's own input could make both directions wait for each other.
    Tell,
}

/// Limits and options of a connection.
///
/// | setting | default | what happens there |
/// |---|---|---|
/// | `high_mark` | 256 KiB of queued output | [`on_pressure(High)`](crate::Protocol::on_pressure); reading pauses by itself |
/// | `on_high_mark` | pause reading | what `on_pressure(High)` does by itself |
/// | `low_mark` | 64 KiB of queued output | `on_pressure(Low)`; reading resumes |
/// | `output_max` | 16 MiB of queued output | closed with [`SlowConsumer`](crate::CloseReason::SlowConsumer) |
/// | `input_max` | 2 MiB of unconsumed input | closed with [`InputOverflow`](crate::CloseReason::InputOverflow) |
/// | `linger` | 30 s from `close()` | aborted with [`LingerExpired`](crate::CloseReason::LingerExpired) |
/// | `drain` | 5 s and 16 MiB after our FIN | the socket is closed without waiting for the peer's end |
/// | `timeouts` | output that is stuck for 15 min | ended with [`TimedOut`](crate::CloseReason::TimedOut); see [`Timeouts`] |
/// | `no_delay` | on | small writes leave at once (`TCP_NODELAY`) |
/// | `keep_alive` | off | the kernel probes an idle peer |
/// | `layer` | none | a [`Layer`](crate::Layer) stands between the handler and the socket |
/// | `read_rate`, `write_rate` | none | the socket is not read, or output waits, until a [`RateLimit`] allows more |
/// | `receive_buffer`, `send_buffer` | the kernel's own | fixed sizes switch the kernel's auto-tuning off |
///
/// With the default `on_high_mark`, a connection whose output nobody reads is not read either. Two
/// peers that both write more than the marks and the kernel's buffers hold before they read wait
/// for each other; one of them then needs higher marks or [`OnHighMark::Tell`].
///
/// ```
/// use net_reactor::ConnConfig;
/// use std::time::Duration;
///
/// let config = ConnConfig::default()
///     .output_max(64 * 1024 * 1024)
///     .linger(Duration::from_secs(5));
/// ```
#[derive(Debug, Clone)]
pub struct ConnConfig {
    pub(crate) high_mark_bytes: usize,
    pub(crate) low_mark_bytes: usize,
    pub(crate) on_high_mark: OnHighMark,
    pub(crate) output_bytes_max: usize,
    pub(crate) input_bytes_max: usize,
    pub(crate) linger: Duration,
    pub(crate) drain: Duration,
    pub(crate) timeouts: Timeouts,
    pub(crate) no_delay: bool,
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) receive_buffer_bytes: Option<usize>,
    pub(crate) send_buffer_bytes: Option<usize>,
    pub(crate) layer: Option<Layer>,
    pub(crate) read_rate: Option<RateLimit>,
    pub(crate) write_rate: Option<RateLimit>,
    /// Output below this needs no look at any mark: the smallest of them, worked out once.
    pub(crate) unmarked_bytes: usize,
}

impl Default for ConnConfig {
    fn default() -> Self {
        Self {
            high_mark_bytes: HIGH_MARK_BYTES,
            low_mark_bytes: LOW_MARK_BYTES,
            on_high_mark: OnHighMark::default(),
            output_bytes_max: OUTPUT_BYTES_MAX,
            input_bytes_max: INPUT_BYTES_MAX,
            linger: LINGER,
            drain: DRAIN,
            timeouts: Timeouts::default(),
            no_delay: true,
            keep_alive: None,
            receive_buffer_bytes: None,
            send_buffer_bytes: None,
            layer: None,
            read_rate: None,
            write_rate: None,
            unmarked_bytes: LOW_MARK_BYTES,
        }
    }
}

impl ConnConfig {
    /// Sets the high and the low mark of queued output, in bytes.
    ///
    /// A low mark above the high one counts as equal to it.
    #[must_use]
    pub fn marks(mut self, low_bytes: usize, high_bytes: usize) -> Self {
        self.high_mark_bytes = high_bytes;
        self.low_mark_bytes = low_bytes.min(high_bytes);
        self
    }

    /// Sets what happens by itself above the high mark.
    #[must_use]
    pub fn on_high_mark(mut self, reaction: OnHighMark) -> Self {
        self.on_high_mark = reaction;
        self
    }

    /// Sets the most bytes of output that may be queued.
    #[must_use]
    pub fn output_max(mut self, bytes: usize) -> Self {
        self.output_bytes_max = bytes;
        self
    }

    /// Sets the most bytes of input that a handler may leave unconsumed.
    #[must_use]
    pub fn input_max(mut self, bytes: usize) -> Self {
        self.input_bytes_max = bytes;
        self
    }

    /// Sets how long a graceful close may take before it becomes an abort.
    #[must_use]
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// Sets how long a graceful close waits for the peer's end after everything was sent.
    #[must_use]
    pub fn drain(mut self, time: Duration) -> Self {
        self.drain = time;
        self
    }

    /// Sets how long the connection may do nothing.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets `TCP_NODELAY`. The loop joins the writes of a turn itself, so the default is on.
    #[must_use]
    pub fn no_delay(mut self, on: bool) -> Self {
        self.no_delay = on;
        self
    }

    /// Sets the kernel's keep-alive probes.
    ///
    /// Without them, a peer that vanishes without a word, as by a power cut, is noticed only by
    /// sending to it, by one of the [`Timeouts`], or by a timer of the handler.
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.keep_alive = Some(keep_alive);
        self
    }

    /// Sets `SO_RCVBUF` in bytes. Linux doubles the value for its own bookkeeping (socket(7)).
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer_bytes = Some(bytes);
        self
    }

    /// Passes all bytes of the connection through a layer, such as compression. The peer must do the
    /// same.
    #[must_use]
    pub fn layer(mut self, layer: impl Into<Layer>) -> Self {
        self.layer = Some(layer.into());
        self
    }

    /// Sets how fast the connection is read.
    ///
    /// Above the rate the socket is not read, so that TCP holds the peer back; nothing is dropped.
    /// A pause of the handler and the high mark hold besides. While it waits for this, the
    /// connection's timeouts do not count against the peer. Once it is closing, what comes is
    /// thrown away at any rate.
    #[must_use]
    pub fn read_rate(mut self, rate: RateLimit) -> Self {
        self.read_rate = Some(rate);
        self
    }

    /// Sets how fast the connection sends.
    ///
    /// Output above the rate waits in the queue, where the marks and the hard limit count it. A
    /// close flushes at the rate too: what is not sent within [`linger`](Self::linger) is lost, so
    /// the two have to fit. With a layer, what counts is what it sends.
    #[must_use]
    pub fn write_rate(mut self, rate: RateLimit) -> Self {
        self.write_rate = Some(rate);
        self
    }

    /// Makes the configuration ready to be shared by many connections.
    pub(crate) fn share(mut self) -> Rc<Self> {
        self.unmarked_bytes =
            FLUSH_EARLY_BYTES.min(self.high_mark_bytes).min(self.output_bytes_max);
        if self.layer.is_some() || self.write_rate.is_some() {
            // Plain bytes must not be staged: what is staged is sent as it is, and at once.
            self.unmarked_bytes = 0;
        }
        Rc::new(self)
    }

    /// Sets `SO_SNDBUF` in bytes. Linux doubles the value for its own bookkeeping (socket(7)).
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer_bytes = Some(bytes);
        self
    }
}

/// How a connection is made.
///
/// | setting | default |
/// |---|---|
/// | `deadline` | 30 s for everything, name resolution included |
/// | `dial_delay` | 250 ms before the next address of a name is tried beside the one before |
/// | `bind` | the kernel chooses the local address |
/// | `config` | [`ConnConfig::default`] |
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    pub(crate) deadline: Duration,
    pub(crate) dial_delay: Duration,
    pub(crate) bind: Option<SocketAddr>,
    pub(crate) config: ConnConfig,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            deadline: CONNECT_DEADLINE,
            dial_delay: DIAL_DELAY,
            bind: None,
            config: ConnConfig::default(),
        }
    }
}

impl ConnectOptions {
    /// Sets how long connecting may take.
    #[must_use]
    pub fn deadline(mut self, time: Duration) -> Self {
        self.deadline = time;
        self
    }

    /// Sets how long one address of a name has for itself before the next is tried beside it.
    ///
    /// An address that fails earlier gives way at once. Kept between 10 ms and 2 s, as RFC 8305
    /// asks.
    #[must_use]
    pub fn dial_delay(mut self, time: Duration) -> Self {
        self.dial_delay = time;
        self
    }

    /// Sets the local address to connect from; port 0 leaves the port to the kernel.
    ///
    /// A name's addresses of the other family are passed over: they cannot be reached from it. A Unix
    /// socket is connected from no address, whatever is set here.
    #[must_use]
    pub fn bind(mut self, local: SocketAddr) -> Self {
        self.bind = Some(local);
        self
    }

    /// Sets the limits and options of the connection itself.
    #[must_use]
    pub fn config(mut self, config: ConnConfig) -> Self {
        self.config = config;
        self
    }
}
