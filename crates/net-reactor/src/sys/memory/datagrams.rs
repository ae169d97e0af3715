//! Sockets of datagrams: how they are bound, what arrives at them, and what is lost.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::fault::Fault;
use super::links::Hop;
use super::listeners::bad_descriptor;
use super::machine::{Machine, Named};
use super::network::{Event, Segment};
use super::socket::{Edges, Flags};
use super::trace::hash_address;
use super::world::State;
use crate::base::{Instant, Key, Slab};
use crate::sys::{DatagramOptions, Membership, MulticastGroup, Token};

/// The default size of either buffer; Linux's `net.core.rmem_default`.
const BUFFER_BYTES: usize = 212_992;

/// What a datagram takes of a buffer beside its bytes, about: Linux counts the whole `sk_buff`.
const OVERHEAD_BYTES: usize = 512;

/// A socket of datagrams.
///
/// What is simpler than the real thing: there are no fragments, so that a long datagram is lost no
/// more often than a short one; a group has no interface, and multicast needs no routes; ICMP says
/// that nobody listens at a port, and nothing else.
#[derive(Debug)]
pub(super) struct Udp {
    pub(super) machine: usize,
    pub(super) kernel: usize,
    descriptor: u32,
    pub(super) local: SocketAddr,
    pub(super) peer: Option<SocketAddr>,
    pub(super) options: DatagramOptions,
    groups: Vec<IpAddr>,
    pub(super) arrived: VecDeque<(SocketAddr, Vec<u8>)>,
    arrived_bytes: usize,
    /// What was sent and has not left the host.
    unsent_bytes: usize,
    pub(super) error: Option<io::ErrorKind>,
    pub(super) edges: Edges,
}

/// A datagram on its way.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) from: Key,
    pub(super) source: SocketAddr,
    pub(super) target: SocketAddr,
    pub(super) bytes: Vec<u8>,
    /// How much longer than others it takes.
    pub(super) late: Duration,
}

impl Flight {
    /// What it takes of a buffer.
    fn weight(&self) -> usize {
        self.bytes.len() + OVERHEAD_BYTES
    }
}

impl Udp {
    /// Whether both cannot be bound at once.
    fn conflicts(&self, address: SocketAddr, options: &DatagramOptions) -> bool {
        let (own, other) = (self.local.ip(), address.ip());
        let overlaps = own == other || own.is_unspecified() || other.is_unspecified();
        let shared = (self.options.reuse_address && options.reuse_address)
            || (self.options.reuse_port && options.reuse_port);
        own.is_ipv4() == other.is_ipv4()
            && overlaps
            && self.local.port() == address.port()
            && !shared
    }

    /// Tells how well it fits a datagram, if it does: the more precise address wins.
    fn fit(&self, source: SocketAddr, target: SocketAddr) -> Option<u8> {
        let own = self.local.ip();
        let hears = if target.ip().is_multicast() {
            self.groups.contains(&target.ip()) && (own.is_unspecified() || own == target.ip())
        } else if is_broadcast(target.ip()) {
            own == IpAddr::from([0, 0, 0, 0])
        } else {
            own == target.ip() || own.is_unspecified() && own.is_ipv4() == target.is_ipv4()
        };
        let is_peer = self.peer.is_none_or(|peer| peer == source);
        (hears && is_peer && self.local.port() == target.port())
            .then(|| 2 * u8::from(self.peer.is_some()) + u8::from(!own.is_unspecified()))
    }

    /// Whether nothing more may be sent now.
    pub(super) fn is_full(&self) -> bool {
        self.unsent_bytes >= self.options.send_buffer_bytes.unwrap_or(BUFFER_BYTES)
    }

    /// Takes what arrived first.
    pub(super) fn take(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        let (source, bytes) = self.arrived.pop_front()?;
        self.arrived_bytes -= bytes.len() + OVERHEAD_BYTES;
        Some((source, bytes))
    }
}

/// Whether it is a broadcast address: the hosts are all in 10.0.0.0/8, and each has the loopback
/// network to itself.
pub(super) fn is_broadcast(ip: IpAddr) -> bool {
    let all = [[255; 4], [10, 255, 255, 255], [127, 255, 255, 255]];
    all.into_iter().any(|each| ip == IpAddr::from(each))
}

impl State {
    /// Binds a socket, and connects it if there is a peer.
    pub(super) fn open_udp(
        &mut self,
        kernel: usize,
        token: Token,
        (local, peer): (SocketAddr, Option<SocketAddr>),
        options: &DatagramOptions,
    ) -> io::Result<(Key, SocketAddr)> {
        self.check_boot(kernel)?;
        if self.faults.is_on() {
            if self.fires(kernel, Fault::RegisterNoMemory) {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            if self.fires(kernel, Fault::RegisterNoSpace) {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let index = self.kernels[kernel].machine;
        let sockets = &self.udp;
        let machine = &mut self.machines[index];
        let mut local = bindable(machine, local)?;
        if local.port() == 0 {
            // Nobody asked to share a port that nobody named.
            let alone = DatagramOptions::default();
            let free = |machine: &Machine, port| {
                !is_taken(sockets, machine, SocketAddr::new(local.ip(), port), &alone)
            };
            let port = machine.find_port(free).ok_or(io::ErrorKind::AddrInUse)?;
            local.set_port(port);
        } else if is_taken(sockets, machine, local, options) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        if let Some(peer) = peer {
            if peer.is_ipv4() != local.is_ipv4() || peer.port() == 0 {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            if local.ip().is_unspecified() {
                local.set_ip(machine.source_for(peer.ip()));
            }
        }
        let descriptor = machine.descriptors.open()?;
        let current = Flags::WRITABLE;
        let mut edges = Edges::default();
        edges.register(token, current);
        let key = self.udp.insert(Udp {
            machine: index,
            kernel,
            descriptor,
            local,
            peer,
            options: options.clone(),
            groups: options.groups.iter().map(MulticastGroup::address).collect(),
            arrived: VecDeque::new(),
            arrived_bytes: 0,
            unsent_bytes: 0,
            error: None,
            edges,
        });
        self.machines[index].datagrams.push(key);
        self.note_udp(key, current);
        Ok((key, local))
    }

    /// Enters or leaves a group.
    pub(super) fn set_membership(
        &mut self,
        key: Key,
        group: MulticastGroup,
        change: Membership,
    ) -> io::Result<()> {
        let socket = self.udp.get_mut(key).ok_or_else(bad_descriptor)?;
        let address = group.address();
        if !address.is_multicast() || address.is_ipv4() != socket.local.is_ipv4() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let known = socket.groups.iter().position(|joined| *joined == address);
        match (change, known) {
            (Membership::Join, None) => socket.groups.push(address),
            (Membership::Join, Some(_)) => return Err(io::ErrorKind::AddrInUse.into()),
            (Membership::Leave, Some(place)) => drop(socket.groups.remove(place)),
            (Membership::Leave, None) => return Err(io::ErrorKind::AddrNotAvailable.into()),
        }
        Ok(())
    }

    /// Sends a datagram to everybody whom its target names.
    pub(super) fn launch(&mut self, flight: Flight) {
        let Some(sender) = self.udp.get(flight.from) else { return };
        let (own, loops) = (sender.machine, sender.options.multicast_loop);
        let ip = flight.target.ip();
        let hosts: Vec<usize> = if is_broadcast(ip) && !ip.is_loopback() {
            (0..self.machines.len()).collect()
        } else if ip.is_multicast() {
            let members = self.udp.iter().filter(|(_, socket)| socket.groups.contains(&ip));
            let mut hosts: Vec<usize> = members.map(|(_, socket)| socket.machine).collect();
            hosts.sort_unstable();
            hosts.dedup();
            hosts.retain(|host| *host != own || loops);
            hosts
        } else {
            self.route(own, ip).into_iter().collect()
        };
        let weight = flight.weight();
        for host in hosts {
            if let Some(sender) = self.udp.get_mut(flight.from) {
                sender.unsent_bytes += weight;
            }
            self.transmit(own, host, Segment::Datagram(Box::new(flight.clone())));
        }
    }

    /// A datagram leaves its host at a time: its sender has room again.
    pub(super) fn on_way(&mut self, at: Instant, segment: &Segment) {
        let Segment::Datagram(flight) = segment else { return };
        if at <= self.now {
            self.release_udp(flight.from, flight.weight());
        } else {
            let (from, bytes) = (flight.from, flight.weight());
            self.schedule(at, Event::Left { from, bytes });
        }
    }

    /// Gives room of a send buffer back.
    pub(super) fn release_udp(&mut self, from: Key, bytes: usize) {
        let Some(socket) = self.udp.get_mut(from) else { return };
        socket.unsent_bytes = socket.unsent_bytes.saturating_sub(bytes);
        if !socket.is_full() && std::mem::take(&mut socket.edges.write_armed) {
            self.note_udp(from, Flags::WRITABLE);
        }
    }

    /// A datagram has arrived at a host.
    pub(super) fn on_datagram(&mut self, hop: Hop, flight: Flight) {
        let Flight { from, source, target, bytes, .. } = flight;
        let fits = self.machines[hop.to].datagrams.iter().filter_map(|key| {
            let fit = self.udp.get(*key)?.fit(source, target)?;
            Some((fit, *key))
        });
        let fits: Vec<(u8, Key)> = fits.collect();
        if target.ip().is_multicast() || is_broadcast(target.ip()) {
            for (_, key) in fits {
                self.put_in(key, source, bytes.clone());
            }
            return;
        }
        let Some(best) = fits.iter().map(|(fit, _)| *fit).max() else {
            return self.transmit(hop.to, hop.from, Segment::Unheard { to: from, target });
        };
        let group: Vec<Key> =
            fits.into_iter().filter(|(fit, _)| *fit == best).map(|(_, key)| key).collect();
        // Sockets that share an address get each peer by a hash, as on Linux.
        let hash = hash_address(hash_address(0, source), target);
        let place = usize::try_from(hash % group.len() as u64).unwrap_or(0);
        self.put_in(group[place], source, bytes);
    }

    /// Puts a datagram into the buffer of a socket, if there is room.
    fn put_in(&mut self, key: Key, source: SocketAddr, bytes: Vec<u8>) {
        let Some(socket) = self.udp.get_mut(key) else { return };
        // As on Linux a buffer that is not full takes one more, however long it is.
        if socket.arrived_bytes >= socket.options.receive_buffer_bytes.unwrap_or(BUFFER_BYTES) {
            return self.trace_no_room(key);
        }
        socket.arrived_bytes += bytes.len() + OVERHEAD_BYTES;
        socket.arrived.push_back((source, bytes));
        if std::mem::take(&mut socket.edges.read_armed) {
            self.note_udp(key, Flags::READABLE);
        }
    }

    /// A host has answered that nobody listens. Only a connected socket can tell of what.
    pub(super) fn on_unheard(&mut self, to: Key, target: SocketAddr) {
        let Some(socket) = self.udp.get_mut(to) else { return };
        if socket.peer == Some(target) {
            socket.error = Some(io::ErrorKind::ConnectionRefused);
            self.note_udp(to, Flags { hang_up: false, ..Flags::FAILED });
        }
    }

    /// Closes a socket. What it has sent still arrives.
    pub(super) fn close_udp(&mut self, key: Key) {
        let Some(socket) = self.udp.remove(key) else { return };
        let machine = &mut self.machines[socket.machine];
        machine.datagrams.retain(|each| *each != key);
        machine.descriptors.close(socket.descriptor);
    }

    /// Forgets the sockets of a host that lost its power.
    pub(super) fn vanish_udp(&mut self, machine: usize) {
        for key in std::mem::take(&mut self.machines[machine].datagrams) {
            self.udp.remove(key);
        }
    }

    /// Returns the sockets of a loop, in the order of their slots.
    pub(super) fn udp_of(&self, kernel: usize) -> Vec<Key> {
        let own = self.udp.iter().filter(|(_, socket)| socket.kernel == kernel);
        own.map(|(key, _)| key).collect()
    }

    /// Lets the next wait report a socket.
    pub(super) fn note_udp(&mut self, key: Key, news: Flags) {
        let Some(socket) = self.udp.get_mut(key) else { return };
        socket.edges.pending.merge(news);
        if !std::mem::replace(&mut socket.edges.queued, true) {
            let kernel = socket.kernel;
            self.kernels[kernel].ready.push_back(Named::Udp(key));
            self.rouse(kernel);
        }
    }
}

/// Whether a socket keeps others from binding `address`.
fn is_taken(
    sockets: &Slab<Udp>,
    machine: &Machine,
    address: SocketAddr,
    options: &DatagramOptions,
) -> bool {
    let conflicts =
        |key: &Key| sockets.get(*key).is_some_and(|socket| socket.conflicts(address, options));
    machine.datagrams.iter().any(conflicts)
}

/// Strips what does not matter here of an address that this host can bind.
fn bindable(machine: &Machine, local: SocketAddr) -> io::Result<SocketAddr> {
    let ip = local.ip();
    if ip.is_unspecified() || machine.owns(ip) || ip.is_multicast() || is_broadcast(ip) {
        Ok(SocketAddr::new(ip, local.port()))
    } else {
        Err(io::ErrorKind::AddrNotAvailable.into())
    }
}
