//! The services, each promise of them: over the kernel in memory, and over real sockets where the
//! kernel decides.

mod groups;
mod heartbeat;
mod relay;
mod support;
mod transfer;
