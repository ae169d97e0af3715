//! The bar that shows how far a run has come.

use std::rc::Rc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use net_reactor::Reactor;

use super::plan::Limit;
use super::run::Run;
use super::tally::rate;
use crate::clock;
use crate::output::grouped;

/// How often the bar is drawn. It is drawn by the loop that measures, so not too often.
const PERIOD: Duration = Duration::from_millis(100);
const TEMPLATE: &str = "{prefix:>10} {bar:32.cyan} {msg}";

/// Shows a bar on stderr while the loop runs; without a terminal there it shows nothing.
pub(super) fn show(run: &Rc<Run>, reactor: &mut Reactor<'_>) -> ProgressBar {
    let bar = ProgressBar::new(1);
    if bar.is_hidden() {
        return bar;
    }
    let style = ProgressStyle::with_template(TEMPLATE).map(|style| style.progress_chars("━╸─"));
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (run, drawn) = (Rc::clone(run), bar.clone());
    reactor.call_every(PERIOD, move |_reactor, _tick| draw(&run, &drawn));
    bar
}

fn draw(run: &Run, bar: &ProgressBar) {
    if run.is_over() {
        return;
    }
    if !run.is_measuring() {
        let (open, all) = (run.live() as u64, run.plan().connections as u64);
        bar.set_prefix("connecting");
        bar.set_message(format!("{} of {} connections", grouped(open), grouped(all)));
        return place(bar, open, all);
    }
    let tally = run.tally();
    let elapsed = tally.elapsed_at(clock::now());
    #[expect(clippy::cast_possible_truncation, reason = "a rate is small")]
    let per_second = rate(tally.messages(), elapsed) as u64;
    let per_second = grouped(per_second);
    bar.set_prefix("measuring");
    match run.plan().limit {
        Limit::Time(time) => {
            let (seconds, all) = (elapsed.as_secs_f64(), time.as_secs_f64());
            bar.set_message(format!("{seconds:.1} of {all:.1} s   {per_second} messages/s"));
            place(bar, milliseconds(elapsed), milliseconds(time));
        }
        Limit::Messages(all) => {
            let done = tally.returned();
            let (back, total) = (grouped(done), grouped(all));
            bar.set_message(format!("{back} of {total} messages   {per_second} messages/s"));
            place(bar, done, all);
        }
    }
}

fn place(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done.min(all));
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
