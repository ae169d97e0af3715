//! Servers and clients: builders over the loop.
//!
//! This layer knows how loops, listeners and connectors go together. It does not know services.

mod attempt_limit;
mod bound_server;
mod client;
mod closure;
mod dialer;
mod error;
mod loop_thread;
mod member;
mod place;
mod progress;
mod reconnect;
mod reconnector;
mod roster;
mod server;

pub use self::attempt_limit::AttemptLimit;
pub use self::bound_server::{BoundServer, RunningServer};
pub use self::client::{Client, RunningClient};
pub use self::closure::OnData;
pub use self::error::Error;
pub use self::loop_thread::LoopThread;
pub(crate) use self::place::Place;
use self::place::Threads;
pub use self::progress::Progress;
pub use self::reconnect::{Jitter, Reconnect};
pub use self::reconnector::Reconnector;
#[cfg(feature = "sim")]
pub(crate) use self::server::Bound;
pub use self::server::{Balance, Server};
