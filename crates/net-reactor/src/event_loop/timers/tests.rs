use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::base::Instant;
use crate::event_loop::timers::{TimerKey, Timers};

type Payload = u32;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// Expires at `now` and takes everything that is due.
fn fire(timers: &mut Timers<Payload>, now: Instant) -> Vec<Payload> {
    timers.expire(now);
    std::iter::from_fn(|| timers.pop_due()).map(|(payload, _)| payload).collect()
}

#[test]
fn a_timer_is_due_at_its_deadline_and_not_a_nanosecond_before() {
    for delay in [1, 63, 64, 4_096, 999_999, 1_000_000, 30_000_000_000, u64::MAX / 2] {
        let start = 123_456_789;
        let mut timers = Timers::new(at(start));
        timers.arm(at(start + delay), 1);
        assert_eq!(fire(&mut timers, at(start + delay - 1)), []);
        assert_eq!(timers.next_deadline(), Some(at(start + delay)));
        assert_eq!(fire(&mut timers, at(start + delay)), [1]);
        assert_eq!(timers.len(), 0);
    }
}

#[test]
fn equal_deadlines_fire_in_insertion_order_however_far_apart_they_were_armed() {
    let deadline = at(5_000_000_007);
    let mut timers = Timers::new(at(0));
    for (payload, now) in (0..).zip([0, 1, 4_000_000_000, 4_999_999_999, 5_000_000_006]) {
        assert_eq!(fire(&mut timers, at(now)), []);
        timers.arm(deadline, payload);
    }
    assert_eq!(fire(&mut timers, deadline), [0, 1, 2, 3, 4]);
}

#[test]
fn late_timers_fire_in_deadline_order_ahead_of_the_ones_in_time() {
    let mut timers = Timers::new(at(1_000));
    timers.arm(at(1_001), 5);
    timers.arm(at(1_000), 3);
    timers.arm(at(10), 1);
    timers.arm(at(1_000), 4);
    timers.arm(at(10), 2);
    assert_eq!(timers.next_deadline(), Some(at(10)));
    assert_eq!(fire(&mut timers, at(1_001)), [1, 2, 3, 4, 5]);
}

#[test]
fn a_timer_armed_after_expire_waits_for_the_next_one() {
    let mut timers = Timers::new(at(0));
    timers.arm(at(10), 1);
    timers.expire(at(10));
    timers.arm(at(10), 2);
    timers.arm(at(3), 3);
    assert_eq!(timers.pop_due(), Some((1, at(10))));
    assert_eq!(timers.pop_due(), None);
    assert_eq!(fire(&mut timers, at(10)), [3, 2]);
}

#[test]
fn cancel_and_rearm_hold_for_a_timer_due_in_the_same_turn() {
    let mut timers = Timers::new(at(0));
    let keys = [1, 2, 3].map(|payload| timers.arm(at(10), payload));
    timers.expire(at(10));
    assert_eq!(timers.cancel(keys[1]), Some(2));
    assert!(timers.rearm(keys[0], at(20)));
    assert_eq!(timers.pop_due(), Some((3, at(10))));
    assert_eq!(timers.pop_due(), None);
    assert_eq!(timers.deadline(keys[0]), Some(at(20)));
    assert_eq!(fire(&mut timers, at(20)), [1]);
}

#[test]
fn a_rearmed_timer_counts_as_inserted_last() {
    let mut timers = Timers::new(at(0));
    let first = timers.arm(at(10), 1);
    timers.arm(at(10), 2);
    assert!(timers.rearm(first, at(10)));
    assert_eq!(fire(&mut timers, at(10)), [2, 1]);
}

#[test]
fn a_key_names_nothing_once_its_timer_is_gone() {
    let mut timers = Timers::new(at(0));
    let cancelled = timers.arm(at(10), 1);
    assert_eq!(timers.cancel(cancelled), Some(1));
    let popped = timers.arm(at(10), 2);
    assert_eq!(fire(&mut timers, at(10)), [2]);
    timers.arm(at(30), 3); // takes the place both keys pointed at
    for key in [cancelled, popped] {
        assert_eq!(timers.cancel(key), None);
        assert_eq!(timers.deadline(key), None);
        assert!(!timers.rearm(key, at(20)));
    }
    assert_eq!(timers.len(), 1);
}

#[test]
fn the_far_future_never_comes_and_does_no_harm() {
    let mut timers = Timers::new(at(0));
    let never = timers.arm(Instant::FAR_FUTURE, 1);
    let before = at(u64::MAX - 1);
    timers.arm(before, 2);
    assert_eq!(fire(&mut timers, at(u64::MAX / 2)), []);
    assert_eq!(fire(&mut timers, before), [2]);
    assert_eq!(timers.next_deadline(), Some(Instant::FAR_FUTURE));
    assert_eq!(timers.cancel(never), Some(1));
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn a_clock_that_steps_back_is_ignored() {
    let mut timers = Timers::new(at(100));
    timers.arm(at(150), 1);
    assert_eq!(fire(&mut timers, at(120)), []);
    assert_eq!(fire(&mut timers, at(50)), []);
    timers.arm(at(120), 2);
    assert_eq!(fire(&mut timers, at(60)), [2]);
    assert_eq!(fire(&mut timers, at(150)), [1]);
}

#[test]
fn a_stale_bound_is_corrected_by_one_expire_at_that_time() {
    let mut timers = Timers::new(at(0));
    let gone = timers.arm(at(1_000_000_000), 1);
    timers.arm(at(1_000_000_500), 2);
    timers.cancel(gone);
    assert_eq!(timers.next_deadline(), Some(at(1_000_000_000)), "early, and allowed to be");
    assert_eq!(fire(&mut timers, at(1_000_000_000)), []);
    assert_eq!(timers.next_deadline(), Some(at(1_000_000_500)));
}

#[test]
fn a_million_timers_in_one_millisecond_are_not_rescanned_each_turn() {
    const TIMERS: usize = 1_000_000;
    let start = 7_000_000_000;
    let mut timers = Timers::new(at(0));
    for payload in 0..1_000_000_u32 {
        // A stride coprime to a million visits every nanosecond of the millisecond once.
        let nanos = u64::from(payload) * 617_311 % 1_000_000;
        timers.arm(at(start + nanos), payload);
    }
    let mut expected = start;
    // A turn for every 250 ns of the millisecond.
    for turn in 0..4_000 {
        timers.expire(at(start + turn * 250 + 249));
        while let Some((_, deadline)) = timers.pop_due() {
            assert_eq!(deadline, at(expected));
            expected += 1;
        }
        assert_eq!(expected, start + (turn + 1) * 250);
    }
    assert_eq!(timers.len(), 0);
    // Once to arm, once for each level. Scanning what is left, each turn, would take 2e9 steps.
    assert!(timers.lists.moves <= 12 * TIMERS, "{} moves", timers.lists.moves);
}

#[test]
fn sleeping_until_next_deadline_reaches_every_timer_without_a_wasted_turn() {
    let mut random = Random(42);
    let mut timers = Timers::new(at(0));
    for payload in 0..1_000 {
        timers.arm(at(random.scaled(63)), payload);
    }
    let mut fired = 0;
    while let Some(deadline) = timers.next_deadline() {
        let batch = fire(&mut timers, deadline).len();
        assert_ne!(batch, 0, "woken at {deadline:?} for nothing");
        fired += batch;
    }
    assert_eq!(fired, 1_000);
}

#[test]
fn random_operations_agree_with_a_sorted_map() {
    for seed in 1..=5 {
        let mut pair = Pair::new(seed);
        for _ in 0..50_000 {
            pair.step();
        }
        assert!(pair.popped > 1_000, "seed {seed} popped only {}", pair.popped);
    }
}

/// The wheel beside an implementation too simple to be wrong.
struct Pair {
    random: Random,
    now: Instant,
    timers: Timers<Payload>,
    /// Every key ever handed out, by payload.
    keys: Vec<TimerKey>,
    /// What is armed, in firing order: deadline, insertion, payload.
    armed: BTreeMap<(Instant, u64), Payload>,
    /// What is due, in firing order.
    due: VecDeque<(Payload, Instant)>,
    insertions: u64,
    popped: u64,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let now = at(seed * 1_000_000_007);
        Self {
            random: Random(seed),
            now,
            timers: Timers::new(now),
            keys: Vec::new(),
            armed: BTreeMap::new(),
            due: VecDeque::new(),
            insertions: 0,
            popped: 0,
        }
    }

    fn step(&mut self) {
        match self.random.below(16) {
            0..6 => self.arm(),
            6..8 => self.cancel(),
            8..11 => self.rearm(),
            11..13 => self.expire(),
            _ => self.pop(),
        }
        assert_eq!(self.timers.len(), self.armed.len() + self.due.len());
        let earliest = self.due.front().map(|(_, deadline)| *deadline);
        let earliest = earliest.or_else(|| self.armed.keys().next().map(|(deadline, _)| *deadline));
        let bound = self.timers.next_deadline();
        assert_eq!(bound.is_some(), earliest.is_some());
        assert!(bound <= earliest, "{bound:?} would sleep past {earliest:?}");
        if !self.due.is_empty() {
            assert_eq!(bound, earliest);
        }
    }

    fn arm(&mut self) {
        let deadline = self.deadline();
        let payload = Payload::try_from(self.keys.len()).unwrap();
        self.keys.push(self.timers.arm(deadline, payload));
        self.insert(deadline, payload);
    }

    fn cancel(&mut self) {
        let Some((key, payload)) = self.pick() else { return };
        let known = self.forget(payload);
        assert_eq!(self.timers.deadline(key), known);
        assert_eq!(self.timers.cancel(key), known.map(|_| payload));
    }

    fn rearm(&mut self) {
        let Some((key, payload)) = self.pick() else { return };
        let deadline = self.deadline();
        let known = self.forget(payload).is_some();
        assert_eq!(self.timers.rearm(key, deadline), known);
        if known {
            self.insert(deadline, payload);
        }
    }

    fn expire(&mut self) {
        let step = match self.random.below(64) {
            0 => self.random.scaled(54),
            _ => self.random.scaled(32),
        };
        self.now += Duration::from_nanos(step);
        self.timers.expire(self.now);
        while let Some(entry) = self.armed.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let ((deadline, _), payload) = entry.remove_entry();
            self.due.push_back((payload, deadline));
        }
    }

    fn pop(&mut self) {
        let popped = self.timers.pop_due();
        self.popped += u64::from(popped.is_some());
        assert_eq!(popped, self.due.pop_front());
    }

    /// A deadline: past, near, far or never, and often the same as another's.
    fn deadline(&mut self) -> Instant {
        match self.random.below(16) {
            0 => Instant::FAR_FUTURE,
            1 => self.now,
            2 => at(self.now.as_nanos().saturating_sub(self.random.below(100))),
            3..6 => self.armed.keys().next().map_or(self.now, |(deadline, _)| *deadline),
            _ => {
                let delay = self.random.scaled(45);
                let grain = 1 << self.random.below(20);
                at((self.now.as_nanos().saturating_add(delay)) / grain * grain)
            }
        }
    }

    /// Mostly a recent key, which is mostly alive.
    fn pick(&mut self) -> Option<(TimerKey, Payload)> {
        let recent = 1 + self.random.scaled(12);
        let place = self.keys.len().checked_sub(usize::try_from(recent).unwrap())?;
        Some((self.keys[place], Payload::try_from(place).unwrap()))
    }

    fn insert(&mut self, deadline: Instant, payload: Payload) {
        self.armed.insert((deadline, self.insertions), payload);
        self.insertions += 1;
    }

    fn forget(&mut self, payload: Payload) -> Option<Instant> {
        if let Some(place) = self.due.iter().position(|(due, _)| *due == payload) {
            return self.due.remove(place).map(|(_, deadline)| deadline);
        }
        let key = *self.armed.iter().find(|(_, armed)| **armed == payload)?.0;
        self.armed.remove(&key);
        Some(key.0)
    }
}

/// A small generator (xorshift64), so that a seed always replays.
struct Random(u64);

impl Random {
    /// A number below `limit`, or zero if that is zero.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }

    /// A number of any magnitude below `2^bits`.
    fn scaled(&mut self, bits: u64) -> u64 {
        let limit = 1 << (1 + self.below(bits));
        self.below(limit)
    }
}
