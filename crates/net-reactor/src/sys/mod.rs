//! The seam to the kernel.
//!
//! Everything the loop wants from the world passes through one trait, [`Sys`]: sockets, readiness,
//! wake-up, the monotonic clock, name resolution, and threads for blocking work. It is written
//! twice: [`native`] over `mio` and `socket2`, and, for tests and simulation, `memory` as a kernel
//! in plain memory with a manual clock. Code above this layer cannot tell which one it runs on.
//!
//! This layer knows descriptors and readiness. It does not know what a connection is.

#[cfg(test)]
mod conformance;
mod credentials;
mod datagram_options;
mod datagram_sys;
mod descriptor;
mod fd_sys;
mod interest;
mod listening_socket;
#[cfg(any(test, feature = "sim"))]
#[cfg_attr(
    not(test),
    allow(dead_code, unused_imports, reason = "goes when the layer `sim` uses all of it")
)]
pub(crate) mod memory;
pub(crate) mod native;
mod options;
#[cfg(all(unix, feature = "listen-fds"))]
mod passed_socket;
mod token;
mod workers;

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use credentials::Credentials;
pub use datagram_options::{DatagramOptions, MulticastGroup};
pub(crate) use datagram_options::{Group, Membership};
pub(crate) use datagram_sys::{DatagramSys, MESSAGE_TOO_LONG};
pub use descriptor::Descriptor;
#[cfg(any(test, feature = "sim"))]
pub(crate) use descriptor::Held;
pub(crate) use fd_sys::{Blocking, FdSys};
pub use interest::Interest;
pub use listening_socket::ListeningSocket;
pub use options::{KeepAlive, ListenOptions};
pub(crate) use options::{SocketOption, StreamAddresses};
#[cfg(all(unix, feature = "listen-fds"))]
pub use passed_socket::{PassedSocket, passed_sockets};
pub(crate) use token::{Kind, Token};
pub(crate) use workers::{Job, Workers, WorkersLimits};

use crate::base::{Address, Instant, Key};

/// What the kernel reports about one registered socket or descriptor.
///
/// Reports are edges: a flag is set when something changed, not while it stays so. They may be
/// spurious, merged, or late; they may name a socket that is closed by now. The one guarantee is
/// that a change after the last fruitless call - one that would block, or that moved fewer bytes
/// than it was offered - is reported again. A hang-up and a failure are never spurious.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) token: Token,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer sent FIN, or both directions are closed: reading will reach the end.
    pub(crate) hang_up: bool,
    /// The socket carries an error.
    pub(crate) failed: bool,
    /// Neither direction is left, or nobody is left at the other end. Told of descriptors alone.
    pub(crate) over: bool,
}

/// How a socket is given back to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseHow {
    /// `close(2)`: FIN, unless one was sent already or input is left unread.
    Fin,
    /// RST: whatever is still in the kernel's buffers is dropped on both sides.
    Reset,
}

/// The two ends of a simulated connection, each with a number that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) own: u64,
    pub(crate) peer: u64,
}

/// The answer to one [`Sys::resolve`]: addresses, the best first.
///
/// [`io::ErrorKind::NotFound`] says that the name does not exist; any other error that the resolver
/// could not tell.
#[derive(Debug)]
pub(crate) struct Resolution {
    pub(crate) query: Key,
    pub(crate) outcome: io::Result<Vec<IpAddr>>,
}

/// Ends a loop's sleep from any thread.
pub(crate) trait Wake: Send + Sync {
    /// Makes the current or next [`Sys::wait`] return at once.
    fn wake(&self);
}

/// The kernel, as one loop uses it.
///
/// Guarantees that hold for every implementation (the conformance suite states them as tests):
///
/// - no call blocks, except [`wait`](Self::wait) for at most its timeout;
/// - `EINTR` never leaves this layer;
/// - a closed socket is forgotten: its token is never reported by a later `wait`;
/// - the clock never goes backwards.
///
/// A stream, listener or socket of datagrams must be closed; dropping one need not give its descriptor back.
pub(crate) trait Sys: FdSys + DatagramSys + 'static {
    type Listener: 'static;
    type Stream: Send + 'static;

    /// Reads the monotonic clock.
    fn now(&self) -> Instant;

    /// Reads the wall clock, which can be set and so can jump either way.
    fn wall(&self) -> SystemTime;

    /// Returns a number that nobody can foresee, from which a generator is seeded. Not for secrets.
    ///
    /// A simulated kernel takes it from the seed of its world.
    fn seed(&self) -> u64;

    /// Returns the thing that ends this kernel's sleep.
    fn waker(&self) -> Arc<dyn Wake>;

    /// Sleeps until a socket is ready, a wake-up, or the timeout, and appends what is ready.
    ///
    /// `None` sleeps without limit. An early return with nothing to report is allowed.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()>;

    /// Binds, listens and registers a listening socket; returns it with its bound address.
    fn listen(
        &mut self,
        token: Token,
        address: &Address,
        options: &ListenOptions,
    ) -> io::Result<(Self::Listener, Address)>;

    /// Takes over a listening socket that was made elsewhere, such as by a service manager.
    ///
    /// The default knows no such sockets.
    fn adopt_listener(
        &mut self,
        _token: Token,
        _listener: ListeningSocket,
    ) -> io::Result<(Self::Listener, Address)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes one pending connection; [`io::ErrorKind::WouldBlock`] when there is none.
    ///
    /// The new socket is not registered: [`register`](Self::register) does that.
    fn accept(&mut self, listener: &Self::Listener) -> io::Result<(Self::Stream, Address)>;

    /// Frees the reserve descriptor, accepts one pending peer and closes it, and takes the reserve
    /// back.
    ///
    /// Returns whether a peer was turned away. This is the answer to a full descriptor table: the
    /// peer learns at once instead of hanging in the backlog.
    fn turn_away(&mut self, listener: &Self::Listener) -> io::Result<bool>;

    fn close_listener(&mut self, listener: Self::Listener);

    /// Starts a connection and registers its socket. The outcome is reported as writability, or the
    /// failure returned at once, as loopback may do. `bind` is for peers of IP.
    fn connect(
        &mut self,
        token: Token,
        peer: &Address,
        bind: Option<SocketAddr>,
    ) -> io::Result<Self::Stream>;

    /// Takes the outcome of a started connection: both addresses, or why it failed.
    ///
    /// [`io::ErrorKind::NotConnected`] means that it is still on its way.
    fn connected(&mut self, stream: &Self::Stream) -> io::Result<StreamAddresses>;

    fn register(&mut self, token: Token, stream: &mut Self::Stream) -> io::Result<()>;

    /// Gives a registered stream another token, by which later reports name it. What holds by now
    /// is reported again.
    fn rename(&mut self, token: Token, stream: &mut Self::Stream) -> io::Result<()>;

    fn receive(&mut self, stream: &mut Self::Stream, into: &mut [u8]) -> io::Result<usize>;

    /// Sends from the front of `slices`; may take fewer bytes than offered.
    ///
    /// Takes fewer only when the kernel's buffer is full, so that a report of writability follows.
    fn send(&mut self, stream: &mut Self::Stream, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Takes the pending error of a socket.
    fn take_error(&mut self, stream: &Self::Stream) -> io::Result<Option<io::Error>>;

    fn shutdown_write(&mut self, stream: &Self::Stream) -> io::Result<()>;

    fn set_option(&mut self, stream: &Self::Stream, option: SocketOption) -> io::Result<()>;

    fn local_address(&self, stream: &Self::Stream) -> io::Result<Address>;

    /// Tells who made the other end of a Unix socket.
    ///
    /// [`io::ErrorKind::Unsupported`] for a stream of another kind.
    fn peer_credentials(&self, stream: &Self::Stream) -> io::Result<Credentials>;

    /// Returns both ends of an open connection, if this kernel knows them.
    fn wire(&self, _stream: &Self::Stream) -> Option<Wire> {
        None
    }

    fn close(&mut self, stream: Self::Stream, how: CloseHow);

    /// Starts to resolve a host name. The answer comes from [`resolved`](Self::resolved) after a
    /// later [`wait`](Self::wait); there is exactly one for each query.
    fn resolve(&mut self, query: Key, host: &str);

    /// Takes the next answer of [`resolve`](Self::resolve).
    fn resolved(&mut self) -> Option<Resolution>;

    /// Sets how many threads run blocking jobs, and how many jobs may wait for them. Comes before
    /// the first job, if at all.
    fn limit_workers(&mut self, limits: WorkersLimits);

    /// Runs a blocking job off the loop's thread.
    ///
    /// # Errors
    ///
    /// Gives the job back when the bounded queue of the worker threads is full.
    fn offload(&mut self, job: Job) -> Result<(), Job>;
}
