//! Servers and clients: builders over the loop.
//!
//! This layer knows how loops, listeners and connectors go together. It does not know services.

mod bound_server;
mod client;
mod closure;
mod error;
mod loop_thread;
mod server;

pub use self::bound_server::{BoundServer, RunningServer};
pub use self::client::{Client, RunningClient};
pub use self::closure::OnData;
pub use self::error::Error;
pub use self::loop_thread::LoopThread;
pub use self::server::{Balance, Server};
