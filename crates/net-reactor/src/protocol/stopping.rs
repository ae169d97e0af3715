//! How a loop stops: told, drained, then at an end.

use crate::event_loop::TimerKey;

/// How a run of the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stopped {
    /// Connections that were not finished by the end of the loop's patience, and were aborted.
    pub aborted: usize,
}

/// Where a loop stands between running and stopped.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum StopState {
    #[default]
    Running,
    /// Listeners are closed and handlers told; connections finish until the deadline.
    Draining { deadline: TimerKey },
    /// Nothing is left to wait for.
    Over(Stopped),
}
