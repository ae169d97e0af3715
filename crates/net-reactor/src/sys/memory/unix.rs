//! Unix sockets: streams within one host, found by a name.
//!
//! Inside a name is a port of an address that programs do not use, so that everything else about a
//! stream is as for TCP over loopback. It differs from Linux in two ways: a connection has a moment
//! of its own to begin and a close one to arrive, if loopback has a latency; and a send to a peer
//! that has closed succeeds once before it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::fault::Fault;
use super::listeners::bad_descriptor;
use super::world::State;
use crate::base::{Address, Key, UnixAddress};
use crate::sys::{Credentials, ListenOptions, StreamAddresses, Token};

/// The address whose ports stand for names.
const PLACE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 255, 255, 254));

/// The user and the group that every simulated process runs as.
const USER: u32 = 1_000;

/// The Unix sockets of one host.
#[derive(Debug, Default)]
pub(super) struct UnixNames {
    /// The port of each name that was ever bound: a connection can outlive its listener.
    ports: BTreeMap<UnixAddress, u16>,
    names: BTreeMap<u16, UnixAddress>,
    /// Paths with a file. One that nobody listens on is stale.
    files: BTreeSet<UnixAddress>,
}

impl UnixNames {
    /// Returns the address that stands for a name, and makes one if there is none.
    fn place_for(&mut self, name: &UnixAddress) -> io::Result<SocketAddr> {
        let port = match self.ports.get(name) {
            Some(port) => *port,
            None => {
                let next = u16::try_from(self.ports.len() + 1);
                let port = next.map_err(|_| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
                self.ports.insert(name.clone(), port);
                self.names.insert(port, name.clone());
                port
            }
        };
        Ok(SocketAddr::new(PLACE, port))
    }

    fn place_of(&self, name: &UnixAddress) -> Option<SocketAddr> {
        Some(SocketAddr::new(PLACE, *self.ports.get(name)?))
    }
}

/// Whether an address stands for the name of a Unix socket.
pub(super) fn is_place(address: SocketAddr) -> bool {
    address.ip() == PLACE
}

impl State {
    /// Binds and listens, on either family.
    pub(super) fn listen_at(
        &mut self,
        kernel: usize,
        token: Token,
        address: &Address,
        options: &ListenOptions,
    ) -> io::Result<(Key, Address)> {
        let name = match address {
            Address::Ip(address) => {
                let (key, bound) = self.try_listen(kernel, token, *address, options)?;
                return Ok((key, bound.into()));
            }
            Address::Unix(name) => name,
        };
        if name.is_unnamed() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let machine = self.kernels[kernel].machine;
        let place = self.machines[machine].unix.place_for(name)?;
        // A file that nobody listens on is no hindrance: it is replaced.
        let alone = options.clone().reuse_port(false).reuse_address(true);
        let (key, _) = self.try_listen(kernel, token, place, &alone)?;
        if name.as_path().is_some() {
            self.machines[machine].unix.files.insert(name.clone());
        }
        Ok((key, address.clone()))
    }

    /// Removes the file of a listening socket, as its owner does before it closes it.
    pub(super) fn remove_file_of(&mut self, listener: Key) {
        let Some(listening) = self.listeners.get(listener) else { return };
        let unix = &mut self.machines[listening.machine].unix;
        if is_place(listening.address)
            && let Some(name) = unix.names.get(&listening.address.port())
        {
            unix.files.remove(name);
        }
    }

    /// Starts a connection, to either family.
    pub(super) fn connect_to(
        &mut self,
        kernel: usize,
        token: Token,
        peer: &Address,
        bind: Option<SocketAddr>,
    ) -> io::Result<Key> {
        let name = match peer {
            Address::Ip(peer) => return self.try_connect(kernel, token, *peer, bind),
            Address::Unix(name) => name,
        };
        let machine = self.kernels[kernel].machine;
        let unix = &self.machines[machine].unix;
        let place = unix.place_of(name);
        if name.as_path().is_some() && !unix.files.contains(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let place = place.ok_or(io::ErrorKind::ConnectionRefused)?;
        let listener = self.listener_for(machine, place).ok_or(io::ErrorKind::ConnectionRefused)?;
        if self.listeners.get(listener).is_some_and(|listening| !listening.has_room()) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        if self.faults.is_on() && self.fires(kernel, Fault::ConnectRefused) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.connect(kernel, token, place, None)
    }

    /// Takes a pending connection, of either family.
    pub(super) fn accept_from(
        &mut self,
        kernel: usize,
        listener: Key,
    ) -> io::Result<(Key, Address)> {
        let (key, peer) = self.try_accept(kernel, listener)?;
        Ok((key, self.told(key, peer)))
    }

    /// Takes the outcome of a started connection, of either family.
    pub(super) fn connected_to(&mut self, key: Key) -> io::Result<StreamAddresses> {
        let (local, peer) = self.connected(key)?;
        Ok(StreamAddresses { local: self.told(key, local), peer: self.told(key, peer) })
    }

    /// Returns the socket's own address, of either family.
    pub(super) fn local_name(&mut self, kernel: usize, key: Key) -> io::Result<Address> {
        let local = self.try_local_address(kernel, key)?;
        Ok(self.told(key, local))
    }

    /// Says an address of a socket as its family does.
    fn told(&self, key: Key, address: SocketAddr) -> Address {
        let socket = self.sockets.get(key).filter(|socket| socket.is_unix());
        let Some(socket) = socket else { return address.into() };
        let name = is_place(address)
            .then(|| self.machines[socket.machine].unix.names.get(&address.port()))
            .flatten();
        Address::Unix(name.cloned().unwrap_or(UnixAddress::UNNAMED))
    }

    /// Whether a stream is one of Unix sockets, which know no reset of their own will.
    pub(super) fn is_unix(&self, key: Key) -> bool {
        self.sockets.get(key).is_some_and(super::socket::Socket::is_unix)
    }

    /// Tells who made the other end. The processes are the loops, counted from one.
    pub(super) fn peer_credentials(&self, key: Key) -> io::Result<Credentials> {
        let socket = self.sockets.get(key).ok_or_else(bad_descriptor)?;
        if !socket.is_unix() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let kernel = socket.far_kernel.ok_or(io::ErrorKind::NotConnected)?;
        let pid = u32::try_from(kernel + 1).unwrap_or(u32::MAX);
        Ok(Credentials { uid: USER, gid: USER, pid })
    }
}
