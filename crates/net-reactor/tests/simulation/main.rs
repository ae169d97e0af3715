//! Programs of a user's kind, tested as a user would test them; and each verb of the simulation.

mod boots;
mod faults;
mod hosts;
mod links;
mod points;
mod replay;
mod runs;
mod shrinking;
mod support;
mod week;
