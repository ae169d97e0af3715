//! Who wakes the loop: the word that keeps it to one kernel call for each sleep.

use std::fmt;

use crate::base::{Bug, planted};
use crate::event_loop::sync::{AtomicU8, Ordering};

/// The loop is awake, and nobody has told it anything since it last looked.
const RUNNING: u8 = 0;
/// The loop is, or is about to be, blocked in the kernel.
const SLEEPING: u8 = 1;
/// Somebody has told the loop that there is work since it last looked.
const NOTIFIED: u8 = 2;

/// The three states of a loop, as other threads see it.
///
/// ```text
///               begin_sleep                 notify: true
///    RUNNING ----------------> SLEEPING ------------------> NOTIFIED
///     ^   |                       |                          |    |
///     |   +-----------------------|--- notify: false --------^    |
///     +------- end_sleep ---------+------- end_sleep -------------+
/// ```
///
/// The loop, each turn: `begin_sleep`; wait (without blocking, if that returned false);
/// `end_sleep`; look for work. Another thread: make the work visible; `notify`; if that returned
/// true, wake the kernel's waiter.
///
/// **No wake-up is lost.** `notify` and `end_sleep` both replace the word's value, so one comes
/// first. If `notify` does, `end_sleep` reads what it wrote, and the work made visible before it
/// is there when the loop looks. If `end_sleep` does, the word says `NOTIFIED` until the next
/// `end_sleep`: until then `begin_sleep` refuses, so the loop does not block before it has
/// looked. And a loop that is already asleep is woken, because the `notify` that finds it so
/// says so.
///
/// **At most one wake-up for each sleep.** Only `begin_sleep` writes `SLEEPING`, and the first
/// `notify` replaces it. A wake-up may arrive late, when the loop has already woken for another
/// reason; the next wait then returns at once, with nothing to do.
pub(crate) struct SleepState {
    word: AtomicU8,
}

impl SleepState {
    /// Makes the state of a loop that is running.
    pub(crate) fn new() -> Self {
        Self { word: AtomicU8::new(RUNNING) }
    }

    /// Announces that the loop is about to block; returns false if it must not.
    ///
    /// Only the loop's own thread may call this.
    pub(crate) fn begin_sleep(&self) -> bool {
        // Nothing is handed over here, in either direction: that is `end_sleep`'s part.
        let swap =
            self.word.compare_exchange(RUNNING, SLEEPING, Ordering::Relaxed, Ordering::Relaxed);
        if planted(Bug::SleepsOverPost) {
            self.word.store(SLEEPING, Ordering::Relaxed);
            return true;
        }
        swap.is_ok()
    }

    /// Announces that the loop is about to look for work.
    ///
    /// Only the loop's own thread may call this: after the wait, and before it looks.
    pub(crate) fn end_sleep(&self) {
        self.word.swap(RUNNING, Ordering::AcqRel);
    }

    /// Announces work made visible before; returns true if the caller must wake the waiter.
    pub(crate) fn notify(&self) -> bool {
        self.word.swap(NOTIFIED, Ordering::AcqRel) == SLEEPING && !planted(Bug::WakeUpLost)
    }
}

impl Default for SleepState {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SleepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.word.load(Ordering::Relaxed) {
            RUNNING => "Running",
            SLEEPING => "Sleeping",
            _ => "Notified",
        })
    }
}

#[cfg(all(test, not(reactor_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_find_the_loop_asleep_wakes_it_and_nobody_else() {
        let state = SleepState::new();
        assert!(state.begin_sleep());
        assert!(state.notify());
        assert!(!state.notify());
        state.end_sleep();
        assert!(!state.notify(), "a running loop needs no waking");
    }

    #[test]
    fn a_loop_told_while_running_does_not_sleep_before_it_has_looked() {
        let state = SleepState::new();
        assert!(!state.notify());
        assert!(!state.begin_sleep());
        assert!(!state.begin_sleep());
        state.end_sleep();
        assert!(state.begin_sleep());
    }

    #[test]
    fn a_sleep_that_ends_by_itself_leaves_nobody_to_wake() {
        let state = SleepState::new();
        assert!(state.begin_sleep());
        state.end_sleep();
        assert!(!state.notify());
        state.end_sleep();
        assert!(state.begin_sleep());
        assert!(state.notify());
    }
}
