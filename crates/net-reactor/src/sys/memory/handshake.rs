//! How connections begin: SYN, its answers, and crossing SYNs.

use std::io;
use std::net::SocketAddr;

use super::links::Hop;
use super::network::Segment;
use super::socket::{Flags, Phase};
use super::world::{NoHost, State};
use crate::base::Key;

impl State {
    /// Sends a SYN.
    pub(super) fn send_syn(&mut self, from: Key) {
        let now = self.now;
        let Some(client) = self.sockets.get_mut(from) else { return };
        client.retry.syn_sent = now;
        let (machine, ip) = (client.machine, client.remote.ip());
        match self.route(machine, ip) {
            Some(target) => self.transmit(machine, target, Segment::Syn { from }),
            None if self.settings.no_host == NoHost::Unreachable => {
                let error = io::ErrorKind::HostUnreachable;
                self.transmit(machine, machine, Segment::Refusal { to: from, error });
            }
            None => self.arm(from, now),
        }
    }

    /// A SYN has arrived.
    pub(super) fn on_syn(&mut self, hop: Hop, from: Key) {
        let Some(client) = self.sockets.get(from) else { return };
        if client.phase != Phase::Connecting {
            return;
        }
        let (local, remote, machine) = (client.local, client.remote, client.machine);
        if let Some(other) = self.meeting(hop.to, from) {
            return self.meet(from, other);
        }
        if let Some(old) = self.living(hop.to, (remote, local)) {
            return self.on_syn_to_living(hop, from, old);
        }
        let Some(listener) = self.listener_for(hop.to, remote) else {
            let error = io::ErrorKind::ConnectionRefused;
            return self.transmit(hop.to, machine, Segment::Refusal { to: from, error });
        };
        // A new connection of the same addresses ends TIME_WAIT (RFC 9293, section 3.6.1).
        self.machines[hop.to].time_wait.remove(&(remote, local));
        // The server's end counts as connected as soon as the SYN is there; so that it does not
        // exist when its answer cannot arrive, that is looked at here.
        let server = (!self.is_cut(hop.to, machine))
            .then(|| self.add_pending(listener, remote, local, from));
        match server.flatten() {
            Some(server) => {
                self.transmit(hop.to, machine, Segment::SynAck { from: server, to: from });
            }
            // A full backlog drops the SYN as well; the client tries again and may find room.
            None => self.arm(from, hop.sent),
        }
    }

    /// Finds the connection of these addresses that is in full swing.
    fn living(&self, machine: usize, tuple: (SocketAddr, SocketAddr)) -> Option<Key> {
        let key = *self.machines[machine].tuples.get(&tuple)?;
        let socket = self.sockets.get(key)?;
        (socket.phase == Phase::Open && !socket.retired).then_some(key)
    }

    fn on_syn_to_living(&mut self, hop: Hop, from: Key, old: Key) {
        if self.sockets.get(old).is_some_and(|socket| socket.peer == Some(from)) {
            // The answer to the first SYN was lost.
            return self.transmit(hop.to, hop.from, Segment::SynAck { from: old, to: from });
        }
        // The other end of the old one is gone. The old one asks (a challenge acknowledgement,
        // RFC 5961, section 4), is answered by a reset, and the client tries again.
        if self.is_passable(hop.to, hop.from) {
            self.on_reset(old);
        }
        self.arm(from, hop.sent);
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
        let (machine, far) = (client.machine, client.far);
        self.open(other, from);
        self.transmit(far, machine, Segment::SynAck { from: other, to: from });
    }

    /// A server's answer has arrived.
    pub(super) fn on_syn_ack(&mut self, from: Key, to: Key) {
        if self.sockets.get(to).is_some_and(|client| client.is_stranger(from)) {
            return self.reset_in_return(from);
        }
        match self.sockets.get(to).map(|client| client.phase) {
            Some(Phase::Connecting) => self.open(to, from),
            // The other SYN of a simultaneous open was faster.
            Some(Phase::Open) => {}
            Some(Phase::Dead) | None => self.reset_in_return(from),
        }
    }

    fn open(&mut self, key: Key, peer: Key) {
        let now = self.now;
        let far_kernel = self.sockets.get(peer).and_then(|peer| peer.kernel);
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.phase = Phase::Open;
            socket.far_kernel = far_kernel;
            socket.peer = Some(peer);
            socket.last_heard = now;
            socket.edges.write_armed = false;
            self.calm(key);
            self.note(key, Flags::WRITABLE);
        }
    }

    /// The end of a try to connect has arrived.
    pub(super) fn on_refusal(&mut self, to: Key, error: io::ErrorKind) {
        if self.sockets.get(to).is_some_and(|client| client.phase == Phase::Connecting) {
            self.fail(to, error);
        }
    }
}
