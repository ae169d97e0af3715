//! Which core serves and which one loads.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::{Explain, Failure, Outcome};

/// The cores of a run. Unpinned figures are not comparable: the scheduler packs threads as it
/// likes, and a wake-up across cores costs ten times one on the same core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) load: usize,
}

impl Cores {
    /// Takes the first two cores this process may use; one core serves both roles if there is no
    /// other. Must run before anything is pinned, since pinning narrows what may be used.
    pub(crate) fn detect() -> Outcome<Self> {
        let allowed = sched_getaffinity(None).explain("cannot read the allowed cores")?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = usable.next().ok_or_else(|| Failure::new("no core may be used"))?;
        let load = usable.next().unwrap_or(server);
        Ok(Self { server, load })
    }

    /// Whether server and load share a core, which makes the figures about that core.
    pub(crate) fn is_shared(self) -> bool {
        self.server == self.load
    }
}

/// Pins the calling thread, and every thread and child it starts later, to `core`.
pub(crate) fn pin(core: usize) -> Outcome<()> {
    let mut only = CpuSet::new();
    if core >= CpuSet::MAX_CPU {
        return Err(Failure::new(format!("core {core} does not exist")));
    }
    only.set(core);
    sched_setaffinity(None, &only).explain(format_args!("cannot pin to core {core}"))
}

/// Raises the soft limit of open descriptors to the hard one and returns it.
pub(crate) fn raise_descriptor_limit() -> Outcome<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).explain("cannot raise the limit of open descriptors")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}
