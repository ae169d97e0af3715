//! The stages of a turn, and what the loop does in them.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::core::{Core, SpreadTo};
use super::dispatcher::Dispatcher;
use super::loop_shared::StopRequest;
use super::stopping::{StopState, Stopped};
use super::task::{Adoption, LocalTask};
use super::{Conn, Task};
use crate::base::{Address, Bug, Key, planted};
use crate::driver::{Engine, Handover};
use crate::event_loop::{SleepState, Stages};
use crate::net::{Callback, CloseReason, Due, Permit, Phase};

/// The most tasks that one turn runs; more wait for the next, so that sockets and timers get
/// their share under any flood of posts.
const TASKS_PER_TURN: usize = 4096;

impl<E: Engine> Stages for Dispatcher<E> {
    fn patience(&self) -> Option<Duration> {
        let stop_waits = match (self.core.shared.stop_request(), self.core.stop) {
            (StopRequest::None, _) | (StopRequest::Graceful, StopState::Draining { .. }) => false,
            (StopRequest::Graceful | StopRequest::Now, _) => true,
        };
        if stop_waits || self.core.has_work() || self.engine.has_backlog() {
            return Some(Duration::ZERO);
        }
        if self.core.ran_posts && self.core.shared.inbox.linger_for_post() {
            return Some(Duration::ZERO);
        }
        let deadline = self.core.net.timers.next_deadline()?;
        Some(deadline - self.engine.now())
    }

    fn sleep_state(&self) -> &SleepState {
        self.core.shared.inbox.sleep_state()
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.progress = false;
        self.engine.wait(timeout)
    }

    fn read_clock(&mut self) {
        let now = self.engine.now();
        if !self.is_polled {
            self.core.net.end_sleep(now);
        }
        self.core.net.set_now(now);
        // Before any callback: what one of them sets without delay is due in the next turn.
        self.core.net.timers.expire(self.core.net.now);
    }

    fn deliver_events(&mut self) {
        // What calls from outside the turn have caused comes first.
        self.core.net.fail_stillborn(&mut self.engine);
        self.follow_up();
        self.core.net.take_letters();
        while let Some(event) = self.engine.next() {
            self.on_event(event);
        }
        self.progress |= self.core.net.dial_answered(&mut self.engine);
        self.follow_up();
    }

    fn fire_timers(&mut self) {
        while let Some((due, at)) = self.core.net.timers.pop_due() {
            self.on_due(due, at);
        }
    }

    fn run_tasks(&mut self) {
        #[cfg(feature = "async")]
        {
            // Those that came up outside of a poll: a stream was dropped, say, or written to.
            self.grant_wishes();
            self.follow_up();
        }
        // Asked before the inbox is emptied, so that what a thread posted before it stopped the
        // loop runs before the stop. For the same reason there is no limit then.
        let stops = matches!(self.core.stop, StopState::Running)
            && self.core.shared.stop_request() == StopRequest::Graceful;
        let share = if stops { usize::MAX } else { TASKS_PER_TURN };
        // Posts stay in the inbox, and count against its limits, until those before them have run.
        let behind = !self.core.remote.is_empty();
        if !behind || stops {
            self.core.take_posts();
        }
        if stops && planted(Bug::PostsLostAtStop) {
            self.core.remote.clear();
        }
        for _ in 0..self.core.local.len().min(share) {
            if let Some(task) = self.core.local.pop_front() {
                self.run_local(task);
            }
        }
        self.core.ran_posts = !self.core.remote.is_empty();
        for _ in 0..self.core.remote.len().min(share) {
            if let Some(task) = self.core.remote.pop_front() {
                self.run_remote(task);
            }
        }
        if behind && self.core.remote.is_empty() {
            // The loop was told of posts without looking at them, and must not sleep over them.
            self.core.take_posts();
        }
        self.advance_stop(stops);
    }

    fn flush(&mut self) {
        self.progress |= self.core.net.has_dirty();
        self.core.net.flush_dirty(&mut self.engine);
        self.follow_up();
    }

    fn release(&mut self) {
        if self.core.net.is_guarding() {
            self.core.net.end_turn(self.engine.now());
        }
        self.core.net.wake_resting_listeners(&mut self.engine);
        if matches!(self.core.stop, StopState::Draining { .. }) && self.core.net.is_drained() {
            self.end_drain();
        }
    }

    fn made_progress(&self) -> bool {
        self.progress
    }
}

impl<E: Engine> Dispatcher<E> {
    fn run_local(&mut self, task: LocalTask) {
        self.progress = true;
        match task {
            LocalTask::Run(call) => {
                self.run(call);
            }
            LocalTask::Message { conn, message } => {
                self.deliver_message(conn, message);
            }
            LocalTask::InputWaits(key) => self.deliver_waiting(key),
            LocalTask::LookAgain(key) => self.deliver_again(key),
            #[cfg(feature = "async")]
            LocalTask::Poll(place) => self.poll_future(place),
            LocalTask::Produce(key) => self.produce(key),
            LocalTask::PokeFd(key) => self.on_fd_poked(key),
        }
        self.follow_up();
    }

    fn run_remote(&mut self, task: Task) {
        self.progress = true;
        let Self { engine, core, .. } = self;
        match task {
            Task::Run(call) => {
                self.run(call);
            }
            Task::Send { conn, bytes } => {
                if let Some(key) = core.conn_key(conn) {
                    // A connection that is closing has no use for it, and its owner will be told.
                    let _ = core.net.write_shared(key, bytes, engine);
                }
            }
            Task::Message { conn, message } => {
                if conn.loop_id == core.loop_id() {
                    self.deliver_message(conn.key, message);
                }
            }
            Task::Close(conn) => {
                if let Some(key) = core.conn_key(conn) {
                    core.net.close(key, CloseReason::Closed, engine);
                }
            }
            Task::Abort(conn) => {
                if let Some(key) = core.conn_key(conn) {
                    core.net.abort(key, CloseReason::Aborted, engine);
                }
            }
            Task::SendDatagram { socket, to, bytes } => {
                if let Some(key) = core.datagram_key(socket) {
                    let to = to.and_then(|to| to.get().ip());
                    core.net.send_datagram_later(key, to, &bytes, engine);
                }
            }
            Task::DatagramMessage { socket, message } => {
                self.deliver_datagram_message(socket, message);
            }
            Task::CloseDatagrams(socket) => {
                if let Some(key) = core.datagram_key(socket) {
                    core.net.close_datagrams(key, CloseReason::Closed, engine);
                }
            }
            Task::Broadcast(bytes) => {
                self.reactor().broadcast(bytes);
            }
            Task::Adopt(adoption) => {
                let Adoption { listener, socket, peer, permit } = *adoption;
                self.admit(listener, peer, permit, |engine, key| {
                    engine.adopt_handover(key, socket)
                });
            }
            #[cfg(feature = "async")]
            Task::Poll(place) => self.poll_future(place),
            Task::Finished { job, result } => self.finish_job(job, result),
        }
        self.follow_up();
    }

    /// Hands an accepted socket to another loop. One that is gone or overloaded takes none; then
    /// the peer is served here.
    pub(super) fn hand_over(
        &mut self,
        listener: Key,
        target: &SpreadTo,
        socket: Handover,
        peer: Address,
        permit: Option<Permit>,
    ) {
        let adoption = Adoption { listener: target.listener, socket, peer, permit };
        let task = Task::Adopt(Box::new(adoption));
        // Counted now: the other loop may be slower to take peers than this one to accept them.
        target.owner.shared.connections.fetch_add(1, Ordering::Relaxed);
        let Err((task, reason)) = target.owner.post(task) else { return };
        if planted(Bug::HandOverLosesPeer) {
            return;
        }
        target.owner.shared.connections.fetch_sub(1, Ordering::Relaxed);
        if let Task::Adopt(adoption) = task {
            let Adoption { socket, peer, permit, .. } = *adoption;
            tracing::warn!(%peer, ?reason, "cannot hand a connection over");
            self.core.count_connection();
            self.admit(listener, peer, permit, |engine, key| engine.adopt_handover(key, socket));
        }
    }

    /// Takes the next step of stopping, if one was asked for.
    ///
    /// A graceful stop that was asked for after the turn's tasks were taken waits for the next.
    /// Loops that serve together stop together, as gently or as hard as the first.
    fn advance_stop(&mut self, stops: bool) {
        match (self.core.shared.stop_request(), self.core.stop) {
            (StopRequest::None, _) | (StopRequest::Graceful, StopState::Draining { .. }) => {}
            (StopRequest::Graceful, StopState::Running) if !stops => {}
            (StopRequest::Graceful, StopState::Running) => {
                self.core.server().stop();
                self.begin_drain();
                self.tell_of_stop();
            }
            (StopRequest::Now, StopState::Running) => {
                self.core.server().stop_now();
                self.begin_drain();
                self.end_drain();
            }
            (StopRequest::Now, StopState::Draining { .. }) => {
                self.core.server().stop_now();
                self.end_drain();
            }
            (_, StopState::Over(_)) => {}
        }
    }

    /// Starts nothing new from here on: closes the listeners and cancels what is connecting.
    fn begin_drain(&mut self) {
        tracing::debug!(connections = self.core.net.conns_len(), "stopping");
        let deadline = self.core.net.timers.arm(self.core.net.now + self.core.drain, Due::Drain);
        self.core.stop = StopState::Draining { deadline };
        self.core.net.stopping = true;
        for key in self.core.net.listener_keys() {
            if let Some(acceptor) = self.core.acceptors.take(key) {
                // Dropping a factory runs the user's code, which may panic.
                self.run(|_| drop(acceptor));
            }
            self.core.net.unlisten(key, &mut self.engine);
        }
        for key in self.conns_in(Phase::Connecting) {
            if planted(Bug::StopForgetsConnecting) {
                break;
            }
            Conn::new(key, &mut self.core, &mut self.engine).abort();
        }
    }

    /// Asks the handlers of what is open to finish. A hard stop does not ask: it would not wait
    /// for the answer.
    fn tell_of_stop(&mut self) {
        for key in self.conns_in(Phase::Open) {
            self.call(key, Callback::Stop, |handler, conn| handler.on_stop(conn));
            self.follow_up();
        }
        self.tell_fds_of_stop();
        self.tell_datagrams_of_stop();
    }

    fn conns_in(&self, phase: Phase) -> Vec<Key> {
        let conns = self.core.net.conns();
        conns.filter(|(_, conn)| conn.phase == phase).map(|(key, _)| key).collect()
    }

    pub(super) fn on_drain_deadline(&mut self) {
        let draining = matches!(self.core.stop, StopState::Draining { .. });
        if draining && !planted(Bug::DrainWithoutDeadline) {
            self.end_drain();
        }
    }

    /// Aborts what is left and ends the run.
    fn end_drain(&mut self) {
        if let StopState::Draining { deadline } = self.core.stop {
            self.core.net.timers.cancel(deadline);
        }
        let left: Vec<Key> = self.core.net.conns().map(|(key, _)| key).collect();
        let mut aborted = 0;
        for key in left {
            let phase = self.core.net.conn(key).map(|conn| conn.phase);
            if phase == Some(Phase::Connecting) && planted(Bug::StopForgetsConnecting) {
                continue;
            }
            aborted += usize::from(matches!(phase, Some(Phase::Open | Phase::Closing)));
            self.core.net.abort(key, CloseReason::LoopStopped, &mut self.engine);
        }
        self.end_fds();
        self.end_datagrams();
        self.core.stop = StopState::Over(Stopped { aborted });
        self.follow_up();
    }
}

impl Core {
    /// Takes over what other threads have posted.
    fn take_posts(&mut self) {
        if self.remote.is_empty() {
            // The memory goes round: what was run makes room for what is posted next.
            let mut batch = Vec::from(std::mem::take(&mut self.remote));
            self.shared.inbox.drain(&mut batch);
            self.remote = batch.into();
        } else {
            let mut batch = Vec::new();
            self.shared.inbox.drain(&mut batch);
            self.remote.extend(batch);
        }
    }

    /// Returns the loop that should take a listener's next peer, or `None` for this one.
    pub(super) fn least_loaded(&self, listener: Key) -> Option<SpreadTo> {
        let spread = &self.acceptors.get(listener)?.spread;
        let least = spread.iter().min_by_key(|target| target.owner.connections())?;
        let own = self.shared.connections.load(Ordering::Relaxed);
        (least.owner.connections() < own).then(|| least.clone())
    }

    pub(super) fn count_connection(&self) {
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn uncount_connection(&self) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
