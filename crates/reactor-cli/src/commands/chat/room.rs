//! The room, as all its members see it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use net_reactor::codec::Lines;
use net_reactor::{Group, SlowMembers};

use super::log::Log;
use super::name::Name;

/// What the room allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Who comes when there are so many is turned away.
    pub(crate) members_max: usize,
    /// A longer line ends its connection.
    pub(crate) line_bytes_max: usize,
    /// Who speaks faster is read more slowly.
    pub(crate) lines_per_second: NonZeroU32,
}

/// A room, whose members may be on several loops. A clone is the same room.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    log: Log,
    group: Group,
    names: Mutex<Names>,
}

/// Who is there. To have a name is to have a seat.
#[derive(Debug, Default)]
struct Names {
    by_key: BTreeMap<String, Name>,
    /// How many names were made up.
    guests: u64,
}

impl Room {
    pub(crate) fn new(limits: Limits, log: Log) -> Self {
        // Who does not read misses lines, and is told how many: a chat is worth little when it is old.
        let group = Group::new(SlowMembers::Skip);
        Self { shared: Arc::new(Shared { limits, log, group, names: Mutex::default() }) }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(super) fn log(&self) -> &Log {
        &self.shared.log
    }

    pub(super) fn group(&self) -> &Group {
        &self.shared.group
    }

    pub(super) fn codec(&self) -> Lines {
        Lines::new().max(self.shared.limits.line_bytes_max)
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.shared.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives somebody a seat and a name, and says how many are there with it; or it is full.
    pub(super) fn enter(&self) -> Option<(Name, usize)> {
        let mut names = self.names();
        if names.by_key.len() >= self.shared.limits.members_max {
            return None;
        }
        loop {
            names.guests += 1;
            let name = Name::of_guest(names.guests);
            // Somebody may have chosen it.
            if let Entry::Vacant(seat) = names.by_key.entry(name.key()) {
                seat.insert(name.clone());
                return Some((name, names.by_key.len()));
            }
        }
    }

    /// Changes a name; returns whether the new one was free.
    pub(super) fn rename(&self, old: &Name, new: &Name) -> bool {
        let mut names = self.names();
        if old.key() != new.key() && names.by_key.contains_key(&new.key()) {
            return false;
        }
        names.by_key.remove(&old.key());
        names.by_key.insert(new.key(), new.clone());
        true
    }

    pub(super) fn leave(&self, name: &Name) {
        self.names().by_key.remove(&name.key());
    }

    /// Returns the names of all who are there.
    pub(super) fn who(&self) -> Vec<Name> {
        self.names().by_key.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(members_max: usize) -> Room {
        let lines_per_second = NonZeroU32::MIN;
        Room::new(Limits { members_max, line_bytes_max: 100, lines_per_second }, Log::default())
    }

    #[test]
    fn a_seat_that_is_left_is_free_again() {
        let room = room(2);
        let (first, _) = room.enter().unwrap();
        let (second, count) = room.enter().unwrap();
        assert_eq!((second.to_string().as_str(), count), ("guest2", 2));
        assert!(room.enter().is_none());
        room.leave(&first);
        assert_eq!(room.enter().unwrap().0.to_string(), "guest3");
    }

    #[test]
    fn a_name_belongs_to_one() {
        let room = room(3);
        let (first, _) = room.enter().unwrap();
        let name = |text| Name::parse(text).unwrap();
        // Somebody takes the name that the next guest would get.
        assert!(room.rename(&first, &name("GUEST2")));
        let (second, _) = room.enter().unwrap();
        assert_eq!(second.to_string(), "guest3");
        assert!(!room.rename(&second, &name("guest2")));
        assert!(room.rename(&second, &name("Guest3")), "its own, written differently");
        assert_eq!(room.who(), [name("GUEST2"), name("Guest3")]);
    }
}
