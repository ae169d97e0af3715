//! Posts through a handle into a loop.

use std::cell::Cell;
use std::io;
use std::time::Instant;

use net_reactor::EventLoop;

use super::posts::{PostPlan, PostRun, Posters};

thread_local! {
    /// Posts that ran on the loop's thread.
    static HANDLED: Cell<u64> = const { Cell::new(0) };
}

/// Posts functions that capture a number, as `run_in_loop` is used.
pub(super) fn run(plan: &PostPlan) -> io::Result<PostRun> {
    let mut event_loop = EventLoop::new().map_err(io::Error::other)?;
    let handle = event_loop.handle();
    let total = plan.total();
    HANDLED.set(0);
    let posters = Posters::new(plan, || {
        let handle = handle.clone();
        move |number: u64| {
            let mut posted = handle.run_in_loop(move |reactor| {
                HANDLED.set(HANDLED.get() + u64::from(number < u64::MAX));
                if HANDLED.get() == total {
                    reactor.stop_now();
                }
            });
            // A full inbox gives the call back: the poster waits for the loop, as a program would.
            while let Err(refused) = posted {
                std::thread::yield_now();
                posted = handle.run_in_loop(refused.value);
            }
        }
    });
    posters.release();
    event_loop.run().map_err(io::Error::other)?;
    let end = Instant::now();
    let elapsed = posters.elapsed_until(end)?;
    Ok(PostRun { elapsed, wakes: None, handled: HANDLED.get() })
}
