//! The main job: send messages to an echo server and measure how they come back.

mod embedded;
mod payload;
mod plan;
mod player;
mod progress;
mod report;
mod run;
mod tally;

use std::rc::Rc;
use std::time::Duration;

use net_reactor::{EventLoop, LoopConfig, Target};

use self::embedded::EmbeddedServer;
use self::plan::Plan;
use self::report::{Report, Subject};
use self::run::Run;
use crate::args::PingpongArgs;
use crate::failure::Failure;
use crate::output;

/// How long connections may take to close at the end. Nothing is measured any more.
const DRAIN: Duration = Duration::from_secs(2);

/// Measures, and prints what was measured.
pub(crate) fn run(args: &PingpongArgs, verbose: u8) -> Result<(), Failure> {
    let plan = Plan::new(args)?;
    let Some(target) = &args.connect else {
        let server = EmbeddedServer::start(args.loops, plan.framing)?;
        let subject = Subject::Embedded { loops: args.loops };
        let measured = measure(plan, &subject, server.address().into(), args.json, verbose);
        let stopped = server.stop();
        return measured.and(stopped);
    };
    measure(plan, &Subject::Remote(target.to_string()), target.clone(), args.json, verbose)
}

fn measure(
    plan: Plan,
    subject: &Subject,
    target: Target,
    json: bool,
    verbose: u8,
) -> Result<(), Failure> {
    let run = Rc::new(Run::new(plan, target));
    drive(&run, verbose)?;
    let Some(tally) = run.take_tally() else { return Err(run.why_nothing_was_measured()) };
    let report = Report { plan: run.plan(), subject, tally: &tally };
    if json {
        output::print(&report.json())?;
    } else if tally.messages() > 0 {
        output::print(&report.text())?;
    }
    tally.verdict(subject, run.plan().framing)
}

/// Opens the connections, and runs their loop until everything is over.
fn drive(run: &Rc<Run>, verbose: u8) -> Result<(), Failure> {
    let mut event_loop = EventLoop::with_config(LoopConfig::default().drain(DRAIN))?;
    event_loop.stop_on_signals().map_err(net_reactor::Error::Signals)?;
    let mut reactor = event_loop.reactor();
    player::connect_first(run, &mut reactor).map_err(net_reactor::Error::Target)?;
    run::watch_for_stalls(run, &mut reactor);
    let bar = (verbose == 0).then(|| progress::show(run, &mut reactor));
    let ended = event_loop.run();
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    ended?;
    Ok(())
}
