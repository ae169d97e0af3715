//! A global allocator that counts, so that "no allocation per message" is a figure and not a hope.
//!
//! Counting is off until it is asked for: a shared counter costs a few nanoseconds a call, which would
//! be charged to the contenders that allocate.

#![expect(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait; this file only forwards to System"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED_BYTES: AtomicU64 = AtomicU64::new(0);
static FREED_BYTES: AtomicU64 = AtomicU64::new(0);

/// Counts from now on, for the rest of the process.
pub(crate) fn start_counting() {
    COUNTING.store(true, Ordering::Relaxed);
}

/// Runs `work` and returns by how many bytes it has left the heap larger.
pub(crate) fn growth_bytes<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = live_bytes();
    let was_counting = COUNTING.swap(true, Ordering::Relaxed);
    let done = work();
    COUNTING.store(was_counting, Ordering::Relaxed);
    let growth = live_bytes().wrapping_sub(before).cast_signed();
    (done, growth.max(0).unsigned_abs())
}

/// How often memory was asked for (allocations and reallocations) since counting started.
pub(crate) fn count() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Bytes asked for and not given back while counting. It wraps below zero when older memory is freed;
/// differences stay right.
fn live_bytes() -> u64 {
    ALLOCATED_BYTES.load(Ordering::Relaxed).wrapping_sub(FREED_BYTES.load(Ordering::Relaxed))
}

struct CountingAllocator;

fn note_allocated(bytes: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        ALLOCATED_BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

fn note_freed(bytes: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        FREED_BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

// SAFETY: every call goes unchanged to `System`, which keeps the trait's contract; the counters are
// atomics, so noting a call neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note_allocated(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, and it is System's contract too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note_allocated(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, and it is System's contract too.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note_freed(layout.size());
        // SAFETY: the pointer came from this allocator, which means from System, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note_freed(layout.size());
        note_allocated(size);
        // SAFETY: the pointer came from System with this layout, and the caller vouches for `size`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
