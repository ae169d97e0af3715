//! Work that comes again and takes its time: a round never begins while another is under way.
//!
//! Follows Twisted's `LoopingCall`, whose function may return a result that is still to come.
//!
//! ```sh
//! cargo run -p examples --bin 25_periodic
//! ```
//!
//! expect: round 1 begins
//! expect: round 1 ends
//! expect: round 2 begins
//! expect: round 2 ends
//! expect: round 3 begins
//! expect: round 3 ends

use std::time::Duration;

use net_reactor::{Error, EventLoop, Period};

/// Longer than the period, on a thread where it blocks nobody.
fn measure() -> u64 {
    (1..3_000_000_u64).map(|number| number % 7).sum()
}

fn main() -> Result<(), Error> {
    let mut event_loop = EventLoop::new()?;
    let period = Period::of(Duration::from_millis(1)).first_after(Duration::ZERO);
    let mut number = 0;
    event_loop.reactor().repeat(period, move |reactor, round| {
        number += 1;
        println!("round {number} begins");
        if number == 3 {
            reactor.cancel(round.tick().timer); // the round itself goes on
        }
        let started = reactor.run_blocking(measure, move |reactor, _sum| {
            println!("round {number} ends");
            if number == 3 {
                reactor.stop();
            }
            drop(round); // here the round ends, not with the call that began it
        });
        started.unwrap_or_else(|full| println!("round {number} is left out: {full}"));
    });
    event_loop.run()?;
    Ok(())
}
