#![doc = include_str!("../../../README.md")]
#![forbid(unsafe_code)]

mod base;
pub mod codec;
mod driver;
mod endpoint;
mod event_loop;
mod layer;
mod net;
pub mod prelude;
mod protocol;
mod service;
#[cfg(feature = "sim")]
pub mod sim;
mod sys;

/// Marks a point where a simulation may make something go wrong; false in production.
///
/// ```
/// use net_reactor::buggify;
///
/// // A send that sometimes takes the slow path, so that the slow path is tested.
/// let batch = if buggify!("small batch") { 1 } else { 512 };
/// # assert_eq!(batch, 512);
/// ```
///
/// Without the feature `sim` it is the constant `false`. In a `sim::Simulation`
/// whose faults include `user-point` a quarter of all points is armed by each seed, and an armed
/// one says true a quarter of the time. The name tells points apart.
///
/// After FoundationDB's macro of the same name.
#[macro_export]
macro_rules! buggify {
    ($name:literal) => {
        $crate::__point($name)
    };
}

#[cfg(feature = "sim")]
#[doc(hidden)]
pub use sim::reach as __point;

#[cfg(not(feature = "sim"))]
#[doc(hidden)]
#[must_use]
pub const fn __point(_name: &'static str) -> bool {
    false
}

#[cfg(feature = "_bench")]
#[doc(hidden)]
pub use event_loop::bench_support;

#[cfg(feature = "_fuzz")]
#[doc(hidden)]
pub mod fuzz_support {
    pub use crate::net::play_happy_eyeballs as happy_eyeballs;
}

#[cfg(feature = "_planted")]
#[doc(hidden)]
pub mod planted {
    pub use crate::base::planted::{Bug, UnknownBug, plant};
}

#[cfg(feature = "async")]
pub use base::TaskId;
pub use base::{
    Address, ConnId, DatagramId, FdId, Input, Instant, ListenerId, TimerId, TooLong, UnixAddress,
    UnixNameError,
};
pub use driver::Ready;
pub use endpoint::*;
pub use net::{
    AddFdError, AddFdRefused, Answer, BindError, CloseReason, Closed, ConnConfig, ConnStats,
    ConnectError, ConnectOptions, DatagramError, DatagramSendError, Layer, ListenError, OnHighMark,
    PeerLimits, Pressure, RateLimit, Resolve, StaticNames, Target, TargetError, Timeout, Timeouts,
};
pub use protocol::{
    AcceptedFd, Amount, BlockOnLoopError, Buffered, BufferedFd, BufferedHandler, Conn, ConnHandle,
    Datagram, DatagramHandle, DatagramSocket, Eof, EventLoop, Failure, Fd, FdDispatcher, FdHandler,
    FdRole, Flow, FrameConn, FrameHandler, Framed, IntoHandler, LoopConfig, LoopError, LoopHandle,
    LoopStats, Message, Peer, Period, PostError, PostRefused, Protocol, QueueFull, Reactor,
    ReadError, ReadRefused, RemoteCall, Round, SendError, ServerHandle, Shared, Stopped, Stream,
    StreamConn, Tag, Tick, WorkError, WriteRefused,
};
#[cfg(feature = "async")]
pub use protocol::{AsyncLoop, AsyncStream, AsyncWriter, Connecting, Elapsed, Sleep, Write};
#[cfg(feature = "regex")]
pub use protocol::{Pattern, PatternError};
pub use service::*;
pub use sys::{
    Credentials, DatagramOptions, Descriptor, Interest, KeepAlive, ListenOptions, ListeningSocket,
    MulticastGroup,
};
#[cfg(all(unix, feature = "listen-fds"))]
pub use sys::{PassedSocket, passed_sockets};
