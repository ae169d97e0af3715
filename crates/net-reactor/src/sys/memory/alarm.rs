//! Wake-ups, and the list of loops that have something to do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::world::{State, World};
use crate::sys::Wake;

/// The numbers of the kernels that became busy, in that order, each once.
///
/// Wake-ups come from any thread, and so it has a lock.
#[derive(Debug, Default)]
pub(super) struct Roused(Mutex<Vec<usize>>);

/// The wake-up of one loop: a flag, since nobody sleeps here.
#[derive(Debug)]
pub(super) struct Alarm {
    kernel: usize,
    is_set: AtomicBool,
    /// Whether the kernel stands in the list.
    listed: AtomicBool,
    roused: Arc<Roused>,
}

impl Alarm {
    /// Makes the wake-up of the kernel with this number.
    pub(super) fn new(kernel: usize, roused: &Arc<Roused>) -> Self {
        let (is_set, listed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { kernel, is_set, listed, roused: Arc::clone(roused) }
    }

    /// Forgets the wake-up; returns whether there was one.
    pub(super) fn take(&self) -> bool {
        // Acquires as well: what the waker did before is visible to the loop after its wait.
        self.is_set.swap(false, Ordering::AcqRel)
    }

    /// Puts the kernel on the list, unless it stands there.
    fn list(&self) {
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.roused.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.kernel);
        }
    }
}

impl Wake for Alarm {
    fn wake(&self) {
        self.is_set.store(true, Ordering::Release);
        self.list();
    }
}

impl World {
    /// Returns the kernels that got something to do since the last call, in that order: a report,
    /// an answer, a job, a wake-up, or more of them than one wait takes. Kernels are numbered in
    /// the order of their making, see [`Memory::index`](super::Memory::index).
    ///
    /// Wake-ups from other threads take their place by chance.
    pub(crate) fn take_woken(&self) -> Vec<usize> {
        let mut state = self.state();
        let roused = Arc::clone(&state.roused);
        let mut woken =
            std::mem::take(&mut *roused.0.lock().unwrap_or_else(PoisonError::into_inner));
        for kernel in &woken {
            // From here on a wake-up lists the kernel again.
            state.kernels[*kernel].alarm.listed.store(false, Ordering::Release);
            state.notice_wake(*kernel);
        }
        // Some had their wait in the meantime, or lost their power.
        woken.retain(|kernel| !state.kernels[*kernel].is_quiet());
        woken
    }
}

impl State {
    /// Notices every wake-up that came since the last look.
    pub(super) fn notice_wakes(&mut self) {
        let roused = Arc::clone(&self.roused);
        // Whoever was woken stands in the list, and so it is enough to ask those.
        let listed = roused.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.iter().for_each(|kernel| self.notice_wake(*kernel));
    }

    /// Notes that a kernel got something to do.
    pub(super) fn rouse(&self, kernel: usize) {
        self.kernels[kernel].alarm.list();
    }
}
