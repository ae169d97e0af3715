//! C2a: calls at one to four units of time, a stop at the fifth: in order and never early.
//!
//! That a call is not late either cannot be asserted on a real clock without failing on a busy
//! machine; the example prints the stamps to look at.

use std::sync::mpsc;
use std::time::Duration;

use net_reactor::prelude::*;

const UNIT: Duration = Duration::from_millis(30);

#[test]
fn calls_come_in_order_and_never_early_and_the_stop_comes_last() {
    // The loop keeps panics to itself, so the calls report and the test asserts.
    let (report, calls) = mpsc::channel();
    let mut event_loop = EventLoop::new().unwrap();
    let mut reactor = event_loop.reactor();
    let start = reactor.now();
    for count in 1..=5 {
        let report = report.clone();
        reactor.call_later(count * UNIT, move |reactor| {
            report.send((count, reactor.now() - start)).expect("the test listens");
            if count == 5 {
                reactor.stop();
            }
        });
    }
    drop(report);
    event_loop.run().unwrap();
    let calls: Vec<_> = calls.iter().collect();
    assert!(calls.iter().all(|(count, after)| *after >= *count * UNIT), "early: {calls:?}");
    assert_eq!(calls.iter().map(|(count, _)| *count).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(event_loop.stats().timers, 0);
}
