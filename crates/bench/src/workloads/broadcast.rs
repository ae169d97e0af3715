//! How many members of a chat does one core reach a second, and what does it keep for them?

use crate::contenders::Suite;
use crate::failure::{Explain, Outcome};
use crate::load::audience::Audience;
use crate::machine::usage::Usage;
use crate::report::Section;
use crate::report::spread::{median, spread_percent};
use crate::report::table::{Cell, Table};
use crate::server::process::{ServerPlan, ServerProcess};

use super::{Settings, tell};

const LINE_BYTES: usize = 64;

const COLUMNS: [&str; 11] = [
    "contender",
    "deliveries/s",
    "spread %",
    "of the first",
    "p50 ms, the last hears",
    "p99 ms",
    "cpu ns/delivery",
    "RSS MiB",
    "bytes/connection",
    "server busy %",
    "load busy %",
];

/// One contender's window in one round.
#[derive(Debug)]
struct Sample {
    per_second: f64,
    /// p50 and p99 of the time until the last member has heard a line.
    latency_ms: [f64; 2],
    deliveries: u64,
    used: Usage,
    /// Resident memory before anybody has connected.
    empty_bytes: u64,
    server_busy_percent: f64,
    load_busy_percent: f64,
}

pub(crate) fn run(settings: &Settings) -> Outcome<Section> {
    let rows: &[usize] = if settings.is_quick { &[100] } else { &[1_000, 10_000] };
    let rounds = settings.rounds.min(5);
    let mut tables = Vec::new();
    for members in rows {
        let name = format!("one line of {LINE_BYTES} B to {members} connections");
        if settings.wants_row(&name) {
            tables.push(measure_row(settings, *members, rounds, name)?);
        }
    }
    let notes = vec![
        format!(
            "A chat: every line of a member goes to all of them, itself included. A closed loop: \
             the next line is said, by the next member, when everybody has heard the last one. \
             Every byte is compared. Contenders take turns for {rounds} rounds of {} ms.",
            settings.window.as_millis(),
        ),
        "A delivery is one line to one member; the latency is that of the last member to hear it. \
         RSS is the server's with everybody connected and served, and `bytes/connection` what of it \
         was not there before anybody connected."
            .to_owned(),
    ];
    Ok(Section { title: "Broadcast", notes, tables })
}

fn measure_row(settings: &Settings, members: usize, rounds: u32, name: String) -> Outcome<Table> {
    let contenders = settings.contenders(Suite::Chat);
    let mut samples: Vec<Vec<Sample>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (contender, taken) in contenders.iter().zip(&mut samples) {
            let sample = measure_once(settings, contender.name, members)
                .explain(format_args!("{name}, {}", contender.name))?;
            let rate = sample.per_second;
            tell(format!("{name}: round {round}, {}: {rate:.0} deliveries/s", contender.name));
            taken.push(sample);
        }
    }
    let mut table = Table::new(name, &COLUMNS);
    for (contender, taken) in contenders.iter().zip(&samples) {
        table.push(cells(contender.name, taken, &samples[0], members));
    }
    Ok(table)
}

fn measure_once(settings: &Settings, contender: &str, members: usize) -> Outcome<Sample> {
    let mut server = ServerProcess::start(&ServerPlan {
        suite: Suite::Chat,
        contender,
        core: settings.cores.server,
        count_allocations: false,
        strace_summary: None,
    })?;
    let empty_bytes = server.usage()?.rss_bytes;
    let mut audience = Audience::open(server.address(), members, LINE_BYTES)?;
    audience.run_for(settings.warm_up)?;
    let before = server.usage()?;
    let window = audience.run_for(settings.window)?;
    let used = server.usage()?.since(before);
    let elapsed_ns = window.elapsed.as_nanos() as f64;
    Ok(Sample {
        per_second: window.per_second(),
        latency_ms: [0.5, 0.99].map(|at| window.latency_ns.value_at_quantile(at) as f64 / 1e6),
        deliveries: window.messages,
        used,
        empty_bytes,
        server_busy_percent: 100.0 * used.cpu_ns as f64 / elapsed_ns,
        load_busy_percent: 100.0 * window.busy.as_nanos() as f64 / elapsed_ns,
    })
}

/// Figures are medians over the rounds, and ratios are medians of the ratios within a round.
fn cells(name: &'static str, taken: &[Sample], first: &[Sample], members: usize) -> Vec<Cell> {
    let rates = || taken.iter().map(|sample| sample.per_second);
    let ratios = taken.iter().zip(first).map(|(own, first)| own.per_second / first.per_second);
    let of = |figure: fn(&Sample) -> f64| median(taken.iter().map(figure));
    let grown = |sample: &Sample| sample.used.rss_bytes.saturating_sub(sample.empty_bytes) as f64;
    vec![
        Cell::text(name),
        Cell::Rate(median(rates())),
        Cell::number(Some(spread_percent(rates())), 1),
        Cell::number(Some(median(ratios)), 3),
        Cell::number(Some(of(|sample| sample.latency_ms[0])), 2),
        Cell::number(Some(of(|sample| sample.latency_ms[1])), 2),
        Cell::number(Some(of(|sample| sample.used.cpu_ns as f64 / sample.deliveries as f64)), 0),
        Cell::number(Some(of(|sample| sample.used.rss_bytes as f64) / 1_048_576.0), 2),
        Cell::number(Some(of(grown) / members as f64), 0),
        Cell::number(Some(of(|sample| sample.server_busy_percent)), 0),
        Cell::number(Some(of(|sample| sample.load_busy_percent)), 0),
    ]
}
