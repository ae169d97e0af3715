//! The simulator: whole programs on a virtual clock and a simulated network, from one seed.
//!
//! A [`Simulation`] holds hosts. On them run ordinary [`Server`](crate::Server)s,
//! [`Client`](crate::Client)s and loops: everything above the kernel is what production runs, and
//! the kernel below is a model in memory with latency, buffers, retransmission, descriptors and
//! clocks. Time passes only when nobody has anything left to do, so a week of partitions takes a
//! second. Everything that chance decides comes from the seed, so a failure repeats.
//!
//! ```
//! use net_reactor::prelude::*;
//! use net_reactor::sim::{self, Faults};
//! use std::{cell::Cell, rc::Rc, time::Duration};
//!
//! /// Asks, and counts the answers; asks again a second after each.
//! #[derive(Clone, Default)]
//! struct Device(Rc<Cell<u32>>);
//!
//! impl Protocol for Device {
//!     fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
//!         Ok(conn.write("how are you?\n")?)
//!     }
//!     fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
//!         while input.line(100)?.is_some() {
//!             self.0.set(self.0.get() + 1);
//!             conn.set_timer(Tag(0), Duration::from_secs(1));
//!         }
//!         Ok(())
//!     }
//!     fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
//!         self.on_open(conn)
//!     }
//! }
//!
//! sim::seeds(10, |sim| {
//!     let device = Device::default();
//!     let answers = Rc::clone(&device.0);
//!     sim.faults(Faults::harmless());
//!     sim.host("hub", |boot| {
//!         let echo = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
//!         boot.serve(echo, "0.0.0.0:9000").map(drop)
//!     });
//!     sim.host("field", move |boot| {
//!         let device = device.clone();
//!         boot.connect(Client::new(move || device.clone()), "hub:9000").map(drop)
//!     });
//!     sim.eventually(Duration::from_secs(60), "ten answers", |_| answers.get() >= 10);
//! });
//! ```
//!
//! # Seeds and replay
//!
//! [`seeds()`] runs a test under many seeds. When one fails it takes out what is not needed for that
//! (kinds of fault, and sizes that the test [picks](Simulation::pick)) and prints the end of the
//! trace, the failure, and a line such as `SIM_SEED=7 SIM_FAULTS=clog SIM_PICKS=clients=2` that
//! repeats it. [`Run`] is the same by hand. A [hash](Simulation::trace_hash) covers every system
//! call, segment, turn and callback; a failure that does not repeat to the bit is reported as that.
//!
//! A program repeats if all that it knows comes from its loop and its seed. What breaks that:
//! `SystemTime::now` and `std::time::Instant` ([`Reactor::now`](crate::Reactor::now) and
//! [`Reactor::wall_time`](crate::Reactor::wall_time) are simulated); the order of a `HashMap` or
//! `HashSet` with the default hasher; random numbers of its own ([`Boot::random`] gives some);
//! threads of its own and sockets of `std` ([`run_blocking`](crate::Reactor::run_blocking) is
//! simulated); addresses of objects; counters that are shared by the whole process.
//!
//! # Faults
//!
//! A test spoils things itself ([`Simulation::partition`], [`power_off`](Simulation::power_off),
//! [`jump_clock`](Simulation::jump_clock) ...), or lets the seed do it: [`Faults::swarm`] takes a
//! different part of all kinds of [`Fault`] for each seed, [`Faults::harmless`] those after which
//! everything still comes true. [`Simulation::calm`] ends them all, and then
//! [`eventually`](Simulation::eventually) says what must come true again.
//! [`buggify!`](crate::buggify) marks points where the program itself may misbehave.
//!
//! # Oracles
//!
//! Every run is checked all the time, whatever it tests: what one end takes is what the other
//! wrote; callbacks keep their order; queues keep their limits; no handler panics; no loop spins;
//! and at the end nothing is left open. [`OracleKind`] lists them. An assertion in a handler fails
//! the run as well.
//!
//! # Limits
//!
//! - One thread runs everything, one turn at a time. Races within a turn, and memory ordering, are
//!   not found here; loom checks those of the library.
//! - The kernel is a model, and a model can be wrong: its bugs, and the real kernel's, are found by
//!   tests over real sockets. Scripts that run on both keep them from drifting apart.
//! - TCP, UDP, pipes ([`Boot::pipe`]), names, clocks and descriptors are simulated. Files and other
//!   processes are the real ones; [`Reactor::add_fd`](crate::Reactor::add_fd) refuses real
//!   descriptors; signals do not come.
//! - A turn takes no time, however much it computes; [`Fault::LoopStall`] makes some late.
//!
//! To test one handler byte by byte there is [`Solo`].

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
pub use self::oracle::OracleKind;
#[doc(hidden)]
pub use self::point::reach;
pub use self::run::{Outcome, Pick, Run};
pub use self::seeds::seeds;
pub use self::simulation::Simulation;
pub use self::solo::Solo;
pub use crate::sys::memory::{Fault, Latency, Link, UnknownFault};
