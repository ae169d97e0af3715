//! A group of connections that are sent to together.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::groups::Registration;
use super::members::{Members, Membership};
use crate::base::ConnId;
use crate::protocol::{Conn, LoopHandle, PostRefused, Reactor};

/// How many groups one connection may be in: 1024.
pub(crate) const GROUPS_PER_CONNECTION_MAX: usize = 1024;

/// What a group does with a member that reads more slowly than it is sent to.
///
/// Whatever it is, the others are not held up by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SlowMembers {
    /// It gets everything, until its output is over its own limit
    /// ([`output_max`](crate::ConnConfig::output_max), 16 MiB): then it is closed with
    /// [`SlowConsumer`](crate::CloseReason::SlowConsumer).
    #[default]
    Cut,
    /// The same with a limit of the group's own: what would bring a member's output above it closes
    /// the member.
    CutAbove {
        /// Queued output, with what is about to be sent.
        queued_bytes: usize,
    },
    /// It misses what is sent while its output is pressing: from the high mark
    /// ([`on_pressure(High)`](crate::Protocol::on_pressure), 256 KiB) to the low one (64 KiB).
    /// [`Group::take_missed`] tells how many that were. Its own limit holds all the same.
    Skip,
}

/// A set of connections that are sent to together: a room, a topic, everybody.
///
/// A group is shared by cloning it, also with other threads. Its members may be on several loops and
/// of several servers and clients. A member leaves by itself when its connection ends: it is in the
/// group from [`join`](Self::join) on, and not any more in its
/// [`on_close`](crate::Protocol::on_close).
///
/// What is sent to a group is one buffer, however many members it has; each is subject to its own
/// limits, and [`SlowMembers`] says what happens to a slow one. To frame it, encode it once with
/// [`Encoder::to_bytes`](crate::codec::Encoder::to_bytes). Members whose bytes are packed need a
/// [`Layer`](crate::Layer), which packs for each of them: a codec that packs frame by frame does so for
/// one connection alone.
///
/// ```
/// use net_reactor::codec::{Encoder, Lines};
/// use net_reactor::{Group, SlowMembers, prelude::*};
///
/// struct Guest {
///     room: Group,
/// }
///
/// impl FrameHandler<Lines> for Guest {
///     fn on_open(&mut self, conn: &mut FrameConn<'_, Lines>) -> Flow {
///         Ok(self.room.join(conn)?)
///     }
///
///     fn on_frame(&mut self, conn: &mut FrameConn<'_, Lines>, line: &[u8]) -> Flow {
///         let line = conn.codec().to_bytes(line)?;
///         self.room.broadcast(conn.reactor(), line);
///         Ok(())
///     }
/// }
///
/// let room = Group::new(SlowMembers::Skip);
/// let server = Server::new(move |_peer| {
///     Framed::new(Lines::new(), Guest { room: room.clone() })
/// });
/// ```
///
/// # Order
///
/// Members on the loop of the sender are sent to within the call, so that what one callback writes
/// and broadcasts arrives in the order of its calls. The other loops get one post each, and only
/// those that have members: there it is sent in the next turn. What one thread broadcasts arrives in
/// the order in which it was sent, and so does what one thread posts. A [`post`](Self::post) from a
/// loop's own thread comes behind what that loop still broadcasts in the same turn.
#[derive(Clone)]
pub struct Group {
    pub(super) shared: Arc<GroupShared>,
}

/// What the handles and the members of a group share.
pub(super) struct GroupShared {
    slow: SlowMembers,
    /// The members of each loop that had one, in the order in which they had. The list is replaced,
    /// never changed, so that nobody sends while it is locked.
    loops: Mutex<Arc<[Arc<Members>]>>,
    /// Its place among the named ones, if it has a name.
    pub(super) registration: Option<Registration>,
}

impl Default for Group {
    fn default() -> Self {
        Self::new(SlowMembers::default())
    }
}

impl Group {
    /// Makes an empty group.
    #[must_use]
    pub fn new(slow: SlowMembers) -> Self {
        Self::registered(slow, None)
    }

    pub(super) fn registered(slow: SlowMembers, registration: Option<Registration>) -> Self {
        let loops = Mutex::new(Arc::from([]));
        Self { shared: Arc::new(GroupShared { slow, loops, registration }) }
    }

    /// Makes a connection a member; one that is a member stays one.
    ///
    /// # Errors
    ///
    /// [`JoinError::Closed`] when nothing can be sent to it any more, and
    /// [`JoinError::TooManyGroups`] when it is in 1024 groups.
    pub fn join(&self, conn: &mut Conn<'_>) -> Result<(), JoinError> {
        if !conn.is_open() {
            return Err(JoinError::Closed);
        }
        let id = conn.id();
        if self.contains(id) {
            return Ok(());
        }
        let kept = conn.kept().map_or(&[][..], |kept| kept);
        if kept.iter().filter(|kept| kept.is::<Membership>()).count() >= GROUPS_PER_CONNECTION_MAX {
            return Err(JoinError::TooManyGroups { limit: GROUPS_PER_CONNECTION_MAX });
        }
        let members = self.members_on(&conn.reactor().handle());
        conn.keep(Box::new(Membership::begin(self.clone(), members, id)));
        Ok(())
    }

    /// Ends a connection's membership; returns whether it was a member.
    pub fn leave(&self, conn: &mut Conn<'_>) -> bool {
        let Some(kept) = conn.kept() else { return false };
        let is_ours = |membership: &Membership| membership.is_in(self);
        let place = kept.iter().position(|kept| kept.downcast_ref().is_some_and(is_ours));
        place.map(|place| kept.swap_remove(place)).is_some()
    }

    /// Whether a connection, of any loop, is a member.
    #[must_use]
    pub fn contains(&self, id: ConnId) -> bool {
        self.loops().iter().any(|members| members.is_home_of(id) && members.contains(id))
    }

    /// Returns how many members there are on all loops.
    #[must_use]
    pub fn len(&self) -> usize {
        self.loops().iter().map(|members| members.len()).sum()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lists the members of all loops.
    #[must_use]
    pub fn members(&self) -> Vec<ConnId> {
        self.loops().iter().flat_map(|members| members.ids()).collect()
    }

    /// Returns the name, if [`Groups`](super::Groups) gave it one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.shared.registration.as_ref().map(Registration::name)
    }

    /// Sends `bytes` to every member.
    pub fn broadcast(&self, reactor: &mut Reactor<'_>, bytes: impl Into<Bytes>) -> Reached {
        self.send(Some(reactor), &bytes.into(), None)
    }

    /// Sends `bytes` to every member but the one they come from.
    pub fn broadcast_from(&self, from: &mut Conn<'_>, bytes: impl Into<Bytes>) -> Reached {
        let except = from.id();
        self.send(Some(from.reactor()), &bytes.into(), Some(except))
    }

    /// Sends `bytes` to every member, from any thread: as [`broadcast`](Self::broadcast) to members
    /// on other loops.
    pub fn post(&self, bytes: impl Into<Bytes>) -> Reached {
        self.send(None, &bytes.into(), None)
    }

    fn send(
        &self,
        mut reactor: Option<&mut Reactor<'_>>,
        bytes: &Bytes,
        except: Option<ConnId>,
    ) -> Reached {
        let mut reached = Reached::default();
        for members in self.loops().iter().filter(|members| members.len() > 0) {
            match reactor.as_deref_mut().filter(|reactor| members.is_on(reactor)) {
                Some(reactor) => reached.members += members.send(reactor, bytes, except),
                None => match members.post(bytes, except) {
                    Ok(()) => reached.loops += 1,
                    Err(PostRefused::Full) => reached.loops_missed += 1,
                    // Its members have ended with it.
                    Err(PostRefused::LoopGone) => {}
                },
            }
        }
        reached
    }

    /// Returns how many messages a member has missed, because it was slow and the group
    /// [skips](SlowMembers::Skip) such members, and starts to count anew.
    ///
    /// A good place to tell the member is its
    /// [`on_pressure(Low)`](crate::Protocol::on_pressure): it has just caught up.
    #[must_use]
    pub fn take_missed(&self, conn: &Conn<'_>) -> u64 {
        let id = conn.id();
        let loops = self.loops();
        let members = loops.iter().find(|members| members.is_home_of(id));
        members.map_or(0, |members| members.take_missed(id))
    }

    fn loops(&self) -> Arc<[Arc<Members>]> {
        Arc::clone(&self.lock_loops())
    }

    fn lock_loops(&self) -> MutexGuard<'_, Arc<[Arc<Members>]>> {
        self.shared.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the members on one loop; makes room for them, and forgets the loops that are gone.
    fn members_on(&self, owner: &LoopHandle) -> Arc<Members> {
        let mut loops = self.lock_loops();
        if let Some(members) = loops.iter().find(|members| members.is_of(owner)) {
            return Arc::clone(members);
        }
        let members = Arc::new(Members::new(owner.clone(), self.shared.slow));
        let others = loops.iter().filter(|members| !members.is_gone()).cloned();
        *loops = others.chain([Arc::clone(&members)]).collect();
        members
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (slow, name, len) = (self.shared.slow, self.name(), self.len());
        f.debug_struct("Group")
            .field("name", &name)
            .field("len", &len)
            .field("slow", &slow)
            .finish_non_exhaustive()
    }
}

/// Whom a broadcast was queued for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reached {
    /// Members on the sender's own loop; those that were skipped or cut are not counted.
    pub members: usize,
    /// Other loops that it is on its way to.
    pub loops: usize,
    /// Loops whose inbox is full: their members do not get it.
    pub loops_missed: usize,
}

/// Why a connection cannot become a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The connection is closed or closing, or its writing is shut down.
    Closed,
    /// The connection is in as many groups as one may be.
    TooManyGroups {
        /// How many that are.
        limit: usize,
    },
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("a connection that is closed joins no group"),
            Self::TooManyGroups { limit } => write!(f, "the connection is in {limit} groups"),
        }
    }
}

impl Error for JoinError {}
