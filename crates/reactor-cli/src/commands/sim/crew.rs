//! The threads that run simulations, and the loop that watches them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};
use std::{panic, thread};

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
    /// Threads that are not done yet.
    at_work: AtomicUsize,
    /// The time is over, or somebody interrupted it.
    is_over: AtomicBool,
}

/// Runs everything, until the end, the time limit, or a signal.
pub(super) fn work(plan: &Plan) -> Result<Tally, Failure> {
    let mut event_loop = loop_with_signals()?;
    let started = clock::now();
    let crew = Crew {
        plan,
        next: AtomicU64::new(0),
        at_work: AtomicUsize::new(plan.workers),
        is_over: AtomicBool::new(false),
    };
    let board = Rc::new(Board::new(started, plan.limit));
    let (report, reports) = mpsc::channel();
    let reports = Rc::new(reports);
    watch(&mut event_loop, &board, &reports);
    let handle = event_loop.handle();
    let is_done = thread::scope(|scope| {
        for _ in 0..plan.workers {
            let (report, handle, crew) = (report.clone(), handle.clone(), &crew);
            scope.spawn(move || {
                let _shift = Shift { crew, watcher: handle };
                // The library tells of every connection; here there are millions of them.
                let silence = tracing::subscriber::NoSubscriber::default();
                tracing::subscriber::with_default(silence, || crew.serve(&report));
            });
        }
        drop(report);
        tracing::debug!(threads = plan.workers, "simulating");
        let ended = event_loop.run();
        // Only a signal ends the loop before the work or the time is over.
        let is_done = crew.at_work.load(Ordering::Acquire) == 0 || board.is_time_over();
        crew.is_over.store(true, Ordering::Relaxed);
        // Whoever is at work finishes this run.
        while let Ok(done) = reports.recv() {
            board.add(done);
        }
        ended.map(|_stopped| is_done)
    })?;
    board.bar.finish_and_clear();
    let mut tally = board.tally.take();
    tally.real_time = started.elapsed();
    tally.is_cut_short = match plan.limit {
        // A signal that comes with the last run cuts nothing short.
        Limit::Runs(runs) => tally.runs < runs,
        Limit::Time(_) => !is_done,
    };
    Ok(tally)
}

/// Does `work` on a thread of its own; what it is given becomes true when a signal arrives.
pub(super) fn watched<T: Send>(work: impl FnOnce(&AtomicBool) -> T + Send) -> Result<T, Failure> {
    let mut event_loop = loop_with_signals()?;
    let handle = event_loop.handle();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let done = panic::catch_unwind(panic::AssertUnwindSafe(|| work(&is_over)));
            handle.stop();
            done
        });
        let ended = event_loop.run();
        is_over.store(true, Ordering::Relaxed);
        let done = worker.join().and_then(|done| done);
        ended?;
        Ok(done.unwrap_or_else(|panic| panic::resume_unwind(panic)))
    })
}

fn loop_with_signals() -> Result<EventLoop, Failure> {
    let mut event_loop = EventLoop::new()?;
    event_loop.stop_on_signals().map_err(net_reactor::Error::Signals)?;
    Ok(event_loop)
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
    fn serve(&self, report: &Sender<Done>) {
        while !self.is_over.load(Ordering::Relaxed) {
            let Some(job) = self.plan.job(self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            if self.perform(job).is_some_and(|done| report.send(done).is_err()) {
                break;
            }
        }
    }

    /// Performs a run and its repetitions; `None` if it was over before anything can be said.
    fn perform(&self, job: Job) -> Option<Done> {
        let run = self.plan.run_of(job);
        let outcome = run.perform(job.scenario.run);
        let mut again = Vec::new();
        for _ in 1..self.plan.times {
            if self.is_over.load(Ordering::Relaxed) {
                // A run that was not repeated as often as was asked for has not passed.
                let differs = again.iter().any(|hash| *hash != outcome.trace_hash);
                let has_failed = differs || outcome.failure.is_some();
                return has_failed.then_some((job, outcome, again));
            }
            again.push(run.perform(job.scenario.run).trace_hash);
        }
        Some((job, outcome, again))
    }
}

/// The time that a thread is at work. The last one that leaves ends the loop.
struct Shift<'a> {
    crew: &'a Crew<'a>,
    watcher: LoopHandle,
}

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        if self.crew.at_work.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.watcher.stop();
        }
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
