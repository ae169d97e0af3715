//! The guard of a connection: what its timeouts go by, and the one timer behind them.
//!
//! Facts are stored where they happen, by the time as it counts against the peer. Nothing else
//! happens then: the timer stands where it stood. When it fires, [`Timeouts::judge`] says from the
//! facts whether a limit is broken or when to look again. So the timer is seldom set more than once
//! in a timeout, however many messages pass, and only ever moved to come earlier.

use std::time::Duration;

use super::connection::Connection;
use super::phase::Phase;
use super::timeouts::{Elapsed, Verdict};
use super::{CloseReason, Due, Net};
use crate::base::{Bug, Instant, Key, SideTable, Stopwatch, planted};
use crate::driver::Ops;
use crate::event_loop::TimerKey;

/// A turn that takes longer, or comes later than its timer by more, is a stall: 100 ms.
const STALL: Duration = Duration::from_millis(100);

/// What is known about the doings of one peer.
#[derive(Debug)]
struct Guard {
    /// Armed while any clock runs, never for later than it may be needed.
    timer: Option<TimerKey>,
    /// Since bytes were received, or since the opening. Held while this connection is not read.
    heard: Stopwatch,
    /// Since bytes moved either way. Held while it is this side's wish that it is not read.
    moved: Stopwatch,
    /// Since the window of the minimum rate began. Held like `heard`.
    window: Stopwatch,
    /// Bytes received before those that count in the window.
    window_start_bytes: u64,
    /// A message is unfinished: the window counts.
    in_message: bool,
    /// What the handler has been offered; if it leaves less, it consumed some.
    offered_bytes: u64,
    /// When the kernel last took output, or since when it takes none.
    taken_at: Instant,
    /// The kernel took no more than a part of the output.
    is_stuck: bool,
    /// A limit is broken, and the kernel is being asked what it has before that is believed.
    is_asking: bool,
}

impl Guard {
    const fn new(now: Instant) -> Self {
        let watch = Stopwatch::start(now);
        Self {
            timer: None,
            heard: watch,
            moved: watch,
            window: watch,
            window_start_bytes: 0,
            in_message: false,
            offered_bytes: 0,
            taken_at: now,
            is_stuck: false,
            is_asking: false,
        }
    }

    /// Bytes were received, and come behind those that the handler left.
    fn note_received(&mut self, kept_bytes: u64, bytes: u64, now: Instant) {
        self.heard.restart(now);
        if !planted(Bug::BusyTakenForIdle) {
            self.moved.restart(now);
        }
        // What was consumed to the last byte ended the message.
        self.in_message &= kept_bytes > 0;
        self.offered_bytes = kept_bytes + bytes;
    }

    /// The handler left input.
    fn note_kept(&mut self, kept_bytes: u64, received_bytes: u64, now: Instant) {
        if !self.in_message || kept_bytes < self.offered_bytes {
            self.in_message = true;
            // What was left belongs to the message. Behind a layer it may be more than was received.
            self.begin_window(received_bytes.saturating_sub(kept_bytes), now);
        }
        self.offered_bytes = kept_bytes;
    }

    /// Begins the next window where one is over and has brought what it had to.
    fn end_window(&mut self, window: Duration, bytes_min: u64, received_bytes: u64, now: Instant) {
        let is_over = self.window.running(now).is_some_and(|age| age >= window);
        let has_come = received_bytes - self.window_start_bytes;
        if is_over && (has_come >= bytes_min || planted(Bug::DripForgiven)) {
            self.begin_window(received_bytes, now);
        }
    }

    fn begin_window(&mut self, start_bytes: u64, now: Instant) {
        self.window.restart(now);
        self.window_start_bytes = start_bytes;
    }

    fn elapsed(&self, conn: &Connection, peers_now: Instant, now: Instant) -> Elapsed {
        let expects = !conn.end.has_come();
        let heard = self.heard.running(peers_now).filter(|_| expects);
        let window = self.window.running(peers_now);
        let window = window.filter(|_| expects && self.in_message && conn.input.is_some());
        Elapsed {
            first_byte: heard.filter(|_| conn.bytes_in == 0),
            read: heard,
            window: window.map(|age| (age, conn.bytes_in - self.window_start_bytes)),
            write: self.is_stuck.then(|| peers_now - self.taken_at),
            idle: self.moved.running(peers_now),
            life: now - conn.opened_at,
        }
    }
}

/// The guards of a loop's connections, and the clock that they go by.
#[derive(Debug)]
pub(crate) struct Guards {
    guards: SideTable<Box<Guard>>,
    /// How many there are.
    len: usize,
    /// The time of this turn as it counts against the peers.
    now: Instant,
    /// How much of the time did not count against them so far.
    stalled: Duration,
    /// When the work of the last turn was done, if there was a guard.
    turn_ended_at: Instant,
}

impl Guards {
    pub(super) fn new(now: Instant) -> Self {
        let (guards, stalled) = (SideTable::default(), Duration::ZERO);
        Self { guards, len: 0, now, stalled, turn_ended_at: now }
    }

    /// Whether any connection has a guard.
    pub(super) const fn is_any(&self) -> bool {
        self.len > 0
    }

    /// Bytes were received, and come behind those that the handler left.
    pub(super) fn note_received(&mut self, key: Key, kept_bytes: u64, bytes: u64) {
        if let Some(guard) = self.guards.get_mut(key) {
            guard.note_received(kept_bytes, bytes, self.now);
        }
    }

    /// The kernel took bytes.
    pub(super) fn note_sent(&mut self, key: Key, bytes: u64) {
        if bytes > 0
            && let Some(guard) = self.guards.get_mut(key)
        {
            if !planted(Bug::BusyTakenForIdle) {
                guard.moved.restart(self.now);
            }
            guard.taken_at = self.now;
        }
    }

    /// Input is wanted or not, and if not, it may be this side's own wish. Returns whether there is
    /// a guard.
    pub(super) fn note_reading(&mut self, key: Key, wanted: bool, paused: bool) -> bool {
        let Some(guard) = self.guards.get_mut(key) else { return false };
        guard.heard.hold(!wanted, self.now);
        guard.window.hold(!wanted, self.now);
        guard.moved.hold(paused, self.now);
        true
    }

    /// Returns the guard of a connection, which has one from now on.
    fn get_or_add(&mut self, key: Key) -> &mut Guard {
        let (len, now) = (&mut self.len, self.now);
        self.guards.get_or_put_with(key, || {
            *len += 1;
            Box::new(Guard::new(now))
        })
    }
}

impl Net {
    /// Notes the end of a sleep that was to end at the next timer.
    ///
    /// Nobody knows when in a sleep that ended late the loop was stalled. What it was late is lost
    /// for certain; as much again is given for peers whose time was up just then.
    pub(crate) fn end_sleep(&mut self, now: Instant) {
        let Some(planned) = self.timers.next_deadline().filter(|_| self.guards.is_any()) else {
            return;
        };
        let begun = self.guards.turn_ended_at.max(self.now);
        let planned = planned.max(begun);
        let late = now - planned;
        if late > STALL && !planted(Bug::StallBlamedOnPeers) {
            self.guards.stalled += late + late.min(planned - begun);
        }
    }

    /// Sets the time.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
        let counting = (now - Instant::ORIGIN).saturating_sub(self.guards.stalled);
        self.guards.now = Instant::ORIGIN + counting;
    }

    /// Whether the end of this turn matters to anybody.
    pub(crate) fn is_guarding(&self) -> bool {
        self.guards.is_any()
    }

    /// Notes when the work of a turn was done. A turn that took long was no fault of the peers, who
    /// may have waited for it.
    pub(crate) fn end_turn(&mut self, end: Instant) {
        if !planted(Bug::StallBlamedOnPeers) {
            self.guards.stalled += (end - self.now).saturating_sub(STALL);
        }
        self.guards.turn_ended_at = end;
    }

    /// Begins to watch an open connection, if its timeouts ask for more than its output.
    pub(super) fn start_guard(&mut self, key: Key) {
        let Some(conn) = self.conns.get(key) else { return };
        if conn.config.timeouts.watch_always() {
            self.guards.get_or_add(key);
            self.look_in_time(key);
        }
    }

    /// Ends the watch over a connection; from here on it is closing, or closed.
    pub(super) fn end_guard(&mut self, key: Key) {
        if let Some(guard) = self.guards.guards.take(key) {
            self.guards.len -= 1;
            if let Some(timer) = guard.timer {
                self.timers.cancel(timer);
            }
        }
    }

    /// Notes after a send whether output is stuck in front of the kernel.
    pub(super) fn watch_output(&mut self, key: Key) {
        let Some(conn) = self.conns.get(key) else { return };
        let watches = conn.config.timeouts.watch_writes() && !planted(Bug::StuckOutputForgiven);
        if conn.phase != Phase::Open || !watches {
            return;
        }
        if conn.blocked {
            let now = self.guards.now;
            let guard = self.guards.get_or_add(key);
            if !guard.is_stuck {
                guard.is_stuck = true;
                guard.taken_at = now;
                self.look_in_time(key);
            }
        } else if let Some(guard) = self.guards.guards.get_mut(key) {
            guard.is_stuck = false;
        }
    }

    /// Notes that the handler left input: a message is unfinished.
    pub(super) fn watch_message(&mut self, key: Key, kept_bytes: u64) {
        let Some(conn) = self.conns.get(key) else { return };
        let Some(guard) = self.guards.guards.get_mut(key) else { return };
        if conn.config.timeouts.watch_messages() {
            guard.note_kept(kept_bytes, conn.bytes_in, self.guards.now);
            self.look_in_time(key);
        }
    }

    /// Sees to it that the timer is due no later than the first limit can be broken.
    ///
    /// It is left alone where it is due sooner than that, which is so nearly always.
    pub(super) fn look_in_time(&mut self, key: Key) {
        let wait = match self.judge(key) {
            Some(Verdict::Broken { .. }) => Duration::ZERO,
            Some(Verdict::Fine(Some(wait))) => wait,
            Some(Verdict::Fine(None)) | None => return,
        };
        let deadline = self.now + wait;
        let timer = self.guards.guards.get(key).and_then(|guard| guard.timer);
        let armed = timer.and_then(|timer| self.timers.deadline(timer));
        if armed.is_none_or(|armed| deadline < armed) {
            self.look_at(key, deadline);
        }
    }

    fn judge(&self, key: Key) -> Option<Verdict> {
        let (conn, guard) = (self.conns.get(key)?, self.guards.guards.get(key)?);
        let elapsed = guard.elapsed(conn, self.guards.now, self.now);
        Some(conn.config.timeouts.judge(&elapsed))
    }

    /// Sets the timer.
    fn look_at(&mut self, key: Key, deadline: Instant) {
        let Some(guard) = self.guards.guards.get_mut(key) else { return };
        if !guard.timer.is_some_and(|timer| self.timers.rearm(timer, deadline)) {
            guard.timer = Some(self.timers.arm(deadline, Due::Guard(key)));
        }
    }

    /// The timer has fired: looks again later, asks the kernel once more, or ends the connection.
    pub(crate) fn on_guard_due<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(conn) = self.conns.get(key) else { return };
        let Some(guard) = self.guards.guards.get_mut(key) else { return };
        let (window, bytes_min) = conn.config.timeouts.window();
        guard.end_window(window, bytes_min, conn.bytes_in, self.guards.now);
        let was_asking = std::mem::take(&mut guard.is_asking);
        match self.judge(key) {
            Some(Verdict::Broken { timeout, after }) if was_asking => {
                let reason = CloseReason::TimedOut { timeout, after };
                if timeout.is_hopeless() {
                    self.abort(key, reason, ops);
                } else {
                    self.close(key, reason, ops);
                }
            }
            Some(Verdict::Broken { .. }) => self.ask_kernel(key, ops),
            Some(Verdict::Fine(Some(wait))) => self.look_at(key, self.now + wait),
            Some(Verdict::Fine(None)) | None => self.rest_guard(key),
        }
    }

    /// Asks the kernel for what it has and has not reported, input and room for output, and looks
    /// again in the next turn.
    fn ask_kernel<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(guard) = self.guards.guards.get_mut(key) else { return };
        guard.is_asking = true;
        let is_stuck = guard.is_stuck;
        if guard.heard.running(self.guards.now).is_some() {
            ops.look(key);
        }
        if is_stuck {
            // Linux reports room only when a third of the buffer is free, and a slow reader may
            // take longer to free that than the timeout (`sk_stream_write_space`).
            self.on_writable(key, ops);
        }
        self.look_at(key, self.now);
    }

    /// Drops a guard that has nothing to watch until output is stuck again.
    fn rest_guard(&mut self, key: Key) {
        if self.conns.get(key).is_some_and(|conn| !conn.config.timeouts.watch_always()) {
            self.end_guard(key);
        }
    }
}
