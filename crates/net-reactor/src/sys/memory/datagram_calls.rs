//! The system calls on datagrams, with their faults.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::Memory;
use super::datagrams::{Flight, is_broadcast};
use super::fault::Fault;
use super::inject::NO_BUFFERS;
use super::listeners::bad_descriptor;
use super::socket::Flags;
use super::trace::{Outcome, hash_address, hash_bytes};
use super::world::State;
use crate::base::Key;
use crate::sys::{
    DatagramOptions, DatagramSys, MESSAGE_TOO_LONG, Membership, MulticastGroup, Token,
};

/// The longest payloads over IPv4 and IPv6: 65,535 bytes without the headers.
const PAYLOAD_MAX_V4: usize = 65_507;
const PAYLOAD_MAX_V6: usize = 65_527;

/// How much longer a late datagram takes at most.
const LATE_MAX: Duration = Duration::from_millis(200);

/// A socket of datagrams: its number in the descriptor table.
#[derive(Debug)]
pub(crate) struct UdpSocket(Key);

impl DatagramSys for Memory {
    type Udp = UdpSocket;

    fn open_udp(
        &mut self,
        token: Token,
        local: SocketAddr,
        peer: Option<SocketAddr>,
        options: &DatagramOptions,
    ) -> io::Result<(UdpSocket, SocketAddr)> {
        let call =
            |state: &mut State, kernel| state.open_udp(kernel, token, (local, peer), options);
        let made = |made: &(Key, SocketAddr)| Outcome::Socket(made.0);
        let (key, bound) = self.call("open datagrams", None, call, made)?;
        Ok((UdpSocket(key), bound))
    }

    fn receive_from(
        &mut self,
        socket: &UdpSocket,
        into: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        let mut state = self.world.state();
        let received = state.receive_from(self.kernel, socket.0, into);
        let outcome = Outcome::of(&received, |(len, source)| {
            Outcome::Bytes(*len, hash_bytes(hash_address(0, *source), &into[..*len]))
        });
        state.trace_call(self.kernel, "receive from", Some(socket.0), outcome);
        received
    }

    fn send_to(
        &mut self,
        socket: &UdpSocket,
        to: Option<SocketAddr>,
        bytes: &[u8],
    ) -> io::Result<()> {
        let call = |state: &mut State, kernel| state.send_to(kernel, socket.0, to, bytes);
        let sent = |_: &()| {
            let hash = to.map_or(0, |to| hash_address(0, to));
            Outcome::Bytes(bytes.len(), hash_bytes(hash, bytes))
        };
        self.call("send to", Some(socket.0), call, sent)
    }

    fn take_udp_error(&mut self, socket: &UdpSocket) -> io::Result<Option<io::Error>> {
        let call = |state: &mut State, _| {
            let socket = state.udp.get_mut(socket.0).ok_or_else(bad_descriptor)?;
            Ok(socket.error.take().map(io::Error::from))
        };
        self.call("take error", Some(socket.0), call, |error: &Option<io::Error>| match error {
            None => Outcome::Done(0),
            Some(error) => Outcome::told(error),
        })
    }

    fn set_membership(
        &mut self,
        socket: &UdpSocket,
        group: MulticastGroup,
        change: Membership,
    ) -> io::Result<()> {
        let call = |state: &mut State, _| state.set_membership(socket.0, group, change);
        let hash = hash_address(0, (group.address(), 0).into());
        self.call("set membership", Some(socket.0), call, |()| Outcome::Done(hash))
    }

    fn close_udp(&mut self, socket: UdpSocket) {
        let mut state = self.world.state();
        state.trace_call(self.kernel, "close datagrams", Some(socket.0), Outcome::Done(0));
        state.close_udp(socket.0);
    }
}

impl State {
    /// Receives a datagram, cut to the size of `into`.
    fn receive_from(
        &mut self,
        kernel: usize,
        key: Key,
        into: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        let socket = self.udp.get_mut(key).ok_or_else(bad_descriptor)?;
        // As on Linux, before anything that has arrived.
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        let waits = !socket.arrived.is_empty();
        if waits && self.faults.is_on() && self.fires(kernel, Fault::ReceiveNotReady) {
            self.note_udp(key, Flags::READABLE);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let socket = self.udp.get_mut(key).ok_or_else(bad_descriptor)?;
        let Some((source, bytes)) = socket.take() else {
            socket.edges.read_armed = true;
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let len = bytes.len().min(into.len());
        into[..len].copy_from_slice(&bytes[..len]);
        Ok((len, source))
    }

    /// Sends a datagram, to the peer if there is no address.
    fn send_to(
        &mut self,
        kernel: usize,
        key: Key,
        to: Option<SocketAddr>,
        bytes: &[u8],
    ) -> io::Result<()> {
        let socket = self.udp.get_mut(key).ok_or_else(bad_descriptor)?;
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        let target = to.or(socket.peer).ok_or(io::ErrorKind::NotConnected)?;
        let (local, broadcasts) = (socket.local, socket.options.broadcast);
        check_target(local, target, bytes.len())?;
        if is_broadcast(target.ip()) && !broadcasts {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if self.faults.is_on() {
            if self.fires(kernel, Fault::SendNoBuffers) {
                return Err(io::Error::from_raw_os_error(NO_BUFFERS));
            }
            let has_room = self.udp.get(key).is_some_and(|socket| !socket.is_full());
            if has_room && self.fires(kernel, Fault::SendNotReady) {
                self.note_udp(key, Flags::WRITABLE);
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        let socket = self.udp.get_mut(key).ok_or_else(bad_descriptor)?;
        if socket.is_full() {
            socket.edges.write_armed = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let machine = &self.machines[self.kernels[kernel].machine];
        let any = local.ip().is_unspecified();
        let ip = if any { machine.source_for(target.ip()) } else { local.ip() };
        let source = SocketAddr::new(ip, local.port());
        let late = Duration::ZERO;
        self.fly(kernel, Flight { from: key, source, target, bytes: bytes.to_vec(), late });
        self.run_due();
        Ok(())
    }

    /// Sends a datagram on its way, where faults await it.
    fn fly(&mut self, kernel: usize, mut flight: Flight) {
        if self.faults.is_on() {
            if self.fires(kernel, Fault::DatagramLost) {
                return;
            }
            if self.fires(kernel, Fault::DatagramTwice) {
                self.launch(flight.clone());
            }
            if self.fires(kernel, Fault::DatagramLate) {
                flight.late = self.drawn_time(Fault::DatagramLate, LATE_MAX);
            }
        }
        self.launch(flight);
    }
}

fn check_target(local: SocketAddr, target: SocketAddr, len: usize) -> io::Result<()> {
    if target.is_ipv4() != local.is_ipv4() || target.port() == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let max = if target.is_ipv4() { PAYLOAD_MAX_V4 } else { PAYLOAD_MAX_V6 };
    if len > max {
        return Err(io::Error::from_raw_os_error(MESSAGE_TOO_LONG));
    }
    Ok(())
}
