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
            $(#[test] fn $test() { super::$test(crate::sys::conformance::rough_memory_rig()); })*
        }
    };
}

mod connections;
mod kernels;
mod rig;
mod streams;

use std::time::Duration;

use self::rig::Rig;
use super::Sys;
use super::memory::World;
use super::native::Native;

/// The kernel of this machine.
fn native_rig() -> Rig<Native> {
    Rig::new(Native::new().unwrap(), || {})
}

/// Memory at its best behaviour.
fn memory_rig() -> Rig<impl Sys> {
    Rig::new(World::new(1).host("here"), || {})
}

/// Memory that cuts everything into pieces and reports without cause.
fn rough_memory_rig() -> Rig<impl Sys> {
    let world = World::new(2);
    world.chop(700);
    world.spurious(20);
    world.name_latency(Duration::from_millis(3));
    let kernel = world.host("here");
    Rig::new(kernel, move || {
        if let Some(at) = world.next_event() {
            world.advance(at - world.now());
        }
    })
}
