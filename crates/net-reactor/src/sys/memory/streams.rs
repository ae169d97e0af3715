//! The system calls on streams.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

use super::listeners::{bad_descriptor, is_taken, plain};
use super::machine::{Call, Machine};
use super::pipe::Fin;
use super::socket::{Edges, Flags, Holder, Phase, Socket};
use super::world::State;
use crate::base::Key;
use crate::sys::{ListenOptions, SocketOption, Token, Wire};

impl State {
    /// Starts a connection.
    pub(super) fn connect(
        &mut self,
        kernel: usize,
        token: Token,
        peer: SocketAddr,
        bind: Option<SocketAddr>,
    ) -> io::Result<Key> {
        let index = self.kernels[kernel].machine;
        self.check_boot(kernel)?;
        self.machines[index].check(Call::Connect)?;
        let remote = plain(peer);
        let local = self.pick_local(index, remote, bind)?;
        let descriptor = self.machines[index].descriptors.open()?;
        let far = self.route(index, remote.ip()).unwrap_or(index);
        let mut socket = Socket::new((index, far), local, remote, self.settings.capacity_bytes);
        socket.descriptor = Some(descriptor);
        socket.shows_v6 = peer.is_ipv6();
        socket.holder = Holder::Kernel(kernel);
        socket.kernel = Some(kernel);
        socket.edges.register(token, Flags::default());
        let key = self.sockets.insert(socket);
        self.machines[index].tuples.insert((local, remote), key);
        match self.doom {
            Some((at, error)) => self.refuse_at(at, key, error),
            None => self.send_syn(key),
        }
        self.run_due();
        Ok(key)
    }

    fn pick_local(
        &mut self,
        index: usize,
        remote: SocketAddr,
        bind: Option<SocketAddr>,
    ) -> io::Result<SocketAddr> {
        let (now, machine) = (self.now, &mut self.machines[index]);
        let (ip, port) = match bind {
            Some(local) if !local.ip().is_unspecified() => {
                (local.ip().to_canonical(), local.port())
            }
            Some(any) => (machine.source_for(remote.ip()), any.port()),
            None => (machine.source_for(remote.ip()), 0),
        };
        if !machine.owns(ip) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if ip.is_ipv4() != remote.is_ipv4() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let used = |machine: &Machine, port| {
            let tuple = (SocketAddr::new(ip, port), remote);
            machine.tuples.contains_key(&tuple) || machine.time_wait.contains(&tuple, now)
        };
        if port == 0 {
            let free = machine.find_port(|machine, port| !used(machine, port));
            let port = free.ok_or(io::ErrorKind::AddrNotAvailable)?;
            return Ok(SocketAddr::new(ip, port));
        }
        let local = SocketAddr::new(ip, port);
        if is_taken(&self.listeners, machine, now, local, &ListenOptions::default()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        if used(machine, port) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        Ok(local)
    }

    /// Takes the outcome of a started connection: this side's address and the peer's.
    pub(super) fn connected(&mut self, key: Key) -> io::Result<(SocketAddr, SocketAddr)> {
        self.check(key, Call::Connected, Flags::WRITABLE)?;
        let socket = self.sockets.get_mut(key).ok_or_else(bad_descriptor)?;
        if let Some(error) = socket.take_error() {
            return Err(error);
        }
        match socket.phase {
            Phase::Open => Ok((socket.shown(socket.local), socket.shown(socket.remote))),
            Phase::Connecting | Phase::Dead => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Makes a socket report to a loop, which need not be the one that accepted it.
    pub(super) fn register(&mut self, kernel: usize, token: Token, key: Key) -> io::Result<()> {
        let machine = self.kernels[kernel].machine;
        self.machines[machine].check(Call::Register)?;
        let socket = self.sockets.get_mut(key).ok_or_else(bad_descriptor)?;
        if socket.machine != machine {
            return Err(bad_descriptor());
        }
        socket.holder = Holder::Kernel(kernel);
        socket.withheld = false;
        socket.squeezed = false;
        let current = socket.current();
        socket.edges = Edges::default();
        socket.edges.register(token, current);
        if !current.is_empty() {
            // What holds by now is reported once.
            self.note(key, current);
        }
        Ok(())
    }

    /// Moves received bytes into `into`.
    pub(super) fn receive(&mut self, key: Key, into: &mut [u8]) -> io::Result<usize> {
        self.check(key, Call::Receive, Flags::READABLE)?;
        let limit = self.chop().min(into.len());
        let wanted = into.len();
        let socket = self.sockets.get_mut(key).ok_or_else(bad_descriptor)?;
        if socket.withheld {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if wanted == 0 {
            return Ok(0);
        }
        let taken = socket.incoming.take(&mut into[..limit]);
        if taken == 0 {
            return self.receive_nothing(key);
        }
        if taken < wanted {
            if socket.incoming.is_empty() {
                // A short receive has found the end of what is there, see epoll(7), question 9.
                socket.edges.read_armed = true;
            } else {
                socket.withheld = socket.edges.token.is_some();
                self.note(key, Flags::READABLE);
            }
        }
        self.announce_window(key);
        self.run_due();
        Ok(taken)
    }

    /// The order is Linux's `tcp_recvmsg`: the peer's FIN, then a pending error, then the end.
    fn receive_nothing(&mut self, key: Key) -> io::Result<usize> {
        let socket = self.sockets.get_mut(key).ok_or_else(bad_descriptor)?;
        if socket.incoming.is_finished() {
            return Ok(0);
        }
        if let Some(error) = socket.take_error() {
            return Err(error);
        }
        if socket.phase == Phase::Dead {
            return Ok(0);
        }
        socket.edges.read_armed = true;
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Takes bytes from the front of `slices`.
    pub(super) fn send(&mut self, key: Key, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.check(key, Call::Send, Flags::WRITABLE)?;
        let limit = self.chop();
        let socket = self.sockets.get_mut(key).ok_or_else(bad_descriptor)?;
        if let Some(error) = socket.take_error() {
            return Err(error);
        }
        if socket.phase == Phase::Dead || socket.outgoing.fin() != Fin::Open {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if socket.squeezed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        if offered == 0 {
            return Ok(0);
        }
        if socket.phase == Phase::Connecting || socket.outgoing.room() == 0 {
            socket.edges.write_armed = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = socket.outgoing.push(slices, limit);
        if taken < offered {
            if socket.outgoing.room() == 0 {
                socket.edges.write_armed = true;
            } else {
                socket.squeezed = socket.edges.token.is_some();
                self.note(key, Flags::WRITABLE);
            }
        }
        self.pump(key);
        self.run_due();
        Ok(taken)
    }

    /// Fails if a test asked this call to. `news` is reported again after an injected `EAGAIN`,
    /// since nothing else might ever change.
    fn check(&mut self, key: Key, call: Call, news: Flags) -> io::Result<()> {
        let socket = self.sockets.get(key).ok_or_else(bad_descriptor)?;
        let checked = self.machines[socket.machine].check(call);
        if matches!(&checked, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.note(key, news);
        }
        checked
    }

    /// Takes the pending error.
    pub(super) fn take_error(&mut self, key: Key) -> io::Result<Option<io::Error>> {
        Ok(self.sockets.get_mut(key).ok_or_else(bad_descriptor)?.take_error())
    }

    /// Sends FIN after what is unsent.
    pub(super) fn shutdown_write(&mut self, key: Key) -> io::Result<()> {
        self.check(key, Call::ShutdownWrite, Flags::default())?;
        let socket = self.sockets.get_mut(key).ok_or_else(bad_descriptor)?;
        // Linux's `inet_shutdown` fails in the state CLOSE, and a socket whose two directions have
        // finished is in it: what goes on in TIME_WAIT is not the socket any more.
        if socket.phase != Phase::Open || socket.retired {
            return Err(io::ErrorKind::NotConnected.into());
        }
        socket.outgoing.finish();
        self.pump(key);
        self.run_due();
        Ok(())
    }

    /// Changes a socket. Nothing waits here for more bytes, so that `TCP_NODELAY` changes nothing.
    pub(super) fn set_option(&mut self, key: Key, option: SocketOption) -> io::Result<()> {
        self.check(key, Call::SetOption, Flags::default())?;
        let socket = self.sockets.get_mut(key).ok_or_else(bad_descriptor)?;
        match option {
            SocketOption::NoDelay(_) => {}
            SocketOption::KeepAlive(settings) => self.keep_alive(key, settings),
            SocketOption::SendBuffer(bytes) => {
                socket.outgoing.set_capacity(bytes);
                self.announce_room(key);
            }
            SocketOption::ReceiveBuffer(bytes) => {
                socket.incoming.set_capacity(bytes);
                self.announce_window(key);
                self.run_due();
            }
        }
        Ok(())
    }

    /// Returns the socket's own address.
    pub(super) fn local_address(&self, key: Key) -> io::Result<SocketAddr> {
        let socket = self.sockets.get(key).ok_or_else(bad_descriptor)?;
        Ok(socket.shown(socket.local))
    }

    /// Plugs or unplugs the way from the other end of a connection.
    pub(super) fn plug(&mut self, key: Key, plugged: bool) {
        let Some(peer) = self.sockets.get(key).and_then(|socket| socket.peer) else { return };
        if let Some(sender) = self.sockets.get_mut(peer) {
            sender.outgoing.plug(plugged);
            self.announce_room(peer);
        }
    }

    /// Names both ends of a connection that is or was open; `None` for a socket that met itself.
    pub(super) fn wire_of(&self, key: Key) -> Option<Wire> {
        let peer = self.sockets.get(key)?.peer.filter(|peer| *peer != key)?;
        Some(Wire { own: number(key), peer: number(peer) })
    }

    /// `close(2)`: FIN after what is unsent, or RST if input is left unread.
    pub(super) fn close(&mut self, key: Key) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        // RFC 1122, section 4.2.2.13: the peer has to learn that its data was lost.
        if socket.phase != Phase::Open || !socket.incoming.is_empty() {
            return self.reset(key);
        }
        socket.holder = Holder::Nobody;
        socket.edges = Edges::default();
        socket.outgoing.finish();
        self.close_descriptor(key);
        self.pump(key);
        self.settle(key);
        self.run_due();
    }

    /// `close(2)` with a linger time of zero: RST, unless both sides have finished already.
    pub(super) fn reset(&mut self, key: Key) {
        let Some(socket) = self.sockets.get(key) else { return };
        let finished = socket.outgoing.fin() == Fin::Sent && socket.incoming.is_finished();
        let unread = !socket.incoming.is_empty() && !socket.retired;
        self.close_descriptor(key);
        if !finished || unread {
            self.send_reset(key);
        }
        self.remove(key);
        self.run_due();
    }

    /// Gives back the number of a socket that a loop held.
    fn close_descriptor(&mut self, key: Key) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        if let Some(number) = socket.descriptor.take() {
            self.machines[socket.machine].descriptors.close(number);
        }
    }

    /// Fails if the host was switched off since this kernel was made.
    pub(super) fn check_boot(&self, kernel: usize) -> io::Result<()> {
        if self.kernels[kernel].held.retired { Err(bad_descriptor()) } else { Ok(()) }
    }
}

/// A slot's generation moves on with each use, so that no two sockets have the same number.
fn number(key: Key) -> u64 {
    u64::from(key.generation) << 32 | u64::from(key.index)
}
