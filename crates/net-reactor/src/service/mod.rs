//! What stands on servers and clients: ready-made handlers, and what many connections share.
//!
//! This layer knows handlers, servers and clients. It does not know the programs that use it.

mod heartbeat;
mod relay;

pub use self::heartbeat::{Beat, BeatFormat, Heartbeat, HeartbeatConfig, RoundTrip, TextBeats};
pub use self::relay::Relay;
