//! Plain values: time, slots with generation, byte queues, a seeded generator.
//!
//! Nothing in this layer performs I/O or reads a clock; time is always a parameter.

mod address;
mod id;
mod inbound;
mod input;
mod lendable;
mod outbound;
pub(crate) mod planted;
mod pool;
mod rng;
mod side_table;
mod slab;
mod stopwatch;
mod time;
mod token_bucket;
mod unix_address;

pub use address::Address;
pub(crate) use address::{CompactAddress, NOWHERE};
pub(crate) use id::LoopId;
#[cfg(feature = "async")]
pub use id::TaskId;
pub use id::{ConnId, DatagramId, FdId, ListenerId, TimerId};
#[cfg(test)]
pub(crate) use inbound::MOVED;
pub(crate) use inbound::{Inbound, ScanMark};
#[cfg(test)]
pub(crate) use input::EXAMINED;
pub(crate) use input::examined;
pub use input::{Input, TooLong};
pub(crate) use lendable::Lendable;
pub(crate) use outbound::{OutQueue, SHARE_BYTES_MIN};
pub(crate) use planted::{Bug, planted};
pub(crate) use pool::Pool;
pub(crate) use rng::Rng;
pub(crate) use side_table::SideTable;
pub(crate) use slab::{Key, Slab};
pub(crate) use stopwatch::Stopwatch;
pub use time::Instant;
pub(crate) use token_bucket::TokenBucket;
pub use unix_address::{UnixAddress, UnixNameError};
