//! What fuzzing checks: for each codec a function that takes any bytes and panics when a promise is broken.
//!
//! The fuzzer in `fuzz/` calls these functions, and so does a plain test, which replays the corpora of the
//! fuzzer and some thousand changes of each. So a crash that was found once stays found, with a stable
//! compiler and without any tool.
//!
//! The promises, for whatever a stranger sends:
//!
//! - no panic, and an end: a decoder that gives a frame has come further;
//! - however the bytes are split, the same frames, the same rest, the same error;
//! - no frame over the limit, and no memory but within a [`budget`];
//! - a frame that was received can be sent, and arrives as the same frame;
//! - bytes that can be sent arrive as one frame, the same.

#![deny(unsafe_code)]

mod adapted;
pub mod budget;
mod case;
mod codecs;
mod simple_reactor;
mod stream;
mod terminated;
mod zlib;

/// One function for the fuzzer.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Target {
    /// The name of its file in `fuzz/fuzz_targets/` and of its corpus in `fuzz/corpus/`.
    pub name: &'static str,
    /// Checks the promises for these bytes; panics when one is broken.
    pub run: fn(&[u8]),
}

impl Target {
    /// Finds a target by its name.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn named(name: &str) -> &'static Self {
        TARGETS.iter().find(|target| target.name == name).expect("a target of this name")
    }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "lines", run: codecs::lines },
    Target { name: "delimited", run: codecs::delimited },
    Target { name: "length_prefix", run: codecs::length_prefix },
    Target { name: "length_field", run: codecs::length_field },
    Target { name: "fixed_size", run: codecs::fixed_size },
    Target { name: "netstring", run: codecs::netstring },
    Target { name: "raw", run: codecs::raw },
    Target { name: "terminated", run: terminated::terminated },
    Target { name: "tokio_codec", run: adapted::tokio_codec },
    Target { name: "zlib", run: zlib::zlib },
    Target { name: "simple_reactor", run: simple_reactor::simple_reactor },
];
