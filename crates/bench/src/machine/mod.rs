//! What the machine lends to a run: cores, descriptors, CPU time, memory.

pub(crate) mod allocations;
pub(crate) mod cores;
pub(crate) mod description;
pub(crate) mod usage;
