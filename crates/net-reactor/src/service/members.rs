//! The members that a group has on one loop.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::group::{Group, SlowMembers};
use crate::base::{Bug, ConnId, planted};
use crate::net::CloseReason;
use crate::protocol::{LoopHandle, PostRefused, Reactor};

/// The members of a group that are on one loop.
///
/// Only that loop adds, removes and sends to them; others count and list. So the lock is nearly
/// always free.
pub(super) struct Members {
    owner: LoopHandle,
    slow: SlowMembers,
    /// In the order of their slots, so that one pass goes through the loop's tables in order.
    table: Mutex<BTreeMap<ConnId, Member>>,
    /// Kept beside the table, so that whoever sends from another loop does not wait for it.
    len: AtomicUsize,
}

#[derive(Default)]
struct Member {
    /// Messages that it did not get since it was last told so.
    missed: u64,
}

impl Members {
    pub(super) fn new(owner: LoopHandle, slow: SlowMembers) -> Self {
        Self { owner, slow, table: Mutex::default(), len: AtomicUsize::new(0) }
    }

    pub(super) fn is_of(&self, owner: &LoopHandle) -> bool {
        self.owner.is_same(owner)
    }

    pub(super) fn is_on(&self, reactor: &Reactor<'_>) -> bool {
        self.is_of(&reactor.handle())
    }

    /// Whether a connection is one of this loop.
    pub(super) fn is_home_of(&self, id: ConnId) -> bool {
        self.owner.shared.id == id.loop_id
    }

    /// Whether the loop was dropped, and every member with it.
    pub(super) fn is_gone(&self) -> bool {
        self.owner.is_gone()
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    pub(super) fn contains(&self, id: ConnId) -> bool {
        self.lock().contains_key(&id)
    }

    pub(super) fn ids(&self) -> Vec<ConnId> {
        self.lock().keys().copied().collect()
    }

    pub(super) fn take_missed(&self, id: ConnId) -> u64 {
        self.lock().get_mut(&id).map_or(0, |member| std::mem::take(&mut member.missed))
    }

    /// Sends to every member but one; returns to how many.
    ///
    /// Nothing that is done with a connection calls a handler, so no membership begins or ends
    /// meanwhile.
    pub(super) fn send(
        &self,
        reactor: &mut Reactor<'_>,
        bytes: &Bytes,
        except: Option<ConnId>,
    ) -> usize {
        let mut reached = 0;
        for (id, member) in self.lock().iter_mut().filter(|(id, _)| Some(**id) != except) {
            reached += usize::from(self.send_to(*id, member, reactor, bytes));
        }
        reached
    }

    fn send_to(
        &self,
        id: ConnId,
        member: &mut Member,
        reactor: &mut Reactor<'_>,
        bytes: &Bytes,
    ) -> bool {
        let Some(mut conn) = reactor.conn(id) else { return false };
        match self.slow {
            _ if planted(Bug::SlowMembersServed) => {}
            SlowMembers::Cut => {}
            SlowMembers::CutAbove { queued_bytes: limit_bytes } => {
                let queued_bytes = conn.stats().queued_bytes + bytes.len();
                if queued_bytes > limit_bytes {
                    conn.abort_for(CloseReason::SlowConsumer { queued_bytes, limit_bytes });
                    return false;
                }
            }
            SlowMembers::Skip if conn.is_pressing() => {
                member.missed += 1;
                return false;
            }
            SlowMembers::Skip => {}
        }
        // One that is closing gets nothing any more, and one that is too slow was closed just now.
        conn.write_shared(bytes.clone()).is_ok()
    }

    /// Has the loop send to its members.
    pub(super) fn post(
        self: &Arc<Self>,
        bytes: &Bytes,
        except: Option<ConnId>,
    ) -> Result<(), PostRefused> {
        let (members, shared) = (Arc::clone(self), bytes.clone());
        let call = move |reactor: &mut Reactor<'_>| {
            members.send(reactor, &shared, except);
        };
        self.owner.run_with_bytes(call, bytes.len()).map_err(|error| {
            tracing::warn!(owner = ?self.owner, reason = ?error.reason, "a broadcast misses a loop");
            error.reason
        })
    }

    fn insert(&self, id: ConnId) {
        let mut table = self.lock();
        table.insert(id, Member::default());
        self.len.store(table.len(), Ordering::Release);
    }

    fn remove(&self, id: ConnId) {
        let mut table = self.lock();
        table.remove(&id);
        self.len.store(table.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConnId, Member>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("owner", &self.owner).field("len", &self.len()).finish()
    }
}

/// One connection's part in one group. The connection keeps it; dropping it is leaving.
pub(super) struct Membership {
    /// A group lives as long as it has a member.
    group: Group,
    members: Arc<Members>,
    id: ConnId,
}

impl Membership {
    pub(super) fn begin(group: Group, members: Arc<Members>, id: ConnId) -> Self {
        members.insert(id);
        Self { group, members, id }
    }

    pub(super) fn is_in(&self, group: &Group) -> bool {
        Arc::ptr_eq(&self.group.shared, &group.shared)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if !planted(Bug::MembershipKept) {
            self.members.remove(self.id);
        }
    }
}
