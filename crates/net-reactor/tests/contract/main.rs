//! The contract of a connection, over real sockets: how it reads, writes, is held back, fails and
//! ends.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod aborting;
mod chaos;
mod closing;
mod every_callback;
mod failures;
mod family;
mod half_close;
mod input;
mod messages;
mod pausing;
mod peer;
mod pressure;
mod probe;
mod resets;
mod statistics;
mod support;
mod writing;
