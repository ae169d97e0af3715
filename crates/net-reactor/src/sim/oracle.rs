//! stand-in until the oracles arrive
use crate::net::Watch;
#[derive(Debug, Clone)]
pub(crate) struct Oracles;
struct Blind;
impl Watch for Blind {
    fn entered(&mut self, _: Option<crate::base::Key>, _: crate::net::Callback) -> bool {
        false
    }
    fn left(&mut self, _: Option<&str>) {}
    fn opened(&mut self, _: crate::base::Key, _: Option<crate::sys::Wire>) {}
    fn wrote(&mut self, _: crate::base::Key, _: &[u8], _: usize, _: usize) {}
    fn consumed(&mut self, _: crate::base::Key, _: &[u8], _: usize) {}
    fn closed(&mut self, _: crate::base::Key, _: &crate::CloseReason) {}
    fn connect_failed(&mut self, _: crate::base::Key, _: &crate::ConnectError) {}
}
#[derive(Debug, Clone)]
pub struct Violation {
    pub oracle: OracleKind,
    pub message: String,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OracleKind {
    Bytes,
    Callbacks,
    Resources,
    Spin,
    Memory,
    Panic,
    Liveness,
    Check,
}
impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.oracle, self.message)
    }
}
impl std::error::Error for Violation {}
impl Oracles {
    pub(crate) fn new() -> Self {
        Self
    }
    pub(crate) fn eye(&self, _: usize, _: &str) -> Box<dyn Watch> {
        Box::new(Blind)
    }
    pub(crate) fn loop_gone(&self, _: usize) {}
    pub(crate) fn violation(&self) -> Option<Violation> {
        None
    }
    pub(crate) fn panic_rate(&self, _: u32) {}
    pub(crate) fn panics_injected(&self) -> u64 {
        0
    }
    pub(crate) fn finish(&self) -> Option<Violation> {
        None
    }
    pub(crate) fn allow_panics(&self, _: bool) {}
}
