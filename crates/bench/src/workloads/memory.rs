//! How much memory does a server keep for a connection that is silent?

use crate::contenders::Suite;
use crate::failure::{Explain, Outcome};
use crate::load::{Load, LoadPlan};
use crate::report::Section;
use crate::report::spread::median;
use crate::report::table::{Cell, Table};
use crate::server::process::{ServerPlan, ServerProcess};

use super::{Settings, tell};

const PAYLOAD_BYTES: usize = 64;

pub(crate) fn run(settings: &Settings) -> Outcome<Section> {
    let (few, many) = if settings.is_quick { (100, 600) } else { (1_000, 10_000) };
    let rounds = settings.rounds.min(3);
    let columns = ["contender", "bytes/connection", "RSS MiB, few", "RSS MiB, many"];
    let mut table = Table::new(format!("{few} to {many} connections"), &columns);
    for contender in settings.contenders(Suite::Idle) {
        let mut readings = Vec::new();
        for _ in 0..rounds {
            let reading = measure_once(settings, contender.name, few, many)
                .explain(format_args!("memory, {}", contender.name))?;
            readings.push(reading);
        }
        let few_bytes = median(readings.iter().map(|(few_bytes, _)| *few_bytes));
        let many_bytes = median(readings.iter().map(|(_, many_bytes)| *many_bytes));
        let slope = median(readings.iter().map(|(low, high)| (high - low) / (many - few) as f64));
        tell(format!("memory: {}: {slope:.0} bytes a connection", contender.name));
        table.push(vec![
            Cell::text(contender.name),
            Cell::number(Some(slope), 0),
            Cell::number(Some(few_bytes / 1_048_576.0), 2),
            Cell::number(Some(many_bytes / 1_048_576.0), 2),
        ]);
    }
    let notes = vec![format!(
        "Resident memory of the server process (user space; the kernel's 4 KB a socket come on top) \
         when {few} and when {many} connections are open, as the difference per connection. Every \
         connection has echoed one message of {PAYLOAD_BYTES} B, so its buffers have been touched. \
         Median of {rounds} servers."
    )];
    Ok(Section { title: "Memory of idle connections", notes, tables: vec![table] })
}

/// Returns the resident bytes with few and with many connections.
fn measure_once(
    settings: &Settings,
    contender: &str,
    few: usize,
    many: usize,
) -> Outcome<(f64, f64)> {
    let suite = Suite::Idle;
    let mut server = ServerProcess::start(&ServerPlan {
        suite,
        contender,
        core: settings.cores.server,
        count_allocations: false,
        strace_summary: None,
    })?;
    let plan = LoadPlan { suite, connections: few, outstanding: 1, payload_bytes: PAYLOAD_BYTES };
    let mut load = Load::open(server.address(), &plan)?;
    load.run_messages(few as u64)?;
    let few_bytes = server.usage()?.rss_bytes;
    load.grow(many - few)?;
    // Those that were there send first, so the budget covers every connection exactly once.
    load.run_messages(many as u64)?;
    let many_bytes = server.usage()?.rss_bytes;
    Ok((few_bytes as f64, many_bytes as f64))
}
