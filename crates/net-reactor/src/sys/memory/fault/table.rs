//! How often each kind of fault is to happen, and how often it did.

use super::super::chance::stream;
use super::Fault;
use crate::base::Rng;

/// Certainty, in the unit of the rates.
const MILLION: u32 = 1_000_000;

/// A rate for each kind of fault, in parts per million of the calls that it could hit.
///
/// All are 0, off, at first. A rate of 1,000,000 hits every time, and then a kind that says "not
/// now" says so for ever: nothing gets through a kernel with [`Fault::ReceiveNotReady`] at that
/// rate.
#[allow(unreachable_pub, reason = "the module `sim` exports it; tests alone do not")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRates {
    rates_ppm: [u32; Fault::COUNT],
}

#[allow(unreachable_pub, reason = "as for the struct")]
impl FaultRates {
    /// Makes a table with every kind off.
    #[must_use]
    pub const fn none() -> Self {
        Self { rates_ppm: [0; Fault::COUNT] }
    }

    /// Makes a table with every [harmless](Fault::is_harmless) kind at this rate.
    #[must_use]
    pub fn harmless(ppm: u32) -> Self {
        let harmless = Fault::ALL.iter().filter(|fault| fault.is_harmless());
        harmless.fold(Self::none(), |rates, fault| rates.with(*fault, ppm))
    }

    /// Sets the rate of one kind; more than 1,000,000 counts as that.
    ///
    /// The rate of a [staged](Fault::is_staged) kind means nothing to the kernel; the simulation
    /// may read it.
    #[must_use]
    pub const fn with(mut self, fault: Fault, ppm: u32) -> Self {
        self.rates_ppm[fault.index()] = if ppm < MILLION { ppm } else { MILLION };
        self
    }

    /// Switches one kind off.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Self {
        self.with(fault, 0)
    }

    /// Returns the rate of one kind in parts per million.
    #[must_use]
    pub const fn get(&self, fault: Fault) -> u32 {
        self.rates_ppm[fault.index()]
    }
}

impl Default for FaultRates {
    fn default() -> Self {
        Self::none()
    }
}

/// The rates of a world, its draws, and its counts.
#[derive(Debug)]
pub(in super::super) struct FaultTable {
    rates: FaultRates,
    /// Whether any rate is above zero: without faults a call pays for one branch.
    on: bool,
    /// One stream of numbers for each kind, from the seed and the kind's name.
    chances: Vec<Rng>,
    fired: [u64; Fault::COUNT],
}

impl FaultTable {
    /// Makes a table with every kind off.
    pub(in super::super) fn new(seed: u64) -> Self {
        Self {
            rates: FaultRates::none(),
            on: false,
            chances: Fault::ALL.iter().map(|fault| stream(seed, fault.name())).collect(),
            fired: [0; Fault::COUNT],
        }
    }

    /// Sets all rates. Counts and streams stay as they are.
    pub(in super::super) fn set(&mut self, rates: FaultRates) {
        let live = |fault: &&Fault| !fault.is_staged() && rates.get(**fault) > 0;
        self.on = Fault::ALL.iter().any(|fault| live(&fault));
        self.rates = rates;
    }

    /// Whether any kind of the kernel's own can happen.
    pub(in super::super) const fn is_on(&self) -> bool {
        self.on
    }

    /// Draws whether a kind happens now. A kind that is off draws nothing.
    pub(in super::super) fn draw(&mut self, fault: Fault) -> bool {
        let rate = self.rates.get(fault);
        rate > 0 && self.below(fault, u64::from(MILLION)) < u64::from(rate)
    }

    /// Draws a number in `0..bound` from the kind's own stream.
    pub(in super::super) fn below(&mut self, fault: Fault, bound: u64) -> u64 {
        self.chances[fault.index()].below(bound)
    }

    /// Notes that a kind happened.
    pub(in super::super) fn count(&mut self, fault: Fault) {
        self.fired[fault.index()] += 1;
    }

    /// Returns how often each kind happened, in the order of [`Fault::ALL`].
    pub(in super::super) fn fired(&self) -> Vec<(Fault, u64)> {
        Fault::ALL.iter().map(|fault| (*fault, self.fired[fault.index()])).collect()
    }
}
