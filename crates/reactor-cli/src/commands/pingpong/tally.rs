//! What was counted during a run.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::report::Subject;
use crate::failure::Failure;
use crate::framing::Framing;

/// The longest latency that is told apart from longer ones: an hour.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Latencies are kept with three significant digits.
const LATENCY_DIGITS: u8 = 3;

/// What was counted during a run.
#[derive(Debug)]
pub(super) struct Tally {
    /// Of each message that came back unchanged, in nanoseconds.
    latency_ns: Histogram<u64>,
    since: Instant,
    /// When the last bytes came back.
    progress_at: Instant,
    elapsed: Duration,
    damaged: u64,
    lost: u64,
    /// Why the first lost connection ended.
    lost_reason: String,
    ending: Ending,
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The time is up, or the messages are all back.
    Complete,
    /// A signal ended it.
    Interrupted,
    /// Nothing came back for so long.
    Stalled(Duration),
    /// No connection is left.
    Deserted,
}

impl Tally {
    /// Makes an empty tally.
    pub(super) fn new(now: Instant) -> Self {
        let latency_ns = Histogram::new_with_max(LATENCY_NS_MAX, LATENCY_DIGITS)
            .expect("invariant: both constants are within the histogram's limits");
        Self {
            latency_ns,
            since: now,
            progress_at: now,
            elapsed: Duration::ZERO,
            damaged: 0,
            lost: 0,
            lost_reason: String::new(),
            ending: Ending::Complete,
        }
    }

    /// Starts the clock.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since = now;
        self.progress_at = now;
    }

    /// Stops the clock.
    pub(super) fn end(&mut self, ending: Ending, now: Instant) {
        self.elapsed = now - self.since;
        self.ending = ending;
    }

    /// Notes that bytes came back.
    pub(super) fn note_progress(&mut self, now: Instant) {
        self.progress_at = now;
    }

    /// Notes a message that came back whole.
    pub(super) fn note_message(&mut self, latency: Duration, damaged: bool) {
        if damaged {
            self.damaged += 1;
        } else {
            let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
            self.latency_ns.saturating_record(nanos);
        }
    }

    /// Notes bytes that belong to no message.
    pub(super) fn note_surplus(&mut self) {
        self.damaged += 1;
    }

    /// Notes a connection that ended by itself.
    pub(super) fn note_lost(&mut self, reason: impl FnOnce() -> String) {
        if self.lost == 0 {
            self.lost_reason = reason();
        }
        self.lost += 1;
    }

    /// Returns how many messages came back unchanged.
    pub(super) fn messages(&self) -> u64 {
        self.latency_ns.len()
    }

    /// Returns how many messages came back, unchanged or not.
    pub(super) fn returned(&self) -> u64 {
        self.messages() + self.damaged
    }

    /// Returns how many messages came back differently.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Returns how many connections ended by themselves.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns why the first lost connection ended.
    pub(super) fn lost_reason(&self) -> &str {
        &self.lost_reason
    }

    /// Returns how the run came to its end.
    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    /// Returns the length of the measurement.
    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns how long the measurement has lasted, while it lasts.
    pub(super) fn elapsed_at(&self, now: Instant) -> Duration {
        now - self.since
    }

    /// Returns how long nothing has come back.
    pub(super) fn silence_at(&self, now: Instant) -> Duration {
        now - self.progress_at
    }

    /// Returns the rate of messages over the whole measurement.
    pub(super) fn messages_per_second(&self) -> f64 {
        rate(self.messages(), self.elapsed)
    }

    /// Returns a quantile of the latencies, in nanoseconds; 1 is the largest.
    pub(super) fn latency_ns(&self, quantile: f64) -> u64 {
        self.latency_ns.value_at_quantile(quantile)
    }

    /// Says what of the run was no success, if something was not.
    pub(super) fn verdict(&self, subject: &Subject, framing: Framing) -> Result<(), Failure> {
        let (damaged, returned) = (self.damaged, self.returned());
        let doubt = format!("is {subject} an echo server, with the framing {framing}?");
        if damaged > 0 {
            return Err(Failure::run(format!(
                "{damaged} of {returned} messages came back different from what was sent - {doubt}"
            )));
        }
        if self.lost > 0 {
            let (lost, reason) = (self.lost, self.lost_reason());
            let noun = if lost == 1 { "connection" } else { "connections" };
            let advice = match subject {
                Subject::Embedded { .. } => "run it with -v to see why".to_owned(),
                Subject::Remote(_) => format!("{doubt} Its log may say more"),
            };
            return Err(Failure::run(format!(
                "{lost} {noun} ended before the measurement did: {reason} - {advice}"
            )));
        }
        match self.ending {
            Ending::Stalled(silence) => {
                Err(Failure::run(format!("nothing came back for {silence:?} - {doubt}")))
            }
            Ending::Interrupted | Ending::Complete if returned == 0 => Err(Failure::run(format!(
                "no message came back in {:.1?} - measure longer; {doubt}",
                self.elapsed
            ))),
            Ending::Interrupted | Ending::Complete | Ending::Deserted => Ok(()),
        }
    }
}

/// Returns a count per second; zero when no time has passed.
pub(super) fn rate(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}
