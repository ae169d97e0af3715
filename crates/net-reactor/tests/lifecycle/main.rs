//! The life of loops, listeners, connections and timers over real sockets: how each begins, what
//! bounds it, and how it ends.
//!
//! The other side is always a socket of the standard library, or a second loop. No test waits for
//! a time to pass: each waits for an event, with a cap that only a failure reaches.

#![expect(clippy::unwrap_used, reason = "all of it is test code, helpers included")]

mod accepting;
mod block_on_loop;
mod client;
mod conn_timers;
mod connect_failures;
mod connecting;
mod datagram_ends;
mod datagrams;
mod deferred;
mod descriptors;
mod draining;
mod fd_buffered;
mod fd_dispatchers;
mod fd_ends;
mod fd_kinds;
mod fd_levels;
mod handles;
mod hygiene;
mod inbox;
mod jobs;
mod listening;
mod names;
mod passed_sockets;
mod periodic;
mod several_loops;
mod signals;
mod stopping;
#[cfg(unix)]
mod successor;
mod support;
mod timers;
#[cfg(unix)]
mod unix;
