//! The services, each promise of them: over the kernel in memory, and over real sockets where the
//! kernel decides.

mod groups;
mod heartbeat;
mod layered;
mod relay;
mod simple_reactor;
mod support;
mod transfer;
