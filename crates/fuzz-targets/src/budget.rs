//! How much memory a piece of work needs: an allocator that counts, for each thread by itself.

#![expect(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait; this file only forwards to System"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes that this thread has asked for and not given back; below zero if others' were freed.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// The most that was live since this was last set.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Does the work, and returns the most memory in bytes that it had at once beyond what there was.
pub fn peak_bytes<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let done = work();
    (done, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

fn note(bytes: isize) {
    // A thread that ends frees memory after its counters are gone.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        PEAK.try_with(|peak| peak.set(peak.get().max(live.get())))
    });
}

struct Counting;

// SAFETY: every call goes unchanged to `System`, which keeps the trait's contract; the counters are
// cells without destructors, so noting a call neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `alloc`, and it is System's contract too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(-layout.size().cast_signed());
        // SAFETY: the pointer came from this allocator, which means from System, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // As if both were there for a moment, which is what the system may need.
        note(size.cast_signed());
        note(-layout.size().cast_signed());
        // SAFETY: the pointer came from System with this layout, and the caller vouches for `size`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_what_was_there_at_once() {
        let (kept, peak) = peak_bytes(|| {
            drop(Vec::<u8>::with_capacity(1000));
            drop(Vec::<u8>::with_capacity(3000));
            Vec::<u8>::with_capacity(500)
        });
        assert_eq!((kept.capacity(), peak), (500, 3000));
        assert_eq!(peak_bytes(|| drop(kept)).1, 0);
    }
}
