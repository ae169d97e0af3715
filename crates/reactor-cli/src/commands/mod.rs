//! What the command can do: a file for each.

pub(crate) mod chargen;
pub(crate) mod chat;
pub(crate) mod connect;
pub(crate) mod daytime;
pub(crate) mod discard;
pub(crate) mod echo;
pub(crate) mod pingpong;
pub(crate) mod relay;
mod serve;
pub(crate) mod sim;
pub(crate) mod time;
