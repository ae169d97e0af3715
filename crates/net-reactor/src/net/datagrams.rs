//! Sockets of datagrams: their queues, their timers, and how they end.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::connection::TagTimers;
use super::datagram_error::{BindError, DatagramError, DatagramSendError};
use super::{CloseReason, Due, Net, Notice, Pressure};
use crate::base::{Instant, Key};
use crate::driver::{Ops, ReadMode};
use crate::event_loop::TimerKey;
use crate::sys::{DatagramOptions, Membership, MulticastGroup};

/// Where a socket stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UdpPhase {
    Open,
    /// What is queued is sent. The handler hears nothing but the end.
    Closing,
    /// The handler is about to be told of the end.
    Closed,
}

/// One socket of datagrams, without its handler.
#[derive(Debug)]
pub(crate) struct UdpSocket {
    pub(crate) phase: UdpPhase,
    pub(crate) local: SocketAddr,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) is_paused: bool,
    /// More than half of the queue was in use, and it was not empty since.
    is_pressured: bool,
    /// What the kernel had no room for, in the order of sending. While there is anything, all that
    /// is sent goes here.
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    timers: TagTimers,
    /// What the handler will be told after a graceful close, and the end of its patience.
    goodbye: Option<(CloseReason, TimerKey)>,
    options: DatagramOptions,
}

/// A datagram that waits for the kernel.
#[derive(Debug)]
struct Queued {
    to: Option<SocketAddr>,
    bytes: Box<[u8]>,
}

impl UdpSocket {
    /// Returns how many datagrams wait, and their bytes.
    pub(crate) fn queued(&self) -> (usize, usize) {
        (self.queue.len(), self.queued_bytes)
    }

    fn push(&mut self, to: Option<SocketAddr>, bytes: &[u8]) -> Result<(), DatagramSendError> {
        let (queued, queued_bytes) = self.queued();
        let fits = queued < self.options.queue_datagrams_max
            && bytes.len() <= self.options.queue_bytes_max.saturating_sub(queued_bytes);
        if !fits {
            return Err(DatagramSendError::Full { queued, queued_bytes });
        }
        self.queued_bytes += bytes.len();
        self.queue.push_back(Queued { to, bytes: bytes.into() });
        Ok(())
    }

    fn pop(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.queued_bytes -= queued.bytes.len();
        Some(queued)
    }

    /// Returns the mark that was crossed, if one was.
    fn crossed(&mut self) -> Option<Pressure> {
        let is_high = self.queue.len() > self.options.queue_datagrams_max / 2
            || self.queued_bytes > self.options.queue_bytes_max / 2;
        match self.is_pressured {
            false if is_high => {
                self.is_pressured = true;
                Some(Pressure::High)
            }
            true if self.queue.is_empty() => {
                self.is_pressured = false;
                Some(Pressure::Low)
            }
            _ => None,
        }
    }
}

impl Net {
    /// Binds a socket.
    pub(crate) fn bind_datagrams<O: Ops + ?Sized>(
        &mut self,
        address: SocketAddr,
        options: &DatagramOptions,
        ops: &mut O,
    ) -> Result<Key, BindError> {
        self.open_datagrams(address, None, options, ops)
    }

    /// Binds a socket and connects it.
    pub(crate) fn connect_datagrams<O: Ops + ?Sized>(
        &mut self,
        peer: SocketAddr,
        options: &DatagramOptions,
        ops: &mut O,
    ) -> Result<Key, BindError> {
        let local = options.bind.unwrap_or_else(|| match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        });
        self.open_datagrams(local, Some(peer), options, ops)
    }

    fn open_datagrams<O: Ops + ?Sized>(
        &mut self,
        local: SocketAddr,
        peer: Option<SocketAddr>,
        options: &DatagramOptions,
        ops: &mut O,
    ) -> Result<Key, BindError> {
        if self.stopping {
            return Err(BindError::Stopping);
        }
        let key = self.datagrams.insert(UdpSocket {
            phase: UdpPhase::Open,
            local,
            peer,
            is_paused: false,
            is_pressured: false,
            queue: VecDeque::new(),
            queued_bytes: 0,
            timers: TagTimers::default(),
            goodbye: None,
            options: options.clone(),
        });
        match ops.open_datagrams(key, local, peer, options) {
            Ok(bound) => {
                if let Some(socket) = self.datagrams.get_mut(key) {
                    socket.local = bound;
                }
                self.notices.push_back(Notice::DatagramsOpened(key));
                Ok(key)
            }
            Err(error) => {
                self.datagrams.remove(key);
                Err(BindError::from_io(peer.unwrap_or(local), error))
            }
        }
    }

    pub(crate) fn datagrams(&self, key: Key) -> Option<&UdpSocket> {
        self.datagrams.get(key)
    }

    fn open_udp(&mut self, key: Key) -> Option<&mut UdpSocket> {
        self.datagrams.get_mut(key).filter(|socket| socket.phase == UdpPhase::Open)
    }

    /// Whether the handler of a socket is to be called.
    pub(crate) fn hears_datagrams(&self, key: Key) -> bool {
        self.datagrams.get(key).is_some_and(|socket| socket.phase == UdpPhase::Open)
    }

    /// Returns every socket that is not at its end.
    pub(crate) fn datagrams_keys(&self) -> Vec<Key> {
        let all = self.datagrams.iter();
        all.filter(|(_, socket)| socket.phase != UdpPhase::Closed).map(|(key, _)| key).collect()
    }

    pub(crate) fn datagrams_len(&self) -> usize {
        self.datagrams.len()
    }

    /// Sends a datagram, or queues it behind those that wait.
    pub(crate) fn send_datagram<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        to: Option<SocketAddr>,
        bytes: &[u8],
        ops: &mut O,
    ) -> Result<(), DatagramSendError> {
        let socket = self.open_udp(key).ok_or(DatagramSendError::Closed)?;
        if to.is_none() && socket.peer.is_none() {
            return Err(DatagramSendError::NoPeer);
        }
        if socket.queue.is_empty() {
            match ops.send_datagram(key, to, bytes) {
                Ok(true) => {
                    self.stats.datagrams_out += 1;
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) => return Err(DatagramSendError::from_io(bytes.len(), error)),
            }
        }
        socket.push(to, bytes)?;
        if let Some(pressure) = socket.crossed() {
            self.notices.push_back(Notice::DatagramPressure(key, pressure));
        }
        Ok(())
    }

    /// Does the same for somebody who cannot be told the outcome; the handler is.
    pub(crate) fn send_datagram_later<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        to: Option<SocketAddr>,
        bytes: &[u8],
        ops: &mut O,
    ) {
        if let Err(source) = self.send_datagram(key, to, bytes, ops) {
            self.notices
                .push_back(Notice::DatagramError(key, DatagramError::Unsent { to, source }));
        }
    }

    /// The kernel has room again: sends what waits, which is no more than the queue holds.
    pub(crate) fn on_datagram_room<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(socket) = self.datagrams.get_mut(key) else { return };
        while let Some(Queued { to, bytes }) = socket.queue.front() {
            match ops.send_datagram(key, *to, bytes) {
                Ok(false) => break,
                Ok(true) => {
                    self.stats.datagrams_out += 1;
                    socket.pop();
                }
                Err(error) => {
                    let (to, source) = (*to, DatagramSendError::from_io(bytes.len(), error));
                    socket.pop();
                    let error = DatagramError::Unsent { to, source };
                    self.notices.push_back(Notice::DatagramError(key, error));
                }
            }
        }
        if let Some(pressure) = socket.crossed() {
            self.notices.push_back(Notice::DatagramPressure(key, pressure));
        }
        self.end_datagram_goodbye(key, ops);
    }

    /// A datagram arrived; returns whether it is to be delivered.
    pub(crate) fn on_datagram(&mut self, key: Key, from: SocketAddr, bytes: usize) -> bool {
        let Some(socket) = self.open_udp(key).filter(|socket| !socket.is_paused) else {
            return false;
        };
        let limit_bytes = socket.options.datagram_bytes_max;
        self.stats.datagrams_in += 1;
        if bytes > limit_bytes {
            let error = DatagramError::TooLong { from, bytes, limit_bytes };
            self.notices.push_back(Notice::DatagramError(key, error));
        }
        bytes <= limit_bytes
    }

    pub(crate) fn on_datagram_failed(&mut self, key: Key, error: io::Error) {
        self.notices.push_back(Notice::DatagramError(key, DatagramError::from_io(error)));
    }

    /// Stops or resumes receiving.
    pub(crate) fn pause_datagrams<O: Ops + ?Sized>(&mut self, key: Key, paused: bool, ops: &mut O) {
        if let Some(socket) = self.open_udp(key) {
            socket.is_paused = paused;
            ops.set_datagram_mode(key, if paused { ReadMode::Paused } else { ReadMode::Flow });
        }
    }

    /// Enters or leaves a group.
    pub(crate) fn set_membership<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        group: MulticastGroup,
        change: Membership,
        ops: &mut O,
    ) -> Result<(), BindError> {
        let address = SocketAddr::new(group.address(), 0);
        if !self.hears_datagrams(key) {
            let source = io::ErrorKind::NotConnected.into();
            return Err(BindError::Failed { address, source });
        }
        let changed = ops.set_membership(key, group, change);
        changed.map_err(|source| BindError::from_io(address, source))
    }

    /// Arms a timer of the socket's handler; an earlier one with the same tag is replaced.
    pub(crate) fn set_datagram_timer(&mut self, key: Key, tag: u32, deadline: Instant) {
        let Some(socket) = self.datagrams.get_mut(key) else { return };
        if socket.phase != UdpPhase::Open {
            return;
        }
        match socket.timers.get(tag) {
            Some(timer) if self.timers.rearm(timer, deadline) => {}
            _ => {
                let due = Due::DatagramTag { socket: key, tag };
                socket.timers.put(tag, self.timers.arm(deadline, due));
            }
        }
    }

    /// Cancels a timer of the socket's handler; returns whether it was armed.
    pub(crate) fn cancel_datagram_timer(&mut self, key: Key, tag: u32) -> bool {
        let Some(socket) = self.datagrams.get_mut(key) else { return false };
        socket.timers.take(tag).map(|timer| self.timers.cancel(timer)).is_some()
    }

    /// A timer of the socket's handler is due; returns whether that is to be told.
    pub(crate) fn take_due_datagram_tag(&mut self, key: Key, tag: u32) -> bool {
        self.open_udp(key).is_some_and(|socket| socket.timers.take(tag).is_some())
    }

    /// Closes a socket once what is queued was sent, or at the end of its patience.
    pub(crate) fn close_datagrams<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        reason: CloseReason,
        ops: &mut O,
    ) {
        let now = self.now;
        let Some(socket) = self.datagrams.get_mut(key) else { return };
        if socket.phase != UdpPhase::Open {
            return;
        }
        socket.phase = UdpPhase::Closing;
        let linger = self.timers.arm(now + socket.options.linger, Due::DatagramLinger(key));
        socket.goodbye = Some((reason, linger));
        ops.set_datagram_mode(key, ReadMode::Paused);
        self.end_datagram_goodbye(key, ops);
    }

    /// Ends a graceful close that has nothing left to send.
    fn end_datagram_goodbye<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(socket) = self.datagrams.get_mut(key).filter(|socket| socket.queue.is_empty())
        else {
            return;
        };
        if let Some((reason, linger)) = socket.goodbye.take() {
            self.timers.cancel(linger);
            self.finish_datagrams(key, reason, ops);
        }
    }

    /// A graceful close has taken too long.
    pub(crate) fn on_datagram_linger<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(socket) = self.datagrams.get_mut(key) else { return };
        if socket.goodbye.take().is_some() {
            let unsent_bytes = socket.queued_bytes;
            self.finish_datagrams(key, CloseReason::LingerExpired { unsent_bytes }, ops);
        }
    }

    /// Closes a socket at once; what is queued is dropped.
    pub(crate) fn abort_datagrams<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        reason: CloseReason,
        ops: &mut O,
    ) {
        let Some(socket) = self.datagrams.get_mut(key) else { return };
        if let Some((_, linger)) = socket.goodbye.take() {
            self.timers.cancel(linger);
        }
        self.finish_datagrams(key, reason, ops);
    }

    /// The only way to the end: gives back the socket, the queue and the timers.
    fn finish_datagrams<O: Ops + ?Sized>(&mut self, key: Key, reason: CloseReason, ops: &mut O) {
        let Some(socket) = self.datagrams.get_mut(key) else { return };
        if socket.phase == UdpPhase::Closed {
            return;
        }
        socket.phase = UdpPhase::Closed;
        socket.queue = VecDeque::new();
        socket.queued_bytes = 0;
        for timer in socket.timers.take_all() {
            self.timers.cancel(timer);
        }
        ops.close_datagrams(key);
        self.descriptor_freed = true;
        self.notices.push_back(Notice::DatagramsClosed(key, reason));
    }

    /// Gives up the slot of a socket whose end was told.
    pub(crate) fn release_datagrams(&mut self, key: Key) {
        self.datagrams.remove(key);
    }
}
