//! The programs of the seeds, held to what their descriptions promise, over real sockets.
//!
//! Each module is one acceptance case; the examples show the same programs to read.

mod background;
mod c1a_echo;
mod c1b_ping_pong;
mod c2a_timers;
mod c2b_quick_disconnect;
mod c3_hello;
#[cfg(unix)]
mod c4_two_loops;
mod c5a_chat;
