//! Programs of a user's kind, tested as a user would test them; and each verb of the simulation.

#![expect(clippy::unwrap_used, reason = "all of it is test code, helpers included")]

mod boots;
mod crowds;
mod datagrams;
mod faults;
mod hosts;
mod links;
mod pipes;
mod points;
mod reconnect;
mod replay;
mod runs;
mod shrinking;
mod support;
mod timeouts;
mod week;
