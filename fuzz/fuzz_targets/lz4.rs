//! See `crates/fuzz-targets`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_fuzz_targets::Target;

fuzz_target!(|data: &[u8]| (Target::named("lz4").run)(data));
