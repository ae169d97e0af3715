//! Timers in a binary heap; a cancelled one stays in it until it surfaces or half the heap is dead.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::timers::TimerBench;

/// Below this size dead entries are not worth a sweep.
const SWEEP_MIN: usize = 64;

pub(super) struct HeapTimers {
    /// Deadline, age, and the slot that tells whether the timer still lives.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    slots: Vec<Slot>,
    free_slots: Vec<usize>,
    next_number: u64,
    live: usize,
}

/// Holds the timer with this number, or none if the number has moved on.
struct Slot {
    number: u64,
    tag: u64,
}

/// No timer has this number.
const VACANT: u64 = u64::MAX;

impl TimerBench for HeapTimers {
    type Key = (usize, u64);

    fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free_slots: Vec::new(),
            next_number: 0,
            live: 0,
        }
    }

    fn arm(&mut self, deadline_ns: u64, tag: u64) -> Self::Key {
        let number = self.next_number;
        self.next_number += 1;
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.slots.push(Slot { number: VACANT, tag: 0 });
            self.slots.len() - 1
        });
        self.slots[slot] = Slot { number, tag };
        self.heap.push(Reverse((deadline_ns, number, slot)));
        self.live += 1;
        (slot, number)
    }

    fn cancel(&mut self, (slot, number): Self::Key) -> bool {
        let was_armed = self.release(slot, number).is_some();
        if self.heap.len() > SWEEP_MIN && self.heap.len() > 2 * self.live {
            let slots = &self.slots;
            self.heap.retain(|Reverse((_, number, slot))| slots[*slot].number == *number);
        }
        was_armed
    }

    fn expire(&mut self, now_ns: u64, fire: &mut impl FnMut(u64)) {
        while let Some(Reverse((deadline_ns, number, slot))) = self.heap.peek().copied() {
            if deadline_ns > now_ns {
                return;
            }
            self.heap.pop();
            if let Some(tag) = self.release(slot, number) {
                fire(tag);
            }
        }
    }
}

impl HeapTimers {
    /// Frees the slot and returns its tag if it still holds the timer with this number.
    fn release(&mut self, slot: usize, number: u64) -> Option<u64> {
        let held = &mut self.slots[slot];
        if held.number != number {
            return None;
        }
        held.number = VACANT;
        self.free_slots.push(slot);
        self.live -= 1;
        Some(held.tag)
    }
}
