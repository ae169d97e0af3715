//! Sockets of datagrams: the share of each, and what was answered to what it sent.

use std::io;
use std::net::SocketAddr;

use super::service::{HotBuffer, Place, Served};
use super::{Event, READ_BYTES_PER_TURN, ReadMode, Readiness};
use crate::base::Key;
use crate::sys::{DatagramOptions, Membership, MulticastGroup, Sys, Token};

/// The most datagrams that one socket receives in one turn; their bytes count as for connections.
pub(crate) const DATAGRAMS_PER_TURN: usize = 64;

/// The verbs of an engine for datagrams.
///
/// [`Event::Datagram`](super::Event::Datagram) brings one at a time, in the engine's receive
/// buffer. Errors that a host or router answers to what was sent come as
/// [`Event::DatagramFailed`](super::Event::DatagramFailed), and leave the socket as it was.
pub(crate) trait DatagramOps {
    /// Binds a socket, and connects it if there is a peer; returns its own address.
    fn open_datagrams(
        &mut self,
        slot: Key,
        local: SocketAddr,
        peer: Option<SocketAddr>,
        options: &DatagramOptions,
    ) -> io::Result<SocketAddr>;

    /// Sends one datagram; returns whether it was taken. If not, the kernel is full, and
    /// [`Event::DatagramRoom`](super::Event::DatagramRoom) follows.
    fn send_datagram(
        &mut self,
        slot: Key,
        to: Option<SocketAddr>,
        bytes: &[u8],
    ) -> io::Result<bool>;

    /// Stops or resumes receiving. Errors are told in any case.
    fn set_datagram_mode(&mut self, slot: Key, mode: ReadMode);

    fn set_membership(
        &mut self,
        slot: Key,
        group: MulticastGroup,
        change: Membership,
    ) -> io::Result<()>;

    /// Closes a socket: no event names its slot afterwards.
    fn close_datagrams(&mut self, slot: Key);
}

/// A socket, and what is known of it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one socket")]
pub(super) struct DatagramSlot<U> {
    socket: U,
    /// A receive may find something.
    readable: bool,
    /// Room was reported since a send found none.
    writable: bool,
    /// A send found no room, and [`Event::DatagramRoom`](super::Event::DatagramRoom) is owed.
    blocked: bool,
    /// The kernel reported an error that no call has returned yet.
    failed: bool,
    paused: bool,
    queued: bool,
    /// An error that a send has met, which is not about what it sent.
    met: Option<io::Error>,
}

impl<U> DatagramSlot<U> {
    const fn new(socket: U) -> Self {
        Self {
            socket,
            readable: false,
            writable: false,
            blocked: false,
            failed: false,
            paused: false,
            queued: false,
            met: None,
        }
    }

    /// Takes in a report; returns whether the socket is to be put on the ready list.
    pub(super) fn note(&mut self, report: crate::sys::Readiness) -> bool {
        self.readable |= report.readable;
        self.writable |= report.writable;
        self.failed |= report.failed;
        self.enqueue()
    }

    /// Returns whether the socket is to be put on the ready list; it counts as being there then.
    pub(super) fn enqueue(&mut self) -> bool {
        let enqueue = !self.queued && self.wants_service();
        self.queued |= enqueue;
        enqueue
    }

    fn wants_service(&self) -> bool {
        self.failed
            || self.met.is_some()
            || (self.blocked && self.writable)
            || (self.readable && !self.paused)
    }
}

/// What the socket at the front of the ready list may still receive in this turn.
#[derive(Debug)]
pub(super) struct DatagramShare {
    datagrams: usize,
    bytes: usize,
}

impl DatagramShare {
    pub(super) const WHOLE: Self =
        Self { datagrams: DATAGRAMS_PER_TURN, bytes: READ_BYTES_PER_TURN };

    fn take(&mut self, bytes: usize) {
        self.datagrams = self.datagrams.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    const fn is_used_up(&self) -> bool {
        self.datagrams == 0 || self.bytes == 0
    }
}

/// Makes the one call that is due on a socket.
pub(super) fn serve_datagrams<S: Sys>(
    sys: &mut S,
    buffer: &mut Option<Box<[u8]>>,
    share: &mut DatagramShare,
    key: Key,
    slot: &mut DatagramSlot<S::Udp>,
) -> Served<S> {
    let failed = |error| Event::DatagramFailed { slot: key, error };
    let event = if let Some(error) = slot.met.take() {
        Some(failed(error))
    } else if std::mem::take(&mut slot.failed) {
        match sys.take_udp_error(&slot.socket) {
            Ok(None) => None,
            Ok(Some(error)) | Err(error) => Some(failed(error)),
        }
    } else if slot.blocked && slot.writable {
        slot.blocked = false;
        Some(Event::DatagramRoom { slot: key })
    } else if slot.readable && !slot.paused && !share.is_used_up() {
        receive(sys, buffer, share, key, slot)
    } else {
        None
    };
    let place = match (slot.wants_service(), share.is_used_up()) {
        (false, _) => Place::Gone,
        (true, true) => Place::Back,
        (true, false) => Place::Front,
    };
    slot.queued = place != Place::Gone;
    (event, place)
}

fn receive<S: Sys>(
    sys: &mut S,
    buffer: &mut Option<Box<[u8]>>,
    share: &mut DatagramShare,
    key: Key,
    slot: &mut DatagramSlot<S::Udp>,
) -> Option<Event<S::Stream, HotBuffer>> {
    let mut hot = HotBuffer::take(buffer);
    match sys.receive_from(&slot.socket, hot.room()) {
        Ok((len, from)) => {
            share.take(len);
            Some(Event::Datagram { slot: key, from, lease: hot.filled(len) })
        }
        Err(error) => {
            *buffer = Some(hot.into_inner());
            if error.kind() == io::ErrorKind::WouldBlock {
                slot.readable = false;
                return None;
            }
            share.take(0);
            Some(Event::DatagramFailed { slot: key, error })
        }
    }
}

/// Whether an error can be the answer to an earlier datagram, which the next call tells.
fn is_answer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

impl<S: Sys> DatagramOps for Readiness<S> {
    fn open_datagrams(
        &mut self,
        slot: Key,
        local: SocketAddr,
        peer: Option<SocketAddr>,
        options: &DatagramOptions,
    ) -> io::Result<SocketAddr> {
        let (socket, bound) = self.sys.open_udp(Token::udp(slot), local, peer, options)?;
        self.datagrams.put(slot, DatagramSlot::new(socket));
        Ok(bound)
    }

    fn send_datagram(
        &mut self,
        slot: Key,
        to: Option<SocketAddr>,
        bytes: &[u8],
    ) -> io::Result<bool> {
        let entry = self.datagrams.get_mut(slot).ok_or(io::ErrorKind::NotConnected)?;
        let mut sent = self.sys.send_to(&entry.socket, to, bytes);
        if let Err(error) = &mut sent
            && is_answer(error)
        {
            // Nothing was sent. If it is about an earlier datagram, a second try says something
            // else.
            let met = std::mem::replace(error, io::ErrorKind::Other.into());
            sent = self.sys.send_to(&entry.socket, to, bytes);
            match &sent {
                Err(again) if again.kind() == met.kind() => {}
                _ => entry.met = Some(met),
            }
        }
        let taken = match sent {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                entry.blocked = true;
                entry.writable = false;
                Ok(false)
            }
            Err(error) => Err(error),
        };
        self.enqueue(Token::udp(slot));
        taken
    }

    fn set_datagram_mode(&mut self, slot: Key, mode: ReadMode) {
        let Some(entry) = self.datagrams.get_mut(slot) else { return };
        entry.paused = mode == ReadMode::Paused;
        self.enqueue(Token::udp(slot));
    }

    fn set_membership(
        &mut self,
        slot: Key,
        group: MulticastGroup,
        change: Membership,
    ) -> io::Result<()> {
        let entry = self.datagrams.get(slot).ok_or(io::ErrorKind::NotConnected)?;
        self.sys.set_membership(&entry.socket, group, change)
    }

    fn close_datagrams(&mut self, slot: Key) {
        if let Some(entry) = self.datagrams.take(slot) {
            self.sys.close_udp(entry.socket);
        }
    }
}
