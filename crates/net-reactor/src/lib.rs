#![doc = include_str!("../../../README.md")]
#![forbid(unsafe_code)]

mod base;
mod driver;
mod endpoint;
mod event_loop;
mod net;
pub mod prelude;
mod protocol;
mod sys;

#[cfg(feature = "_bench")]
#[doc(hidden)]
pub use event_loop::bench_support;

#[cfg(feature = "_planted")]
#[doc(hidden)]
pub mod planted {
    pub use crate::base::planted::{Bug, UnknownBug, plant};
}

pub use base::{ConnId, Instant, ListenerId, TimerId};
pub use endpoint::*;
pub use net::{
    CloseReason, Closed, ConnConfig, ConnStats, ConnectError, ConnectOptions, ListenError,
    OnHighMark, Pressure, Target, TargetError,
};
pub use protocol::{
    Conn, ConnHandle, Eof, EventLoop, Failure, Flow, Input, IntoHandler, LoopConfig, LoopError,
    LoopHandle, LoopStats, Message, Peer, PostError, PostRefused, Protocol, QueueFull, Reactor,
    RemoteCall, ServerHandle, Shared, Stopped, Tag, Tick, TooLong, WorkError,
};
pub use sys::{KeepAlive, ListenOptions};
