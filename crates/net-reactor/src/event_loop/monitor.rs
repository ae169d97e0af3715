//! Notices a loop that spins: one that wakes again and again and gets nothing done.

/// Turns in a row, each woken for nothing, after which a loop is said to spin.
///
/// A thousand such turns take about a millisecond of a core that nobody gets any use of, and no
/// healthy loop makes them: an event that its handler leaves unhandled does.
pub(crate) const SPIN_TURNS: u32 = 1_000;

/// Counts turns without progress and names the source of events that caused them.
#[derive(Debug)]
pub(crate) struct Monitor<S> {
    counters: Counters,
    /// Idle turns since the last turn that was not.
    streak: u32,
    /// The last source that woke the loop in this streak.
    source: Option<S>,
}

/// What a [`Monitor`] has counted since the loop started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counters {
    /// Turns of every kind.
    pub(crate) turns: u64,
    /// Turns woken without a reason of the loop's own, in which nothing was done.
    pub(crate) idle_turns: u64,
    /// Episodes of spinning.
    pub(crate) spins: u64,
}

/// An episode of spinning, reported once, when the loop has spun for [`SPIN_TURNS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Spin<S> {
    /// The source to blame, unless no turn of the episode had one.
    ///
    /// This is the last one seen: in a spin it is nearly always the only one.
    pub(crate) source: Option<S>,
}

impl<S: Copy> Monitor<S> {
    /// Makes a monitor that has seen nothing.
    pub(crate) fn new() -> Self {
        Self { counters: Counters::default(), streak: 0, source: None }
    }

    /// Takes note of a turn; returns the episode of spinning that has just become evident.
    ///
    /// The turn made `progress` if any callback, task or timer ran or any byte moved. It
    /// `slept_for_timer_or_timeout` if the wait ended because its time was up. `first_source` is
    /// the source of the first event it was woken with.
    pub(crate) fn turn_ended(
        &mut self,
        progress: bool,
        slept_for_timer_or_timeout: bool,
        first_source: Option<S>,
    ) -> Option<Spin<S>> {
        self.counters.turns += 1;
        if progress || slept_for_timer_or_timeout {
            self.streak = 0;
            self.source = None;
            return None;
        }
        self.counters.idle_turns += 1;
        self.source = first_source.or(self.source);
        // Saturating, so that an endless episode is still one.
        self.streak = self.streak.saturating_add(1);
        if self.streak != SPIN_TURNS {
            return None;
        }
        self.counters.spins += 1;
        Some(Spin { source: self.source })
    }

    /// Returns what has been counted.
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }
}

impl<S: Copy> Default for Monitor<S> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(monitor: &mut Monitor<char>, turns: u32, source: Option<char>) -> Vec<Spin<char>> {
        (0..turns).filter_map(|_| monitor.turn_ended(false, false, source)).collect()
    }

    #[test]
    fn a_spin_is_reported_once_with_its_source() {
        let mut monitor = Monitor::new();
        assert_eq!(idle(&mut monitor, SPIN_TURNS - 1, Some('a')), []);
        assert_eq!(idle(&mut monitor, 1, Some('a')), [Spin { source: Some('a') }]);
        assert_eq!(idle(&mut monitor, 10 * SPIN_TURNS, Some('a')), []);
        assert_eq!(monitor.counters().spins, 1);
    }

    #[test]
    fn progress_or_a_real_sleep_ends_the_episode() {
        for (progress, slept) in [(true, false), (false, true)] {
            let mut monitor = Monitor::new();
            assert_eq!(idle(&mut monitor, SPIN_TURNS - 1, Some('a')), []);
            assert_eq!(monitor.turn_ended(progress, slept, None), None);
            assert_eq!(idle(&mut monitor, SPIN_TURNS - 1, Some('b')), []);
            assert_eq!(idle(&mut monitor, 1, None), [Spin { source: Some('b') }]);
        }
    }

    #[test]
    fn turns_are_counted_by_kind() {
        let mut monitor = Monitor::<char>::new();
        monitor.turn_ended(true, false, None);
        monitor.turn_ended(false, true, None);
        monitor.turn_ended(false, false, None);
        let expected = Counters { turns: 3, idle_turns: 1, spins: 0 };
        assert_eq!(monitor.counters(), expected);
    }
}
