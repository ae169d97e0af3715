//! What fuzzing checks: functions that take any bytes and panic when a promise is broken.
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
//!
//! Where there is a simple model of what the bytes mean, or tokio's own answer, the result is compared with
//! that too.

#![deny(unsafe_code)]

mod adapted;
pub mod budget;
mod case;
mod codecs;
mod endpoints;
mod layers;
mod packed;
mod reads;
mod simple_reactor;
mod stream;
mod terminated;

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
    Target { name: "lz4", run: packed::lz4 },
    Target { name: "zlib", run: packed::zlib },
    Target { name: "zstd", run: packed::zstd },
    Target { name: "simple_reactor", run: simple_reactor::simple_reactor },
    Target { name: "packed_stream", run: layers::packed_stream },
    Target { name: "stream_reads", run: reads::stream_reads },
    Target { name: "target", run: endpoints::target },
    Target { name: "unix_address", run: endpoints::unix_address },
    Target { name: "happy_eyeballs", run: net_reactor::fuzz_support::happy_eyeballs },
];
