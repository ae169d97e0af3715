//! Servers, clients and shared handlers over real sockets: what they add to a loop, and that no
//! mistake of a user keeps them from ending.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clients;
mod many_loops;
mod reconnect;
mod shared;
mod support;
