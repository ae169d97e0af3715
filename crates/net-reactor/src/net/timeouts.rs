//! How long a connection may do nothing, and what decides that it was too long.

use std::fmt;
use std::time::Duration;

/// Queued output of which the kernel takes nothing for so long ends the connection: 15 min.
///
/// As long as Linux itself waits for a peer that acknowledges nothing (`tcp_retries2`, tcp(7)); but
/// the kernel waits for ever for one that acknowledges and takes nothing.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Of strangers: the first byte must come within 10 s.
const STRANGERS_FIRST_BYTE: Duration = Duration::from_secs(10);
/// Of strangers: an unfinished message must grow by this much in each window: 1 KiB.
const STRANGERS_WINDOW_BYTES: u64 = 1024;
/// Of strangers: the window of the minimum rate: 10 s.
const STRANGERS_WINDOW: Duration = Duration::from_secs(10);
/// Of strangers: queued output must move within 30 s.
const STRANGERS_WRITE: Duration = Duration::from_secs(30);
/// Of strangers: something must move within 5 min.
const STRANGERS_IDLE: Duration = Duration::from_secs(5 * 60);

/// Shorter timeouts count as this one: 1 ms, the resolution of the loop's sleep.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// How long a connection may do nothing. Each timeout ends it with
/// [`TimedOut`](crate::CloseReason::TimedOut).
///
/// | timeout | broken when | default | strangers | the end |
/// |---|---|---|---|---|
/// | `first_byte` | nothing was received since the connection was opened | never | 10 s | close |
/// | `read` | nothing was received | never | never | close |
/// | `minimum_rate` | a message was begun, and fewer bytes than this came within a window | none | 1 KiB in 10 s | abort |
/// | `write` | output is queued, and the kernel took none of it | 15 min | 30 s | abort |
/// | `idle` | nothing was received, and nothing sent | never | 5 min | close |
/// | `life` | the connection was opened so long ago | never | never | close |
///
/// *Close* is [`Conn::close`](crate::Conn::close): what is queued still goes out, within `linger`.
/// *Abort* is a reset: where output is stuck or a message drips, waiting longer is what a hostile
/// peer wants.
///
/// # What counts
///
/// - *Received* and *sent* are bytes that moved between the kernel and this library. While a
///   connection is read as fast as data comes, that is what the peer did; output counts as sent once
///   the kernel has it.
/// - A message is *begun* while the handler leaves input unconsumed, as
///   [`Framed`](crate::Framed) does with half a frame. The window starts when input is first left,
///   and anew whenever the handler consumes some; so a slow message has its time however many there
///   are, and silence between messages is no matter of `minimum_rate`.
/// - While reading is paused, `first_byte`, `read` and `minimum_rate` stand still: by
///   [`pause`](crate::Conn::pause), above the high mark, or by a rate limit of this side. `idle`
///   stands still in a pause that is this side's wish, and goes on above the high mark, where it is
///   the peer that does not read.
/// - After the peer's FIN nothing more is expected: `first_byte`, `read` and `minimum_rate` are over.
/// - From [`close`](crate::Conn::close) on all of them are over, and `linger` holds.
///
/// # A loop that stalls
///
/// The peers are not blamed for a loop that had no time for them. Before every verdict the kernel is
/// asked once more for input that waits and for room for output. What a turn takes beyond 100 ms
/// counts against nobody, and what a sleep is longer than it was to be, as on a suspended machine,
/// is given to the peers twice; but not where the program calls
/// [`EventLoop::turn`](crate::EventLoop::turn) with a limit, since only the program knows then how
/// long the loop was to sleep.
///
/// # Cost
///
/// A connection has one timer, whichever of these are set, and none while only `write` is set and no
/// output is stuck. A message moves no timer: it stores the time, and when the timer fires it is set
/// to the time that is right by then.
///
/// ```
/// use net_reactor::{ConnConfig, Timeouts};
/// use std::time::Duration;
///
/// let timeouts = Timeouts::strangers().idle(Duration::from_secs(60));
/// let config = ConnConfig::default().timeouts(timeouts);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    first_byte: Duration,
    read: Duration,
    window: Duration,
    window_bytes: u64,
    write: Duration,
    idle: Duration,
    life: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::never().write(WRITE_TIMEOUT)
    }
}

impl Timeouts {
    /// Makes timeouts that never end a connection.
    #[must_use]
    pub const fn never() -> Self {
        Self {
            first_byte: Duration::MAX,
            read: Duration::MAX,
            window: Duration::MAX,
            window_bytes: 0,
            write: Duration::MAX,
            idle: Duration::MAX,
            life: Duration::MAX,
        }
    }

    /// Makes timeouts for a server that faces the open network: see the table.
    #[must_use]
    pub fn strangers() -> Self {
        Self::never()
            .first_byte(STRANGERS_FIRST_BYTE)
            .minimum_rate(STRANGERS_WINDOW_BYTES, STRANGERS_WINDOW)
            .write(STRANGERS_WRITE)
            .idle(STRANGERS_IDLE)
    }

    /// Sets how long the first byte may take from the opening; [`Duration::MAX`] is for ever.
    #[must_use]
    pub fn first_byte(mut self, time: Duration) -> Self {
        self.first_byte = time.max(TIMEOUT_MIN);
        self
    }

    /// Sets for how long nothing may be received; [`Duration::MAX`] is for ever.
    #[must_use]
    pub fn read(mut self, time: Duration) -> Self {
        self.read = time.max(TIMEOUT_MIN);
        self
    }

    /// Sets how many bytes of an unfinished message must at least be received in each `window`;
    /// with [`Duration::MAX`] no rate is asked for.
    #[must_use]
    pub fn minimum_rate(mut self, bytes: u64, window: Duration) -> Self {
        self.window_bytes = bytes;
        self.window = window.max(TIMEOUT_MIN);
        self
    }

    /// Sets for how long queued output may make no progress; [`Duration::MAX`] is for ever.
    #[must_use]
    pub fn write(mut self, time: Duration) -> Self {
        self.write = time.max(TIMEOUT_MIN);
        self
    }

    /// Sets for how long nothing may move in either direction; [`Duration::MAX`] is for ever.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = time.max(TIMEOUT_MIN);
        self
    }

    /// Sets how long the connection may be open; [`Duration::MAX`] is for ever.
    #[must_use]
    pub fn life(mut self, time: Duration) -> Self {
        self.life = time.max(TIMEOUT_MIN);
        self
    }

    /// Whether there is something to watch while no output is stuck.
    pub(crate) fn watch_always(&self) -> bool {
        *self != Self::never().write(self.write)
    }

    /// Whether stuck output is to be watched.
    pub(crate) fn watch_writes(&self) -> bool {
        self.write != Duration::MAX
    }

    /// Whether unfinished messages are to be watched.
    pub(crate) fn watch_messages(&self) -> bool {
        self.window != Duration::MAX
    }

    /// Says whether a limit is broken, or when to look again. Of several that are broken the one
    /// that was broken first is named.
    pub(crate) fn judge(&self, elapsed: &Elapsed) -> Verdict {
        let window = elapsed.window.map(|(time, bytes)| {
            let is_done = time >= self.window && bytes >= self.window_bytes;
            // The next one begins where this one has brought what it had to.
            if is_done { Duration::ZERO } else { time }
        });
        let clocks = [
            (Timeout::Write, self.write, elapsed.write),
            (Timeout::MinimumRate, self.window, window),
            (Timeout::FirstByte, self.first_byte, elapsed.first_byte),
            (Timeout::Read, self.read, elapsed.read),
            (Timeout::Idle, self.idle, elapsed.idle),
            (Timeout::Life, self.life, Some(elapsed.life)),
        ];
        let clocks = clocks.into_iter().filter(|(_, limit, _)| *limit != Duration::MAX);
        let clocks = clocks.filter_map(|(timeout, limit, time)| Some((timeout, limit, time?)));
        let broken = clocks.clone().filter(|(_, limit, time)| time >= limit);
        // The first of equals wins in `min_by_key`, and the one that is overdue longest is wanted.
        if let Some((timeout, after, _)) =
            broken.min_by_key(|(_, limit, time)| std::cmp::Reverse(*time - *limit))
        {
            return Verdict::Broken { timeout, after };
        }
        Verdict::Fine(clocks.map(|(_, limit, time)| limit - time).min())
    }

    /// Returns the window of the minimum rate, and the bytes that it must bring.
    pub(crate) fn window(&self) -> (Duration, u64) {
        (self.window, self.window_bytes)
    }
}

/// Which of the [`Timeouts`] ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timeout {
    /// Output was queued, and the kernel took none of it.
    Write,
    /// A message was begun, and its rest came too slowly.
    MinimumRate,
    /// Nothing was received since the connection was opened.
    FirstByte,
    /// Nothing was received.
    Read,
    /// Nothing was received, and nothing sent.
    Idle,
    /// The connection was opened too long ago.
    Life,
}

impl Timeout {
    /// Whether there is nothing to hope for from a graceful close.
    pub(crate) const fn is_hopeless(self) -> bool {
        matches!(self, Self::Write | Self::MinimumRate)
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Write => "the peer took no output",
            Self::MinimumRate => "a message came too slowly",
            Self::FirstByte => "no first byte came",
            Self::Read => "nothing was received",
            Self::Idle => "nothing was received or sent",
            Self::Life => "the connection was open",
        })
    }
}

/// What the clocks of one connection show; `None` where one stands still.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Elapsed {
    pub(crate) first_byte: Option<Duration>,
    pub(crate) read: Option<Duration>,
    /// The age of the window, and the bytes that came in it.
    pub(crate) window: Option<(Duration, u64)>,
    pub(crate) write: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) life: Duration,
}

/// What the clocks mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing can be broken before this time has passed; `None` if no clock runs.
    Fine(Option<Duration>),
    Broken {
        timeout: Timeout,
        /// The limit.
        after: Duration,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn nothing_is_ever_broken_where_nothing_is_set() {
        let all = Some(Duration::MAX);
        let window = Some((Duration::MAX, 0));
        let elapsed = Elapsed {
            first_byte: all,
            read: all,
            window,
            write: all,
            idle: all,
            life: Duration::MAX,
        };
        assert_eq!(Timeouts::never().judge(&elapsed), Verdict::Fine(None));
    }

    #[test]
    fn a_limit_is_broken_when_it_is_reached_and_not_a_nanosecond_before() {
        let timeouts = Timeouts::never().read(secs(10));
        let just_before = secs(10) - Duration::from_nanos(1);
        let fine = Elapsed { read: Some(just_before), ..Elapsed::default() };
        assert_eq!(timeouts.judge(&fine), Verdict::Fine(Some(Duration::from_nanos(1))));
        let broken = Elapsed { read: Some(secs(10)), ..Elapsed::default() };
        let verdict = Verdict::Broken { timeout: Timeout::Read, after: secs(10) };
        assert_eq!(timeouts.judge(&broken), verdict);
    }

    #[test]
    fn of_several_the_one_that_was_broken_first_is_named() {
        let timeouts = Timeouts::never().read(secs(10)).idle(secs(5)).life(secs(30));
        let elapsed = Elapsed {
            read: Some(secs(12)),
            idle: Some(secs(12)),
            life: secs(31),
            ..Elapsed::default()
        };
        let verdict = Verdict::Broken { timeout: Timeout::Idle, after: secs(5) };
        assert_eq!(timeouts.judge(&elapsed), verdict);
    }

    #[test]
    fn a_window_is_judged_at_its_end_by_what_it_brought() {
        let timeouts = Timeouts::never().minimum_rate(100, secs(10));
        let window = |secs_old, bytes| Elapsed {
            window: Some((secs(secs_old), bytes)),
            ..Elapsed::default()
        };
        assert_eq!(timeouts.judge(&window(4, 99)), Verdict::Fine(Some(secs(6))));
        assert_eq!(timeouts.judge(&window(4, 100)), Verdict::Fine(Some(secs(6))));
        assert_eq!(timeouts.judge(&window(10, 100)), Verdict::Fine(Some(secs(10))));
        let verdict = Verdict::Broken { timeout: Timeout::MinimumRate, after: secs(10) };
        assert_eq!(timeouts.judge(&window(10, 99)), verdict);
    }

    #[test]
    fn a_timeout_of_nothing_is_one_of_a_millisecond() {
        let timeouts = Timeouts::never().read(Duration::ZERO);
        let elapsed = Elapsed { read: Some(Duration::ZERO), ..Elapsed::default() };
        assert_eq!(timeouts.judge(&elapsed), Verdict::Fine(Some(TIMEOUT_MIN)));
    }

    fn some_time() -> impl Strategy<Value = Duration> {
        prop_oneof![4 => (1u64..100).prop_map(secs), 1 => Just(Duration::MAX)]
    }

    fn reading() -> impl Strategy<Value = Option<Duration>> {
        prop_oneof![4 => (0u64..200).prop_map(|count| Some(secs(count))), 1 => Just(None)]
    }

    proptest! {
        /// Whoever looks again exactly when he is told to finds the limit broken, and no sooner.
        #[test]
        fn the_time_to_look_again_is_the_time_at_which_a_limit_breaks(
            (limits, readings, life) in (
                [some_time(), some_time(), some_time(), some_time()],
                [reading(), reading(), reading()],
                0u64..200,
            ),
        ) {
            let [read, write, idle, life_max] = limits;
            let timeouts = Timeouts::never().read(read).write(write).idle(idle).life(life_max);
            let later = |more: Duration| {
                let [read, write, idle] = readings.map(|time| time.map(|time| time + more));
                Elapsed { read, write, idle, life: secs(life) + more, ..Elapsed::default() }
            };
            match timeouts.judge(&later(Duration::ZERO)) {
                Verdict::Broken { .. } => {}
                Verdict::Fine(None) => {
                    let verdict = timeouts.judge(&later(secs(1_000_000)));
                    prop_assert_eq!(verdict, Verdict::Fine(None));
                }
                Verdict::Fine(Some(wait)) => {
                    prop_assert!(wait > Duration::ZERO);
                    let early = timeouts.judge(&later(wait - Duration::from_nanos(1)));
                    prop_assert_eq!(early, Verdict::Fine(Some(Duration::from_nanos(1))));
                    let then = timeouts.judge(&later(wait));
                    prop_assert!(matches!(then, Verdict::Broken { .. }), "{:?}", then);
                }
            }
        }
    }
}
