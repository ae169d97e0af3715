//! One stream of random numbers for each use, all from one seed.

use crate::base::Rng;

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
        let mut state = Rng::new(self.seed).next_u64();
        for byte in name.bytes() {
            state = Rng::new(state ^ u64::from(byte)).next_u64();
        }
        Rng::new(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_name_and_by_seed() {
        let first = |seed, name| Chance::new(seed).stream(name).next_u64();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
        assert_ne!(first(1, "ab"), first(1, "ba"));
    }
}
