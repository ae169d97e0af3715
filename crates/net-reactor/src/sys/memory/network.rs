//! The wires: what is on its way, and what it does where it arrives.
//!
//! Nothing here calls anything back. An arrival changes two sockets and may send more segments;
//! those are due later, or at once in the loop of [`State::run_until`], never by recursion.

use std::io;
use std::net::SocketAddr;

use super::datagrams::Flight;
use super::fault::Fault;
use super::links::Hop;
use super::machine::Named;
use super::readiness::Later;
use super::socket::{Flags, Holder, Phase, Socket};
use super::world::State;
use crate::base::{Instant, Key};

/// How many buffers are kept for the next segments, and how large they may be.
const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 64 * 1024;

/// Where an event stands in the order of all: its time, and its number.
pub(super) type EventId = (Instant, u64);

/// Something that will happen.
pub(super) enum Event {
    /// A segment arrives, unless its way is cut by then.
    Arrival { hop: Hop, segment: Segment },
    /// A retransmission timer fires.
    Retry { key: Key },
    /// A keep-alive timer fires.
    KeepAlive { key: Key },
    /// A datagram leaves its host.
    Left { from: Key, bytes: usize },
    /// An answer about a name.
    Answer { kernel: usize, query: Key, host: String },
    /// Something that a fault held back.
    Later(Later),
}

/// Something on its way between two sockets.
pub(super) enum Segment {
    /// A wish to connect.
    Syn { from: Key },
    /// The server's end exists.
    SynAck { from: Key, to: Key },
    /// There will be no connection.
    Refusal { to: Key, error: io::ErrorKind },
    /// Bytes.
    Data { from: Key, to: Key, seq: u64, bytes: Vec<u8> },
    /// The end of the sender's bytes.
    Fin { from: Key, to: Key, seq: u64 },
    /// The end of the connection.
    Reset { to: Key },
    /// A question whether the peer is there: a zero-window or keep-alive probe, or a repetition of
    /// what has arrived.
    Probe { from: Key, to: Key },
    /// A datagram.
    Datagram(Box<Flight>),
    /// The answer to a datagram that nobody listens for, to the socket that sent it.
    Unheard { to: Key, target: SocketAddr },
}

impl Segment {
    /// Returns the stream that it is for, if that is known.
    pub(super) fn receiver(&self) -> Option<Key> {
        match self {
            Self::Syn { .. } | Self::Datagram(_) | Self::Unheard { .. } => None,
            Self::SynAck { to, .. }
            | Self::Refusal { to, .. }
            | Self::Data { to, .. }
            | Self::Fin { to, .. }
            | Self::Reset { to }
            | Self::Probe { to, .. } => Some(*to),
        }
    }

    /// Returns the stream that sends something again if no answer comes.
    pub(super) fn waiting(&self) -> Option<Key> {
        match self {
            Self::Syn { from } | Self::Data { from, .. } | Self::Fin { from, .. } => Some(*from),
            Self::SynAck { to, .. } | Self::Refusal { to, .. } => Some(*to),
            Self::Reset { .. } | Self::Probe { .. } | Self::Datagram(_) | Self::Unheard { .. } => {
                None
            }
        }
    }

    /// Returns how many bytes it carries.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Data { bytes, .. } => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Datagram(flight) => u64::try_from(flight.bytes.len()).unwrap_or(u64::MAX),
            _ => 0,
        }
    }
}

impl State {
    /// Lets something happen at a time. Removed from `events` it does not.
    pub(super) fn schedule(&mut self, at: Instant, event: Event) -> EventId {
        let id = (at, self.events_sent);
        self.events.insert(id, event);
        self.events_sent += 1;
        id
    }

    /// Moves the clock to `end` and delivers everything that is due, each at its time.
    pub(super) fn run_until(&mut self, end: Instant) {
        while let Some(entry) = self.events.first_entry() {
            let (at, _) = *entry.key();
            if at > end {
                break;
            }
            let event = entry.remove();
            self.now = self.now.max(at);
            self.deliver(event);
        }
        self.now = self.now.max(end);
    }

    /// Delivers everything that is due now.
    pub(super) fn run_due(&mut self) {
        self.run_until(self.now);
    }

    fn deliver(&mut self, event: Event) {
        self.trace_arrival(&event);
        match event {
            Event::Later(later) => self.on_later(later),
            Event::Arrival { hop, segment } if self.loses(hop) => self.on_lost(segment, hop.sent),
            Event::Arrival { hop, segment } => self.arrive(hop, segment),
            Event::Retry { key } => self.on_retry(key),
            Event::KeepAlive { key } => self.on_keep_alive(key),
            Event::Left { from, bytes } => self.release_udp(from, bytes),
            Event::Answer { kernel, query, host } => self.answer(kernel, query, &host),
        }
    }

    fn arrive(&mut self, hop: Hop, segment: Segment) {
        match segment {
            Segment::Syn { from } => self.on_syn(hop, from),
            Segment::SynAck { from, to } => self.on_syn_ack(from, to),
            Segment::Refusal { to, error } => self.on_refusal(to, error),
            Segment::Reset { to } => self.on_reset(to),
            Segment::Data { from, to, seq, .. } | Segment::Fin { from, to, seq } => {
                self.on_stream(hop, (from, to, seq), segment);
            }
            Segment::Probe { from, to } => self.on_probe(from, to),
            Segment::Datagram(flight) => self.on_datagram(hop, *flight),
            Segment::Unheard { to, target } => self.on_unheard(to, target),
        }
    }

    /// Bytes or FIN have arrived.
    fn on_stream(&mut self, hop: Hop, (from, to, seq): (Key, Key, u64), segment: Segment) {
        let now = self.now;
        let Some(receiver) = self.sockets.get_mut(to) else { return self.on_stray(from) };
        if receiver.is_stranger(from) {
            return self.reset_in_return(from);
        }
        receiver.last_heard = now;
        match receiver.phase {
            Phase::Dead => return self.reset_in_return(from),
            // What should have come before was lost, so that this has to come again.
            Phase::Connecting => return self.on_lost(segment, hop.sent),
            Phase::Open if seq > receiver.incoming.expected() => {
                return self.on_lost(segment, hop.sent);
            }
            Phase::Open => {}
        }
        match segment {
            Segment::Data { bytes, .. } => {
                // Nobody will ever read this: the sender had better know (RFC 1122, 4.2.2.13).
                if receiver.holder == Holder::Nobody {
                    self.reset_in_return(from);
                    return self.remove(to);
                }
                receiver.incoming.push(&bytes);
                if std::mem::take(&mut receiver.edges.read_armed) {
                    self.note(to, Flags::READABLE);
                }
                self.recycle(bytes);
            }
            _ => {
                receiver.incoming.finish();
                receiver.edges.read_armed = false;
                self.note(to, Flags::HANG_UP);
            }
        }
        self.acknowledge_from(to);
        self.settle(to);
    }

    fn on_probe(&mut self, from: Key, to: Key) {
        let now = self.now;
        let Some(receiver) = self.sockets.get_mut(to) else { return self.on_stray(from) };
        if receiver.is_stranger(from) {
            return self.reset_in_return(from);
        }
        receiver.last_heard = now;
        match receiver.phase {
            Phase::Connecting => {}
            Phase::Open => self.acknowledge_from(to),
            Phase::Dead => self.reset_in_return(from),
        }
    }

    /// Something arrived for a socket that is gone: it is remembered, or it never was.
    fn on_stray(&mut self, from: Key) {
        let Some(sender) = self.sockets.get(from) else { return };
        let (machine, far, next) = (sender.machine, sender.far, sender.outgoing.next());
        let tuple = (sender.remote, sender.local);
        if !self.machines[far].time_wait.contains(&tuple, self.now) {
            return self.reset_in_return(from);
        }
        if self.is_passable(far, machine) {
            self.acknowledge(from, next);
        } else {
            self.arm_pending(from);
        }
    }

    /// Tells a socket's peer what has arrived, if that gets through.
    pub(super) fn acknowledge_from(&mut self, receiver: Key) {
        let Some(socket) = self.sockets.get(receiver) else { return };
        let (Phase::Open, Some(peer)) = (socket.phase, socket.peer) else { return };
        let number = socket.incoming.expected();
        if self.is_passable(socket.machine, socket.far) {
            self.acknowledge(peer, number);
        } else {
            self.arm_pending(peer);
        }
    }

    /// Bytes have arrived: the sender has room again.
    fn acknowledge(&mut self, from: Key, number: u64) {
        let now = self.now;
        let Some(sender) = self.sockets.get_mut(from) else { return };
        if sender.phase != Phase::Open {
            return;
        }
        sender.last_heard = now;
        sender.outgoing.acknowledge(number);
        self.calm(from);
        self.announce_room(from);
        self.pump(from);
        self.settle(from);
    }

    /// Reports writability if it is news.
    pub(super) fn announce_room(&mut self, key: Key) {
        if let Some(sender) = self.sockets.get_mut(key)
            && sender.edges.write_armed
            && sender.is_writable()
        {
            sender.edges.write_armed = false;
            self.note(key, Flags::WRITABLE);
        }
    }

    /// A reset has arrived.
    pub(super) fn on_reset(&mut self, to: Key) {
        let Some(socket) = self.sockets.get_mut(to) else { return };
        if socket.phase != Phase::Open || socket.retired {
            return;
        }
        // Linux's tcp_reset: after the peer's FIN only a send can still fail, and it says EPIPE.
        let error = if socket.incoming.is_finished() {
            io::ErrorKind::BrokenPipe
        } else {
            io::ErrorKind::ConnectionReset
        };
        self.fail(to, error);
    }

    /// Ends a socket with an error that its owner learns, if it has one.
    pub(super) fn fail(&mut self, key: Key, error: io::ErrorKind) {
        self.disarm(key);
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.die(error);
            self.note(key, Flags::FAILED);
            self.settle(key);
        }
    }

    /// Puts in flight what the peer has room for, and FIN after the last byte.
    pub(super) fn pump(&mut self, from: Key) {
        let Some(sender) = self.sockets.get(from) else { return };
        let (Phase::Open, Some(to)) = (sender.phase, sender.peer) else { return };
        // What was lost comes first.
        if sender.retry.is_stuck() || sender.outgoing.has_lost() {
            return;
        }
        let (machine, far, sent) = (sender.machine, sender.far, sender.outgoing.next());
        // What is sent to a socket that is gone goes out as well: the answer to it is RST.
        let window =
            self.sockets.get(to).map_or(usize::MAX, |receiver| receiver.incoming.window(sent));
        let now = self.now;
        let mut bytes = self.spare.pop().unwrap_or_default();
        let Some(sender) = self.sockets.get_mut(from) else { return };
        if sender.outgoing.is_acknowledged() {
            sender.retry.start(now);
        }
        let data = sender.outgoing.launch(window, &mut bytes);
        let fin = sender.outgoing.launch_fin();
        sender.closes_first |= fin.is_some() && !sender.incoming.is_finished();
        match data {
            Some(seq) => self.transmit(machine, far, Segment::Data { from, to, seq, bytes }),
            None => self.recycle(bytes),
        }
        if let Some(seq) = fin {
            self.transmit(machine, far, Segment::Fin { from, to, seq });
        }
    }

    /// A receiver has read: tells its peer of the room, if that gets through.
    pub(super) fn announce_window(&mut self, receiver: Key) {
        let Some(socket) = self.sockets.get(receiver) else { return };
        let Some(peer) = socket.peer else { return };
        if self.is_passable(socket.machine, socket.far) {
            self.pump(peer);
        } else {
            self.arm_pending(peer);
        }
    }

    /// Keeps a buffer for the next segment.
    fn recycle(&mut self, mut bytes: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS_MAX && bytes.capacity() <= SPARE_BYTES_MAX {
            bytes.clear();
            self.spare.push(bytes);
        }
    }

    /// Sends RST from a socket to its peer, behind what is in flight already.
    ///
    /// Bytes that are unsent are lost with the socket; bytes in flight arrive, since this network
    /// keeps the order, unless a fault lets the reset overtake them.
    pub(super) fn send_reset(&mut self, from: Key) {
        let Some(sender) = self.sockets.get(from) else { return };
        let (Phase::Open, Some(to)) = (sender.phase, sender.peer) else { return };
        let (machine, far) = (sender.machine, sender.far);
        match self.overtaken(from, to) {
            Some(last) => self.transmit_ahead((machine, far), last, Segment::Reset { to }),
            None => self.transmit(machine, far, Segment::Reset { to }),
        }
    }

    /// Draws whether a reset overtakes bytes; returns when the last of these arrives.
    ///
    /// Bytes that nobody will read, and those that are lost in any case, are not worth a draw.
    fn overtaken(&mut self, from: Key, to: Key) -> Option<Instant> {
        if from == to || !self.faults.is_on() {
            return None;
        }
        let (sender, receiver) = (self.sockets.get(from)?, self.sockets.get(to)?);
        let listens = receiver.phase == Phase::Open && receiver.holder != Holder::Nobody;
        if !listens
            || receiver.is_stranger(from)
            || sender.outgoing.is_acknowledged()
            || sender.outgoing.has_lost()
            || !self.is_passable(sender.machine, sender.far)
            || !self.faults.draw(Fault::ResetOvertakes)
        {
            return None;
        }
        let last = self.events.iter().rev().find_map(|((at, _), event)| match event {
            Event::Arrival { hop, segment: Segment::Data { to: receiver, .. } }
                if *receiver == to && !self.loses(*hop) =>
            {
                Some(*at)
            }
            _ => None,
        });
        let last = last.filter(|at| *at > self.now)?;
        self.faults.count(Fault::ResetOvertakes);
        self.trace_fault(None, Fault::ResetOvertakes.name());
        Some(last)
    }

    /// Answers a segment for a socket that cannot take it.
    pub(super) fn reset_in_return(&mut self, sender: Key) {
        let Some(socket) = self.sockets.get(sender) else { return };
        let (machine, far) = (socket.machine, socket.far);
        if !self.is_passable(far, machine) {
            // Without an answer it asks again.
            self.arm_pending(sender);
        }
        self.transmit(far, machine, Segment::Reset { to: sender });
    }

    /// Adds to what the next wait of a socket's loop reports.
    pub(super) fn note(&mut self, key: Key, flags: Flags) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let (Holder::Kernel(kernel), Some(_)) = (socket.holder, socket.edges.token) else { return };
        socket.edges.pending.merge(flags);
        if !std::mem::replace(&mut socket.edges.queued, true) {
            self.kernels[kernel].ready.push_back(Named::Stream(key));
            self.rouse(kernel);
        }
    }

    /// Draws the consequences of what both directions have come to.
    pub(super) fn settle(&mut self, key: Key) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let orphan = socket.holder == Holder::Nobody;
        if socket.phase == Phase::Open && !socket.retired && socket.outgoing.is_finished() {
            if socket.incoming.is_finished() {
                self.retire_connection(key);
            } else if orphan {
                self.await_fin(key);
            }
        }
        if orphan && self.sockets.get(key).is_some_and(Socket::is_over) {
            self.remove(key);
        }
    }

    /// Both directions are finished: whoever finished first remembers it for a while.
    fn retire_connection(&mut self, key: Key) {
        self.disarm(key);
        let end = self.now + self.settings.time_wait;
        let Some(socket) = self.sockets.get_mut(key) else { return };
        socket.retired = true;
        let (tuple, machine) = ((socket.local, socket.remote), socket.machine);
        let is_remembered = socket.closes_first && !socket.is_unix();
        self.release(machine, tuple, key);
        if is_remembered {
            self.machines[machine].time_wait.insert(tuple, self.now, end);
        }
    }

    /// Forgets a socket. What it has in flight still arrives.
    pub(super) fn remove(&mut self, key: Key) {
        self.disarm(key);
        if let Some(socket) = self.sockets.remove(key) {
            self.release(socket.machine, (socket.local, socket.remote), key);
        }
    }

    /// Gives the addresses of a connection back.
    fn release(&mut self, machine: usize, tuple: (SocketAddr, SocketAddr), key: Key) {
        let tuples = &mut self.machines[machine].tuples;
        // A newer connection may have the same addresses.
        if tuples.get(&tuple) == Some(&key) {
            tuples.remove(&tuple);
        }
    }
}
