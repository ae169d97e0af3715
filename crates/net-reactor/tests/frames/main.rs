//! Connections that speak in frames, on the whole library over the kernel in memory.

mod adapted;
mod batches;
mod codecs;
mod ends;
mod probe;
mod switching;
