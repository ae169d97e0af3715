//! What every kernel guarantees, as one suite that runs on each of them.
//!
//! A test gets a [`Rig`], a kernel with the bookkeeping around it, and talks to itself over the
//! loopback address. It waits for reports and never for time; the kernels differ only in how a
//! round of waiting is made. Where systems differ the suite states what Linux does.

/// Makes one test of each function of the suite on each kernel.
macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        mod native {
            $(#[test] fn $test() { super::$test(crate::sys::conformance::native_rig()); })*
        }
        mod memory {
            $(#[test] fn $test() { super::$test(crate::sys::conformance::memory_rig()); })*
        }
        mod rough_memory {
            $(#[test] fn $test() {
                for seed in 0..crate::sys::conformance::ROUGH_SEEDS {
                    super::$test(crate::sys::conformance::rough_memory_rig(seed));
                }
            })*
        }
    };
}

/// Makes one test of each function of the suite on each kernel, over Unix sockets.
macro_rules! unix_suite {
    ($($module:ident::$test:ident),* $(,)?) => {
        mod native {
            $(#[test] fn $test() {
                let rig = crate::sys::conformance::native_rig().over_unix_sockets();
                crate::sys::conformance::$module::$test(rig);
            })*
        }
        mod memory {
            $(#[test] fn $test() {
                let rig = crate::sys::conformance::memory_rig().over_unix_sockets();
                crate::sys::conformance::$module::$test(rig);
            })*
        }
        mod rough_memory {
            $(#[test] fn $test() {
                for seed in 0..crate::sys::conformance::ROUGH_SEEDS {
                    let rig = crate::sys::conformance::rough_memory_rig(seed).over_unix_sockets();
                    crate::sys::conformance::$module::$test(rig);
                }
            })*
        }
    };
}

mod connections;
mod datagrams;
mod fds;
mod kernels;
mod paths;
mod rig;
mod streams;
mod unix;

use std::os::unix::net::UnixStream;
use std::time::Duration;

use self::rig::{Plumber, Plumbing, Rig};
use super::Sys;
use super::memory::{Fault, FaultRates, World};
use super::native::Native;

/// How many rough worlds each test sees.
const ROUGH_SEEDS: u64 = 8;

/// The kernel of this machine.
fn native_rig() -> Rig<Native> {
    let plumber = |plumbing| match plumbing {
        Plumbing::Pipe => {
            let (reader, writer) = std::io::pipe().unwrap();
            (reader.into(), writer.into())
        }
        Plumbing::Pair => {
            let (left, right) = UnixStream::pair().unwrap();
            (left.into(), right.into())
        }
    };
    Rig::new(Native::new().unwrap(), Box::new(plumber), || {})
}

fn plumber_of(world: &World) -> Plumber {
    let world = world.clone();
    Box::new(move |plumbing| match plumbing {
        Plumbing::Pipe => world.pipe("here").unwrap(),
        Plumbing::Pair => world.pair("here").unwrap(),
    })
}

/// Memory at its best behaviour.
fn memory_rig() -> Rig<impl Sys> {
    let world = World::new(1);
    Rig::new(world.host("here"), plumber_of(&world), || {})
}

/// Memory with every fault that is no more than bad luck in timing.
///
/// Backlogs and buffers keep their size: the suite is about the calls.
fn rough_memory_rig(seed: u64) -> Rig<impl Sys> {
    let world = World::new(seed);
    world.chop(700);
    world.spurious(20);
    world.name_latency(Duration::from_millis(3));
    let rates = FaultRates::harmless(150_000);
    world.faults(&rates.without(Fault::SmallBacklog).without(Fault::SmallBuffers));
    let kernel = world.host("here");
    Rig::new(kernel, plumber_of(&world), move || {
        // Time passes only when there is nothing to do.
        if world.is_quiet()
            && let Some(at) = world.next_event()
        {
            world.advance(at - world.now());
        }
    })
}
