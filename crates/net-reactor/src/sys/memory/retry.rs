//! Trying again, and giving up: lost segments, silent peers, keep-alive.
//!
//! The model knows what was lost, so that no timer runs while nothing is. A connection is armed
//! when a segment of it or an acknowledgement does not get through; from then on it does what
//! Linux does by its retransmission timer.

use std::io;
use std::time::Duration;

use super::network::{Event, EventId, Segment};
use super::pipe::Lost;
use super::socket::{Holder, Phase};
use super::world::State;
use crate::base::{Instant, Key};
use crate::sys::KeepAlive;

/// How often a SYN is sent again; Linux's `tcp_syn_retries`. The waits double from one second.
const SYN_RETRIES_MAX: u32 = 6;

/// How often a segment is sent again; Linux's `tcp_retries2`. With the waits below that makes
/// 924.6 s on a link without latency.
const RETRIES_MAX: u32 = 15;

/// The same for a socket that was closed; Linux's `tcp_orphan_retries` where it is 0.
const ORPHAN_RETRIES_MAX: u32 = 8;

/// The shortest wait before a segment is sent again, beyond a round trip; Linux's `TCP_RTO_MIN`.
const RETRY_MIN: Duration = Duration::from_millis(200);

/// The longest; Linux's `TCP_RTO_MAX`.
const RETRY_MAX: Duration = Duration::from_secs(120);

/// How long a closed socket waits for its peer's FIN; Linux's `tcp_fin_timeout`.
const FIN_TIMEOUT: Duration = Duration::from_secs(60);

/// The retransmission timer of a socket.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// How often it has fired since something got through.
    attempts: u32,
    timer: Option<EventId>,
    /// When the oldest segment was sent that is not acknowledged, or the last acknowledgement came.
    since: Instant,
    /// When the last SYN was sent.
    pub(super) syn_sent: Instant,
}

/// The keep-alive timer of a socket.
#[derive(Debug)]
pub(super) struct Vigil {
    settings: KeepAlive,
    unanswered: u32,
    timer: EventId,
}

impl Retry {
    /// Notes that a segment is sent after everything before it was acknowledged.
    pub(super) fn start(&mut self, now: Instant) {
        self.since = now;
    }

    /// Whether the sender repeats itself, and holds back what is new: Linux's `TCP_CA_Loss`.
    pub(super) fn is_stuck(&self) -> bool {
        self.attempts > 0
    }
}

impl State {
    /// Starts the retransmission timer, unless it runs, for something that was sent at `sent`.
    pub(super) fn arm(&mut self, key: Key, sent: Instant) {
        let Some(socket) = self.sockets.get(key) else { return };
        let retry = &socket.retry;
        if retry.timer.is_some() {
            return;
        }
        let at = match socket.phase {
            Phase::Connecting => retry.syn_sent + Duration::from_secs(1 << retry.attempts),
            Phase::Open => {
                let first = RETRY_MIN.saturating_add(self.round_trip(socket.machine, socket.far));
                sent + first.saturating_mul(1 << retry.attempts).min(RETRY_MAX)
            }
            Phase::Dead => return,
        };
        let timer = self.schedule(at.max(self.now), Event::Retry { key });
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.retry.timer = Some(timer);
        }
    }

    /// Starts it for whatever waits for the peer.
    pub(super) fn arm_pending(&mut self, key: Key) {
        let Some(socket) = self.sockets.get(key) else { return };
        if socket.phase == Phase::Connecting || !socket.outgoing.is_acknowledged() {
            self.arm(key, socket.retry.since);
        } else if socket.outgoing.is_pending() {
            self.arm(key, self.now);
        }
    }

    /// Something got through: stops the timer, and starts it anew if more is under way.
    pub(super) fn calm(&mut self, key: Key) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        socket.retry.attempts = 0;
        socket.retry.since = self.now;
        if let Some(timer) = socket.retry.timer.take() {
            let more = !socket.outgoing.is_acknowledged();
            self.events.remove(&timer);
            if more {
                self.arm(key, self.now);
            }
        }
    }

    /// Stops all timers of a socket.
    pub(super) fn disarm(&mut self, key: Key) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let timers = [socket.retry.timer.take(), socket.vigil.take().map(|vigil| vigil.timer)];
        for timer in timers.into_iter().flatten() {
            self.events.remove(&timer);
        }
    }

    /// A segment that was sent at `sent` did not arrive.
    pub(super) fn on_lost(&mut self, segment: Segment, sent: Instant) {
        self.trace_loss(&segment);
        let (from, lost) = match segment {
            // The client asks again.
            Segment::Syn { from: client }
            | Segment::SynAck { to: client, .. }
            | Segment::Refusal { to: client, .. } => return self.arm(client, sent),
            Segment::Data { from, seq, bytes, .. } => (from, Lost { seq, bytes: Some(bytes) }),
            Segment::Fin { from, seq, .. } => (from, Lost { seq, bytes: None }),
            // The next probe follows anyway, and nobody repeats a reset.
            Segment::Probe { .. } | Segment::Reset { .. } => return,
            // That is what datagrams are like.
            Segment::Datagram(_) | Segment::Unheard { .. } => return,
        };
        if let Some(sender) = self.sockets.get_mut(from)
            && sender.phase == Phase::Open
        {
            sender.outgoing.lose(lost);
            self.arm(from, sent);
        }
    }

    /// The retransmission timer has fired.
    pub(super) fn on_retry(&mut self, key: Key) {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(key) else { return };
        socket.retry.timer = None;
        let orphan = socket.holder == Holder::Nobody;
        let retries_max = match socket.phase {
            Phase::Connecting => SYN_RETRIES_MAX,
            Phase::Open if !socket.outgoing.is_pending() => {
                // It has waited for its peer's FIN.
                if orphan && socket.outgoing.is_finished() {
                    self.remove(key);
                }
                return;
            }
            Phase::Open if orphan => ORPHAN_RETRIES_MAX,
            Phase::Open => RETRIES_MAX,
            Phase::Dead => return,
        };
        if socket.retry.attempts >= retries_max {
            return self.fail(key, io::ErrorKind::TimedOut);
        }
        socket.retry.attempts += 1;
        if socket.phase == Phase::Connecting {
            return self.send_syn(key);
        }
        self.send_again(key);
        self.arm(key, now);
    }

    /// Sends what was lost, or if it was only the acknowledgement, asks for that.
    fn send_again(&mut self, from: Key) {
        let Some(sender) = self.sockets.get_mut(from) else { return };
        let Some(to) = sender.peer else { return };
        let (machine, far) = (sender.machine, sender.far);
        let lost = sender.outgoing.take_lost();
        if lost.is_empty() {
            return self.transmit(machine, far, Segment::Probe { from, to });
        }
        for Lost { seq, bytes } in lost {
            let segment = match bytes {
                Some(bytes) => Segment::Data { from, to, seq, bytes },
                None => Segment::Fin { from, to, seq },
            };
            self.transmit(machine, far, segment);
        }
    }

    /// Lets a closed socket that has sent everything wait for its peer's FIN, but not for ever.
    pub(super) fn await_fin(&mut self, key: Key) {
        let at = self.now + FIN_TIMEOUT;
        if self.sockets.get(key).is_none_or(|socket| socket.retry.timer.is_some()) {
            return;
        }
        let timer = self.schedule(at, Event::Retry { key });
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.retry.timer = Some(timer);
        }
    }

    /// Switches keep-alive on, changes its times, or switches it off.
    pub(super) fn keep_alive(&mut self, key: Key, settings: Option<KeepAlive>) {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(key) else { return };
        if let Some(vigil) = socket.vigil.take() {
            self.events.remove(&vigil.timer);
        }
        if let Some(given) = settings {
            let (idle, interval) = (whole_seconds(given.idle), whole_seconds(given.interval));
            let settings = KeepAlive { idle, interval, probes: given.probes };
            let at = now.max(socket.last_heard + idle);
            self.watch_again(key, Vigil { settings, unanswered: 0, timer: (at, 0) }, at);
        }
    }

    fn watch_again(&mut self, key: Key, vigil: Vigil, at: Instant) {
        let timer = self.schedule(at, Event::KeepAlive { key });
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.vigil = Some(Vigil { timer, ..vigil });
        }
    }

    /// The keep-alive timer has fired; Linux's `tcp_keepalive_timer`.
    pub(super) fn on_keep_alive(&mut self, key: Key) {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let Some(mut vigil) = socket.vigil.take() else { return };
        if socket.phase == Phase::Dead || socket.retired {
            return;
        }
        let settings = vigil.settings;
        // Whoever waits for an acknowledgement learns by that whether the peer is there.
        if socket.phase == Phase::Connecting || socket.outgoing.is_pending() {
            vigil.unanswered = 0;
            return self.watch_again(key, vigil, now + settings.idle);
        }
        let quiet_until = socket.last_heard + settings.idle;
        if quiet_until > now {
            vigil.unanswered = 0;
            return self.watch_again(key, vigil, quiet_until);
        }
        if vigil.unanswered >= settings.probes {
            self.send_reset(key);
            return self.fail(key, io::ErrorKind::TimedOut);
        }
        vigil.unanswered += 1;
        let (machine, far, peer) = (socket.machine, socket.far, socket.peer);
        self.watch_again(key, vigil, now + settings.interval);
        if let Some(to) = peer {
            self.transmit(machine, far, Segment::Probe { from: key, to });
        }
    }
}

/// The kernel counts in seconds and refuses zero.
fn whole_seconds(time: Duration) -> Duration {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    Duration::from_secs(seconds.max(1))
}
