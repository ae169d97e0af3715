//! Options of sockets.

use std::time::Duration;

use crate::base::Address;

/// How a listening socket is made.
///
/// | option | default |
/// |---|---|
/// | `backlog` | 1024 connections (the kernel may lower it: `net.core.somaxconn`) |
/// | `reuse_address` | on: a restarted server can bind at once |
/// | `reuse_port` | off; [`Server::loops`](crate::Server::loops) turns it on for itself |
/// | `only_v6` | off: `[::]` serves IPv4 peers too |
/// | `mode` | what the umask of the process leaves of 777, as for any Unix socket |
///
/// Of these only `backlog` and `mode` are about Unix sockets.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    pub(crate) backlog: u32,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) only_v6: bool,
    pub(crate) mode: Option<u32>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 1024, reuse_address: true, reuse_port: false, only_v6: false, mode: None }
    }
}

impl ListenOptions {
    /// Sets how many connections may wait to be accepted.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Sets `SO_REUSEADDR`: whether an address in `TIME_WAIT` may be bound again.
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// Sets `SO_REUSEPORT`: whether several sockets may listen on one address and share its
    /// connections.
    ///
    /// # Platform
    ///
    /// Linux (3.9 and later) spreads connections evenly; BSD and macOS allow the sharing but give
    /// no balance.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Sets `IPV6_V6ONLY`: whether an IPv6 socket refuses IPv4 peers.
    #[must_use]
    pub fn only_v6(mut self, on: bool) -> Self {
        self.only_v6 = on;
        self
    }

    /// Sets the permission bits of a Unix socket's file, such as `0o660`. Who may not write to the
    /// file may not connect.
    ///
    /// They hold before the first peer can connect. Only the lowest nine bits count.
    #[must_use]
    pub fn mode(mut self, bits: u32) -> Self {
        self.mode = Some(bits & 0o777);
        self
    }
}

/// TCP keep-alive probes (RFC 9293, section 3.8.4): the kernel asks an idle peer whether it is there.
///
/// A peer that vanished without a FIN is noticed after `idle + interval * probes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    pub(crate) idle: Duration,
    pub(crate) interval: Duration,
    pub(crate) probes: u32,
}

impl KeepAlive {
    /// Probes after `idle` of silence, every 10 s, and gives up after 6 unanswered ones.
    ///
    /// The kernel counts in whole seconds; shorter times are rounded up to one.
    #[must_use]
    pub fn after(idle: Duration) -> Self {
        Self { idle, interval: Duration::from_secs(10), probes: 6 }
    }

    /// Sets the time between unanswered probes.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets how many unanswered probes end the connection.
    #[must_use]
    pub fn probes(mut self, probes: u32) -> Self {
        self.probes = probes;
        self
    }
}

/// A change to a connected socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketOption {
    /// `TCP_NODELAY`: small segments leave at once.
    NoDelay(bool),
    /// `SO_KEEPALIVE` and its times.
    KeepAlive(Option<KeepAlive>),
    /// `SO_RCVBUF` in bytes.
    ReceiveBuffer(usize),
    /// `SO_SNDBUF` in bytes.
    SendBuffer(usize),
}

/// Both ends of a connected stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamAddresses {
    pub(crate) local: Address,
    pub(crate) peer: Address,
}
