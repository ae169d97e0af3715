//! What a server process has used so far; travels as one line of JSON.

use std::fs;

use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use super::allocations;
use crate::failure::{Explain, Failure, Outcome};

/// Counters of one process since it started.
///
/// `cpu_ns` is exact. How much of it was user time is sampled by the kernel at its tick (250 times
/// a second here) and told in hundredths of a second, so `user_us` needs many seconds to mean much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) allocations: u64,
    pub(crate) rss_bytes: u64,
    pub(crate) user_us: u64,
    pub(crate) system_us: u64,
    pub(crate) cpu_ns: u64,
}

impl Usage {
    /// Reads the counters of this process.
    pub(crate) fn of_this_process() -> Outcome<Self> {
        // The allocation counter comes first: reading the others allocates.
        let allocations = allocations::count();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let (user_us, system_us) = user_and_system_us()?;
        Ok(Self {
            allocations,
            rss_bytes: rss_bytes()?,
            user_us,
            system_us,
            cpu_ns: cpu.tv_sec.unsigned_abs() * 1_000_000_000 + cpu.tv_nsec.unsigned_abs(),
        })
    }

    /// Reads what [`Usage::to_line`] wrote.
    pub(crate) fn from_line(line: &str) -> Outcome<Self> {
        let value: Value = serde_json::from_str(line)
            .explain(format_args!("the server answered {:?} to stat", line.trim_end()))?;
        let field = |name: &str| {
            value[name].as_u64().ok_or_else(|| Failure::new(format!("stat has no number {name}")))
        };
        Ok(Self {
            allocations: field("allocations")?,
            rss_bytes: field("rss_bytes")?,
            user_us: field("user_us")?,
            system_us: field("system_us")?,
            cpu_ns: field("cpu_ns")?,
        })
    }

    pub(crate) fn to_line(self) -> String {
        json!({
            "allocations": self.allocations,
            "rss_bytes": self.rss_bytes,
            "user_us": self.user_us,
            "system_us": self.system_us,
            "cpu_ns": self.cpu_ns,
        })
        .to_string()
    }

    /// What was used between two readings; the resident size stays the later one.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            allocations: self.allocations.saturating_sub(earlier.allocations),
            rss_bytes: self.rss_bytes,
            user_us: self.user_us.saturating_sub(earlier.user_us),
            system_us: self.system_us.saturating_sub(earlier.system_us),
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
        }
    }
}

/// Fields 14 and 15 of `/proc/self/stat`, see proc_pid_stat(5).
fn user_and_system_us() -> Outcome<(u64, u64)> {
    let stat = fs::read_to_string("/proc/self/stat").explain("cannot read /proc/self/stat")?;
    // The second field is a name in parentheses that may hold spaces; the third follows the last ')'.
    let mut fields = stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(11);
    let us_per_tick = 1_000_000 / clock_ticks_per_second();
    let mut next_us = || fields.next()?.parse::<u64>().ok().map(|ticks| ticks * us_per_tick);
    next_us().zip(next_us()).ok_or_else(|| Failure::new("/proc/self/stat has too few fields"))
}

/// The resident size by walking the pages. The cheap counter in `/proc/self/statm` may lag by
/// hundreds of kilobytes, which is tens of bytes a connection.
fn rss_bytes() -> Outcome<u64> {
    let path = "/proc/self/smaps_rollup";
    let rollup = fs::read_to_string(path).explain(format_args!("cannot read {path}"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
        .map(|kibibytes| kibibytes * 1024)
        .ok_or_else(|| Failure::new(format!("{path} has no Rss line")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_it_was() {
        let usage = Usage::of_this_process().unwrap();
        assert_eq!(Usage::from_line(&usage.to_line()).unwrap(), usage);
        assert!(usage.rss_bytes > 0);
        assert!(usage.cpu_ns > 0);
    }

    #[test]
    fn a_broken_line_is_a_failure() {
        assert!(Usage::from_line("").is_err());
        assert!(Usage::from_line("{\"allocations\": 1}").is_err());
    }
}
