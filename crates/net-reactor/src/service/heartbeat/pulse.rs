//! When to send, and when silence is too long: the state of a heartbeat, without a connection.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::base::Instant;
use crate::net::Pressure;

/// How many connections the loop hears of in one look at the kernel, about: as many as it asks for
/// in one wait.
const CONNECTIONS_PER_LOOK: usize = 1024;

/// What can be seen of the peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    /// When bytes last arrived.
    pub(super) received_at: Instant,
    /// How many bytes the kernel has taken.
    pub(super) bytes_out: u64,
    /// Whether the handler does not want to read.
    pub(super) is_paused: bool,
    /// How many connections the loop has.
    pub(super) connections: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Alive,
    Dead { silence: Duration, tolerance: Duration },
}

/// One side's heart: the next beat to send, and the silence of the other.
///
/// ```text
///   heard ----- tolerance -----> due: suspected -- as late as we were, a look or more --> dead
///     ^                                   |
///     `------- something was heard -------'
/// ```
#[derive(Debug)]
pub(super) struct Pulse {
    interval: Option<Duration>,
    tolerance: Option<Duration>,
    /// When the next beat is sent; never, if none is.
    next_beat: Instant,
    /// The last sign of life that `Signs` does not show: the start, the end of a pause.
    heard: Instant,
    /// When the silence is looked at next.
    due: Instant,
    /// How many more times the kernel is asked before the peer counts as dead; `None` while it is
    /// not suspected.
    looks_left: Option<usize>,
    /// What the kernel had taken when it was last looked at, while output is above the high mark.
    held_bytes_out: Option<u64>,
}

impl Pulse {
    pub(super) fn new(interval: Option<Duration>, tolerance: Option<Duration>) -> Self {
        Self {
            interval,
            tolerance,
            next_beat: Instant::FAR_FUTURE,
            heard: Instant::ORIGIN,
            due: Instant::FAR_FUTURE,
            looks_left: None,
            held_bytes_out: None,
        }
    }

    pub(super) fn start(&mut self, now: Instant) {
        self.next_beat = self.interval.map_or(Instant::FAR_FUTURE, |interval| now + interval);
        self.heard = now;
        self.due = self.tolerance.map_or(Instant::FAR_FUTURE, |tolerance| now + tolerance);
    }

    /// The peer has finished: it will be silent from now on, and may be.
    pub(super) fn expect_no_more(&mut self) {
        self.tolerance = None;
        self.due = Instant::FAR_FUTURE;
    }

    /// Output crossed a mark: between the high and the low one, input may be held back.
    pub(super) fn on_pressure(&mut self, pressure: Pressure, now: Instant, bytes_out: u64) {
        match pressure {
            Pressure::High => self.held_bytes_out = Some(bytes_out),
            Pressure::Low => {
                // Whoever took that much was alive, and what he said meanwhile is read from now on.
                self.held_bytes_out = None;
                self.heard = now;
            }
        }
    }

    /// Whether a beat is to be sent now; the next one is planned then.
    pub(super) fn takes_beat(&mut self, now: Instant) -> bool {
        let Some(interval) = self.interval.filter(|_| now >= self.next_beat) else { return false };
        let on_grid = self.next_beat + interval;
        // Those that were missed are not made up for.
        self.next_beat = if on_grid > now { on_grid } else { now + interval };
        self.held_bytes_out.is_none()
    }

    /// Looks at the peer, if it is time to.
    pub(super) fn judge(&mut self, now: Instant, signs: Signs) -> Verdict {
        let Some(tolerance) = self.tolerance.filter(|_| now >= self.due) else {
            return Verdict::Alive;
        };
        self.heed(now, signs);
        let due = self.heard + tolerance;
        if due > now {
            (self.due, self.looks_left) = (due, None);
            return Verdict::Alive;
        }
        let Some(looks_left) = self.looks_left else {
            // What this loop was late is not the peer's fault.
            self.due = now + (now - due).min(tolerance);
            self.looks_left = Some(signs.connections / CONNECTIONS_PER_LOOK);
            return Verdict::Alive;
        };
        self.due = now;
        self.looks_left = looks_left.checked_sub(1);
        match self.looks_left {
            Some(_) => Verdict::Alive,
            None => Verdict::Dead { silence: now - self.heard, tolerance },
        }
    }

    /// Takes in what shows that the peer lives, or that nobody listened to it.
    fn heed(&mut self, now: Instant, signs: Signs) {
        self.heard = self.heard.max(signs.received_at);
        let took_output = match &mut self.held_bytes_out {
            Some(before) => std::mem::replace(before, signs.bytes_out) != signs.bytes_out,
            None => false,
        };
        if signs.is_paused || took_output {
            self.heard = now;
        }
    }

    /// Returns when something is to be done next.
    pub(super) fn next(&self) -> Option<Instant> {
        let next = self.next_beat.min(self.due);
        (next < Instant::FAR_FUTURE).then_some(next)
    }
}
