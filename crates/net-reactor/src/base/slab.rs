//! Slots with generation: identity that goes stale instead of going wrong.

use std::fmt;

use super::{Bug, planted};

/// The identity of a slot: its index, and how many times the slot was reused before.
///
/// A key outlives the value it named. Looking it up afterwards finds nothing, because the slot's
/// generation has moved on, even when another value sits in the same slot by then.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}v{}", self.index, self.generation)
    }
}

#[derive(Debug)]
enum Slot<T> {
    /// The next free slot, or [`END`].
    Free {
        next: u32,
    },
    Used(T),
}

/// The end of the free list.
const END: u32 = u32::MAX;

/// A table of values with stable, generational keys.
///
/// Free slots are reused last in, first out, so that hot slots stay hot. Insert, look-up and
/// remove are constant time; nothing is ever scanned.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<(u32, Slot<T>)>,
    free: u32,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: END, len: 0 }
    }
}

impl<T> Slab<T> {
    /// Stores `value` and returns its key.
    ///
    /// # Panics
    ///
    /// When the table holds `u32::MAX - 1` values.
    pub(crate) fn insert(&mut self, value: T) -> Key {
        self.len += 1;
        if self.free == END {
            let index = u32::try_from(self.slots.len()).expect("invariant: fewer than 2^32 slots");
            self.slots.push((0, Slot::Used(value)));
            return Key { index, generation: 0 };
        }
        let index = self.free;
        let (generation, slot) = &mut self.slots[index as usize];
        if let Slot::Free { next } = *slot {
            self.free = next;
        }
        *slot = Slot::Used(value);
        Key { index, generation: *generation }
    }

    /// Removes and returns the value, or `None` if the key is stale.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let (generation, slot) = self.slots.get_mut(key.index as usize)?;
        if *generation != key.generation || matches!(slot, Slot::Free { .. }) {
            return None;
        }
        let removed = std::mem::replace(slot, Slot::Free { next: self.free });
        *generation = generation.wrapping_add(1);
        self.free = key.index;
        self.len -= 1;
        match removed {
            Slot::Used(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        match self.slots.get(key.index as usize) {
            Some((generation, Slot::Used(value))) if is_same(*generation, key) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slots.get_mut(key.index as usize) {
            Some((generation, Slot::Used(value))) if is_same(*generation, key) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Visits every value in slot order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, (generation, slot))| match slot {
            Slot::Used(value) => {
                let index = u32::try_from(index).expect("invariant: fewer than 2^32 slots");
                Some((Key { index, generation: *generation }, value))
            }
            Slot::Free { .. } => None,
        })
    }
}

/// Whether a slot of this generation holds the value that `key` names.
fn is_same(generation: u32, key: Key) -> bool {
    generation == key.generation || planted(Bug::StaleKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing_even_after_reuse() {
        let mut slab = Slab::default();
        let first = slab.insert("a");
        assert_eq!(slab.remove(first), Some("a"));
        let second = slab.insert("b");
        assert_eq!(first.index, second.index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"b"));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn free_slots_are_reused_last_in_first_out() {
        let mut slab = Slab::default();
        let keys: Vec<_> = (0..4).map(|n| slab.insert(n)).collect();
        slab.remove(keys[1]);
        slab.remove(keys[3]);
        assert_eq!(slab.insert(10).index, 3);
        assert_eq!(slab.insert(11).index, 1);
        assert_eq!(slab.insert(12).index, 4);
    }

    #[test]
    fn iteration_visits_live_values_only() {
        let mut slab = Slab::default();
        let a = slab.insert(1);
        let b = slab.insert(2);
        slab.remove(a);
        assert_eq!(slab.iter().collect::<Vec<_>>(), vec![(b, &2)]);
    }
}
