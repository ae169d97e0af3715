//! A connected or connecting socket, and what is to be reported of it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::pipe::{Incoming, Outgoing};
use super::retry::{Retry, Vigil};
use super::unix::is_place;
use crate::base::{Instant, Key};
use crate::sys::Token;

/// One end of a connection.
///
/// It lives as long as anything can happen to it, which is longer than its descriptor: a closed
/// socket still delivers what was sent.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one socket")]
pub(super) struct Socket {
    /// The machine it belongs to.
    pub(super) machine: usize,
    /// The machine of its peer; its own if there is none.
    pub(super) far: usize,
    /// Its number in the descriptor table; none before it is accepted and after it is closed.
    pub(super) descriptor: Option<u32>,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// It came through an IPv6 listener, and so shows IPv4 addresses as mapped ones.
    pub(super) shows_v6: bool,
    pub(super) phase: Phase,
    /// The loop whose call made it, and the one whose call made the other end.
    pub(super) kernel: Option<usize>,
    pub(super) far_kernel: Option<usize>,
    /// The other end; itself when a socket met itself. It can be stale.
    pub(super) peer: Option<Key>,
    pub(super) outgoing: Outgoing,
    pub(super) incoming: Incoming,
    /// The pending error (`SO_ERROR`): the first call that may tell it takes it.
    pub(super) error: Option<io::ErrorKind>,
    pub(super) holder: Holder,
    pub(super) edges: Edges,
    pub(super) retry: Retry,
    /// Keep-alive, if it is switched on.
    pub(super) vigil: Option<Vigil>,
    /// When anything last came from the peer.
    pub(super) last_heard: Instant,
    /// Its FIN was sent before the peer's had arrived.
    pub(super) closes_first: bool,
    /// Both directions are finished, and its addresses belong to it no more.
    pub(super) retired: bool,
    /// A chopped receive left bytes that count as not arrived until the next wait.
    pub(super) withheld: bool,
    /// A chopped send left the buffer "full" until the next wait.
    pub(super) squeezed: bool,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// SYN is on its way, or lost.
    Connecting,
    /// Both ends exist.
    Open,
    /// Reset by the peer, or never connected.
    Dead,
}

/// Who has the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// It waits to be accepted.
    Backlog,
    /// A loop holds its descriptor.
    Kernel(usize),
    /// It was closed, and finishes by itself.
    Nobody,
}

impl Socket {
    /// Makes one end of a connection.
    pub(super) fn new(
        (machine, far): (usize, usize),
        local: SocketAddr,
        remote: SocketAddr,
        capacity_bytes: usize,
    ) -> Self {
        Self {
            machine,
            far,
            descriptor: None,
            local,
            remote,
            shows_v6: false,
            phase: Phase::Connecting,
            kernel: None,
            far_kernel: None,
            peer: None,
            outgoing: Outgoing::new(capacity_bytes),
            incoming: Incoming::new(capacity_bytes),
            error: None,
            holder: Holder::Backlog,
            edges: Edges::default(),
            retry: Retry::default(),
            vigil: None,
            last_heard: Instant::ORIGIN,
            closes_first: false,
            retired: false,
            withheld: false,
            squeezed: false,
        }
    }

    /// Whether it is a Unix socket.
    pub(super) fn is_unix(&self) -> bool {
        is_place(self.local) || is_place(self.remote)
    }

    /// Ends the connection from outside, with an error that the next call learns.
    ///
    /// Input that has arrived stays readable, as on Linux.
    pub(super) fn die(&mut self, error: io::ErrorKind) {
        self.phase = Phase::Dead;
        self.error = Some(error);
        self.outgoing.clear();
    }

    /// Whether `other` is not the end that this one is connected to, although it has the same
    /// addresses: a host that lost its power can have answered the same SYN twice. TCP tells them
    /// apart by their sequence numbers.
    pub(super) fn is_stranger(&self, other: Key) -> bool {
        self.phase == Phase::Open && self.peer.is_some_and(|peer| peer != other)
    }

    /// Takes the pending error.
    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take().map(io::Error::from)
    }

    /// Whether a receive would find something: bytes, the end, or an error.
    pub(super) fn is_readable(&self) -> bool {
        !self.incoming.is_empty() || self.incoming.is_finished() || self.phase == Phase::Dead
    }

    /// Whether a send would get anywhere, if only to an error.
    pub(super) fn is_writable(&self) -> bool {
        match self.phase {
            Phase::Connecting => false,
            Phase::Open => self.outgoing.is_writable(),
            Phase::Dead => true,
        }
    }

    /// Returns everything that holds now, for the report on registration.
    pub(super) fn current(&self) -> Flags {
        Flags {
            readable: self.is_readable(),
            writable: self.is_writable(),
            hang_up: self.incoming.is_finished() || self.phase == Phase::Dead,
            failed: self.error.is_some(),
            over: false,
        }
    }

    /// Whether nothing can happen any more to a socket that nobody holds.
    pub(super) fn is_over(&self) -> bool {
        self.holder == Holder::Nobody && (self.retired || self.phase == Phase::Dead)
    }

    /// Shows an address the way this socket's family does.
    pub(super) fn shown(&self, address: SocketAddr) -> SocketAddr {
        match address.ip() {
            IpAddr::V4(ip) if self.shows_v6 => {
                SocketAddr::new(IpAddr::V6(ip.to_ipv6_mapped()), address.port())
            }
            _ => address,
        }
    }
}

/// What is reported of one socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a readiness report")]
pub(super) struct Flags {
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) hang_up: bool,
    pub(super) failed: bool,
    pub(super) over: bool,
}

impl Flags {
    const NONE: Self =
        Self { readable: false, writable: false, hang_up: false, failed: false, over: false };
    /// Bytes, or a pending peer.
    pub(super) const READABLE: Self = Self { readable: true, ..Self::NONE };
    /// Room to send.
    pub(super) const WRITABLE: Self = Self { writable: true, ..Self::NONE };
    /// FIN.
    pub(super) const HANG_UP: Self = Self { readable: true, hang_up: true, ..Self::NONE };
    /// RST, or a failed connect.
    pub(super) const FAILED: Self =
        Self { readable: true, writable: true, hang_up: true, failed: true, ..Self::NONE };

    /// Adds the flags of `more`.
    pub(super) fn merge(&mut self, more: Self) {
        self.readable |= more.readable;
        self.writable |= more.writable;
        self.hang_up |= more.hang_up;
        self.failed |= more.failed;
        self.over |= more.over;
    }

    /// Whether there is nothing to report.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The edge-triggered registration of a socket.
///
/// The kernel is as sparing with reports as the contract allows: after it has said "readable" it
/// says so again only after a call came back empty or short, and something arrived later. Linux
/// says more; whoever relies on that fails here first.
#[derive(Debug, Default)]
pub(super) struct Edges {
    pub(super) token: Option<Token>,
    /// The last receive or accept was fruitless: the next arrival is news.
    pub(super) read_armed: bool,
    /// The last send was fruitless: room is news.
    pub(super) write_armed: bool,
    /// What the next wait reports.
    pub(super) pending: Flags,
    /// It stands in its loop's queue of sockets to report.
    pub(super) queued: bool,
}

impl Edges {
    /// Registers anew, to await what is not in `current`.
    pub(super) fn register(&mut self, token: Token, current: Flags) {
        self.token = Some(token);
        self.read_armed = !current.readable;
        self.write_armed = !current.writable;
    }

    /// Takes what is to be reported, merged into one.
    pub(super) fn take(&mut self) -> Option<(Token, Flags)> {
        self.queued = false;
        let flags = std::mem::take(&mut self.pending);
        let token = self.token.filter(|_| !flags.is_empty())?;
        Some((token, flags))
    }
}
