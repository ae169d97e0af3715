//! The machine in a few words: enough to judge a figure, nothing that names a person or a place.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

/// What stands above every report.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) cores: usize,
    pub(crate) cpu_model: String,
    pub(crate) kernel: String,
    pub(crate) commit: Option<String>,
    pub(crate) date: Option<String>,
}

impl Description {
    /// Asks the kernel and git; what neither knows is left out.
    pub(crate) fn detect(date: Option<&str>) -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cores: core_count(),
            cpu_model: cpu_model(),
            kernel: kernel.trim().to_owned(),
            commit: commit(),
            date: date.map(str::to_owned),
        }
    }

    /// The description as lines of Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let mut facts = vec![
            format!("{} x {}", self.cores, self.cpu_model),
            format!("Linux {}", self.kernel),
            format!("reactor-bench {}", env!("CARGO_PKG_VERSION")),
        ];
        facts.extend(self.commit.as_ref().map(|commit| format!("commit {commit}")));
        facts.extend(self.date.clone());
        format!("Machine: {}.\n", facts.join("; "))
    }
}

/// The processors of the machine, not of this thread, which may be pinned to one of them.
fn core_count() -> usize {
    let listed = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let count = listed.lines().filter(|line| line.starts_with("processor")).count();
    if count > 0 { count } else { available_parallelism().map_or(1, usize::from) }
}

fn cpu_model() -> String {
    let listed = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = listed.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|rest| rest.trim_start_matches(['\t', ' ', ':']).trim());
    model.unwrap_or("unknown processor").to_owned()
}

/// The short id of the checked-out commit, marked if files differ from it.
fn commit() -> Option<String> {
    let id = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { id } else { format!("{id} with changes") })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
