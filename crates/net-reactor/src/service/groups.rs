//! Groups by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::group::{Group, GroupShared, SlowMembers};

/// Groups that are found by name: the rooms of a chat, the topics of a feed.
///
/// It is shared by cloning it, also with other threads. A [group](Group) comes into being when it is
/// first asked for. It lives as long as it has a member or somebody holds it, so that names which
/// peers make up cost nothing once nobody is there.
///
/// ```
/// use net_reactor::{Groups, SlowMembers, prelude::*};
///
/// /// A line `+room` joins a room, `-room` leaves it; any other goes to the first word's room.
/// struct Guest {
///     rooms: Groups,
/// }
///
/// impl Protocol for Guest {
///     fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
///         while let Some(line) = input.line(1024)? {
///             let line = String::from_utf8_lossy(line);
///             if let Some(room) = line.strip_prefix('+') {
///                 self.rooms.get(room).join(conn)?;
///             } else if let Some(room) = line.strip_prefix('-') {
///                 self.rooms.get(room).leave(conn);
///             } else if let Some(room) = line.split(' ').next().and_then(|it| self.rooms.find(it)) {
///                 room.broadcast_from(conn, format!("{line}\n"));
///             }
///         }
///         Ok(())
///     }
/// }
///
/// let rooms = Groups::new(SlowMembers::Skip);
/// let server = Server::new(move |_peer| Guest { rooms: rooms.clone() });
/// ```
#[derive(Clone, Default)]
pub struct Groups {
    shared: Arc<Names>,
}

#[derive(Default)]
struct Names {
    slow: SlowMembers,
    groups: Mutex<BTreeMap<Arc<str>, Weak<GroupShared>>>,
}

impl Names {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Weak<GroupShared>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Groups {
    /// Makes an empty collection, whose groups all deal with slow members in the same way.
    #[must_use]
    pub fn new(slow: SlowMembers) -> Self {
        Self { shared: Arc::new(Names { slow, groups: Mutex::default() }) }
    }

    /// Returns the group of a name; makes it if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Group {
        let mut groups = self.shared.lock();
        if let Some(shared) = groups.get(name).and_then(Weak::upgrade) {
            return Group { shared };
        }
        let name: Arc<str> = name.into();
        let registration =
            Registration { names: Arc::clone(&self.shared), name: Arc::clone(&name) };
        let group = Group::registered(self.shared.slow, Some(registration));
        groups.insert(name, Arc::downgrade(&group.shared));
        group
    }

    /// Returns the group of a name, if there is one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Group> {
        let shared = self.shared.lock().get(name)?.upgrade()?;
        Some(Group { shared })
    }

    /// Lists the groups that have members, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Group> {
        // All of them leave the lock alive: the last holder of a group asks for the lock.
        let shared: Vec<_> = self.shared.lock().values().filter_map(Weak::upgrade).collect();
        let groups = shared.into_iter().map(|shared| Group { shared });
        groups.filter(|group| !group.is_empty()).collect()
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups")
            .field("len", &self.shared.lock().len())
            .field("slow", &self.shared.slow)
            .finish()
    }
}

/// A group's place among the named ones, which it gives up with its last holder.
pub(super) struct Registration {
    names: Arc<Names>,
    name: Arc<str>,
}

impl Registration {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut groups = self.names.lock();
        // Meanwhile the name may be that of a new group.
        if groups.get(&self.name).is_some_and(|group| group.strong_count() == 0) {
            groups.remove(&self.name);
        }
    }
}
