//! Futures on a loop: an executor, streams that are awaited, and sleeping.
//!
//! A future cannot hold the loop while it is polled, so it notes what it wants done there, and that
//! is done after the poll, in order. What it waits for wakes it.
//!
//! Only with the feature `async`.

mod async_loop;
mod async_stream;
mod connecting;
mod executor;
mod pipe;
mod pipe_handler;
mod sleep;
mod wishes;
mod write;

pub use self::async_loop::{AsyncLoop, Elapsed};
pub use self::async_stream::{AsyncStream, AsyncWriter};
pub use self::connecting::Connecting;
pub(crate) use self::executor::Executor;
pub use self::sleep::Sleep;
pub use self::write::Write;
