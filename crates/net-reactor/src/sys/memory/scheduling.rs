//! What whoever runs the loops of a world asks it between their turns.

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

    /// Reads the monotonic clock of a kernel's host.
    pub(crate) fn local_time(&self, kernel: usize) -> Instant {
        self.host_of(kernel).now()
    }

    /// Returns when the clock of a kernel's host shows `local`, in the time of the world; `None` if
    /// it never will, as it is.
    pub(crate) fn world_time(&self, kernel: usize, local: Instant) -> Option<Instant> {
        self.host_of(kernel).world_time(local)
    }

    fn host_of(&self, kernel: usize) -> Host {
        let index = self.state().kernels[kernel].machine;
        Host { world: self.clone(), index }
    }
}
