//! How a socket of datagrams is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// How many datagrams may wait for the kernel.
const QUEUE_DATAGRAMS_MAX: usize = 256;

/// How many bytes of datagrams may wait for the kernel: 256 KiB.
const QUEUE_BYTES_MAX: usize = 256 * 1024;

/// The longest datagram that is delivered: 64 KiB, more than UDP over IP can carry.
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;

/// How long a graceful close waits for what is queued: 30 s.
const LINGER: Duration = Duration::from_secs(30);

/// A multicast group, and the interface on which it is listened to.
///
/// ```
/// use net_reactor::MulticastGroup;
/// use std::net::Ipv4Addr;
///
/// let group = MulticastGroup::v4(Ipv4Addr::new(239, 255, 3, 7), Ipv4Addr::UNSPECIFIED);
/// assert_eq!(group.to_string(), "239.255.3.7");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MulticastGroup(pub(crate) Group);

/// What a [`MulticastGroup`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    V4 { address: Ipv4Addr, interface: Ipv4Addr },
    V6 { address: Ipv6Addr, interface: u32 },
}

impl MulticastGroup {
    /// Names an IPv4 group on the interface that has the address `interface`; the system picks one
    /// if that is [`Ipv4Addr::UNSPECIFIED`].
    #[must_use]
    pub const fn v4(address: Ipv4Addr, interface: Ipv4Addr) -> Self {
        Self(Group::V4 { address, interface })
    }

    /// Names an IPv6 group on the interface with this index; the system picks one if it is 0.
    #[must_use]
    pub const fn v6(address: Ipv6Addr, interface: u32) -> Self {
        Self(Group::V6 { address, interface })
    }

    /// Returns the address of the group.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        match self.0 {
            Group::V4 { address, .. } => IpAddr::V4(address),
            Group::V6 { address, .. } => IpAddr::V6(address),
        }
    }
}

impl std::fmt::Display for MulticastGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address().fmt(f)
    }
}

/// Whether a group is entered or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    Join,
    Leave,
}

/// How a socket of datagrams is made, and its limits.
///
/// | option | default |
/// |---|---|
/// | `reuse_address`, `reuse_port` | off |
/// | `broadcast` | off: sending to a broadcast address is refused |
/// | `join` | no group |
/// | `multicast_loop` | on: what is sent to a group is heard on this host too |
/// | `multicast_ttl` | 1: the local network |
/// | `ttl`, `receive_buffer`, `send_buffer` | as the system has them |
/// | `queue_max` | 256 datagrams and 256 KiB wait for the kernel |
/// | `datagram_max` | 64 KiB: whatever UDP can carry is delivered |
/// | `linger` | 30 s |
///
/// ```
/// use net_reactor::{DatagramOptions, MulticastGroup};
/// use std::net::Ipv4Addr;
///
/// // One of several listeners on this host, which would rather lose a message than send it late.
/// let group = MulticastGroup::v4(Ipv4Addr::new(239, 255, 3, 7), Ipv4Addr::UNSPECIFIED);
/// let options = DatagramOptions::default().reuse_address(true).join(group).queue_max(0, 0);
/// # let _ = options;
/// ```
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a socket option of its own")]
pub struct DatagramOptions {
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) broadcast: bool,
    pub(crate) multicast_loop: bool,
    pub(crate) multicast_ttl: u32,
    pub(crate) multicast_v4: Option<Ipv4Addr>,
    pub(crate) multicast_v6: Option<u32>,
    pub(crate) ttl: Option<u32>,
    pub(crate) groups: Vec<MulticastGroup>,
    pub(crate) receive_buffer_bytes: Option<usize>,
    pub(crate) send_buffer_bytes: Option<usize>,
    pub(crate) bind: Option<SocketAddr>,
    pub(crate) queue_datagrams_max: usize,
    pub(crate) queue_bytes_max: usize,
    pub(crate) datagram_bytes_max: usize,
    pub(crate) linger: Duration,
}

impl Default for DatagramOptions {
    fn default() -> Self {
        Self {
            reuse_address: false,
            reuse_port: false,
            broadcast: false,
            multicast_loop: true,
            multicast_ttl: 1,
            multicast_v4: None,
            multicast_v6: None,
            ttl: None,
            groups: Vec::new(),
            receive_buffer_bytes: None,
            send_buffer_bytes: None,
            bind: None,
            queue_datagrams_max: QUEUE_DATAGRAMS_MAX,
            queue_bytes_max: QUEUE_BYTES_MAX,
            datagram_bytes_max: DATAGRAM_BYTES_MAX,
            linger: LINGER,
        }
    }
}

impl DatagramOptions {
    /// Sets `SO_REUSEADDR`: whether other sockets that set it too may bind the same address, as
    /// several listeners of one multicast group on a host do.
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// Sets `SO_REUSEPORT`: whether several sockets may bind one address and share what comes.
    ///
    /// # Platform
    ///
    /// Linux (3.9 and later) spreads peers evenly, by their addresses; elsewhere on Unix the
    /// sharing is allowed and not even. Other systems ignore it.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Sets `SO_BROADCAST`: whether datagrams may be sent to a broadcast address.
    #[must_use]
    pub fn broadcast(mut self, on: bool) -> Self {
        self.broadcast = on;
        self
    }

    /// Joins a multicast group. Joined groups are left when the socket closes.
    ///
    /// On Linux a socket would hear the groups that others on this host have joined as well; here it
    /// hears its own alone.
    #[must_use]
    pub fn join(mut self, group: MulticastGroup) -> Self {
        self.groups.push(group);
        self
    }

    /// Sets whether what this socket sends to a group is heard on this host as well. By the loopback
    /// interface it always is.
    #[must_use]
    pub fn multicast_loop(mut self, on: bool) -> Self {
        self.multicast_loop = on;
        self
    }

    /// Sets how many routers multicast datagrams may pass; 1 keeps them on the local network.
    #[must_use]
    pub fn multicast_ttl(mut self, hops: u32) -> Self {
        self.multicast_ttl = hops;
        self
    }

    /// Sends IPv4 multicast datagrams by the interface that has this address, instead of the one
    /// that the system picks.
    #[must_use]
    pub fn multicast_interface_v4(mut self, interface: Ipv4Addr) -> Self {
        self.multicast_v4 = Some(interface);
        self
    }

    /// Sends IPv6 multicast datagrams by the interface with this index.
    #[must_use]
    pub fn multicast_interface_v6(mut self, interface: u32) -> Self {
        self.multicast_v6 = Some(interface);
        self
    }

    /// Sets how many routers other datagrams may pass.
    #[must_use]
    pub fn ttl(mut self, hops: u32) -> Self {
        self.ttl = Some(hops);
        self
    }

    /// Sets `SO_RCVBUF` in bytes: datagrams that find no room there are lost.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer_bytes = Some(bytes);
        self
    }

    /// Sets `SO_SNDBUF` in bytes.
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer_bytes = Some(bytes);
        self
    }

    /// Sets the own address of a socket that is connected to a peer; the system picks one by
    /// default. One that is bound has been given its address already.
    #[must_use]
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// Sets how much may wait while the kernel takes nothing: beyond either limit sending is
    /// refused.
    #[must_use]
    pub fn queue_max(mut self, datagrams: usize, bytes: usize) -> Self {
        self.queue_datagrams_max = datagrams;
        self.queue_bytes_max = bytes;
        self
    }

    /// Sets the longest datagram that is delivered; of a longer one the handler is told instead.
    #[must_use]
    pub fn datagram_max(mut self, bytes: usize) -> Self {
        self.datagram_bytes_max = bytes;
        self
    }

    /// Sets how long a graceful close waits for what is queued.
    #[must_use]
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }
}
