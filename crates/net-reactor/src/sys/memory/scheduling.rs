//! What whoever runs the loops of a world asks it between their turns.

use std::time::Duration;

use super::World;
use super::machine::Kernel;
use crate::base::Instant;

impl World {
    /// Returns the kernels that have something for their loops.
    pub(crate) fn take_woken(&self) -> Vec<usize> {
        let kernels = self.state().kernels.len();
        (0..kernels).filter(|index| !self.is_kernel_quiet(*index)).collect()
    }

    /// Whether a wait of this kernel's loop would bring nothing.
    pub(crate) fn is_kernel_quiet(&self, kernel: usize) -> bool {
        self.state().kernels.get(kernel).is_none_or(Kernel::is_quiet)
    }

    /// Returns when the clock of the world shows that `time` has passed for a loop.
    pub(crate) fn deadline_in(&self, _kernel: usize, time: Duration) -> Option<Instant> {
        Some(self.now() + time)
    }
}
