//! Values beside a table of another layer.

use std::fmt;

use super::{Bug, Key, planted};

/// Values by key, following a [`Slab`](super::Slab) that deals the keys out elsewhere.
///
/// A layer keeps here what belongs to a slot of the layer below or above: its socket, its handler.
/// A value can be taken out and put back. A stale key finds nothing.
pub(crate) struct SideTable<T> {
    entries: Vec<Option<(u32, T)>>,
}

impl<T> Default for SideTable<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T> SideTable<T> {
    /// Stores a value; what an earlier user of the slot left there is dropped.
    pub(crate) fn put(&mut self, key: Key, value: T) {
        *self.entry(key) = Some((key.generation, value));
    }

    /// Returns how many values there are, by counting them.
    #[cfg(feature = "sim")]
    pub(crate) fn len(&self) -> usize {
        self.entries.iter().flatten().count()
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        match self.entries.get(key.index as usize) {
            Some(Some((generation, value))) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let any = planted(Bug::StaleToken);
        match self.entries.get_mut(key.index as usize) {
            Some(Some((generation, value))) if *generation == key.generation || any => Some(value),
            _ => None,
        }
    }

    /// Returns the value of `key`, which `make` makes if there is none.
    pub(crate) fn get_or_put_with(&mut self, key: Key, make: impl FnOnce() -> T) -> &mut T {
        let entry = self.entry(key);
        if entry.as_ref().is_some_and(|(generation, _)| *generation != key.generation) {
            *entry = None;
        }
        &mut entry.get_or_insert_with(|| (key.generation, make())).1
    }

    pub(crate) fn take(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if matches!(entry, Some((generation, _)) if *generation == key.generation) {
            entry.take().map(|(_, value)| value)
        } else {
            None
        }
    }

    fn entry(&mut self, key: Key) -> &mut Option<(u32, T)> {
        let index = key.index as usize;
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, || None);
        }
        &mut self.entries[index]
    }
}

impl<T> fmt::Debug for SideTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.entries.iter().filter(|entry| entry.is_some()).count();
        f.debug_struct("SideTable").field("used", &used).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_under_its_own_generation_only() {
        let mut table = SideTable::default();
        let (old, new) = (Key { index: 3, generation: 0 }, Key { index: 3, generation: 1 });
        table.put(old, 'a');
        assert_eq!((table.get(old), table.get(new)), (Some(&'a'), None));
        assert!(table.get_mut(new).is_none() && table.take(new).is_none());
        table.put(new, 'b');
        assert_eq!(*table.get_or_put_with(new, || 'c'), 'b');
        assert_eq!((table.take(old), table.take(new)), (None, Some('b')));
        assert_eq!(*table.get_or_put_with(old, || 'a'), 'a');
        assert_eq!(*table.get_or_put_with(new, || 'c'), 'c');
        assert_eq!((table.take(old), table.take(new)), (None, Some('c')));
        assert_eq!(table.take(new), None);
    }
}
