//! Does a server ask for memory while it only echoes?

use crate::contenders::Suite;
use crate::failure::{Explain, Outcome};
use crate::load::{Load, LoadPlan};
use crate::report::Section;
use crate::report::table::{Cell, Table};
use crate::server::process::{ServerPlan, ServerProcess};

use super::{Settings, tell};

const ROWS: [LoadPlan; 3] = [
    LoadPlan { suite: Suite::Echo, connections: 100, outstanding: 1, payload_bytes: 64 },
    LoadPlan { suite: Suite::Frames, connections: 100, outstanding: 16, payload_bytes: 64 },
    LoadPlan { suite: Suite::Idle, connections: 100, outstanding: 1, payload_bytes: 64 },
];

pub(crate) fn run(settings: &Settings) -> Outcome<Section> {
    let mut tables = Vec::new();
    for plan in &ROWS {
        let LoadPlan { suite, outstanding, .. } = plan;
        let title = format!("{} 64 B x {outstanding} outstanding x 100 connections", suite.name());
        let columns = ["contender", "allocations", "messages", "per message"];
        let mut table = Table::new(title, &columns);
        for contender in settings.contenders(*suite) {
            let (allocations, messages) = measure_once(settings, plan, contender.name)
                .explain(format_args!("allocations, {}", contender.name))?;
            tell(format!("allocations: {}: {allocations} in {messages}", contender.name));
            table.push(vec![
                Cell::text(contender.name),
                Cell::number(Some(allocations as f64), 0),
                Cell::number(Some(messages as f64), 0),
                Cell::number(Some(allocations as f64 / messages as f64), 4),
            ]);
        }
        tables.push(table);
    }
    let notes = vec![
        "Calls of the server's allocator (allocations and reallocations) in steady state, after a \
         warm-up."
            .to_owned(),
    ];
    Ok(Section { title: "Allocations", notes, tables })
}

/// Returns the server's allocations, and the messages it echoed meanwhile.
fn measure_once(settings: &Settings, plan: &LoadPlan, contender: &str) -> Outcome<(u64, u64)> {
    let mut server = ServerProcess::start(&ServerPlan {
        suite: plan.suite,
        contender,
        core: settings.cores.server,
        count_allocations: true,
        strace_summary: None,
    })?;
    let mut load = Load::open(server.address(), plan)?;
    load.warm_up(settings.warm_up)?;
    // Answering `stat` allocates as well. With nothing but stale load between them, two readings in
    // a row tell how much; the first answer of all also sets up its buffers, so it does not count.
    let readings = [server.usage()?, server.usage()?, server.usage()?];
    let answering = readings[2].since(readings[1]).allocations;
    let window = load.run_for(settings.window.min(std::time::Duration::from_millis(500)))?;
    let used = server.usage()?.since(readings[2]);
    Ok((used.allocations.saturating_sub(answering), window.messages))
}
