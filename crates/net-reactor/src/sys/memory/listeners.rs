//! Listening sockets: binding, backlog, accepting.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::machine::{Call, Machine, Named};
use super::socket::{Edges, Flags, Holder, Phase, Socket};
use super::world::State;
use crate::base::{Instant, Key, Slab};
use crate::sys::{ListenOptions, Token};

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) machine: usize,
    /// Its number in the descriptor table.
    pub(super) descriptor: u32,
    pub(super) kernel: usize,
    pub(super) address: SocketAddr,
    options: ListenOptions,
    /// Connections that wait to be accepted, oldest first.
    pub(super) pending: VecDeque<Key>,
    pub(super) edges: Edges,
}

impl Listening {
    /// Tells how well this socket fits a connection to `target`, if it does.
    ///
    /// The more precise address wins: one address before all of a family before both families.
    fn fit(&self, target: SocketAddr) -> Option<u8> {
        if self.address.port() != target.port() {
            return None;
        }
        let own = self.address.ip();
        match (own.is_unspecified(), own.is_ipv4() == target.is_ipv4()) {
            (false, _) => (own == target.ip()).then_some(3),
            (true, true) => Some(2),
            (true, false) => (own.is_ipv6() && !self.options.only_v6).then_some(1),
        }
    }

    /// Whether one more connection may wait. Linux lets one more wait than the backlog says.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() <= usize::try_from(self.options.backlog).unwrap_or(usize::MAX)
    }

    /// Whether both cannot be bound at once.
    fn conflicts(&self, address: SocketAddr, options: &ListenOptions) -> bool {
        let (own, other) = (self.address.ip(), address.ip());
        let overlaps = match (own.is_ipv4(), other.is_ipv4()) {
            (true, true) | (false, false) => {
                own == other || own.is_unspecified() || other.is_unspecified()
            }
            (false, true) => own.is_unspecified() && !self.options.only_v6,
            (true, false) => other.is_unspecified() && !options.only_v6,
        };
        overlaps
            && self.address.port() == address.port()
            && !(self.options.reuse_port && options.reuse_port)
    }
}

/// Whether a listening socket keeps others from binding `address`.
pub(super) fn is_taken(
    listeners: &Slab<Listening>,
    machine: &Machine,
    now: Instant,
    address: SocketAddr,
    options: &ListenOptions,
) -> bool {
    let conflicts = |key: &Key| {
        listeners.get(*key).is_some_and(|listening| listening.conflicts(address, options))
    };
    let used = |(local, _): &(SocketAddr, SocketAddr)| local.port() == address.port();
    let remembered = || machine.time_wait.has_port(address.port(), now);
    machine.listening.iter().any(conflicts)
        || (!options.reuse_address && (machine.tuples.keys().any(used) || remembered()))
}

impl State {
    /// Binds and listens.
    pub(super) fn listen(
        &mut self,
        kernel: usize,
        token: Token,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<(Key, SocketAddr)> {
        let index = self.kernels[kernel].machine;
        self.check_boot(kernel)?;
        let (now, machine) = (self.now, &mut self.machines[index]);
        machine.check(Call::Listen)?;
        if !address.ip().is_unspecified() && !machine.owns(address.ip()) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let mut address = SocketAddr::new(address.ip(), address.port());
        let listeners = &self.listeners;
        if address.port() == 0 {
            let free = |machine: &Machine, port| {
                let candidate = SocketAddr::new(address.ip(), port);
                // Nobody asked to share a port that nobody named.
                let alone = options.clone().reuse_port(false).reuse_address(false);
                !is_taken(listeners, machine, now, candidate, &alone)
            };
            let port = machine.find_port(free).ok_or(io::ErrorKind::AddrInUse)?;
            address.set_port(port);
        } else if is_taken(listeners, machine, now, address, options) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let descriptor = machine.descriptors.open()?;
        let mut edges = Edges::default();
        edges.register(token, Flags::default());
        let key = self.listeners.insert(Listening {
            machine: index,
            descriptor,
            kernel,
            address,
            options: options.clone(),
            pending: VecDeque::new(),
            edges,
        });
        machine.listening.push(key);
        Ok((key, address))
    }

    /// Takes a pending connection.
    pub(super) fn accept(&mut self, kernel: usize, listener: Key) -> io::Result<(Key, SocketAddr)> {
        if let Err(error) = self.machines[self.kernels[kernel].machine].check(Call::Accept) {
            if error.kind() == io::ErrorKind::WouldBlock {
                self.note_listener(listener);
            }
            return Err(error);
        }
        self.take_pending(kernel, listener)
    }

    fn take_pending(&mut self, kernel: usize, listener: Key) -> io::Result<(Key, SocketAddr)> {
        let listening = self.listeners.get_mut(listener).ok_or_else(bad_descriptor)?;
        let machine = &mut self.machines[listening.machine];
        // As on Linux the descriptor comes first: a full table is told even to an empty backlog.
        let descriptor = machine.descriptors.open()?;
        let Some(key) = listening.pending.pop_front() else {
            machine.descriptors.close(descriptor);
            listening.edges.read_armed = true;
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let socket = self.sockets.get_mut(key).ok_or_else(bad_descriptor)?;
        socket.holder = Holder::Kernel(kernel);
        socket.descriptor = Some(descriptor);
        Ok((key, socket.shown(socket.remote)))
    }

    /// Accepts and closes a peer on the reserve descriptor.
    pub(super) fn turn_away(&mut self, kernel: usize, listener: Key) -> io::Result<bool> {
        let index = self.kernels[kernel].machine;
        let result = if let Some(reserve) = self.kernels[kernel].reserve.take() {
            self.machines[index].descriptors.close(reserve);
            match self.take_pending(kernel, listener) {
                Ok((key, _)) => {
                    self.close(key);
                    Ok(true)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                Err(error) => Err(error),
            }
        } else {
            Ok(false)
        };
        self.check_boot(kernel)?;
        self.kernels[kernel].reserve = self.machines[index].descriptors.open().ok();
        result
    }

    /// Closes a listening socket and resets what waits to be accepted.
    pub(super) fn close_listener(&mut self, listener: Key) {
        let Some(listening) = self.listeners.remove(listener) else { return };
        let machine = &mut self.machines[listening.machine];
        machine.listening.retain(|key| *key != listener);
        machine.descriptors.close(listening.descriptor);
        for key in listening.pending {
            self.send_reset(key);
            self.remove(key);
        }
        self.run_due();
    }

    /// Picks the listening socket for a connection to `target`.
    ///
    /// Sockets that share an address (`SO_REUSEPORT`) get connections by chance, which is what
    /// Linux's hash over addresses and ports amounts to.
    pub(super) fn listener_for(&mut self, machine: usize, target: SocketAddr) -> Option<Key> {
        let fits = self.machines[machine].listening.iter().filter_map(|key| {
            let fit = self.listeners.get(*key)?.fit(target)?;
            Some((fit, *key))
        });
        let fits: Vec<(u8, Key)> = fits.collect();
        let best = fits.iter().map(|(fit, _)| *fit).max()?;
        let group: Vec<Key> =
            fits.into_iter().filter(|(fit, _)| *fit == best).map(|(_, key)| key).collect();
        if let [only] = group[..] {
            return Some(only);
        }
        let drawn = self.chance.listeners.below(u64::try_from(group.len()).unwrap_or(1));
        group.get(usize::try_from(drawn).unwrap_or(0)).copied()
    }

    /// Makes the server's end of a connection, which waits to be accepted.
    ///
    /// Returns `None` when the backlog is full.
    pub(super) fn add_pending(
        &mut self,
        listener: Key,
        local: SocketAddr,
        remote: SocketAddr,
        client: Key,
    ) -> Option<Key> {
        let listening =
            self.listeners.get_mut(listener).filter(|listening| listening.has_room())?;
        let capacity = self.settings.capacity_bytes;
        let client_end = self.sockets.get(client)?;
        let (far, far_kernel) = (client_end.machine, client_end.kernel);
        let mut server = Socket::new((listening.machine, far), local, remote, capacity);
        server.kernel = Some(listening.kernel);
        server.far_kernel = far_kernel;
        server.last_heard = self.now;
        server.phase = Phase::Open;
        server.peer = Some(client);
        server.shows_v6 = listening.address.is_ipv6();
        let key = self.sockets.insert(server);
        self.machines[listening.machine].tuples.insert((local, remote), key);
        listening.pending.push_back(key);
        if std::mem::take(&mut listening.edges.read_armed) {
            self.note_listener(listener);
        }
        Some(key)
    }

    /// Lets the next wait of a listener's loop report it.
    pub(super) fn note_listener(&mut self, listener: Key) {
        let Some(listening) = self.listeners.get_mut(listener) else { return };
        listening.edges.pending.merge(Flags::READABLE);
        if !std::mem::replace(&mut listening.edges.queued, true) {
            let kernel = listening.kernel;
            self.kernels[kernel].ready.push_back(Named::Listener(listener));
            self.rouse(kernel);
        }
    }
}

/// `EBADF`: the socket was closed, or belongs to another host. It has no [`io::ErrorKind`].
pub(super) fn bad_descriptor() -> io::Error {
    io::Error::from_raw_os_error(9)
}

/// Strips what does not matter here: scopes, and IPv4 addresses in IPv6 clothing.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip().to_canonical() {
        // Linux takes "any" as the target of a connection for this host.
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
