//! The end of a run: what happened, and whether everything was given back.

use std::time::Duration;

use super::oracle::OracleKind;
use super::{Fault, Host, Outcome, Simulation};
use crate::net::ConnectError;
use crate::protocol::Leftovers;

/// How long a run waits at its end for the loops to stop, in the world's time: one hour.
const STOP_PATIENCE: Duration = Duration::from_secs(3600);

/// What happened.
impl Simulation {
    /// Returns the hash of everything that happened so far: calls of the kernel with their results,
    /// reports, segments, turns, callbacks, faults, notes, each with its time.
    ///
    /// It is the same in every build and on every machine, and changes with the library: keep seeds
    /// and sizes in tests, not hashes.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.world.trace_hash()
    }

    /// Adds a line of the test's own to the trace, and to its hash.
    pub fn note(&mut self, text: &str) {
        self.world.note_text(text, &[], |_| ());
    }

    /// Returns how often a kind of fault has happened, staged by the test itself or drawn.
    #[must_use]
    pub fn fired(&self, fault: Fault) -> u64 {
        self.all_fired()
            .into_iter()
            .find_map(|(each, count)| (each == fault).then_some(count))
            .unwrap_or(0)
    }

    /// Returns how often each kind of fault has happened.
    fn all_fired(&self) -> Vec<(Fault, u64)> {
        let mut fired = self.world.fired();
        for (fault, count) in &mut fired {
            *count += match fault {
                Fault::LoopStall => self.schedule.stalled,
                Fault::TurnOrder => self.schedule.shuffled,
                Fault::HandlerPanic => self.oracles.counters().panics_made,
                Fault::UserPoint => self.points.as_ref().map_or(0, |points| points.fired),
                _ => 0,
            };
        }
        fired
    }

    pub(super) fn outcome(&self, failure: Option<String>) -> Outcome {
        Outcome {
            failure,
            oracle: self.broken,
            time: self.now(),
            turns: self.schedule.turns,
            callbacks: self.oracles.counters().calls(),
            events: self.world.trace_events(),
            trace_hash: self.trace_hash(),
            fired: self.all_fired(),
            faults: self.chosen.clone(),
            picks: self.picks.clone(),
            trace: self.world.trace_lines(),
        }
    }
}

/// The end.
impl Simulation {
    /// Calms the world, stops every host gracefully, waits until all have stopped, for at most an
    /// hour, and checks that nothing is left: no connection, timer or descriptor.
    ///
    /// [`seeds`](super::seeds()) and [`Run::perform`](super::Run::perform) call it themselves.
    ///
    /// # Panics
    ///
    /// When a promise is broken; see [`Simulation`].
    #[track_caller]
    pub fn finish(&mut self) {
        self.is_ending = true;
        self.calm();
        for each in &self.processes {
            each.server.stop();
        }
        let all_stopped = |sim: &mut Self| sim.processes.is_empty();
        if !self.run_until(STOP_PATIENCE, all_stopped) {
            let left: Vec<usize> = self.schedule.numbers().collect();
            self.fail(OracleKind::Liveness, format!("loops {left:?} do not stop"));
        }
        self.complain();
        for host in (0..self.sites.len()).map(Host) {
            let open = self.open_descriptors(host);
            if open > 0 {
                let name = self.name_of(host);
                let message =
                    format!("all loops have ended, and {name} has {open} descriptors open");
                self.fail(OracleKind::Resources, message);
            }
        }
        self.check_beginnings();
        if let Some(violation) = self.oracles.finish() {
            self.violation.get_or_insert(violation);
        }
        self.complain();
    }

    /// Checks that the test did not pass because nothing ever began.
    fn check_beginnings(&mut self) {
        for host in (0..self.sites.len()).map(Host) {
            if !self.sites[host.0].has_started {
                let message = format!("the host {} never started", self.name_of(host));
                self.fail(OracleKind::Check, message);
            }
            // No fault makes a name unknown here, so it is misspelt.
            let failures = self.take_failures(host).into_iter();
            let is_unknown =
                |error: &ConnectError| matches!(error, ConnectError::NameNotFound { .. });
            if self.chosen.is_empty()
                && let Some(error) = failures.into_iter().find(is_unknown)
            {
                self.fail(OracleKind::Check, format!("{}: {error}", self.name_of(host)));
            }
        }
    }

    /// Checks that a loop that has stopped has given everything back.
    pub(super) fn check_leftovers(&mut self, number: usize) {
        let Some(event_loop) = self.schedule.event_loop(number) else { return };
        let (leftovers, spins) = (event_loop.leftovers(), event_loop.stats().spins);
        if leftovers != Leftovers::default() {
            let message = format!("loop {number} has stopped and still has {leftovers:?}");
            self.fail(OracleKind::Resources, message);
        }
        // Dropping the loop closes what it has forgotten, so this is the time to look.
        let sockets = self.own_sockets(number);
        if sockets > 0 {
            let message = format!("loop {number} has stopped and still has {sockets} sockets open");
            self.fail(OracleKind::Resources, message);
        }
        if spins > 0 {
            self.fail(
                OracleKind::Spin,
                format!("loop {number} woke up for nothing, again and again"),
            );
        }
    }
}
