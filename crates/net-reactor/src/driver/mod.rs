//! The engine: turns sockets into events.
//!
//! [`Engine`] is the contract between the loop's core and whatever moves its bytes. The first
//! engine is [`Readiness`], which asks a [`Sys`](crate::sys::Sys) what is ready and then calls it;
//! the verbs are shaped so that a completion engine (`io_uring`) fits as well:
//!
//! - received bytes arrive as a [`lease`](Engine::Lease) of the engine's own memory;
//! - [`flush`](Ops::flush) lends the write queue, and the engine may finish later and say
//!   [`Event::Writable`];
//! - a slot named in an event can be gone by the time the event is looked at.
//!
//! This layer knows slots and sockets. It does not know what a connection means to anybody.

mod datagrams;
mod fds;
mod readiness;
mod ready;
mod service;
mod slots;

use std::any::Any;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(crate) use datagrams::DatagramOps;
pub(crate) use fds::FdOps;
pub(crate) use readiness::Readiness;
pub use ready::Ready;

use crate::base::{Address, Instant, Key, OutQueue};
use crate::sys::{
    CloseHow, Credentials, Job, ListenOptions, ListeningSocket, Resolution, SocketOption,
    StreamAddresses, Token, Wake, Wire, WorkersLimits,
};

/// The most bytes that one connection is read for in one turn.
///
/// It is also the size of the receive buffer, so one receive call uses it up.
pub(crate) const READ_BYTES_PER_TURN: usize = 256 * 1024;

/// The most connections that one listener accepts in one turn.
pub(crate) const ACCEPTS_PER_TURN: usize = 64;

/// The most bytes that one connection sends in one flush.
pub(crate) const SEND_BYTES_PER_FLUSH: usize = 1024 * 1024;

/// What happened to a socket.
#[derive(Debug)]
pub(crate) enum Event<Socket, Lease> {
    /// A peer connected. The socket belongs to no slot until it is [adopted](Engine::adopt).
    Accepted { listener: Key, socket: Socket, peer: Address },
    /// Accepting failed. The listener goes on unless it is told to rest.
    AcceptFailed { listener: Key, error: io::Error },
    /// A connection that this side started is open.
    Connected { slot: Key, addresses: StreamAddresses },
    /// A [dial](Ops::dial) reached its peer.
    Dialled { dial: Key, addresses: StreamAddresses },
    /// A [dial](Ops::dial) did not; its slot is still to be [given back](Ops::cancel_dial).
    DialFailed { dial: Key, error: io::Error },
    /// Bytes arrived. The lease must be given back with [`Engine::recycle`].
    Data { slot: Key, lease: Lease },
    /// The peer finished sending; comes after all of its data, once.
    Eof { slot: Key },
    /// The socket is broken, or could not be connected; comes after the data that was read, once.
    Failed { slot: Key, error: io::Error },
    /// There is room to send again after a [blocked](Flushed::Blocked) flush.
    Writable { slot: Key },
    /// A host name was resolved.
    Resolved(Resolution),
    /// A descriptor of the user's own is ready. [`FdOps::settle_fd`] is due when it was served.
    Ready { slot: Key, ready: Ready },
    /// A datagram arrived. The lease must be given back with [`Engine::recycle`].
    Datagram { slot: Key, from: SocketAddr, lease: Lease },
    /// There is room to send datagrams again.
    DatagramRoom { slot: Key },
    /// An earlier datagram did not arrive, or receiving failed; the socket goes on.
    DatagramFailed { slot: Key, error: io::Error },
}

/// How far a flush came.
#[derive(Debug)]
pub(crate) enum Flushed {
    /// Everything was taken.
    Drained,
    /// The kernel is full; [`Event::Writable`] follows.
    Blocked,
    /// The share of this turn is used up; the rest may go in the next turn.
    Yielded,
    /// The socket is broken.
    Failed(io::Error),
}

/// Whether a slot's input is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadMode {
    Flow,
    /// No data and no end of data; errors are still reported.
    Paused,
}

/// Memory of the engine that holds received bytes for the length of one callback.
pub(crate) trait Lease {
    /// Returns the received bytes.
    fn bytes(&self) -> &[u8];

    /// Puts `front` directly before the received bytes and returns both as one slice, or `None`
    /// when the engine has no room there.
    fn with_front(&mut self, front: &[u8]) -> Option<&[u8]>;
}

/// A socket on its way from the loop that accepted it to the loop that will own it.
pub(crate) type Handover = Box<dyn Any + Send>;

/// The verbs of an engine that do not name its types, so that callbacks can use them through
/// `dyn`. Hot are [`send`](Self::send) and [`flush`](Self::flush); the end of a turn calls them
/// statically, a callback's own large write through `dyn`.
pub(crate) trait Ops: FdOps + DatagramOps {
    fn now(&self) -> Instant;

    fn wall(&self) -> SystemTime;

    fn seed(&self) -> u64;

    fn waker(&self) -> Arc<dyn Wake>;

    fn listen(
        &mut self,
        listener: Key,
        address: &Address,
        options: &ListenOptions,
    ) -> io::Result<Address>;

    /// Takes over a listening socket that was made elsewhere.
    fn adopt_listener(&mut self, listener: Key, socket: ListeningSocket) -> io::Result<Address>;

    fn unlisten(&mut self, listener: Key);

    /// Stops or resumes accepting.
    fn rest(&mut self, listener: Key, resting: bool);

    /// Accepts one pending peer and closes it although descriptors have run out.
    fn turn_away(&mut self, listener: Key) -> io::Result<bool>;

    /// Starts a connection in `slot`: [`Event::Connected`] or [`Event::Failed`] follows.
    fn connect(&mut self, slot: Key, peer: &Address, bind: Option<SocketAddr>) -> io::Result<()>;

    /// Starts a connection apart from any slot: [`Event::Dialled`] or [`Event::DialFailed`] follows.
    ///
    /// Dials have keys of their own. Several can be under way for one connection, and the one that
    /// wins is [promoted](Self::promote) into its slot.
    fn dial(&mut self, dial: Key, peer: &Address, bind: Option<SocketAddr>) -> io::Result<()>;

    /// Moves the socket of a dial that was reached into `slot`, and resets what the slot held.
    ///
    /// A failure leaves both as they were.
    fn promote(&mut self, dial: Key, slot: Key) -> io::Result<()>;

    /// Closes the socket of a dial: no event names it afterwards.
    fn cancel_dial(&mut self, dial: Key);

    /// Takes over a socket that another loop accepted.
    fn adopt_handover(&mut self, slot: Key, socket: Handover) -> io::Result<()>;

    fn read_mode(&mut self, slot: Key, mode: ReadMode);

    /// Sets how many bytes one receive may take; more than a turn's share count as that.
    fn limit_receive(&mut self, slot: Key, bytes_max: NonZeroUsize);

    /// Looks for input in the next turn although the kernel has reported none.
    fn look(&mut self, slot: Key);

    /// Sends from the front of `slices` now; returns how many bytes were taken.
    ///
    /// Fewer than all means [`Flushed::Blocked`]: [`Event::Writable`] follows.
    fn send(&mut self, slot: Key, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Sends from the front of `queue`, at most `bytes_max`, and drops what was taken.
    fn flush(&mut self, slot: Key, queue: &mut OutQueue, bytes_max: usize) -> Flushed;

    fn shutdown_write(&mut self, slot: Key) -> io::Result<()>;

    fn set_option(&mut self, slot: Key, option: SocketOption) -> io::Result<()>;

    fn local_address(&self, slot: Key) -> io::Result<Address>;

    fn peer_credentials(&self, slot: Key) -> io::Result<Credentials>;

    /// Returns what the simulator knows both ends of a connection by; `None` on a real kernel.
    fn wire(&self, _slot: Key) -> Option<Wire> {
        None
    }

    /// Closes the socket and forgets the slot: no event names it afterwards.
    fn close(&mut self, slot: Key, how: CloseHow);

    fn resolve(&mut self, query: Key, host: &str);

    fn limit_workers(&mut self, limits: WorkersLimits);

    fn offload(&mut self, job: Job) -> Result<(), Job>;
}

/// What moves the bytes of a loop.
pub(crate) trait Engine: Ops + 'static {
    type Socket: Send + 'static;
    type Lease: Lease;

    /// Sleeps until there is something to do, a wake-up, or the timeout.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Whether the next turn has something to do even if the kernel reports nothing.
    fn has_backlog(&self) -> bool;

    /// Takes the next event of this turn; `None` ends it.
    ///
    /// Each connection and each listener gets its bounded share of a turn and then goes to the
    /// back of the list, so that a flood of one cannot starve the others.
    fn next(&mut self) -> Option<Event<Self::Socket, Self::Lease>>;

    fn recycle(&mut self, lease: Self::Lease);

    /// Resets an accepted socket that nobody wants.
    fn refuse(&mut self, socket: Self::Socket);

    /// Gives an accepted socket its slot.
    fn adopt(&mut self, slot: Key, socket: Self::Socket) -> io::Result<()>;

    /// The first socket that the kernel named in the last wait, for the monitor.
    fn last_report(&self) -> Option<Token>;

    /// How many kernel reports named a socket that was closed by then.
    fn stale_events(&self) -> u64;
}
