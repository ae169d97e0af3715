//! Which loop runs next: the turns of every simulated loop, one at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::chance::Chance;
use crate::base::{Instant, Rng};
use crate::protocol::{EventLoop, LoopError, LoopStats, Stopped};
use crate::sys::memory::World;

/// Turns of one loop between two movements of the clock after which the loop is said to spin.
///
/// A healthy loop gets every job done in finitely many turns, each with some progress; one that
/// moves a megabyte a byte at a time is the busiest that occurs.
const TURNS_AT_ONE_TIME_MAX: u32 = 3_000_000;

/// A loop, and where it stands between two turns.
struct Runner {
    event_loop: EventLoop,
    /// The number of its kernel in the world.
    kernel: usize,
    host: usize,
    state: State,
    /// It stands in the line of those that may run.
    in_line: bool,
    /// It is not run before this, whatever happens.
    held_until: Option<Instant>,
    /// Its turn came while its host stood still.
    has_missed: bool,
    turned_at: Instant,
    turns_at_that_time: u32,
}

/// Where a loop stands between two turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A turn is over and the next has not begun: other loops see it awake.
    Awake,
    /// It waits in the kernel for so long, unless something happens.
    ///
    /// `deadline` is the end of it on the host's clock, and `until` in the time of the world.
    Asleep { timeout: Option<Duration>, deadline: Option<Instant>, until: Option<Instant> },
}

/// What became of one turn.
pub(super) struct Turned {
    pub(super) number: usize,
    /// How the loop ended, if it did; it is gone then.
    pub(super) end: Option<Result<Stopped, LoopError>>,
    /// The loop has taken more turns at one time than any work needs.
    pub(super) spins: bool,
}

/// How turns are chosen.
pub(super) struct Habits {
    /// Whether the seed chooses who runs next, and whether others may run before it falls asleep.
    pub(super) shuffles: bool,
    /// How often a loop is held up before a turn, in parts per million.
    pub(super) stall_ppm: u32,
    pub(super) stall_max: Duration,
}

impl Default for Habits {
    fn default() -> Self {
        Self { shuffles: false, stall_ppm: 0, stall_max: Duration::from_millis(50) }
    }
}

/// All loops of a simulation, by number.
pub(super) struct Schedule {
    runners: BTreeMap<usize, Runner>,
    next_number: usize,
    /// The loop that each kernel of the world belongs to.
    owners: Vec<Option<usize>>,
    line: VecDeque<usize>,
    deadlines: BTreeSet<(Instant, usize)>,
    /// Hosts whose loops do not run.
    frozen: BTreeSet<usize>,
    pub(super) habits: Habits,
    order: Rng,
    stalls: Rng,
    pub(super) turns: u64,
    pub(super) stalled: u64,
    pub(super) shuffled: u64,
}

impl Schedule {
    pub(super) fn new(chance: &Chance) -> Self {
        Self {
            runners: BTreeMap::new(),
            next_number: 0,
            owners: Vec::new(),
            line: VecDeque::new(),
            deadlines: BTreeSet::new(),
            frozen: BTreeSet::new(),
            habits: Habits::default(),
            order: chance.stream("schedule/order"),
            stalls: chance.stream("schedule/stalls"),
            turns: 0,
            stalled: 0,
            shuffled: 0,
        }
    }

    /// Returns the number of the next loop.
    pub(super) fn next_number(&self) -> usize {
        self.next_number
    }

    /// Takes in a loop. Its number is the one that [`next_number`](Self::next_number) gave, or
    /// later; numbers that were given to loops that never ran stay unused.
    pub(super) fn add(&mut self, number: usize, host: usize, kernel: usize, event_loop: EventLoop) {
        self.next_number = self.next_number.max(number + 1);
        self.owners.resize(self.owners.len().max(kernel + 1), None);
        self.owners[kernel] = Some(number);
        let runner = Runner {
            event_loop,
            kernel,
            host,
            state: State::Awake,
            in_line: false,
            held_until: None,
            has_missed: false,
            turned_at: Instant::ORIGIN,
            turns_at_that_time: 0,
        };
        self.runners.insert(number, runner);
        self.queue(number);
    }

    /// Leaves numbers unused that were given to loops which never ran.
    pub(super) fn skip(&mut self, count: usize) {
        self.next_number += count;
    }

    /// Takes a loop out; its event loop is dropped by the caller.
    pub(super) fn remove(&mut self, number: usize) -> Option<EventLoop> {
        let runner = self.runners.remove(&number)?;
        if let State::Asleep { until: Some(until), .. } = runner.state {
            self.deadlines.remove(&(until, number));
        }
        if let Some(held) = runner.held_until {
            self.deadlines.remove(&(held, number));
        }
        self.owners[runner.kernel] = None;
        Some(runner.event_loop)
    }

    pub(super) fn event_loop(&mut self, number: usize) -> Option<&mut EventLoop> {
        self.runners.get_mut(&number).map(|runner| &mut runner.event_loop)
    }

    /// Returns the number of a loop's kernel in the world.
    pub(super) fn kernel(&self, number: usize) -> Option<usize> {
        self.runners.get(&number).map(|runner| runner.kernel)
    }

    pub(super) fn stats(&self, number: usize) -> Option<LoopStats> {
        self.runners.get(&number).map(|runner| runner.event_loop.stats())
    }

    /// Returns the loops that exist, in the order of their making.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.runners.keys().copied()
    }

    /// Lets the loops of a host run, or not.
    pub(super) fn freeze(&mut self, host: usize, frozen: bool) {
        if frozen {
            self.frozen.insert(host);
        } else if self.frozen.remove(&host) {
            // Nobody else: a turn without a reason would heal a lost wake-up.
            let missed = |runner: &mut Runner| std::mem::take(&mut runner.has_missed);
            for number in self.loops_of(host) {
                if self.runners.get_mut(&number).is_some_and(missed) {
                    self.queue(number);
                }
            }
        }
    }

    /// The clock of a host goes another way: its loops wake up at other times.
    pub(super) fn clock_changed(&mut self, host: usize, world: &World) {
        for number in self.loops_of(host) {
            let Some(runner) = self.runners.get_mut(&number) else { continue };
            let kernel = runner.kernel;
            let State::Asleep { deadline: Some(deadline), until, .. } = &mut runner.state else {
                continue;
            };
            let new = world.world_time(kernel, *deadline);
            if let Some(old) = std::mem::replace(until, new) {
                self.deadlines.remove(&(old, number));
            }
            if let Some(new) = new {
                self.deadlines.insert((new, number));
            }
        }
    }

    fn loops_of(&self, host: usize) -> Vec<usize> {
        self.numbers().filter(|number| self.host_of(*number) == Some(host)).collect()
    }

    fn host_of(&self, number: usize) -> Option<usize> {
        self.runners.get(&number).map(|runner| runner.host)
    }

    /// Puts a loop in line, unless it stands there.
    pub(super) fn queue(&mut self, number: usize) {
        if let Some(runner) = self.runners.get_mut(&number)
            && !std::mem::replace(&mut runner.in_line, true)
        {
            self.line.push_back(number);
        }
    }

    /// Puts in line whoever has something to do now.
    pub(super) fn gather(&mut self, world: &World) {
        for kernel in world.take_woken() {
            if let Some(Some(number)) = self.owners.get(kernel) {
                self.queue(*number);
            }
        }
        let now = world.now();
        while let Some(&(at, number)) = self.deadlines.first() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            if let Some(runner) = self.runners.get_mut(&number)
                && runner.held_until == Some(at)
            {
                runner.held_until = None;
            }
            self.queue(number);
        }
    }

    /// Returns when a loop has something to do next, as far as the loops know.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Runs one turn of one loop of those in line; `None` when nobody can run now.
    pub(super) fn run_one(&mut self, world: &World) -> Option<Turned> {
        loop {
            let number = self.pick()?;
            let Some(runner) = self.runners.get_mut(&number) else { continue };
            runner.in_line = false;
            // Who is held up, or whose host stands still, is put in line again when that is over.
            if self.frozen.contains(&runner.host) {
                runner.has_missed = true;
                continue;
            }
            if runner.held_until.is_some() {
                continue;
            }
            if self.habits.stall_ppm > 0
                && self.stalls.below(1_000_000) < u64::from(self.habits.stall_ppm)
            {
                self.hold_up(number, world.now());
                continue;
            }
            return self.turn(number, world);
        }
    }

    fn pick(&mut self) -> Option<usize> {
        if !self.habits.shuffles || self.line.len() < 2 {
            return self.line.pop_front();
        }
        self.shuffled += 1;
        let drawn = self.order.below(self.line.len() as u64);
        self.line.swap_remove_front(usize::try_from(drawn).unwrap_or(0))
    }

    fn hold_up(&mut self, number: usize, now: Instant) {
        let max_ns = u64::try_from(self.habits.stall_max.as_nanos()).unwrap_or(u64::MAX);
        let until = now + Duration::from_nanos(1 + self.stalls.below(max_ns));
        if let Some(runner) = self.runners.get_mut(&number) {
            runner.held_until = Some(until);
            self.deadlines.insert((until, number));
            self.stalled += 1;
        }
    }

    /// Runs the second half of one turn and, unless others shall see it awake, the first half of
    /// the next.
    fn turn(&mut self, number: usize, world: &World) -> Option<Turned> {
        let lingers = self.habits.shuffles && self.order.below(4) == 0;
        let runner = self.runners.get_mut(&number)?;
        let State::Asleep { timeout, until, .. } = runner.state else {
            self.fall_asleep(number, world);
            return Some(Turned { number, end: None, spins: false });
        };
        if let Some(until) = until {
            self.deadlines.remove(&(until, number));
        }
        runner.state = State::Awake;
        let now = world.now();
        let same_time = std::mem::replace(&mut runner.turned_at, now) == now;
        runner.turns_at_that_time = if same_time { runner.turns_at_that_time + 1 } else { 0 };
        let spins = runner.turns_at_that_time > TURNS_AT_ONE_TIME_MAX;
        self.turns += 1;
        world.note_in(runner.kernel, "turn", &[number as u64], |_| ());
        let end = runner.event_loop.wake_up(timeout).transpose();
        if end.is_none() {
            if lingers {
                self.queue(number);
            } else {
                self.fall_asleep(number, world);
            }
        }
        Some(Turned { number, end, spins })
    }

    fn fall_asleep(&mut self, number: usize, world: &World) {
        let Some(runner) = self.runners.get_mut(&number) else { return };
        let timeout = runner.event_loop.fall_asleep();
        let at_once = timeout == Some(Duration::ZERO) || !world.is_kernel_quiet(runner.kernel);
        let deadline = timeout.map(|timeout| world.local_time(runner.kernel) + timeout);
        let until = deadline.and_then(|deadline| world.world_time(runner.kernel, deadline));
        runner.state = State::Asleep { timeout, deadline, until };
        if let Some(until) = until.filter(|_| !at_once) {
            self.deadlines.insert((until, number));
        }
        if at_once {
            self.queue(number);
        }
    }
}
