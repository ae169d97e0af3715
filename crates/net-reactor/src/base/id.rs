//! Public identities. All are `Copy`, none keeps anything alive, and a stale one names nothing.

use std::fmt;

use super::Key;

/// The number of a loop, unique in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LoopId(pub(crate) u32);

impl LoopId {
    /// Numbers from here on are of simulated loops, each simulation counting its own.
    pub(crate) const SIMULATED_MIN: u32 = 1 << 31;
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name {
            pub(crate) loop_id: LoopId,
            pub(crate) key: Key,
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Key { index, generation } = self.key;
                write!(f, concat!($prefix, "{}.{}.{}"), self.loop_id.0, index, generation)
            }
        }
    };
}

id! {
    /// The identity of a connection, shown as `c<loop>.<slot>.<generation>`.
    ///
    /// It may be kept, copied and sent anywhere. After the connection is closed it names nothing,
    /// also when its slot is used again: every call with it says "closed". The same holds for a
    /// loop that did not make it.
    ConnId, "c"
}

id! {
    /// The identity of a listening socket, shown as `l<loop>.<slot>.<generation>`.
    ListenerId, "l"
}

id! {
    /// The identity of a descriptor that a loop watches, shown as `f<loop>.<slot>.<generation>`.
    ///
    /// When the loop watches it no more it names nothing, also when the kernel uses its number
    /// again.
    FdId, "f"
}

#[cfg(feature = "async")]
id! {
    /// The identity of a future that was [spawned](crate::Reactor::spawn) on a loop, shown as
    /// `a<loop>.<slot>.<generation>`.
    ///
    /// When the future is finished or dropped it names nothing.
    TaskId, "a"
}

id! {
    /// The identity of a socket of datagrams, shown as `d<loop>.<slot>.<generation>`.
    ///
    /// After the socket is closed it names nothing, also when its slot is used again.
    DatagramId, "d"
}

id! {
    /// The identity of a timer made by [`Reactor::call_later`](crate::Reactor::call_later) and its
    /// kin, shown as `t<loop>.<slot>.<generation>`.
    ///
    /// After a one-shot timer has run, or a timer was cancelled, it names nothing.
    TimerId, "t"
}
