//! When a lost connection is tried again: the policy, and the presets of other systems.

use std::time::Duration;

use super::AttemptLimit;
use crate::base::Rng;

/// The first delay: 500 ms.
const INITIAL: Duration = Duration::from_millis(500);
/// What each further delay is multiplied with.
const FACTOR: f64 = 2.0;
/// The longest delay: 60 s.
const CAP: Duration = Duration::from_secs(60);
/// A connection that lasted this long was a success: 10 s.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// How chance changes a delay, so that clients which lost their connections in one moment do not
/// come back in one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Jitter {
    /// Anything from zero to the delay. Spreads best, and so is the default.
    #[default]
    Full,
    /// The delay, and up to this much more.
    Added(Duration),
    /// Around the delay, with a standard deviation of this part of it; at most the cap.
    Normal(f64),
    /// The delay as it is. All clients of a restarted server come back in the same moment.
    None,
}

/// When, and how often, a client connects again after a connection was lost or could not be opened.
///
/// | setting | default | what it does |
/// |---|---|---|
/// | `initial` | 500 ms | the delay after the first failure, or after a loss |
/// | `factor` | 2 | each further failure multiplies the delay |
/// | `cap` | 60 s | the longest delay, before `Jitter::Added` |
/// | `jitter` | [`Jitter::Full`] | from zero to that delay |
/// | `attempts_max` | none | failures in a row after which the client gives up |
/// | `stable_after` | 10 s | a connection that lasted so long ends the row of failures |
/// | `limit` | none | attempts under way at the same time, for all clients that share the limit |
///
/// A connection that is lost before `stable_after` counts as a failure: a server that accepts and
/// drops its clients at once is not asked more and more often.
///
/// ```
/// use net_reactor::Reconnect;
/// use std::time::Duration;
///
/// let patient = Reconnect::default().initial(Duration::from_secs(1)).attempts_max(20);
/// let as_twisted_does = Reconnect::twisted_factory();
/// ```
#[derive(Debug, Clone)]
pub struct Reconnect {
    initial: Duration,
    factor: f64,
    cap: Duration,
    jitter: Jitter,
    attempts_max: u32,
    pub(super) stable_after: Duration,
    pub(super) limit: Option<AttemptLimit>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            initial: INITIAL,
            factor: FACTOR,
            cap: CAP,
            jitter: Jitter::Full,
            attempts_max: u32::MAX,
            stable_after: STABLE_AFTER,
            limit: None,
        }
    }
}

/// Presets.
impl Reconnect {
    /// Always waits for `delay`, as the reconnecting factory of seed 001 does with 5 s.
    #[must_use]
    pub fn fixed(delay: Duration) -> Self {
        let policy = Self::default().initial(delay).factor(1.0).cap(delay);
        policy.jitter(Jitter::None).stable_after(Duration::ZERO)
    }

    /// Waits as Twisted's `ReconnectingClientFactory` does since 26.10: 1 s, times 2.718, up to an
    /// hour, spread by a normal distribution of 12 %.
    ///
    /// The row of failures ends when a connection opens; in Twisted the user calls `resetDelay`.
    #[must_use]
    pub fn twisted_factory() -> Self {
        let policy = Self::default().initial(Duration::from_secs(1)).factor(std::f64::consts::E);
        let policy = policy.cap(Duration::from_secs(3600)).jitter(Jitter::Normal(0.119_626_565_82));
        policy.stable_after(Duration::ZERO)
    }

    /// Waits as Twisted's `ClientService` does: 1 s, times 1.5, up to 60 s, and up to 1 s more.
    #[must_use]
    pub fn twisted_service() -> Self {
        let policy = Self::default().initial(Duration::from_secs(1)).factor(1.5);
        policy.jitter(Jitter::Added(Duration::from_secs(1))).stable_after(Duration::ZERO)
    }

    /// Waits as muduo's `Connector` does: 500 ms, doubling up to 30 s, without jitter.
    #[must_use]
    pub fn muduo() -> Self {
        let policy = Self::default().cap(Duration::from_secs(30)).jitter(Jitter::None);
        policy.stable_after(Duration::ZERO)
    }
}

/// Settings.
impl Reconnect {
    /// Sets the delay after the first failure, and after the loss of a stable connection.
    #[must_use]
    pub fn initial(mut self, delay: Duration) -> Self {
        self.initial = delay;
        self
    }

    /// Sets what each further failure multiplies the delay with. Less than 1 counts as 1.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        // Not a number is less than nothing, and so is 1 too.
        self.factor = if factor >= 1.0 { factor } else { 1.0 };
        self
    }

    /// Sets the longest delay.
    #[must_use]
    pub fn cap(mut self, delay: Duration) -> Self {
        self.cap = delay;
        self
    }

    /// Sets how chance changes the delay.
    #[must_use]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets after how many failures in a row the client gives up; at least one.
    #[must_use]
    pub fn attempts_max(mut self, failures: u32) -> Self {
        self.attempts_max = failures.max(1);
        self
    }

    /// Sets how long a connection must last to end the row of failures. With zero every connection
    /// that opens does.
    #[must_use]
    pub fn stable_after(mut self, time: Duration) -> Self {
        self.stable_after = time;
        self
    }

    /// Shares a limit of attempts under way with other clients.
    #[must_use]
    pub fn limit(mut self, limit: AttemptLimit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Returns how long to wait after so many failures in a row, or `None` to give up.
    ///
    /// The loss of a stable connection is no failure: it waits as after the first one.
    pub(super) fn delay(&self, failures: u32, rng: &mut Rng) -> Option<Duration> {
        if failures >= self.attempts_max {
            return None;
        }
        let capped = self.grown(failures.saturating_sub(1));
        Some(match self.jitter {
            Jitter::None => capped,
            Jitter::Full => up_to(capped, rng),
            Jitter::Added(max) => capped.saturating_add(up_to(max, rng)),
            Jitter::Normal(deviation) => {
                seconds(capped.as_secs_f64() * (1.0 + deviation * normal(rng)), self.cap)
            }
        })
    }

    fn grown(&self, times: u32) -> Duration {
        let times = i32::try_from(times).unwrap_or(i32::MAX);
        seconds(self.initial.as_secs_f64() * self.factor.powi(times), self.cap)
    }
}

/// Returns a duration of so many seconds, from zero to `max`.
fn seconds(seconds: f64, max: Duration) -> Duration {
    match Duration::try_from_secs_f64(seconds.max(0.0)) {
        Ok(duration) => duration.min(max),
        // More than a duration can say.
        Err(_) => max,
    }
}

/// Draws evenly from zero to `max`.
fn up_to(max: Duration, rng: &mut Rng) -> Duration {
    let max_ns = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.below(max_ns.saturating_add(1)))
}

/// Draws from about a standard normal distribution: the sum of twelve even draws from 0 to 1 has the
/// variance 1 and the mean 6.
fn normal(rng: &mut Rng) -> f64 {
    let draw = |rng: &mut Rng| f64::from(u32::try_from(rng.below(1 << 32)).unwrap_or(u32::MAX));
    (0..12).map(|_| draw(rng) / f64::from(u32::MAX)).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests;
