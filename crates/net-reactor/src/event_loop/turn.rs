//! The turn: what a loop does between two sleeps, and in which order.
//!
//! ```text
//!   fall asleep -> wait -> clock -> events -> timers -> tasks -> flush -> release
//! ```

use std::io;
use std::time::Duration;

use super::SleepState;

/// What a turn is made of. The layer above knows what each stage means; this one keeps the order.
pub(crate) trait Stages {
    /// How long the loop may sleep: `None` without limit.
    fn patience(&self) -> Option<Duration>;

    fn sleep_state(&self) -> &SleepState;

    /// Sleeps until an event, a wake-up, or the timeout.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Reads the clock, once a turn.
    fn read_clock(&mut self);

    fn deliver_events(&mut self);

    /// Runs the timers that are due at this turn's time; those set meanwhile wait.
    fn fire_timers(&mut self);

    /// Runs the tasks that were posted before this stage; those posted meanwhile wait.
    fn run_tasks(&mut self);

    /// Sends what was written in this turn.
    fn flush(&mut self);

    /// Gives back what ended in this turn.
    fn release(&mut self);

    /// Whether the turn did anything.
    fn made_progress(&self) -> bool;
}

/// The first half of a turn: announces the sleep, and returns how long it may take, which is at
/// most `limit`.
///
/// Between the halves other threads see a loop that sleeps. The simulator, in which nothing
/// sleeps, lets time pass and other loops run there.
pub(crate) fn fall_asleep<S: Stages>(stages: &S, limit: Option<Duration>) -> Option<Duration> {
    let timeout = match (stages.patience(), limit) {
        (Some(patience), Some(limit)) => Some(patience.min(limit)),
        (patience, limit) => patience.or(limit),
    };
    // Only who blocks needs to be woken, and may not block when a post came in just before.
    if timeout != Some(Duration::ZERO) && !stages.sleep_state().begin_sleep() {
        return Some(Duration::ZERO);
    }
    timeout
}

/// The second half of a turn: sleeps for at most `timeout`, then does what there is to do.
///
/// # Errors
///
/// What the kernel says about waiting; nothing else can fail.
pub(crate) fn wake_up<S: Stages>(stages: &mut S, timeout: Option<Duration>) -> io::Result<()> {
    let waited = stages.wait(timeout);
    stages.sleep_state().end_sleep();
    if let Err(error) = waited {
        // Nobody looks for work in this turn, so the next one must not sleep over it.
        stages.sleep_state().notify();
        return Err(error);
    }
    stages.read_clock();
    stages.deliver_events();
    stages.fire_timers();
    stages.run_tasks();
    stages.flush();
    stages.release();
    Ok(())
}

#[cfg(all(test, not(reactor_loom)))]
mod tests {
    use super::*;

    /// A loop without a kernel: it keeps what it was asked to wait for.
    #[derive(Default)]
    struct Paper {
        state: SleepState,
        waits: Vec<Option<Duration>>,
        /// A post that comes while the loop sleeps, in a wait that then fails.
        fails: bool,
        looked: usize,
    }

    impl Stages for Paper {
        fn patience(&self) -> Option<Duration> {
            None
        }

        fn sleep_state(&self) -> &SleepState {
            &self.state
        }

        fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
            self.waits.push(timeout);
            if std::mem::take(&mut self.fails) {
                assert!(self.state.notify(), "the loop sleeps");
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            Ok(())
        }

        fn run_tasks(&mut self) {
            self.looked += 1;
        }

        fn read_clock(&mut self) {}
        fn deliver_events(&mut self) {}
        fn fire_timers(&mut self) {}
        fn flush(&mut self) {}
        fn release(&mut self) {}

        fn made_progress(&self) -> bool {
            false
        }
    }

    fn turn(paper: &mut Paper) -> io::Result<()> {
        let timeout = fall_asleep(paper, None);
        wake_up(paper, timeout)
    }

    #[test]
    fn a_loop_told_in_a_wait_that_failed_looks_before_it_sleeps_again() {
        let mut paper = Paper { fails: true, ..Paper::default() };
        assert!(turn(&mut paper).is_err());
        assert_eq!(paper.looked, 0);
        turn(&mut paper).unwrap();
        assert_eq!((paper.looked, &paper.waits[..]), (1, &[None, Some(Duration::ZERO)][..]));
        turn(&mut paper).unwrap();
        assert_eq!(paper.waits[2], None);
    }
}
