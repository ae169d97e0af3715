//! What stands on servers and clients: ready-made handlers, and what many connections share.
//!
//! This layer knows handlers, servers and clients. It does not know the programs that use it.

mod relay;

pub use self::relay::Relay;
