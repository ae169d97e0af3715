//! Which faults a simulation may inject.

use std::collections::BTreeSet;
use std::time::Duration;

use super::chance::Chance;
use crate::base::Rng;
use crate::sys::memory::{Fault, FaultRates};

/// The lowest and the highest rate that a seed gives a kind of fault, in parts per million.
const RATE_PPM: (u64, u64) = (300, 100_000);

/// The shortest mean time from one episode to the next that can be asked for.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// The mean time from one episode of a kind to the next: drawn between these for each seed.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// A choice among the kinds of [`Fault`].
///
/// The seed draws the rate of each chosen kind: those of calls hit 300 to 100,000 of a million
/// calls, and staged ones come in episodes, see [`every`](Self::every). What is drawn for one kind
/// does not depend on which others are chosen.
///
/// ```
/// use net_reactor::sim::{Fault, Faults};
///
/// // Each seed takes about half of all kinds, each at a rate of its own.
/// let faults = Faults::swarm().without(Fault::PowerCut);
/// # let _ = faults;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    kinds: BTreeSet<Fault>,
    is_swarm: bool,
    /// The mean time from one episode of a kind to the next, if it is not left to the seed.
    pause: Option<Duration>,
}

impl Faults {
    /// Chooses no fault.
    #[must_use]
    pub fn none() -> Self {
        Self::only([])
    }

    /// Chooses a different subset of all kinds for each seed.
    ///
    /// Runs in which some faults never occur find bugs that others hide: a program that is reset
    /// all the time never gets far enough to leak.
    #[must_use]
    pub fn swarm() -> Self {
        Self { kinds: Fault::ALL.iter().copied().collect(), is_swarm: true, pause: None }
    }

    /// Chooses these kinds, for every seed.
    #[must_use]
    pub fn only(kinds: impl IntoIterator<Item = Fault>) -> Self {
        Self { kinds: kinds.into_iter().collect(), is_swarm: false, pause: None }
    }

    /// Chooses the kinds after which everything still comes true: delays, short reads and writes,
    /// spurious and shuffled reports. A different subset for each seed.
    #[must_use]
    pub fn harmless() -> Self {
        let kinds = Fault::ALL.iter().copied().filter(|fault| fault.is_harmless()).collect();
        Self { kinds, is_swarm: true, pause: None }
    }

    /// Sets the mean time from one episode of a kind, such as a partition, to the next of the same
    /// kind. Without it each seed chooses: from 2 s to a minute. Less than 1 ms counts as that.
    ///
    /// An episode of a link lasts 0.1 to 30 s, one of a host 10 ms to 20 s, short ones as likely as
    /// long ones.
    #[must_use]
    pub fn every(mut self, mean: Duration) -> Self {
        self.pause = Some(mean.max(PAUSE_MIN));
        self
    }

    /// Adds a kind.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.kinds.insert(fault);
        self
    }

    /// Takes a kind away.
    #[must_use]
    pub fn without(mut self, fault: Fault) -> Self {
        self.kinds.remove(&fault);
        self
    }

    /// Takes several kinds away.
    #[must_use]
    pub fn without_all(self, faults: impl IntoIterator<Item = Fault>) -> Self {
        faults.into_iter().fold(self, Self::without)
    }

    /// Returns the kinds that are chosen.
    pub fn kinds(&self) -> impl Iterator<Item = Fault> {
        self.kinds.iter().copied()
    }

    /// Draws the mean time from one episode of a kind to the next.
    pub(super) fn draw_pause(&self, rng: &mut Rng) -> Duration {
        let (shortest, longest) = PAUSE;
        let span = u64::try_from((longest - shortest).as_millis()).unwrap_or(u64::MAX);
        let drawn = shortest + Duration::from_millis(rng.below(span));
        self.pause.unwrap_or(drawn)
    }

    /// Draws the rate of each kind that this seed takes.
    pub(super) fn draw(&self, chance: Chance, mask: Option<&BTreeSet<Fault>>) -> FaultRates {
        // How crowded this seed's swarm is: from a few kinds to nearly all of them.
        let share = 10 + chance.stream("faults/share").below(80);
        let mut rates = FaultRates::none();
        for fault in &self.kinds {
            let mut stream = chance.stream(&format!("faults/{fault}"));
            let taken = stream.below(100) < share || !self.is_swarm;
            let (low, high) = RATE_PPM;
            // The logarithm of the rate is what is even: rare faults are as likely as common ones.
            let octaves = u64::from((high / low).ilog2());
            let base = low << stream.below(octaves);
            let ppm = u32::try_from(base + stream.below(base)).unwrap_or(u32::MAX);
            if taken && mask.is_none_or(|mask| mask.contains(fault)) {
                rates = rates.with(*fault, ppm);
            }
        }
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(faults: &Faults, seed: u64) -> Vec<Fault> {
        let rates = faults.draw(Chance::new(seed), None);
        Fault::ALL.iter().copied().filter(|fault| rates.get(*fault) > 0).collect()
    }

    #[test]
    fn a_swarm_differs_from_seed_to_seed_and_reaches_every_kind() {
        let swarms: Vec<_> = (0..60).map(|seed| drawn(&Faults::swarm(), seed)).collect();
        assert_ne!(swarms[0], swarms[1]);
        assert_eq!(swarms[0], drawn(&Faults::swarm(), 0));
        for fault in Fault::ALL {
            assert!(swarms.iter().any(|swarm| swarm.contains(fault)), "{fault} never");
            assert!(swarms.iter().any(|swarm| !swarm.contains(fault)), "{fault} always");
        }
    }

    #[test]
    fn taking_a_kind_away_leaves_the_rates_of_the_others() {
        let all = Faults::swarm().draw(Chance::new(5), None);
        let fewer = Faults::swarm().without(Fault::SendShort).draw(Chance::new(5), None);
        for fault in Fault::ALL.iter().filter(|fault| **fault != Fault::SendShort) {
            assert_eq!(all.get(*fault), fewer.get(*fault), "{fault}");
        }
    }

    #[test]
    fn a_mask_keeps_what_it_names() {
        let mask = [Fault::Clog].into();
        let rates = Faults::only([Fault::Clog, Fault::SendShort]).draw(Chance::new(1), Some(&mask));
        assert!(rates.get(Fault::Clog) > 0);
        assert_eq!(rates.get(Fault::SendShort), 0);
    }
}
