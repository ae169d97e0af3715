//! The kernels that a script runs on.

use std::fmt;
use std::time::Duration;

use crate::base::Instant;
use crate::sys::Sys;
use crate::sys::memory::{Memory, World};
use crate::sys::native::Native;

/// What a runner with nothing to do may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lull {
    /// Look again.
    Over,
    /// Wait for the kernel for a moment.
    Wait,
    /// Give up: nothing will ever happen.
    Forever,
}

/// A place with kernels of one kind.
pub(super) trait Ground {
    type Kernel: Sys<Stream: fmt::Debug, Listener: fmt::Debug> + fmt::Debug;

    /// How the lists of differences call it.
    const NAME: &'static str;

    fn new() -> Self;

    /// Makes the kernel of one more loop.
    fn kernel(&self) -> Self::Kernel;

    /// Nothing is left to do before `deadline`.
    fn lull(&self, deadline: Option<Instant>) -> Lull;

    /// Whether no kernel has anything to report.
    fn is_quiet(&self) -> bool;
}

/// The kernel of this machine.
pub(super) struct Real;

impl Ground for Real {
    type Kernel = Native;

    const NAME: &'static str = "native";

    fn new() -> Self {
        Self
    }

    fn kernel(&self) -> Native {
        Native::new().unwrap()
    }

    fn lull(&self, _deadline: Option<Instant>) -> Lull {
        Lull::Wait
    }

    fn is_quiet(&self) -> bool {
        true
    }
}

/// One host in memory; `ROUGH` cuts everything into pieces and reports without cause.
pub(super) struct Simulated<const ROUGH: bool>(World);

impl<const ROUGH: bool> Ground for Simulated<ROUGH> {
    type Kernel = Memory;

    const NAME: &'static str = if ROUGH { "rough" } else { "memory" };

    fn new() -> Self {
        let world = World::new(if ROUGH { 2 } else { 1 });
        if ROUGH {
            world.chop(700);
            world.spurious(20);
            world.name_latency(Duration::from_millis(3));
        }
        Self(world)
    }

    fn kernel(&self) -> Memory {
        self.0.host("here")
    }

    fn lull(&self, deadline: Option<Instant>) -> Lull {
        if !self.0.is_quiet() {
            return Lull::Over;
        }
        let Some(next) = deadline.into_iter().chain(self.0.next_event()).min() else {
            return Lull::Forever;
        };
        self.0.advance(next - self.0.now());
        Lull::Over
    }

    fn is_quiet(&self) -> bool {
        self.0.is_quiet()
    }
}
