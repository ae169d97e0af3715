//! One stream of random numbers for each use, all from one seed.

use crate::base::Rng;
use crate::sys::memory;

/// The seed of a simulation, from which every stream comes.
///
/// A stream depends on the seed and on its own name: a new use, or one draw more in another
/// stream, shifts nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    seed: u64,
}

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Returns the stream of this name, at its beginning.
    pub(super) fn stream(self, name: &str) -> Rng {
        memory::stream(self.seed, name)
    }
}
