//! Work that comes again: rounds that never overlap, and a thread that asks the loop and waits.
//!
//! Follows Twisted's `LoopingCall` and `blockingCallFromThread`.
//!
//! ```sh
//! cargo run -p examples --bin 25_periodic
//! ```
//!
//! expect: round 1
//! expect: round 2
//! expect: round 3
//! expect: the other thread was told: 3 rounds
//! expect: a round never began while another was under way

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use net_reactor::{EventLoop, Period, Reactor, Round};

/// Half a round is work on another thread, and longer than the period: ticks meanwhile are skipped.
fn measure(reactor: &mut Reactor<'_>, round: Round, rounds: &Arc<AtomicU32>) {
    static BUSY: AtomicBool = AtomicBool::new(false);
    assert!(!BUSY.swap(true, Ordering::SeqCst), "two rounds at once");
    let work = || (1..2_000_000_u64).map(|n| n % 7).sum::<u64>();
    let counted = Arc::clone(rounds);
    let started = reactor.run_blocking(work, move |_reactor, sum| {
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        if number <= 3 && sum.is_ok() {
            println!("round {number}");
        }
        BUSY.store(false, Ordering::SeqCst);
        drop(round); // the round ends here, not with the call that began it
    });
    // Refused if the workers were busy: this round ends at once, and the next tick tries again.
    BUSY.fetch_and(started.is_ok(), Ordering::SeqCst);
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut event_loop = EventLoop::new()?;
    let rounds = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&rounds);
    let period = Period::of(Duration::from_millis(2)).first_after(Duration::ZERO);
    event_loop.reactor().repeat(period, move |reactor, round| measure(reactor, round, &counted));

    let handle = event_loop.handle();
    let asker = thread::spawn(move || {
        loop {
            let rounds = Arc::clone(&rounds);
            let answer = handle.block_on_loop(move |_reactor| rounds.load(Ordering::SeqCst));
            match answer {
                Ok(0..3) => thread::yield_now(),
                other => {
                    handle.stop();
                    break other.map(|rounds| rounds.min(3));
                }
            }
        }
    });
    event_loop.run()?;
    let told = asker.join().map_err(|_| "the asker panicked")??;
    println!("the other thread was told: {told} rounds");
    println!("a round never began while another was under way");
    Ok(())
}
