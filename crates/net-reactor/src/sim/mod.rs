//! The simulator: whole programs on a virtual clock and a simulated network, from a seed.

mod agenda;
mod chance;
mod host;
mod oracle;
mod schedule;
mod simulation;
mod solo;

pub use self::host::{Boot, Host, Served};
pub use self::oracle::{OracleKind, Violation};
pub use self::simulation::Simulation;
pub use self::solo::Solo;
