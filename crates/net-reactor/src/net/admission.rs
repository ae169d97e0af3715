//! How many peers a server takes: in all, and from one network.

use crate::base::{Bug, planted};

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bits of an IPv4 address that are one network: all 32.
const V4_PREFIX_BITS: u8 = 32;
/// The bits of an IPv6 address that are one network: 64, which is what one household gets.
const V6_PREFIX_BITS: u8 = 64;
/// Of strangers: the most connections from one network: 100, for those behind one address.
const STRANGERS_PER_NETWORK: usize = 100;

/// How many connections a server holds at most.
///
/// | limit | default | strangers |
/// |---|---|---|
/// | `total` | none: descriptors are the limit | none |
/// | `per_network` | none | 100 |
/// | `prefixes` | a network is one IPv4 address, or 64 bits of IPv6 | the same |
///
/// A peer beyond a limit is accepted and reset at once: it learns where it stands, the backlog stays
/// free for others, and it costs no memory. [`LoopStats::refused`](crate::LoopStats::refused) counts
/// them, and the log has one line for each episode. The limits hold for the server as a whole,
/// however many loops it has; a connection counts until its socket is closed, so one that is in a
/// graceful close does.
///
/// ```no_run
/// # use net_reactor::{Error, PeerLimits, Server};
/// Server::on_data(|conn, input| Ok(conn.write(input.take_all())?))
///     .peer_limits(PeerLimits::default().total(10_000).per_network(20))
///     .listen("0.0.0.0:9000")?
///     .run()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLimits {
    total: usize,
    per_network: usize,
    v4_prefix_bits: u8,
    v6_prefix_bits: u8,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            total: usize::MAX,
            per_network: usize::MAX,
            v4_prefix_bits: V4_PREFIX_BITS,
            v6_prefix_bits: V6_PREFIX_BITS,
        }
    }
}

impl PeerLimits {
    /// Makes limits for a server that faces the open network: see the table.
    #[must_use]
    pub fn strangers() -> Self {
        Self::default().per_network(STRANGERS_PER_NETWORK)
    }

    /// Sets how many connections the server holds at most.
    #[must_use]
    pub fn total(mut self, connections: usize) -> Self {
        self.total = connections;
        self
    }

    /// Sets how many connections from one network the server holds at most.
    #[must_use]
    pub fn per_network(mut self, connections: usize) -> Self {
        self.per_network = connections;
        self
    }

    /// Sets how many leading bits of an address are one network; more than an address has counts as
    /// all of them.
    #[must_use]
    pub fn prefixes(mut self, v4_bits: u8, v6_bits: u8) -> Self {
        self.v4_prefix_bits = v4_bits.min(32);
        self.v6_prefix_bits = v6_bits.min(128);
        self
    }

    /// Returns the network that an address belongs to. An IPv4 address in IPv6 clothes is one of
    /// IPv4.
    fn network(&self, address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let host_bits = 32 - u32::from(self.v4_prefix_bits);
                IpAddr::V4(
                    (address.to_bits() & u32::MAX.checked_shl(host_bits).unwrap_or(0)).into(),
                )
            }
            IpAddr::V6(address) => {
                let host_bits = 128 - u32::from(self.v6_prefix_bits);
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        }
    }
}

/// What keeps a server within its limits; its loops share it.
#[derive(Debug)]
pub(crate) struct Door {
    limits: PeerLimits,
    /// Touched when a peer comes and when it goes.
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    /// Connections by network: none is zero, so there are no more entries than connections.
    networks: HashMap<IpAddr, usize>,
}

/// The right of one peer to be inside, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    door: Arc<Door>,
    network: Option<IpAddr>,
}

/// Why a peer has to stay outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Server,
    Network,
}

impl Door {
    /// Makes a door, unless everybody may come in.
    pub(crate) fn new(limits: PeerLimits) -> Option<Arc<Self>> {
        let is_open = limits.total == usize::MAX && limits.per_network == usize::MAX;
        (!is_open).then(|| Arc::new(Self { limits, inside: Mutex::default() }))
    }

    /// Lets a peer in, if the limits allow it. One without an address of IP is of no network.
    pub(crate) fn knock(
        self: &Arc<Self>,
        address: impl Into<Option<IpAddr>>,
    ) -> Result<Permit, Full> {
        let network = address.into().map(|address| self.limits.network(address));
        let mut inside = self.inside();
        if inside.total >= self.limits.total {
            return Err(Full::Server);
        }
        if let Some(network) = network {
            let of_network = inside.networks.get(&network).copied().unwrap_or(0);
            if of_network >= self.limits.per_network {
                return Err(Full::Network);
            }
            inside.networks.insert(network, of_network + 1);
        }
        inside.total += 1;
        Ok(Permit { door: Arc::clone(self), network })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Nobody can panic while it is locked, and two numbers have no half-done state.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if planted(Bug::PermitKept) {
            return;
        }
        let mut inside = self.door.inside();
        inside.total -= 1;
        let Some(network) = self.network else { return };
        if let Some(of_network) = inside.networks.get_mut(&network) {
            *of_network -= 1;
            if *of_network == 0 {
                inside.networks.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_open_door_is_none() {
        assert!(Door::new(PeerLimits::default()).is_none());
        assert!(Door::new(PeerLimits::strangers()).is_some());
    }

    #[test]
    fn a_permit_that_is_dropped_makes_room_for_one() {
        let door = Door::new(PeerLimits::default().total(2)).unwrap();
        let first = door.knock(ip("10.0.0.1")).unwrap();
        let _second = door.knock(ip("10.0.0.2")).unwrap();
        assert_eq!(door.knock(ip("10.0.0.3")).unwrap_err(), Full::Server);
        drop(first);
        let _third = door.knock(ip("10.0.0.3")).unwrap();
        assert_eq!(door.knock(ip("10.0.0.4")).unwrap_err(), Full::Server);
    }

    #[test]
    fn a_network_is_what_its_prefix_says() {
        let limits = PeerLimits::default().prefixes(24, 56);
        assert_eq!(limits.network(ip("10.1.2.3")), ip("10.1.2.0"));
        assert_eq!(limits.network(ip("::ffff:10.1.2.3")), ip("10.1.2.0"));
        assert_eq!(limits.network(ip("fd00:1:2:34ff::9")), ip("fd00:1:2:3400::"));
        let all = PeerLimits::default().prefixes(99, 200);
        assert_eq!(
            (all.network(ip("1.2.3.4")), all.network(ip("::5"))),
            (ip("1.2.3.4"), ip("::5"))
        );
        let none = PeerLimits::default().prefixes(0, 0);
        assert_eq!(
            (none.network(ip("1.2.3.4")), none.network(ip("f::5"))),
            (ip("0.0.0.0"), ip("::"))
        );
    }

    #[test]
    fn the_table_holds_no_network_that_nobody_is_in() {
        let door = Door::new(PeerLimits::default().total(1_000).per_network(2)).unwrap();
        for number in 0..100_000u32 {
            let address = IpAddr::V4(number.into());
            let permits = [door.knock(address).unwrap(), door.knock(address).unwrap()];
            assert_eq!(door.knock(address).unwrap_err(), Full::Network);
            assert_eq!(door.inside().networks.len(), 1);
            drop(permits);
        }
        let inside = door.inside();
        assert_eq!((inside.total, inside.networks.len()), (0, 0));
    }
}
