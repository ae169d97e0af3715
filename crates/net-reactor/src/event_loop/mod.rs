//! The loop's machinery: turns, timers, posted tasks, wake-ups, signals.
//!
//! This layer knows *when* something runs. It must not know *what*: not what a socket or a
//! connection is, nor what the payload of a timer or of a posted task means. It reads no clock:
//! the time is a parameter, one reading for each turn.
//!
//! | file | what it holds |
//! |---|---|
//! | `turn.rs` | in which order a turn does its work |
//! | `timers.rs` | what is due when |
//! | `inbox.rs` | what other threads want done |
//! | `wake.rs` | who wakes the loop for it |
//! | `signals.rs` | what the operator wants |
//! | `monitor.rs` | whether a turn was worth it |
//! | `sync.rs` | the primitives shared with other threads, real or modelled |

#[cfg(feature = "_bench")]
pub mod bench_support;
mod inbox;
mod monitor;
mod signals;
mod sync;
mod timers;
mod turn;
mod wake;

pub(crate) use inbox::{Inbox, InboxLimits, RefusedReason};
pub(crate) use monitor::Monitor;
pub(crate) use signals::SignalWatch;
pub(crate) use timers::{TimerKey, Timers};
pub(crate) use turn::{Stages, fall_asleep, wake_up};
pub(crate) use wake::SleepState;
