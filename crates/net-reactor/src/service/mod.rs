//! What stands on servers and clients: ready-made handlers, and what many connections share.
//!
//! This layer knows handlers, servers and clients. It does not know the programs that use it.

mod group;
mod groups;
mod heartbeat;
mod members;
mod pusher;
mod read_ahead;
mod relay;
pub mod simple_reactor;
mod transfer;

pub use self::group::{Group, JoinError, Reached, SlowMembers};
pub use self::groups::Groups;
pub use self::heartbeat::{Beat, BeatFormat, Heartbeat, HeartbeatConfig, RoundTrip, TextBeats};
pub use self::pusher::Pusher;
pub use self::relay::Relay;
pub use self::transfer::{Transfer, TransferEnd, TransferError, TransferOutcome};
