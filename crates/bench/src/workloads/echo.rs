//! How many messages a second does one core echo, how late, and at what cost in CPU time?

use crate::contenders::Suite;
use crate::failure::{Explain, Outcome};
use crate::load::{Load, LoadPlan};
use crate::machine::usage::Usage;
use crate::report::Section;
use crate::report::spread::{median, spread_percent};
use crate::report::table::{Cell, Table};
use crate::server::process::{ServerPlan, ServerProcess};

use super::{Settings, tell};

const ROWS: [LoadPlan; 5] = [
    row(Suite::Echo, 64, 1, 100),
    row(Suite::Echo, 64, 1, 1000),
    row(Suite::Frames, 64, 16, 100),
    row(Suite::Frames, 64, 128, 100),
    row(Suite::Echo, 16 * 1024, 1, 100),
];

const COLUMNS: [&str; 14] = [
    "contender",
    "msg/s",
    "spread %",
    "of raw",
    "p50 us",
    "p99 us",
    "p99.9 us",
    "cpu ns/msg",
    "cpu / raw",
    "user ns/msg",
    "user / raw",
    "user +- %",
    "server busy %",
    "load busy %",
];

const fn row(suite: Suite, payload_bytes: usize, outstanding: u32, connections: usize) -> LoadPlan {
    LoadPlan { suite, connections, outstanding, payload_bytes }
}

/// One contender's window in one round.
#[derive(Debug)]
struct Sample {
    messages: u64,
    per_second: f64,
    /// p50, p99, p99.9.
    latency_us: [f64; 3],
    used: Usage,
    server_busy_percent: f64,
    load_busy_percent: f64,
}

pub(crate) fn run(settings: &Settings) -> Outcome<Section> {
    let mut tables = Vec::new();
    for plan in &ROWS {
        let name = name(plan);
        if settings.wants_row(&name) {
            tables.push(measure_row(settings, plan, &name)?);
        }
    }
    Ok(Section { title: "Echo", notes: notes(settings), tables })
}

/// The row's name, such as `frames 64 B x 16 outstanding x 100 connections`.
fn name(plan: &LoadPlan) -> String {
    let LoadPlan { suite, connections, outstanding, payload_bytes } = plan;
    let suite = suite.name();
    format!("{suite} {payload_bytes} B x {outstanding} outstanding x {connections} connections")
}

fn measure_row(settings: &Settings, plan: &LoadPlan, name: &str) -> Outcome<Table> {
    let contenders = settings.contenders(plan.suite);
    let mut samples: Vec<Vec<Sample>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds {
        for (contender, taken) in contenders.iter().zip(&mut samples) {
            let sample = measure_once(settings, plan, contender.name)
                .explain(format_args!("{name}, {}", contender.name))?;
            let rate = sample.per_second;
            tell(format!("{name}: round {round}, {}: {rate:.0} msg/s", contender.name));
            taken.push(sample);
        }
    }
    let mut table = Table::new(name, &COLUMNS);
    for (contender, taken) in contenders.iter().zip(&samples) {
        table.push(cells(contender.name, taken, &samples[0]));
    }
    Ok(table)
}

fn measure_once(settings: &Settings, plan: &LoadPlan, contender: &str) -> Outcome<Sample> {
    let mut server = ServerProcess::start(&ServerPlan {
        suite: plan.suite,
        contender,
        core: settings.cores.server,
        count_allocations: false,
        strace_summary: None,
    })?;
    let mut load = Load::open(server.address(), plan)?;
    load.warm_up(settings.warm_up)?;
    let before = server.usage()?;
    let window = load.run_for(settings.window)?;
    let used = server.usage()?.since(before);
    let latency_us =
        [0.5, 0.99, 0.999].map(|at| window.latency_ns.value_at_quantile(at) as f64 / 1000.0);
    let elapsed_ns = window.elapsed.as_nanos() as f64;
    Ok(Sample {
        messages: window.messages,
        per_second: window.per_second(),
        latency_us,
        used,
        server_busy_percent: 100.0 * used.cpu_ns as f64 / elapsed_ns,
        load_busy_percent: 100.0 * window.busy.as_nanos() as f64 / elapsed_ns,
    })
}

/// Figures are medians over the rounds, and ratios are medians of the ratios within a round. User
/// time is the sum over all rounds instead: it is sampled, so single windows say little.
fn cells(contender: &'static str, taken: &[Sample], raw: &[Sample]) -> Vec<Cell> {
    let rates = || taken.iter().map(|sample| sample.per_second);
    let ratios = taken.iter().zip(raw).map(|(own, raw)| own.per_second / raw.per_second);
    let latency = |at: usize| median(taken.iter().map(|sample| sample.latency_us[at]));
    let cpu = |sample: &Sample| sample.used.cpu_ns as f64 / sample.messages as f64;
    let cpu_ratios = taken.iter().zip(raw).map(|(own, raw)| cpu(own) / cpu(raw));
    let user = user_ns_per_message(taken);
    vec![
        Cell::text(contender),
        Cell::Rate(median(rates())),
        Cell::number(Some(spread_percent(rates())), 1),
        Cell::number(Some(median(ratios)), 3),
        Cell::number(Some(latency(0)), 1),
        Cell::number(Some(latency(1)), 1),
        Cell::number(Some(latency(2)), 1),
        Cell::number(Some(median(taken.iter().map(cpu))), 0),
        Cell::number(Some(median(cpu_ratios)), 3),
        Cell::number(Some(user), 0),
        Cell::number(Some(user / user_ns_per_message(raw)), 2),
        Cell::number(Some(user_error_percent(taken)), 0),
        Cell::number(Some(median(taken.iter().map(|one| one.server_busy_percent))), 0),
        Cell::number(Some(median(taken.iter().map(|one| one.load_busy_percent))), 0),
    ]
}

fn user_ns_per_message(taken: &[Sample]) -> f64 {
    let user_us: u64 = taken.iter().map(|sample| sample.used.user_us).sum();
    let messages: u64 = taken.iter().map(|sample| sample.messages).sum();
    user_us as f64 * 1000.0 / messages as f64
}

/// The standard error of the sampled user time: a sample stands for one tick of 4 ms, and the
/// number of samples that hit user code scatters by its square root.
fn user_error_percent(taken: &[Sample]) -> f64 {
    let user_us: u64 = taken.iter().map(|sample| sample.used.user_us).sum();
    100.0 / (user_us as f64 / 4000.0).sqrt()
}

fn notes(settings: &Settings) -> Vec<String> {
    let Settings { rounds, window, cores, .. } = settings;
    let mut notes = vec![
        format!(
            "Closed loop over loopback: every echo is replaced by a new message at once. The server \
             is a process of its own on core {}, the load runs on core {}. Contenders take turns \
             for {rounds} rounds of {} ms.",
            cores.server,
            cores.load,
            window.as_millis(),
        ),
        "`of raw` is the median of the ratios within a round. `cpu` is the server's, and exact; \
         `user` is the part of it outside the kernel, which the kernel samples every 4 ms, so it is \
         summed over all rounds and `user +- %` is the standard error of that sum."
            .to_owned(),
        "`busy` is the share of the window that a side was on its core. Where the load is the busier \
         one, `msg/s` is the load's limit, and `cpu / raw` tells the servers apart. Where neither \
         is near 100, something else was using the cores and the row should be taken again."
            .to_owned(),
    ];
    if cores.is_shared() {
        notes.push("Only one core may be used: server and load share it.".to_owned());
    }
    notes
}
