//! What whoever runs the loops of a world asks it between their turns.

use std::time::Duration;

use super::machine::{Host, Kernel};
use super::world::World;
use crate::base::Instant;

impl World {
    /// Returns a host by its name, and makes it if it is new.
    pub(crate) fn machine_named(&self, name: &str) -> Host {
        let index = self.state().machine(name);
        Host { world: self.clone(), index }
    }

    /// Whether a wait of this kernel's loop would bring nothing.
    pub(crate) fn is_kernel_quiet(&self, kernel: usize) -> bool {
        let mut state = self.state();
        state.notice_wake(kernel);
        state.kernels.get(kernel).is_none_or(Kernel::is_quiet)
    }

    /// Returns the time of the world at which `time` has passed for the loop of a kernel; `None`
    /// if its clock is frozen.
    pub(crate) fn deadline_in(&self, kernel: usize, time: Duration) -> Option<Instant> {
        let machine = self.state().kernels.get(kernel)?.machine;
        let host = Host { world: self.clone(), index: machine };
        let deadline = host.now() + time;
        host.world_time(deadline)
    }
}
