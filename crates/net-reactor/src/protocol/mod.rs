//! What a user writes, and what calls it.
//!
//! [`Protocol`] is the user's side of one connection. The dispatcher takes a handler out of its
//! slot, calls it with `&mut` access to everything else, and puts it back; so there is no
//! `RefCell`, no lock, and no callback within a callback.
//!
//! This layer knows handlers, closures and tasks. It does not know servers.

mod block_on;
mod callbacks;
mod calls;
mod conn;
mod core;
mod datagram;
mod delivery;
mod dispatcher;
mod event_loop;
mod failure;
mod fd;
mod frame_conn;
mod frame_handler;
mod framed;
#[cfg(feature = "async")]
mod future;
mod handle;
mod handlers;
mod jobs;
mod loop_config;
mod loop_shared;
mod loop_stats;
mod period;
mod producer;
mod producing;
mod reactor;
mod repeat;
mod server_handle;
mod shared;
mod stopping;
mod stream;
mod task;
#[cfg(test)]
mod tests;
mod turning;

pub use self::block_on::BlockOnLoopError;
pub(crate) use self::callbacks::HEARTBEAT;
pub use self::callbacks::{Eof, Message, Protocol, Tag};
pub use self::calls::Tick;
pub use self::conn::Conn;
#[cfg(feature = "sim")]
pub(crate) use self::core::Leftovers;
pub(crate) use self::core::SpreadTo;
pub use self::datagram::{Datagram, DatagramHandle, DatagramSocket};
pub use self::event_loop::{EventLoop, LoopError};
pub use self::failure::{Failure, Flow};
pub use self::fd::{
    AcceptedFd, Buffered, BufferedFd, BufferedHandler, Fd, FdDispatcher, FdHandler, FdRole,
};
pub use self::frame_conn::{FrameConn, SendError};
pub use self::frame_handler::FrameHandler;
pub use self::framed::Framed;
#[cfg(feature = "async")]
pub use self::future::{AsyncLoop, AsyncStream, AsyncWriter, Connecting, Elapsed, Sleep, Write};
pub use self::handle::{ConnHandle, LoopHandle, PostError, PostRefused};
pub(crate) use self::handlers::Factory;
pub use self::handlers::{IntoHandler, Peer};
pub use self::loop_config::LoopConfig;
pub use self::loop_stats::LoopStats;
pub use self::period::Period;
pub(crate) use self::producer::{Produced, Producer, ProducerEnd};
pub use self::reactor::Reactor;
pub use self::repeat::Round;
pub use self::server_handle::ServerHandle;
pub use self::shared::Shared;
pub use self::stopping::Stopped;
pub use self::stream::{Amount, ReadError, ReadRefused, Stream, StreamConn, WriteRefused};
#[cfg(feature = "regex")]
pub use self::stream::{Pattern, PatternError};
pub(crate) use self::task::Task;
pub use self::task::{QueueFull, RemoteCall, WorkError};
