//! How many posts a second does a loop take from other threads?

use std::thread;

use crate::contenders::posts::{POSTS, PostContender, PostPlan, PostRun};
use crate::failure::{Explain, Failure, Outcome};
use crate::machine::cores;
use crate::report::Section;
use crate::report::spread::median;
use crate::report::table::{Cell, Table};

use super::{Settings, tell};

/// Posts of one burst, over all threads.
const BURST_POSTS: u64 = 80_000;
const BURSTS_PER_ROUND: u32 = 10;

pub(crate) fn run(settings: &Settings) -> Outcome<Section> {
    let bursts = settings.rounds * if settings.is_quick { 2 } else { BURSTS_PER_ROUND };
    let columns = ["contender", "posts/s", "of first", "slowest burst ms", "wakes per 1000"];
    let contenders: Vec<_> = POSTS
        .iter()
        .enumerate()
        .filter(|(index, one)| *index == 0 || settings.wants(one.name))
        .map(|(_, one)| one)
        .collect();
    let mut tables = Vec::new();
    for threads in [1, 4, 8] {
        let plan =
            PostPlan { threads, posts_per_thread: BURST_POSTS / threads, cores: settings.cores };
        let mut runs: Vec<Vec<PostRun>> = contenders.iter().map(|_| Vec::new()).collect();
        for _ in 0..bursts {
            for (contender, taken) in contenders.iter().zip(&mut runs) {
                taken.push(measure_once(contender, plan)?);
            }
        }
        let mut table = Table::new(format!("{threads} posting threads"), &columns);
        for (contender, taken) in contenders.iter().zip(&runs) {
            tell(format!("posts: {threads} threads, {}", contender.name));
            table.push(cells(contender.name, &plan, taken, &runs[0]));
        }
        tables.push(table);
    }
    let notes = vec![
        format!(
            "Bursts of {BURST_POSTS} posts, from threads that share core {}, into a loop on core {}; \
             the clock runs from the first post until the last one is handled. Medians over \
             {bursts} bursts, the contenders taking turns.",
            settings.cores.load, settings.cores.server,
        ),
        "Not to be compared: tokio's rows with 4 and 8 threads. With more posting threads than cores \
         its channel is either about as fast as with one thread or up to a hundred times slower, \
         changing from run to run and with the size of the burst. The cause is not established; \
         `slowest burst` shows it where the median does not."
            .to_owned(),
    ];
    Ok(Section { title: "Posts from other threads", notes, tables })
}

/// Runs the loop on a fresh thread on the server's core.
fn measure_once(contender: &PostContender, plan: PostPlan) -> Outcome<PostRun> {
    let run = contender.run;
    let looping = thread::spawn(move || {
        cores::pin(plan.cores.server)?;
        run(&plan).explain("the loop failed")
    });
    let joined = looping.join().map_err(|_| Failure::new("the loop panicked"));
    let run = joined.and_then(|run| run).explain(format_args!("posts, {}", contender.name))?;
    if run.handled == plan.total() {
        return Ok(run);
    }
    let (name, handled, total) = (contender.name, run.handled, plan.total());
    Err(Failure::new(format!("posts, {name}: only {handled} of {total} posts were handled")))
}

fn cells(name: &'static str, plan: &PostPlan, taken: &[PostRun], first: &[PostRun]) -> Vec<Cell> {
    let total = plan.total() as f64;
    let rate = |run: &PostRun| total / run.elapsed.as_secs_f64();
    let ratios = taken.iter().zip(first).map(|(own, first)| rate(own) / rate(first));
    let slowest = taken.iter().map(|run| run.elapsed).max().unwrap_or_default();
    let wakes = taken.iter().filter_map(|run| run.wakes).map(|wakes| 1000.0 * wakes as f64 / total);
    vec![
        Cell::text(name),
        Cell::Rate(median(taken.iter().map(rate))),
        Cell::number(Some(median(ratios)), 3),
        Cell::number(Some(slowest.as_secs_f64() * 1000.0), 2),
        Cell::number(Some(median(wakes)), 3),
    ]
}
