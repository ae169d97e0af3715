//! The threads that run simulations, and the loop that watches them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use net_reactor::sim::Outcome;
use net_reactor::{EventLoop, LoopHandle};

use super::plan::{Job, Limit, Plan};
use super::tally::Tally;
use crate::clock;
use crate::failure::Failure;
use crate::output::grouped;

/// How often the bar is drawn.
const PERIOD: Duration = Duration::from_millis(100);
const TEMPLATE: &str = "{prefix:>10} {bar:32.cyan} {msg}";

/// A run that is over, with the hashes of its repetitions.
type Done = (Job, Outcome, Vec<u64>);

/// What the threads share.
struct Crew<'a> {
    plan: &'a Plan,
    next: AtomicU64,
    is_over: AtomicBool,
}

/// Runs everything, until the end, the time limit, or a signal.
pub(super) fn work(plan: &Plan) -> Result<Tally, Failure> {
    let mut event_loop = EventLoop::new()?;
    event_loop.stop_on_signals().map_err(net_reactor::Error::Signals)?;
    let started = clock::now();
    let crew = Crew { plan, next: AtomicU64::new(0), is_over: AtomicBool::new(false) };
    let board = Rc::new(Board::new(started, plan.limit));
    let (report, reports) = mpsc::channel();
    let reports = Rc::new(reports);
    watch(&mut event_loop, &board, &reports);
    let handle = event_loop.handle();
    thread::scope(|scope| {
        for _ in 0..plan.workers {
            let (report, handle, crew) = (report.clone(), handle.clone(), &crew);
            scope.spawn(move || {
                // The library tells of every connection; here there are millions of them.
                let silence = tracing::subscriber::NoSubscriber::default();
                tracing::subscriber::with_default(silence, || crew.serve(&report, &handle));
            });
        }
        drop(report);
        let ended = event_loop.run();
        crew.is_over.store(true, Ordering::Relaxed);
        // Whoever is at work finishes this run.
        while let Ok(done) = reports.recv() {
            board.add(done);
        }
        ended
    })?;
    board.bar.finish_and_clear();
    let mut tally = board.tally.take();
    tally.real_time = started.elapsed();
    tally.is_cut_short = matches!(plan.limit, Limit::Runs(runs) if tally.runs < runs);
    Ok(tally)
}

/// Takes in what the threads report, and ends the loop when the time or the work is over.
fn watch(event_loop: &mut EventLoop, board: &Rc<Board>, reports: &Rc<Receiver<Done>>) {
    let (board, reports) = (Rc::clone(board), Rc::clone(reports));
    event_loop.reactor().call_every(PERIOD, move |reactor, _tick| {
        reports.try_iter().for_each(|done| board.add(done));
        board.draw();
        if board.is_time_over() {
            reactor.stop();
        }
    });
}

impl Crew<'_> {
    /// Performs runs until there are no more.
    fn serve(&self, report: &Sender<Done>, watcher: &LoopHandle) {
        while !self.is_over.load(Ordering::Relaxed) {
            let Some(job) = self.plan.job(self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            let run = self.plan.run_of(job);
            let outcome = run.perform(job.scenario.run);
            let again = (1..self.plan.times).map(|_| run.perform(job.scenario.run).trace_hash);
            if report.send((job, outcome, again.collect())).is_err() {
                break;
            }
        }
        // The last of them ends the loop; the others leave it to those still at work.
        if self.leave() {
            watcher.stop();
        }
    }

    /// Whether this thread is the first that finds nothing left to do.
    ///
    /// What the others still do is waited for after the loop.
    fn leave(&self) -> bool {
        !self.is_over.swap(true, Ordering::Relaxed)
    }
}

/// The sum so far, and the bar that shows it.
struct Board {
    tally: RefCell<Tally>,
    bar: ProgressBar,
    started: Instant,
    limit: Limit,
}

impl Board {
    fn new(started: Instant, limit: Limit) -> Self {
        let bar = ProgressBar::new(1);
        let style = ProgressStyle::with_template(TEMPLATE).map(|style| style.progress_chars("━╸─"));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix("simulating");
        Self { tally: RefCell::default(), bar, started, limit }
    }

    fn add(&self, (job, outcome, hashes): Done) {
        self.tally.borrow_mut().add(job, outcome, &hashes);
    }

    fn is_time_over(&self) -> bool {
        matches!(self.limit, Limit::Time(time) if self.started.elapsed() >= time)
    }

    /// Draws the bar; without a terminal it shows nothing.
    fn draw(&self) {
        if self.bar.is_hidden() {
            return;
        }
        let tally = self.tally.borrow();
        let (done, all) = match self.limit {
            Limit::Runs(runs) => (tally.runs, runs),
            Limit::Time(time) => (self.started.elapsed().as_secs(), time.as_secs()),
        };
        let hours = tally.virtual_time.as_secs() / 3600;
        let (runs, hours) = (grouped(tally.runs), grouped(hours));
        let failed = tally.failures.len();
        self.bar.set_message(format!("{runs} runs   {hours} virtual hours   {failed} failed"));
        self.bar.set_length(all);
        self.bar.set_position(done.min(all));
    }
}
