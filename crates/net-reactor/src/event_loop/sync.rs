//! The primitives that other threads touch the loop through: the standard ones, or the model
//! checker's.
//!
//! `RUSTFLAGS="--cfg reactor_loom" cargo test --release --lib loom` runs the tests of
//! [`wake`](super::wake) and [`inbox`](super::inbox) under every interleaving of their threads.
//! The cfg has a name of its own because dependencies change their behaviour under `cfg(loom)`.

#[cfg(not(all(test, reactor_loom)))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, Ordering},
};

#[cfg(all(test, reactor_loom))]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, Ordering},
};
