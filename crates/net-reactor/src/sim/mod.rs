//! The simulator: whole programs on a virtual clock and a simulated network, from a seed.

mod agenda;
mod chance;
mod ending;
mod faults;
mod host;
mod hosts;
mod machine;
mod network;
mod oracle;
mod plan;
mod point;
mod run;
mod schedule;
mod scribe;
mod seeds;
mod simulation;
mod solo;
#[cfg(test)]
mod tests;

pub use self::faults::Faults;
pub use self::host::{Boot, Host, Served};
pub use self::oracle::{OracleKind, Violation};
#[doc(hidden)]
pub use self::point::reach;
pub use self::run::{Outcome, Pick, Run};
pub use self::seeds::seeds;
pub use self::simulation::Simulation;
pub use self::solo::Solo;
pub use crate::sys::memory::{Fault, Latency, Link, UnknownFault};
