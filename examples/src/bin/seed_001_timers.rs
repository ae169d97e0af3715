//! The loop by itself: calls that wait for their time, and a stop.
//!
//! Follows the first program of seed 001 (Twisted's `callLater`). An argument sets the length of
//! the program's seconds in milliseconds.
//!
//! ```sh
//! cargo run -p examples --bin seed_001_timers
//! ```
//!
//! expect: Running the reactor ...
//! expect: Current time is <time>
//! expect: Current time is <time>
//! expect: Current time is <time>
//! expect: Current time is <time>
//! expect: Stopping reactor
//! expect: Reactor stopped.

use std::env;
use std::time::{Duration, UNIX_EPOCH};

use net_reactor::prelude::*;

fn print_time(_reactor: &mut Reactor<'_>) {
    let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    println!("Current time is {:02}:{:02}:{:02}", now / 3600 % 24, now / 60 % 60, now % 60);
}

fn stop_reactor(reactor: &mut Reactor<'_>) {
    println!("Stopping reactor");
    reactor.stop();
}

fn main() -> Result<(), Error> {
    let argument = env::args().nth(1).and_then(|text| text.parse().ok());
    let second = Duration::from_millis(argument.unwrap_or(1000));

    let mut event_loop = EventLoop::new()?;
    let mut reactor = event_loop.reactor();
    for count in 1..=4 {
        reactor.call_later(count * second, print_time);
    }
    reactor.call_later(5 * second, stop_reactor);

    println!("Running the reactor ...");
    event_loop.run()?;
    println!("Reactor stopped.");
    Ok(())
}
