//! Waiting: which reports a wait brings, and what holds them back.
//!
//! A report that a fault has held back once is not held back again: it comes with the first wait
//! after its time. So nothing is lost, and nothing is late without end.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use super::fault::Fault;
use super::machine::{Call, Kernel, Named};
use super::network::Event;
use super::socket::{Flags, Holder};
use super::trace::Lane;
use super::world::State;
use crate::base::Key;
use crate::sys::{Job, Readiness, Token};

/// How many readiness reports one wait takes from the kernel.
const EVENTS_PER_WAIT_MAX: usize = 1024;

/// How late a late report, or a late or spurious wake-up, comes at most.
const LATE_MAX: Duration = Duration::from_millis(5);

/// How long merged reports are kept back at most.
const MERGED_MAX: Duration = Duration::from_millis(3);

/// What faults have held back from one loop, and how its wake-up stands.
pub(super) struct Held {
    pub(super) lane: Lane,
    /// Sockets whose reports come with the next wait, whatever the faults.
    released: VecDeque<Named>,
    /// Jobs that run later, by their number.
    pub(super) slow_jobs: BTreeMap<u64, Job>,
    /// A wake-up is there for the next wait.
    woken: bool,
    /// So is one that nobody asked for.
    nudged: bool,
    /// The loop is gone.
    pub(super) retired: bool,
}

impl Held {
    /// Makes the state of a new loop, which has the lane of this name in the trace.
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            released: VecDeque::new(),
            slow_jobs: BTreeMap::new(),
            woken: false,
            nudged: false,
            retired: false,
        }
    }

    /// Whether nothing is there for the next wait.
    pub(super) fn is_quiet(&self) -> bool {
        self.released.is_empty() && !self.woken && !self.nudged
    }
}

/// Something that was held back, and comes out at its time.
pub(super) enum Later {
    /// Reports.
    Reports { kernel: usize, sockets: VecDeque<Named> },
    /// A wake-up, which somebody asked for or not.
    Wake { kernel: usize, asked: bool },
    /// A job.
    Job { kernel: usize, number: u64 },
}

impl State {
    /// Brings what is ready.
    pub(super) fn wait(&mut self, kernel: usize, ready: &mut Vec<Readiness>) -> io::Result<()> {
        self.machines[self.kernels[kernel].machine].check(Call::Wait)?;
        let faulty = self.faults.is_on();
        let due = self.kernels[kernel].ready.len() + self.kernels[kernel].held.released.len();
        if faulty && due > 0 && self.fires(kernel, Fault::WaitInterrupted) {
            self.rouse(kernel);
            return Ok(());
        }
        let woken = self.take_wake(kernel);
        let mut arrived = std::mem::take(&mut self.kernels[kernel].arrived);
        self.kernels[kernel].answers.append(&mut arrived);
        self.add_spurious(kernel);
        let max = if faulty { self.stir(kernel) } else { EVENTS_PER_WAIT_MAX };
        let before = ready.len();
        self.bring(kernel, max, ready);
        let brought = ready.len() - before;
        if faulty && (woken || brought > 0) && self.fires(kernel, Fault::WakeSpurious) {
            let at = self.now + self.drawn_time(Fault::WakeSpurious, LATE_MAX);
            self.schedule(at, Event::Later(Later::Wake { kernel, asked: false }));
        }
        self.trace_loop(kernel, "wait", &[brought as u64, u64::from(woken)]);
        if !self.kernels[kernel].is_quiet() {
            self.rouse(kernel);
        }
        Ok(())
    }

    /// Reports at most `max` sockets.
    fn bring(&mut self, kernel: usize, max: usize, ready: &mut Vec<Readiness>) {
        let faulty = self.faults.is_on();
        let end = ready.len() + max;
        let mut rest = VecDeque::new();
        while ready.len() < end {
            let Kernel { ready: fresh, held, .. } = &mut self.kernels[kernel];
            let (named, was_held) = match held.released.pop_front() {
                Some(named) => (named, true),
                None => match fresh.pop_front() {
                    Some(named) => (named, false),
                    None => break,
                },
            };
            let teased = faulty && !was_held && self.has_report(kernel, named);
            if teased && self.fires(kernel, Fault::ReportLate) {
                let at = self.now + self.drawn_time(Fault::ReportLate, LATE_MAX);
                let sockets = VecDeque::from([named]);
                self.schedule(at, Event::Later(Later::Reports { kernel, sockets }));
                continue;
            }
            let Some((token, mut flags)) = self.take_report(kernel, named) else { continue };
            if teased && let Some((first, second)) = self.split(kernel, flags) {
                flags = first;
                self.put_back(named, second);
                rest.push_back(named);
            }
            let Flags { readable, writable, hang_up, failed, over } = flags;
            let report = Readiness { token, readable, writable, hang_up, failed, over };
            self.trace_report(kernel, report);
            ready.push(report);
            if teased && ready.len() < end && self.fires(kernel, Fault::ReportTwice) {
                ready.push(report);
            }
        }
        self.kernels[kernel].held.released.append(&mut rest);
    }

    /// Does what faults do to a whole wait; returns how many reports it may bring.
    fn stir(&mut self, kernel: usize) -> usize {
        if self.faults.draw(Fault::ReportSpurious) {
            self.report_any(kernel);
        }
        let len = self.kernels[kernel].ready.len();
        if len > 0 && self.fires(kernel, Fault::ReportMerged) {
            let at = self.now + self.drawn_time(Fault::ReportMerged, MERGED_MAX);
            let sockets = std::mem::take(&mut self.kernels[kernel].ready);
            self.schedule(at, Event::Later(Later::Reports { kernel, sockets }));
            return EVENTS_PER_WAIT_MAX;
        }
        if len > 1 && self.fires(kernel, Fault::ReportShuffled) {
            let mut sockets = std::mem::take(&mut self.kernels[kernel].ready);
            self.shuffle(Fault::ReportShuffled, sockets.make_contiguous());
            self.kernels[kernel].ready = sockets;
        }
        if len > 1 && self.fires(kernel, Fault::ReportAlone) { 1 } else { EVENTS_PER_WAIT_MAX }
    }

    /// Reports any socket of a loop without cause.
    fn report_any(&mut self, kernel: usize) {
        let mut sockets: Vec<Named> = self.listeners_of(kernel).map(Named::Listener).collect();
        sockets.extend(self.held_by(kernel).into_iter().map(Named::Stream));
        sockets.extend(self.ends_of(kernel).map(Named::End));
        sockets.extend(self.udp_of(kernel).into_iter().map(Named::Udp));
        if sockets.is_empty() {
            return;
        }
        self.count_fault(kernel, Fault::ReportSpurious);
        match sockets[self.drawn_index(Fault::ReportSpurious, sockets.len())] {
            Named::Listener(key) => self.note_listener(key),
            Named::Stream(key) => {
                let direction = self.drawn_index(Fault::ReportSpurious, 3);
                self.note(key, spurious(direction));
            }
            Named::End(key) => {
                let direction = self.drawn_index(Fault::ReportSpurious, 3);
                self.note_end(key, spurious(direction));
            }
            Named::Udp(key) => {
                let direction = self.drawn_index(Fault::ReportSpurious, 3);
                self.note_udp(key, spurious(direction));
            }
        }
    }

    /// Draws whether a report comes in two parts, and in which order.
    fn split(&mut self, kernel: usize, flags: Flags) -> Option<(Flags, Flags)> {
        if !(flags.readable && flags.writable && self.fires(kernel, Fault::ReportSplit)) {
            return None;
        }
        let (room, input) = (Flags::WRITABLE, Flags { writable: false, ..flags });
        Some(match self.drawn_index(Fault::ReportSplit, 2) {
            0 => (room, input),
            _ => (input, room),
        })
    }

    /// Whether a socket has anything to report to this loop.
    fn has_report(&self, kernel: usize, named: Named) -> bool {
        match named {
            Named::Listener(key) => {
                self.listeners.get(key).is_some_and(|each| !each.edges.pending.is_empty())
            }
            Named::Stream(key) => self.sockets.get(key).is_some_and(|socket| {
                socket.holder == Holder::Kernel(kernel) && !socket.edges.pending.is_empty()
            }),
            Named::End(key) => self
                .ends
                .get(key)
                .is_some_and(|end| end.kernel == Some(kernel) && !end.edges.pending.is_empty()),
            Named::Udp(key) => {
                self.udp.get(key).is_some_and(|socket| !socket.edges.pending.is_empty())
            }
        }
    }

    /// Takes the report of a socket, unless it was closed or moved to another loop meanwhile.
    fn take_report(&mut self, kernel: usize, named: Named) -> Option<(Token, Flags)> {
        match named {
            Named::Listener(key) => self.listeners.get_mut(key)?.edges.take(),
            Named::Stream(key) => {
                let socket = self.sockets.get_mut(key)?;
                if socket.holder != Holder::Kernel(kernel) {
                    return None;
                }
                socket.withheld = false;
                socket.squeezed = false;
                socket.edges.take()
            }
            Named::End(key) => {
                let end = self.ends.get_mut(key)?;
                if end.kernel == Some(kernel) { end.edges.take() } else { None }
            }
            Named::Udp(key) => self.udp.get_mut(key)?.edges.take(),
        }
    }

    /// Keeps a part of a report that was taken, for a socket that is put in line again.
    fn put_back(&mut self, named: Named, flags: Flags) {
        let edges = match named {
            Named::Listener(key) => self.listeners.get_mut(key).map(|each| &mut each.edges),
            Named::Stream(key) => self.sockets.get_mut(key).map(|socket| &mut socket.edges),
            Named::End(key) => self.ends.get_mut(key).map(|end| &mut end.edges),
            Named::Udp(key) => self.udp.get_mut(key).map(|socket| &mut socket.edges),
        };
        if let Some(edges) = edges {
            edges.pending.merge(flags);
            edges.queued = true;
        }
    }

    /// Reports sockets without cause, if a test asked for that.
    fn add_spurious(&mut self, kernel: usize) {
        let percent = self.settings.spurious_percent;
        if percent == 0 {
            return;
        }
        for key in self.held_by(kernel) {
            let chance = &mut self.chance.spurious;
            if chance.below(100) < percent {
                let direction = usize::try_from(chance.below(3)).unwrap_or(0);
                self.note(key, spurious(direction));
            }
        }
    }

    /// Returns the listeners of a loop, in the order of their slots.
    pub(super) fn listeners_of(&self, kernel: usize) -> impl Iterator<Item = Key> {
        let all = self.listeners.iter();
        all.filter_map(move |(key, listening)| (listening.kernel == kernel).then_some(key))
    }

    /// Returns the streams that a loop holds, in the order of their slots.
    pub(super) fn held_by(&self, kernel: usize) -> Vec<Key> {
        let held =
            self.sockets.iter().filter(|(_, socket)| socket.holder == Holder::Kernel(kernel));
        held.map(|(key, _)| key).collect()
    }

    /// Looks whether somebody woke a loop since the last look, and draws whether the wake-up is
    /// late.
    ///
    /// Whoever decides which loops to turn asks this first: a late wake-up is an event of the
    /// network, not yet something that its loop would find.
    pub(super) fn notice_wake(&mut self, kernel: usize) {
        let Kernel { alarm, held, .. } = &mut self.kernels[kernel];
        if held.woken || held.retired || !alarm.take() {
            return;
        }
        if self.faults.is_on() && self.fires(kernel, Fault::WakeLate) {
            let at = self.now + self.drawn_time(Fault::WakeLate, LATE_MAX);
            self.schedule(at, Event::Later(Later::Wake { kernel, asked: true }));
        } else {
            self.kernels[kernel].held.woken = true;
        }
    }

    /// Whether a loop was woken, by somebody or by nobody.
    pub(super) fn is_woken(&self, kernel: usize) -> bool {
        let held = &self.kernels[kernel].held;
        held.woken || held.nudged
    }

    /// Forgets the wake-ups of a loop; returns whether somebody had asked for one.
    fn take_wake(&mut self, kernel: usize) -> bool {
        let Kernel { alarm, held, .. } = &mut self.kernels[kernel];
        held.nudged = false;
        let noticed = std::mem::take(&mut held.woken);
        alarm.take() || noticed
    }

    /// Lets out what was held back.
    pub(super) fn on_later(&mut self, later: Later) {
        let (Later::Reports { kernel, .. }
        | Later::Wake { kernel, .. }
        | Later::Job { kernel, .. }) = later;
        let owner = &mut self.kernels[kernel];
        if owner.held.retired {
            return;
        }
        match later {
            Later::Reports { mut sockets, .. } => owner.held.released.append(&mut sockets),
            Later::Wake { asked: true, .. } => owner.held.woken = true,
            Later::Wake { asked: false, .. } => owner.held.nudged = true,
            Later::Job { number, .. } => owner.jobs.extend(owner.held.slow_jobs.remove(&number)),
        }
        self.rouse(kernel);
    }

    /// Forgets what a dropped kernel still owed its loop, and returns the jobs.
    pub(super) fn retire(&mut self, kernel: usize) -> impl Sized + use<> {
        let retired = &mut self.kernels[kernel];
        // A world that starts its hosts over and over keeps the slots; they are to hold nothing.
        retired.ready = VecDeque::new();
        retired.arrived = VecDeque::new();
        retired.answers = VecDeque::new();
        retired.alarm.take();
        let lane = retired.held.lane;
        let held = std::mem::replace(&mut retired.held, Held::new(lane));
        retired.held.retired = true;
        let machine = retired.machine;
        self.machines[machine].kernels.retain(|each| *each != kernel);
        let ends: Vec<Key> = self.ends_of(kernel).collect();
        for key in ends {
            if let Some(end) = self.ends.get_mut(key) {
                end.kernel = None;
            }
        }
        let retired = &mut self.kernels[kernel];
        let jobs = std::mem::take(&mut retired.jobs);
        if let Some(reserve) = retired.reserve.take() {
            self.machines[machine].descriptors.close(reserve);
        }
        (jobs, held)
    }

    fn trace_report(&mut self, kernel: usize, report: Readiness) {
        let flags = u64::from(report.readable)
            | u64::from(report.writable) << 1
            | u64::from(report.hang_up) << 2
            | u64::from(report.failed) << 3
            | u64::from(report.over) << 4;
        let lane = self.kernels[kernel].held.lane;
        let words = [report.token.to_word(), flags];
        self.trace.event(self.now, lane, "report", &words, |line| {
            let names = ["readable", "writable", "hang-up", "failed", "over"];
            *line += &format!(" {:?} {:?}:", report.token.kind, report.token.key);
            for (bit, name) in names.iter().enumerate() {
                if flags >> bit & 1 == 1 {
                    line.push(' ');
                    line.push_str(name);
                }
            }
        });
    }
}

/// A report without cause: readable, writable, or both.
///
/// Never an error or an end: a kernel does not make those up.
fn spurious(direction: usize) -> Flags {
    Flags { readable: direction != 0, writable: direction != 1, ..Flags::default() }
}
