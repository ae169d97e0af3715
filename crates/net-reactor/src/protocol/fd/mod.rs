//! Descriptors of the user's own: handlers for whatever the kernel can watch.
//!
//! [`FdHandler`] is called with what holds of its descriptor, and does the reading and writing
//! itself. Two things are made of it: an [`FdDispatcher`] is asked what it wants to hear, and
//! [`Buffered`] reads, keeps what is left over, and queues output.
//!
//! These are the user's dispatchers. The one of the loop, which calls all handlers, is in
//! [`dispatcher`](super::dispatcher), and its part for descriptors in `calling`.

#[cfg(unix)]
mod accepting;
mod buffered;
mod buffered_fd;
mod calling;
mod dispatcher;
mod handler;
mod lent;

pub use self::buffered::{Buffered, BufferedHandler};
pub use self::buffered_fd::BufferedFd;
pub(crate) use self::dispatcher::Dispatched;
pub use self::dispatcher::{AcceptedFd, FdDispatcher, FdRole};
pub(crate) use self::handler::Closure;
pub use self::handler::FdHandler;
pub use self::lent::Fd;
