//! Descriptors of the user's own: handlers for whatever the kernel can watch.
//!
//! [`FdHandler`] is called with what holds of its descriptor, and does the reading and writing
//! itself.

mod calling;
mod handler;
mod lent;

pub(crate) use self::handler::Closure;
pub use self::handler::FdHandler;
pub use self::lent::Fd;
