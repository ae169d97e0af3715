//! Happy Eyeballs: which address of a name is tried when (RFC 8305).
//!
//! A host can be reachable by one address and lost by another, and a lost one may never answer. So
//! the addresses are tried one after the other, each a moment after the one before, whether that
//! one has failed or not; the first that is reached wins, and the others are given up.
//!
//! ```text
//!   time        0       250     500 ms
//!   2001:db8::1 dial .......................... closed
//!   192.0.2.1           dial ...... failed
//!   2001:db8::2                     dial .. won
//! ```
//!
//! Here are only the decisions: addresses and time come in, what is to be done comes out. The
//! connector has the sockets.

#[cfg(any(test, feature = "_fuzz"))]
pub(super) mod script;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::{Address, Bug, Instant, Key, planted};

/// How many addresses of a name are tried at most, the first ones in the order of [`interleave`].
///
/// It is also how many sockets one connection can need at once. With the usual delay all of them
/// are under way after 4 s.
pub(crate) const ADDRESSES_MAX: usize = 16;

/// How long a dial has for itself before the next one starts beside it (RFC 8305, section 5).
pub(crate) const DIAL_DELAY: Duration = Duration::from_millis(250);

/// The shortest delay: with less, a second socket would be used up for nothing (RFC 8305,
/// section 8).
pub(crate) const DIAL_DELAY_MIN: Duration = Duration::from_millis(10);

/// The longest delay (RFC 8305, section 8).
pub(crate) const DIAL_DELAY_MAX: Duration = Duration::from_secs(2);

/// How often a connection that met itself is tried again.
///
/// Connecting to a port of the ephemeral range on the own host can, by chance, pick that very port
/// as the source; TCP's simultaneous open then connects the socket to itself. A new try picks
/// another port.
const SELF_CONNECTS_MAX: u32 = 3;

/// Puts the addresses of a name in the order in which they are tried (RFC 8305, section 4).
///
/// The families take turns, beginning with that of the first address; within a family the order
/// stays: it is the resolver's, which knows the routes of this host (RFC 6724). Of an address that
/// is there several times the first counts, and what is over [`ADDRESSES_MAX`] is left out.
pub(crate) fn interleave(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut families = [Vec::new(), Vec::new()];
    let mut first_is_v6 = None;
    for address in addresses {
        let is_v6 = address.is_ipv6();
        let family = &mut families[usize::from(is_v6 != *first_is_v6.get_or_insert(is_v6))];
        if family.len() < ADDRESSES_MAX && !family.contains(&address) {
            family.push(address);
        }
    }
    let [preferred, other] = families;
    let longest = preferred.len().max(other.len());
    let turns = (0..longest).flat_map(|turn| [preferred.get(turn), other.get(turn)]);
    turns.flatten().copied().take(ADDRESSES_MAX).collect()
}

/// Where the socket of a dial is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// In the connection's own slot, which the first dial takes, and later ones if it is free.
    Own,
    /// Apart from it, because the own slot was taken.
    Apart(Key),
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Dial this address, and say at once whether that [started](HappyEyeballs::started) or
    /// [not](HappyEyeballs::not_started).
    Dial(Address),
    /// Wait for a dial under way, and ask again at this time, if there is one.
    Wait(Option<Instant>),
    /// Every address has failed; this was the last of them, unless there was none.
    GiveUp(Option<(Address, io::Error)>),
}

/// The dials of one attempt to connect.
#[derive(Debug)]
pub(crate) struct HappyEyeballs {
    /// In the order in which they are tried.
    candidates: Vec<Candidate>,
    delay: Duration,
    /// When the next address has its turn although others are under way.
    next_at: Instant,
    /// There was no socket for one more dial beside those under way.
    short_of_sockets: bool,
    self_connects: u32,
    last_failure: Option<(Address, io::Error)>,
}

#[derive(Debug)]
struct Candidate {
    peer: Address,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Untried,
    Dialling(Seat),
    Failed,
}

impl HappyEyeballs {
    /// Makes it for these addresses, in this order. A `delay` outside of what RFC 8305 allows is
    /// moved to the nearest that it does.
    pub(crate) fn new(peers: impl IntoIterator<Item = Address>, delay: Duration) -> Self {
        let candidate = |peer| Candidate { peer, standing: Standing::Untried };
        Self {
            candidates: peers.into_iter().map(candidate).collect(),
            delay: delay.clamp(DIAL_DELAY_MIN, DIAL_DELAY_MAX),
            next_at: Instant::ORIGIN,
            short_of_sockets: false,
            self_connects: 0,
            last_failure: None,
        }
    }

    /// Returns what is to be done now.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        let next = self.find(Standing::Untried).map(|candidate| candidate.peer.clone());
        let alone = self.dialling().next().is_none();
        match next {
            None if alone => Step::GiveUp(self.last_failure.take()),
            None => Step::Wait(None),
            Some(peer) if alone => Step::Dial(peer),
            Some(_) if self.short_of_sockets => Step::Wait(None),
            Some(_) if planted(Bug::DialsOneByOne) => Step::Wait(None),
            Some(peer) if now >= self.next_at => Step::Dial(peer),
            Some(_) => Step::Wait(Some(self.next_at)),
        }
    }

    /// The dial that was asked for is under way.
    pub(crate) fn started(&mut self, seat: Seat, now: Instant) {
        self.next_at = now + self.delay;
        if let Some(candidate) = self.find(Standing::Untried) {
            candidate.standing = Standing::Dialling(seat);
        }
    }

    /// The dial that was asked for failed within the call.
    ///
    /// If sockets are short, and others are under way, the address stays until one of them ends.
    pub(crate) fn not_started(&mut self, error: io::Error) {
        if is_shortage(&error) && self.dialling().next().is_some() {
            self.short_of_sockets = true;
        } else {
            self.fail(Standing::Untried, error);
        }
    }

    /// A dial under way has failed: the next address has its turn at once.
    pub(crate) fn failed(&mut self, seat: Seat, error: io::Error, now: Instant) {
        self.next_at = now;
        self.short_of_sockets = false;
        self.fail(Standing::Dialling(seat), error);
    }

    /// A dial got connected to itself: it is tried again, or counts as refused.
    pub(crate) fn met_itself(&mut self, seat: Seat, now: Instant) {
        self.self_connects += 1;
        if self.self_connects >= SELF_CONNECTS_MAX {
            // Nobody listens there: that is what a refusal says.
            return self.failed(seat, io::ErrorKind::ConnectionRefused.into(), now);
        }
        self.next_at = now;
        self.short_of_sockets = false;
        if let Some(candidate) = self.find(Standing::Dialling(seat)) {
            candidate.standing = Standing::Untried;
        }
    }

    /// Gives up the addresses that were not tried yet.
    pub(crate) fn forget_untried(&mut self) {
        self.candidates.retain(|each| each.standing != Standing::Untried);
    }

    /// Returns where the dials under way are, the first one first.
    pub(crate) fn dialling(&self) -> impl Iterator<Item = Seat> {
        self.candidates.iter().filter_map(|each| match each.standing {
            Standing::Dialling(seat) => Some(seat),
            Standing::Untried | Standing::Failed => None,
        })
    }

    fn fail(&mut self, standing: Standing, error: io::Error) {
        if let Some(candidate) = self.find(standing) {
            candidate.standing = Standing::Failed;
            self.last_failure = Some((candidate.peer.clone(), error));
        }
    }

    fn find(&mut self, standing: Standing) -> Option<&mut Candidate> {
        self.candidates.iter_mut().find(|each| each.standing == standing)
    }
}

/// Whether the system has no socket to spare: an error that says nothing about the address.
fn is_shortage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|errno| SHORTAGES.contains(&errno))
}

/// `ENFILE`, `EMFILE`, and `ENOBUFS`: they have no [`io::ErrorKind`].
const SHORTAGES: &[i32] = if cfg!(any(target_os = "linux", target_os = "android")) {
    &[23, 24, 105]
} else {
    &[23, 24, 55]
};
