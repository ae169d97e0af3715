//! `TIME_WAIT`: what a host remembers of connections that it closed first.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use crate::base::Instant;

/// The local and the remote address of a connection.
pub(super) type Tuple = (SocketAddr, SocketAddr);

/// The addresses that no new connection of this host may use yet.
///
/// Nothing happens when one expires, so that no event is kept for it: who asks tells the time.
#[derive(Debug, Default)]
pub(super) struct TimeWait {
    ends: BTreeMap<Tuple, Instant>,
    /// In the order of expiry; an entry that is not the last word of `ends` is stale.
    order: VecDeque<(Instant, Tuple)>,
}

impl TimeWait {
    /// Remembers a connection until `end`, and forgets what has expired.
    pub(super) fn insert(&mut self, tuple: Tuple, now: Instant, end: Instant) {
        while let Some((expiry, old)) = self.order.front()
            && *expiry <= now
        {
            if self.ends.get(old) == Some(expiry) {
                self.ends.remove(old);
            }
            self.order.pop_front();
        }
        self.ends.insert(tuple, end);
        self.order.push_back((end, tuple));
    }

    /// Forgets one connection, as a SYN of its peer makes the host do.
    pub(super) fn remove(&mut self, tuple: &Tuple) {
        self.ends.remove(tuple);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.order.clear();
    }

    /// Whether a connection is remembered.
    pub(super) fn contains(&self, tuple: &Tuple, now: Instant) -> bool {
        self.ends.get(tuple).is_some_and(|end| now < *end)
    }

    /// Whether any connection of this local port is remembered.
    pub(super) fn has_port(&self, port: u16, now: Instant) -> bool {
        self.ends.iter().any(|((local, _), end)| local.port() == port && now < *end)
    }

    /// Returns how many connections are remembered.
    pub(super) fn len(&self, now: Instant) -> usize {
        self.ends.values().filter(|end| now < **end).count()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_has_expired_is_forgotten_and_a_newer_entry_of_the_same_addresses_stays() {
        let tuple = |port| {
            let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
            (address(port), address(80))
        };
        let at = |secs| Instant::ORIGIN + Duration::from_secs(secs);
        let mut remembered = TimeWait::default();
        remembered.insert(tuple(1), at(0), at(60));
        remembered.remove(&tuple(1));
        remembered.insert(tuple(1), at(30), at(90));
        remembered.insert(tuple(2), at(61), at(121));
        assert!(remembered.contains(&tuple(1), at(89)));
        assert!(remembered.has_port(1, at(89)) && !remembered.has_port(1, at(90)));
        assert_eq!(remembered.len(at(90)), 1);
        remembered.insert(tuple(3), at(200), at(260));
        assert_eq!((remembered.ends.len(), remembered.order.len()), (1, 1));
    }
}
