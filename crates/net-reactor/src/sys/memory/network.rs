//! The wires: what is on its way, and what it does where it arrives.
//!
//! Nothing here calls anything back. An arrival changes two sockets and may send more segments;
//! those are due later, or at once in the loop of [`State::run_until`], never by recursion.

use std::io;
use std::time::Duration;

use super::machine::Named;
use super::readiness::Later;
use super::socket::{Flags, Holder, Phase, Socket};
use super::world::{NoHost, State};
use crate::base::{Instant, Key};

/// How often a SYN is sent again; Linux's `tcp_syn_retries`. The waits double from one second.
const SYN_RETRIES_MAX: u32 = 6;

/// Something on its way.
pub(super) enum Event {
    /// A wish to connect.
    Syn { from: Key, retries: u32 },
    /// The server's end exists.
    SynAck { from: Key, to: Key },
    /// There will be no connection.
    NoConnection { to: Key, error: io::ErrorKind },
    /// Bytes.
    Data { from: Key, to: Key, bytes: Vec<u8> },
    /// The end of the sender's bytes.
    Fin { from: Key, to: Key },
    /// The end of the connection.
    Reset { to: Key },
    /// An answer about a name.
    Answer { kernel: usize, query: Key, host: String },
    /// Something that a fault held back.
    Later(Later),
}

impl State {
    /// Puts something on its way.
    pub(super) fn schedule(&mut self, at: Instant, event: Event) {
        self.events.insert((at, self.events_sent), event);
        self.events_sent += 1;
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
            Event::Syn { from, retries } => self.on_syn(from, retries),
            Event::SynAck { from, to } => self.on_syn_ack(from, to),
            Event::NoConnection { to, error } => self.on_no_connection(to, error),
            Event::Data { from, to, bytes } => self.on_data(from, to, &bytes),
            Event::Fin { from, to } => self.on_fin(from, to),
            Event::Reset { to } => self.on_reset(to),
            Event::Answer { kernel, query, host } => self.answer(kernel, query, &host),
        }
    }

    fn on_syn(&mut self, from: Key, retries: u32) {
        let Some(client) = self.sockets.get(from) else { return };
        if client.phase != Phase::Connecting {
            return;
        }
        let (local, remote, machine) = (client.local, client.remote, client.machine);
        let Some(target) = self.route(machine, remote.ip()) else {
            if self.settings.no_host == NoHost::Unreachable {
                self.refuse(from, machine, io::ErrorKind::HostUnreachable);
            }
            return;
        };
        if let Some(other) = self.meeting(target, from) {
            return self.meet(from, other);
        }
        let Some(listener) = self.listener_for(target, remote) else {
            return self.refuse(from, target, io::ErrorKind::ConnectionRefused);
        };
        if let Some(server) = self.add_pending(listener, remote, local, from) {
            let at = self.arrival(server, machine);
            self.schedule(at, Event::SynAck { from: server, to: from });
        } else if retries < SYN_RETRIES_MAX {
            // A full backlog drops the SYN; the client tries again and may find room.
            let at = self.now + Duration::from_secs(1 << retries);
            self.schedule(at, Event::Syn { from, retries: retries + 1 });
        } else {
            self.refuse(from, machine, io::ErrorKind::TimedOut);
        }
    }

    /// Finds the socket that is connecting to `from` while `from` is connecting to it.
    fn meeting(&self, target: usize, from: Key) -> Option<Key> {
        let client = self.sockets.get(from)?;
        let other = *self.machines[target].tuples.get(&(client.remote, client.local))?;
        let connecting = self.sockets.get(other)?.phase == Phase::Connecting;
        connecting.then_some(other)
    }

    /// Simultaneous open (RFC 9293, section 3.5): SYNs cross, and no listener is involved. A
    /// socket that was given its own target's port meets itself.
    fn meet(&mut self, from: Key, other: Key) {
        let Some(client) = self.sockets.get(from) else { return };
        let machine = client.machine;
        let at = self.arrival(other, machine);
        self.open(other, from);
        self.schedule(at, Event::SynAck { from: other, to: from });
    }

    fn on_syn_ack(&mut self, from: Key, to: Key) {
        match self.sockets.get(to).map(|client| client.phase) {
            Some(Phase::Connecting) => self.open(to, from),
            // The other SYN of a simultaneous open was faster.
            Some(Phase::Open) => {}
            Some(Phase::Dead) | None => self.reset_in_return(from, to),
        }
    }

    fn open(&mut self, key: Key, peer: Key) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.phase = Phase::Open;
            socket.peer = Some(peer);
            socket.edges.write_armed = false;
            self.note(key, Flags::WRITABLE);
        }
    }

    fn refuse(&mut self, to: Key, by: usize, error: io::ErrorKind) {
        let Some(client) = self.sockets.get(to) else { return };
        let at = self.now + self.delay(by, client.machine);
        self.schedule(at, Event::NoConnection { to, error });
    }

    fn on_no_connection(&mut self, to: Key, error: io::ErrorKind) {
        if let Some(client) = self.sockets.get_mut(to)
            && client.phase == Phase::Connecting
        {
            client.die(error);
            self.note(to, Flags::FAILED);
        }
    }

    fn on_data(&mut self, from: Key, to: Key, bytes: &[u8]) {
        self.acknowledge(from, bytes.len());
        let Some(receiver) = self.sockets.get_mut(to) else {
            return self.reset_in_return(from, to);
        };
        match (receiver.phase, receiver.holder) {
            (Phase::Dead, _) => {}
            // Nobody will ever read this: the sender had better know (RFC 1122, 4.2.2.13).
            (_, Holder::Nobody) => {
                self.reset_in_return(from, to);
                self.remove(to);
            }
            (Phase::Connecting | Phase::Open, _) => {
                receiver.incoming.push(bytes);
                if std::mem::take(&mut receiver.edges.read_armed) {
                    self.note(to, Flags::READABLE);
                }
            }
        }
    }

    /// Bytes have arrived: the sender has room again.
    fn acknowledge(&mut self, from: Key, len: usize) {
        let Some(sender) = self.sockets.get_mut(from) else { return };
        sender.outgoing.arrived(len);
        self.announce_room(from);
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

    fn on_fin(&mut self, from: Key, to: Key) {
        let Some(receiver) = self.sockets.get_mut(to) else {
            return self.reset_in_return(from, to);
        };
        if receiver.phase == Phase::Dead {
            return;
        }
        receiver.incoming.finish();
        receiver.edges.read_armed = false;
        self.note(to, Flags::HANG_UP);
        self.reap(to);
    }

    fn on_reset(&mut self, to: Key) {
        let Some(socket) = self.sockets.get_mut(to) else { return };
        if socket.phase == Phase::Dead {
            return;
        }
        // Linux's tcp_reset: after the peer's FIN only a send can still fail, and it says EPIPE.
        let error = if socket.incoming.is_finished() {
            io::ErrorKind::BrokenPipe
        } else {
            io::ErrorKind::ConnectionReset
        };
        socket.die(error);
        self.note(to, Flags::FAILED);
        self.reap(to);
    }

    /// Puts in flight what the peer has room for, and FIN after the last byte.
    pub(super) fn pump(&mut self, from: Key) {
        let Some(sender) = self.sockets.get(from) else { return };
        let (Phase::Open, Some(to)) = (sender.phase, sender.peer) else { return };
        let in_flight = sender.outgoing.in_flight_bytes();
        // What is sent to a socket that is gone goes out as well: the answer to it is RST.
        let (window, machine) = match self.sockets.get(to) {
            Some(receiver) => (receiver.incoming.window(), receiver.machine),
            None => (usize::MAX, self.route(sender.machine, sender.remote.ip()).unwrap_or(0)),
        };
        let at = self.arrival(from, machine);
        let Some(sender) = self.sockets.get_mut(from) else { return };
        let bytes = sender.outgoing.launch(window.saturating_sub(in_flight));
        let fin = sender.outgoing.launch_fin();
        if let Some(bytes) = bytes {
            self.schedule(at, Event::Data { from, to, bytes });
        }
        if fin {
            self.schedule(at, Event::Fin { from, to });
            self.reap(from);
        }
    }

    /// Sends RST from a socket to its peer, behind what is in flight already.
    ///
    /// Bytes that are unsent are lost with the socket; bytes in flight arrive, since this network
    /// keeps the order.
    pub(super) fn send_reset(&mut self, from: Key) {
        let Some(sender) = self.sockets.get(from) else { return };
        let (Phase::Open, Some(to)) = (sender.phase, sender.peer) else { return };
        let Some(peer) = self.sockets.get(to) else { return };
        let machine = peer.machine;
        let at = self.arrival(from, machine);
        self.schedule(at, Event::Reset { to });
    }

    /// Answers a segment for a socket that cannot take it.
    fn reset_in_return(&mut self, sender: Key, receiver: Key) {
        let Some(socket) = self.sockets.get(sender) else { return };
        let machine = socket.machine;
        let from = match self.sockets.get(receiver) {
            Some(receiver) => Some(receiver.machine),
            None => self.route(machine, socket.remote.ip()),
        };
        let at = self.now + self.delay(from.unwrap_or(machine), machine);
        self.schedule(at, Event::Reset { to: sender });
    }

    /// Returns when a segment sent now by a socket arrives: not before those it sent earlier.
    pub(super) fn arrival(&mut self, from: Key, to_machine: usize) -> Instant {
        let Some(machine) = self.sockets.get(from).map(|socket| socket.machine) else {
            return self.now;
        };
        let earliest = self.now + self.delay(machine, to_machine);
        match self.sockets.get_mut(from) {
            Some(socket) => socket.outgoing.arrival(earliest),
            None => earliest,
        }
    }

    /// Returns how long a segment takes between two hosts.
    fn delay(&self, from: usize, to: usize) -> Duration {
        if from == to {
            return Duration::ZERO;
        }
        self.settings.links.get(&(from, to)).copied().unwrap_or(self.settings.latency)
    }

    /// Adds to what the next wait of a socket's loop reports.
    pub(super) fn note(&mut self, key: Key, flags: Flags) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let (Holder::Kernel(kernel), Some(_)) = (socket.holder, socket.edges.token) else { return };
        socket.edges.pending.merge(flags);
        if !std::mem::replace(&mut socket.edges.queued, true) {
            self.kernels[kernel].ready.push_back(Named::Stream(key));
        }
    }

    /// Removes a closed socket that has finished.
    pub(super) fn reap(&mut self, key: Key) {
        if self.sockets.get(key).is_some_and(Socket::is_over) {
            self.remove(key);
        }
    }

    /// Forgets a socket. What it has in flight still arrives.
    pub(super) fn remove(&mut self, key: Key) {
        if let Some(socket) = self.sockets.remove(key) {
            let tuples = &mut self.machines[socket.machine].tuples;
            // A newer connection may have the same addresses.
            if tuples.get(&(socket.local, socket.remote)) == Some(&key) {
                tuples.remove(&(socket.local, socket.remote));
            }
        }
    }
}
