//! The system calls with their faults: what goes wrong by chance before, in or after a call.
//!
//! Each function is the call of the same name, which knows nothing of chance. An error that means
//! the end of a connection really ends it, so that every later call agrees.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use super::fault::Fault;
use super::pipe::Fin;
use super::socket::{Flags, Phase};
use super::world::State;
use crate::base::{Instant, Key};
use crate::sys::{ListenOptions, SocketOption, Token};

/// `EMFILE` and `ENFILE` have no [`io::ErrorKind`]; the numbers are the same on all Unix systems.
const PROCESS_FILES: i32 = 24;
const SYSTEM_FILES: i32 = 23;

/// `ENOBUFS` has none either.
pub(super) const NO_BUFFERS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };

/// Nor has `EPROTO`.
pub(super) const PROTOCOL_ERROR: i32 = if cfg!(target_os = "linux") { 71 } else { 100 };

/// When a doomed connection fails at the latest.
const CONNECT_FAILS_MAX: Duration = Duration::from_secs(3);

/// The capacities of small buffers, in bytes: one byte, a few, a segment.
const SMALL_BYTES: [usize; 6] = [1, 2, 7, 64, 536, 1_460];

/// Small backlogs are below this.
const SMALL_BACKLOG: u32 = 4;

fn raw<T>(errno: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(errno))
}

impl State {
    /// Listens.
    pub(super) fn try_listen(
        &mut self,
        kernel: usize,
        token: Token,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<(Key, SocketAddr)> {
        if !self.faults.is_on() {
            return self.listen(kernel, token, address, options);
        }
        // Port zero means any that is free.
        if address.port() != 0 && self.fires(kernel, Fault::ListenAddressInUse) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        if options.backlog >= SMALL_BACKLOG && self.fires(kernel, Fault::SmallBacklog) {
            let drawn = self.faults.below(Fault::SmallBacklog, SMALL_BACKLOG.into());
            let small = options.clone().backlog(u32::try_from(drawn).unwrap_or(0));
            return self.listen(kernel, token, address, &small);
        }
        self.listen(kernel, token, address, options)
    }

    /// Accepts.
    pub(super) fn try_accept(
        &mut self,
        kernel: usize,
        listener: Key,
    ) -> io::Result<(Key, SocketAddr)> {
        if !self.faults.is_on() {
            return self.accept(kernel, listener);
        }
        // As on Linux the descriptor comes first: these are told even to an empty backlog.
        if self.fires(kernel, Fault::AcceptProcessFiles) {
            return raw(PROCESS_FILES);
        }
        if self.fires(kernel, Fault::AcceptSystemFiles) {
            return raw(SYSTEM_FILES);
        }
        if self.fires(kernel, Fault::AcceptNoBuffers) {
            return raw(NO_BUFFERS);
        }
        if self.fires(kernel, Fault::AcceptNoMemory) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let waits = self.listeners.get(listener).is_some_and(|each| !each.pending.is_empty());
        if waits && self.fires(kernel, Fault::AcceptNotReady) {
            self.note_listener(listener);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (key, peer) = self.accept(kernel, listener)?;
        if let Some(error) = self.accept_fault(kernel) {
            self.reset(key);
            return Err(error);
        }
        if self.is_alive(key) && self.fires(kernel, Fault::AcceptReset) {
            self.kill(key, io::ErrorKind::ConnectionReset);
        }
        self.shrink(kernel, key);
        Ok((key, peer))
    }

    /// Draws what is wrong with a peer that was taken from the backlog.
    fn accept_fault(&mut self, kernel: usize) -> Option<io::Error> {
        if self.fires(kernel, Fault::AcceptAborted) {
            Some(io::ErrorKind::ConnectionAborted.into())
        } else if self.fires(kernel, Fault::AcceptProtocolError) {
            Some(io::Error::from_raw_os_error(PROTOCOL_ERROR))
        } else if self.fires(kernel, Fault::AcceptNotPermitted) {
            Some(io::ErrorKind::PermissionDenied.into())
        } else if self.fires(kernel, Fault::AcceptNetworkDown) {
            Some(io::ErrorKind::NetworkDown.into())
        } else {
            None
        }
    }

    /// Starts a connection.
    pub(super) fn try_connect(
        &mut self,
        kernel: usize,
        token: Token,
        peer: SocketAddr,
        bind: Option<SocketAddr>,
    ) -> io::Result<Key> {
        if !self.faults.is_on() {
            return self.connect(kernel, token, peer, bind);
        }
        let at_once = [
            (Fault::ConnectRefused, io::ErrorKind::ConnectionRefused),
            (Fault::ConnectNetworkUnreachable, io::ErrorKind::NetworkUnreachable),
            (Fault::ConnectNoPort, io::ErrorKind::AddrNotAvailable),
        ];
        for (fault, error) in at_once {
            if self.fires(kernel, fault) {
                return Err(error.into());
            }
        }
        if self.fires(kernel, Fault::ConnectNoBuffers) {
            return raw(NO_BUFFERS);
        }
        let later = [
            (Fault::ConnectTimesOut, io::ErrorKind::TimedOut),
            (Fault::ConnectHostUnreachable, io::ErrorKind::HostUnreachable),
        ];
        let doom = later.into_iter().find(|(fault, _)| self.faults.draw(*fault));
        if let Some((fault, error)) = doom {
            let at = self.now + self.drawn_time(fault, CONNECT_FAILS_MAX);
            self.doom = Some((at, error));
        }
        let result = self.connect(kernel, token, peer, bind);
        self.doom = None;
        if let Ok(key) = result {
            if let Some((fault, _)) = doom {
                self.count_fault(kernel, fault);
            }
            self.shrink(kernel, key);
        }
        result
    }

    /// Registers a socket.
    pub(super) fn try_register(&mut self, kernel: usize, token: Token, key: Key) -> io::Result<()> {
        if self.faults.is_on() {
            if self.fires(kernel, Fault::RegisterNoMemory) {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            if self.fires(kernel, Fault::RegisterNoSpace) {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        self.register(kernel, token, key)
    }

    /// Registers a registered socket by another token. Linux needs no new watch for that, so only
    /// memory can be short.
    pub(super) fn try_rename(&mut self, kernel: usize, token: Token, key: Key) -> io::Result<()> {
        if self.faults.is_on() && self.fires(kernel, Fault::RegisterNoMemory) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.register(kernel, token, key)
    }

    /// Receives.
    pub(super) fn try_receive(
        &mut self,
        kernel: usize,
        key: Key,
        into: &mut [u8],
    ) -> io::Result<usize> {
        if self.faults.is_on() && self.is_registered(key) {
            self.receive_dies(kernel, key);
            let Some(socket) = self.sockets.get(key) else { return self.receive(key, into) };
            let waiting = socket.incoming.len();
            let full = socket.withheld || into.is_empty();
            if !full && socket.is_readable() && self.fires(kernel, Fault::ReceiveNotReady) {
                self.note(key, Flags::READABLE);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let most = waiting.min(into.len());
            if !full {
                self.limit = self.cut(kernel, most, Fault::ReceiveOneByte, Fault::ReceiveShort);
            }
        }
        let received = self.receive(key, into);
        self.limit = None;
        received
    }

    /// Draws whether a connection dies before a receive.
    fn receive_dies(&mut self, kernel: usize, key: Key) {
        let deaths = [
            (Fault::ReceiveReset, io::ErrorKind::ConnectionReset),
            (Fault::ReceiveTimedOut, io::ErrorKind::TimedOut),
            (Fault::ReceiveHostUnreachable, io::ErrorKind::HostUnreachable),
        ];
        for (fault, error) in deaths {
            // After the peer's end a receive cannot tell an error.
            let open = self.sockets.get(key).is_some_and(|each| !each.incoming.is_finished());
            if open && self.is_alive(key) && self.fires(kernel, fault) {
                self.kill(key, error);
            }
        }
    }

    /// Sends.
    pub(super) fn try_send(
        &mut self,
        kernel: usize,
        key: Key,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        if self.faults.is_on() && self.is_registered(key) && self.is_alive(key) {
            if self.fires(kernel, Fault::SendBrokenPipe) {
                self.kill(key, io::ErrorKind::BrokenPipe);
            } else if self.fires(kernel, Fault::SendReset) {
                self.kill(key, io::ErrorKind::ConnectionReset);
            } else if self.fires(kernel, Fault::SendNoBuffers) {
                return raw(NO_BUFFERS);
            }
            let offered: usize = slices.iter().map(|slice| slice.len()).sum();
            let most = match self.sockets.get(key) {
                Some(socket) if socket.phase == Phase::Open && !socket.squeezed => {
                    socket.outgoing.room().min(offered)
                }
                _ => 0,
            };
            if most > 0 && self.fires(kernel, Fault::SendNotReady) {
                self.note(key, Flags::WRITABLE);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.limit = self.cut(kernel, most, Fault::SendOneByte, Fault::SendShort);
        }
        let sent = self.send(key, slices);
        self.limit = None;
        sent
    }

    /// Draws whether a call that could move `most` bytes moves fewer.
    pub(super) fn cut(
        &mut self,
        kernel: usize,
        most: usize,
        one_byte: Fault,
        short: Fault,
    ) -> Option<usize> {
        if most <= 1 {
            None
        } else if self.fires(kernel, one_byte) {
            Some(1)
        } else if self.fires(kernel, short) {
            Some(1 + self.drawn_index(short, most - 1))
        } else {
            None
        }
    }

    /// Sends FIN.
    pub(super) fn try_shutdown_write(&mut self, kernel: usize, key: Key) -> io::Result<()> {
        let faulty = self.faults.is_on() && self.is_alive(key);
        if faulty && self.fires(kernel, Fault::ShutdownNotConnected) {
            self.kill(key, io::ErrorKind::ConnectionReset);
        }
        self.shutdown_write(key)
    }

    /// Changes a socket.
    pub(super) fn try_set_option(
        &mut self,
        kernel: usize,
        key: Key,
        option: SocketOption,
    ) -> io::Result<()> {
        if self.faults.is_on() && self.fires(kernel, Fault::OptionInvalid) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.set_option(key, option)
    }

    /// Tells a socket's own address.
    pub(super) fn try_local_address(&mut self, kernel: usize, key: Key) -> io::Result<SocketAddr> {
        if self.faults.is_on() && self.fires(kernel, Fault::LocalAddressFails) {
            return raw(NO_BUFFERS);
        }
        self.local_address(key)
    }

    /// Ends a connection from the middle: this end gets `error`, the other one a reset.
    fn kill(&mut self, key: Key, error: io::ErrorKind) {
        self.send_reset(key);
        // Linux's tcp_reset: after the peer's FIN the error is EPIPE.
        let finished = self.sockets.get(key).is_some_and(|each| each.incoming.is_finished());
        self.fail(key, if finished { io::ErrorKind::BrokenPipe } else { error });
        self.run_due();
    }

    /// Draws small buffers for a new connection's end.
    fn shrink(&mut self, kernel: usize, key: Key) {
        if self.sockets.get(key).is_none() || !self.fires(kernel, Fault::SmallBuffers) {
            return;
        }
        let [send, receive] =
            [(); 2].map(|()| SMALL_BYTES[self.drawn_index(Fault::SmallBuffers, SMALL_BYTES.len())]);
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.outgoing.set_capacity(send);
            socket.incoming.set_capacity(receive);
        }
    }

    /// Whether both ends exist, and this one may still send.
    fn is_alive(&self, key: Key) -> bool {
        let socket = self.sockets.get(key);
        socket.is_some_and(|each| each.phase == Phase::Open && each.outgoing.fin() == Fin::Open)
    }

    /// Whether a loop hears of this socket. One that none hears of must not be told to wait.
    fn is_registered(&self, key: Key) -> bool {
        self.sockets.get(key).is_some_and(|socket| socket.edges.token.is_some())
    }
}

/// A connection that is going to fail: when, and how.
pub(super) type Doom = (Instant, io::ErrorKind);
