//! Which system calls does a message cost?

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use crate::contenders::Suite;
use crate::failure::{Explain, Failure, Outcome};
use crate::load::{Load, LoadPlan};
use crate::report::Section;
use crate::report::table::{Cell, Table};
use crate::server::process::{ServerPlan, ServerProcess};

use super::{Settings, tell};

/// Rarer calls are start-up noise of one run against another.
const PER_MESSAGE_MIN: f64 = 0.005;

/// Calls by name.
type Calls = BTreeMap<String, u64>;

pub(crate) fn run(settings: &Settings) -> Outcome<Section> {
    let title = "System calls";
    if !is_strace_installed() {
        let notes = vec!["Not measured: strace is not installed.".to_owned()];
        tell("system calls: not measured, strace is not installed");
        return Ok(Section { title, notes, tables: Vec::new() });
    }
    let messages = if settings.is_quick { 200 } else { 20_000 };
    let quiet = LoadPlan { suite: Suite::Echo, connections: 1, outstanding: 1, payload_bytes: 64 };
    let loaded = LoadPlan { connections: 100, ..quiet };
    let frames = LoadPlan { suite: Suite::Frames, outstanding: 16, ..loaded };
    let tables = [("quiet", quiet), ("under load", loaded), ("under load", frames)]
        .iter()
        .map(|(mood, plan)| measure_row(settings, mood, plan, messages))
        .collect::<Outcome<Vec<_>>>()?;
    let notes = vec![format!(
        "Counted by `strace -f -c` over {messages} messages; a run with only the first message of \
         every connection is subtracted, so start-up and accepting do not count. Tracing slows the \
         server down, so under load its batches are larger than they would be."
    )];
    Ok(Section { title, notes, tables })
}

fn measure_row(settings: &Settings, mood: &str, plan: &LoadPlan, messages: u64) -> Outcome<Table> {
    let LoadPlan { suite, connections, outstanding, .. } = plan;
    let title = format!(
        "{mood}: {} 64 B x {outstanding} outstanding x {connections} connections",
        suite.name()
    );
    let mut table = Table::new(title, &["contender", "per message", "by name"]);
    for contender in settings.contenders(*suite) {
        let first_messages = u64::from(*outstanding) * *connections as u64;
        let calls = |count: u64| {
            count_calls(settings, plan, contender.name, count)
                .explain(format_args!("system calls, {}", contender.name))
        };
        let before = calls(first_messages)?;
        let after = calls(first_messages + messages)?;
        let per_message = per_message(&before, &after, messages);
        let sum: f64 = per_message.iter().map(|(_, each)| each).sum();
        tell(format!("system calls: {mood}, {}: {sum:.2} a message", contender.name));
        let names: Vec<String> =
            per_message.iter().map(|(name, each)| format!("{name} {each:.2}")).collect();
        table.push(vec![
            Cell::text(contender.name),
            Cell::number(Some(sum), 3),
            Cell::text(names.join(", ")),
        ]);
    }
    Ok(table)
}

/// Runs a traced server through so many messages and returns all calls it made.
fn count_calls(
    settings: &Settings,
    plan: &LoadPlan,
    contender: &str,
    messages: u64,
) -> Outcome<Calls> {
    let summary = SummaryFile::new();
    let server = ServerProcess::start(&ServerPlan {
        suite: plan.suite,
        contender,
        core: settings.cores.server,
        count_allocations: false,
        strace_summary: Some(summary.path()),
    })?;
    let mut load = Load::open(server.address(), plan)?;
    load.run_messages(messages)?;
    // The server stops first: connections that vanish before would show as calls of their own.
    server.stop()?;
    drop(load);
    summary.read()
}

/// The calls that the additional messages have cost, most frequent first.
fn per_message(before: &Calls, after: &Calls, messages: u64) -> Vec<(String, f64)> {
    let mut each: Vec<(String, f64)> = after
        .iter()
        .map(|(name, count)| {
            let extra = count.saturating_sub(before.get(name).copied().unwrap_or(0));
            (name.clone(), extra as f64 / messages as f64)
        })
        .filter(|(_, each)| *each >= PER_MESSAGE_MIN)
        .collect();
    each.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    each
}

/// Reads the table that `strace -c` prints:
///
/// ```text
/// % time     seconds  usecs/call     calls    errors syscall
/// ------ ----------- ----------- --------- --------- ----------------
///  55.50    0.000106           3        33         2 epoll_wait
/// ```
fn parse_summary(text: &str) -> Calls {
    let rows = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(count), Some(name)) = (words.get(3), words.last()) else { return None };
        // Heads and rules have no number there; the last line sums up.
        let count = count.parse().ok().filter(|_| *name != "total")?;
        Some(((*name).to_owned(), count))
    });
    rows.collect()
}

fn is_strace_installed() -> bool {
    let mut version = Command::new("strace");
    version.arg("-V").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// Where strace writes; removed in the end.
struct SummaryFile(PathBuf);

impl SummaryFile {
    fn new() -> Self {
        Self(env::temp_dir().join(format!("reactor-bench-{}.strace", process::id())))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn read(&self) -> Outcome<Calls> {
        let text = fs::read_to_string(self.path()).explain("cannot read strace's summary")?;
        let calls = parse_summary(&text);
        if calls.is_empty() {
            return Err(Failure::new("strace counted nothing; may it trace here?"));
        }
        Ok(calls)
    }
}

impl Drop for SummaryFile {
    fn drop(&mut self) {
        // Not there if strace never started, and then there is nothing to clean up.
        let _ = fs::remove_file(self.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_gives_calls_by_name() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
                    ------ ----------- ----------- --------- --------- ----------------\n\
                    55.50    0.000106           3        33         2 epoll_wait\n\
                    44.50    0.000085           2        31           recvfrom\n\
                    ------ ----------- ----------- --------- --------- ----------------\n\
                    100.00    0.000191           2        64         2 total\n";
        let expected = Calls::from([("epoll_wait".into(), 33), ("recvfrom".into(), 31)]);
        assert_eq!(parse_summary(text), expected);
    }
}
