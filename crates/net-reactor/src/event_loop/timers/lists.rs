//! The timers' storage: a slab, threaded into doubly linked lists.

use crate::base::Instant;
use crate::event_loop::timers::wheel;

/// The list of timers that `expire` found due and `pop_due` hands out.
pub(super) const DUE: u32 = wheel::SLOTS;

/// The list of timers that were armed with a deadline already reached.
pub(super) const OVERDUE: u32 = wheel::SLOTS + 1;

const LISTS: u32 = wheel::SLOTS + 2;
const ROWS: usize = LISTS.div_ceil(u64::BITS) as usize;
const NO_PLACE: u32 = u32::MAX;

/// Circular lists of timers: one for each slot of the wheel, then [`DUE`] and [`OVERDUE`].
///
/// ```text
///   links:   [ list 0 | list 1 | ... | DUE | OVERDUE | place 0 | place 1 | place 2 | ... ]
///   timers:                                          [ timer   | vacant  | timer   | ... ]
/// ```
///
/// A timer's index is that of its link. A list has a link of its own, at the list's number, that
/// closes the circle. A timer can therefore leave its list without knowing which list that is,
/// and the one that leaves last finds the list's number in its own links.
///
/// Links are apart from timers because most operations touch several links but one timer, and
/// a million links of eight bytes stay in the cache where whole timers would not.
pub(super) struct Lists<T> {
    links: Vec<Link>,
    timers: Vec<Timer<T>>,
    /// The first vacant place, as an index; vacant places are chained by `next`.
    vacant: u32,
    /// For each list that is not empty, a time before which none of its timers is due.
    bounds: Vec<Instant>,
    /// One bit for each list: set exactly while the list holds a timer.
    occupied: [u64; ROWS],
    /// How often a timer was put into a list, for the test that bounds it.
    #[cfg(test)]
    pub(super) moves: usize,
}

#[derive(Clone, Copy)]
struct Link {
    next: u32,
    prev: u32,
}

struct Timer<T> {
    deadline: Instant,
    /// Absent while the place is vacant.
    payload: Option<T>,
    /// Changes whenever the place becomes vacant, so that old keys stop matching.
    generation: u32,
}

impl<T: Copy> Lists<T> {
    /// Makes the lists, all empty.
    pub(super) fn new() -> Self {
        Self {
            links: (0..LISTS).map(|list| Link { next: list, prev: list }).collect(),
            timers: Vec::new(),
            vacant: NO_PLACE,
            bounds: vec![Instant::FAR_FUTURE; LISTS as usize],
            occupied: [0; ROWS],
            #[cfg(test)]
            moves: 0,
        }
    }

    /// Adds a timer at the end of `list`; returns its index and generation.
    pub(super) fn insert(&mut self, list: u32, deadline: Instant, payload: T) -> (u32, u32) {
        if self.vacant == NO_PLACE {
            self.add_place(deadline);
        }
        let index = self.vacant;
        self.vacant = self.links[index as usize].next;
        let timer = &mut self.timers[place(index)];
        timer.deadline = deadline;
        timer.payload = Some(payload);
        let generation = timer.generation;
        self.link(index, list, deadline);
        (index, generation)
    }

    /// Takes the timer at `index` out of its list and vacates its place.
    pub(super) fn remove(&mut self, index: u32) -> (T, Instant) {
        self.unlink(index);
        self.links[index as usize].next = self.vacant;
        self.vacant = index;
        let timer = &mut self.timers[place(index)];
        timer.generation = timer.generation.wrapping_add(1);
        let payload = timer.payload.take().expect("invariant: a linked place holds a timer");
        (payload, timer.deadline)
    }

    /// Gives the timer at `index` a new deadline and puts it at the end of `list`.
    pub(super) fn relocate(&mut self, index: u32, list: u32, deadline: Instant) {
        self.unlink(index);
        self.timers[place(index)].deadline = deadline;
        self.link(index, list, deadline);
    }

    /// Moves every timer of `list`, in order, to the end of the list that `target` picks.
    ///
    /// `target` must not pick `list` itself.
    pub(super) fn distribute(&mut self, list: u32, target: impl Fn(Instant) -> u32) {
        let mut index = self.links[list as usize].next;
        self.reset(list);
        while index != list {
            let next = self.links[index as usize].next;
            let deadline = self.timers[place(index)].deadline;
            let target = target(deadline);
            debug_assert_ne!(target, list, "a timer would be distributed for ever");
            self.link(index, target, deadline);
            index = next;
        }
    }

    /// Puts the timers of `list` in the order given, which must name each of them once.
    pub(super) fn reorder(&mut self, list: u32, order: impl Iterator<Item = (u32, Instant)>) {
        self.reset(list);
        for (index, deadline) in order {
            self.link(index, list, deadline);
        }
    }

    /// Returns the deadline of the timer that a key names, if it is still there.
    pub(super) fn deadline(&self, index: u32, generation: u32) -> Option<Instant> {
        let timer = self.timers.get(place(index))?;
        (timer.generation == generation && timer.payload.is_some()).then_some(timer.deadline)
    }

    /// Returns the index and deadline of the first timer of `list`.
    pub(super) fn first(&self, list: u32) -> Option<(u32, Instant)> {
        self.iter(list).next()
    }

    /// Walks over the timers of `list`, first to last: index and deadline.
    pub(super) fn iter(&self, list: u32) -> impl Iterator<Item = (u32, Instant)> {
        let mut index = list;
        std::iter::from_fn(move || {
            index = self.links[index as usize].next;
            (index != list).then(|| (index, self.timers[place(index)].deadline))
        })
    }

    /// Returns a time before which no timer of `list`, which must not be empty, is due.
    ///
    /// It is the earliest deadline unless a timer has left the list.
    pub(super) fn bound(&self, list: u32) -> Instant {
        debug_assert!(self.first(list).is_some(), "an empty list has no bound");
        self.bounds[list as usize]
    }

    /// Returns the first slot of the wheel that holds a timer: the one due earliest.
    pub(super) fn first_slot(&self) -> Option<u32> {
        let levels = &self.occupied[..wheel::LEVELS as usize];
        (0..).zip(levels).find_map(|(level, slots)| {
            (*slots != 0).then(|| level * wheel::SLOTS_PER_LEVEL + slots.trailing_zeros())
        })
    }

    /// Adds a vacant place to the slab, which must have none.
    fn add_place(&mut self, deadline: Instant) {
        let index = u32::try_from(self.links.len())
            .ok()
            .filter(|index| *index != NO_PLACE)
            .expect("invariant: memory ends before 160 GiB of timers");
        self.links.push(Link { next: NO_PLACE, prev: NO_PLACE });
        self.timers.push(Timer { deadline, payload: None, generation: 0 });
        self.vacant = index;
    }

    fn link(&mut self, index: u32, list: u32, deadline: Instant) {
        let last = std::mem::replace(&mut self.links[list as usize].prev, index);
        self.links[last as usize].next = index;
        self.links[index as usize] = Link { next: list, prev: last };
        let bound = &mut self.bounds[list as usize];
        *bound = if last == list { deadline } else { deadline.min(*bound) };
        self.occupied[row(list)] |= bit(list);
        #[cfg(test)]
        {
            self.moves += 1;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Link { next, prev } = self.links[index as usize];
        self.links[next as usize].prev = prev;
        self.links[prev as usize].next = next;
        if next == prev {
            // Only a list's own link can be both neighbours, so that list is now empty.
            self.occupied[row(next)] &= !bit(next);
        }
    }

    /// Makes `list` empty; its timers are still chained by `next`, up to `list` itself.
    fn reset(&mut self, list: u32) {
        self.links[list as usize] = Link { next: list, prev: list };
        self.occupied[row(list)] &= !bit(list);
    }
}

/// Returns where in the slab the timer at `index` is.
fn place(index: u32) -> usize {
    debug_assert!(index >= LISTS, "a list is not a timer");
    (index - LISTS) as usize
}

fn row(list: u32) -> usize {
    (list / u64::BITS) as usize
}

fn bit(list: u32) -> u64 {
    1 << (list % u64::BITS)
}

#[cfg(test)]
const _: () = assert!(
    size_of::<Link>() + size_of::<Timer<[u32; 4]>>() <= 40,
    "a timer with a payload of 16 bytes takes at most 40"
);
