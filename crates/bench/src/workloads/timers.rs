//! What does a timer cost to arm, cancel and expire, and does that grow with their number?

use std::time::{Duration, Instant};

use crate::contenders::timers::{TIMERS, TimerBench};
use crate::failure::{Failure, Outcome};
use crate::machine::{allocations, cores};
use crate::report::Section;
use crate::report::spread::median;
use crate::report::table::{Cell, Table};

use super::{Settings, tell};

/// Deadlines lie this far ahead, like timeouts of connections.
const HORIZON_NS: u64 = 60_000_000_000;
/// The loop looks at its timers about so often.
const STEP_NS: u64 = 1_000_000;

/// What is measured at one number of timers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimerPlan {
    /// Timers that stay armed throughout.
    armed: usize,
    /// Least time to spend on each figure.
    effort: Duration,
}

/// The figures of one store at one number of timers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimerFigures {
    arm_ns: f64,
    cancel_ns: f64,
    expire_ns: f64,
    bytes_each: f64,
}

pub(crate) fn run(settings: &Settings) -> Outcome<Section> {
    // The stores run on the server's core, like the loops they belong in.
    cores::pin(settings.cores.server)?;
    let counts: &[usize] =
        if settings.is_quick { &[1_000, 20_000] } else { &[1_000, 100_000, 1_000_000] };
    let effort = settings.window.min(Duration::from_millis(500)) / 4;
    let columns = ["contender", "arm ns", "cancel ns", "expire ns", "bytes each"];
    let mut tables = Vec::new();
    for &armed in counts {
        let mut table = Table::new(format!("{armed} timers armed"), &columns);
        for contender in TIMERS.iter().filter(|one| settings.wants(one.name)) {
            tell(format!("timers: {armed}, {}", contender.name));
            let rounds = 0..settings.rounds.min(3);
            let taken = rounds
                .map(|_| (contender.measure)(&TimerPlan { armed, effort }))
                .collect::<Outcome<Vec<_>>>()?;
            let figure = |pick: fn(&TimerFigures) -> f64| Some(median(taken.iter().map(pick)));
            table.push(vec![
                Cell::text(contender.name),
                Cell::number(figure(|one| one.arm_ns), 1),
                Cell::number(figure(|one| one.cancel_ns), 1),
                Cell::number(figure(|one| one.expire_ns), 1),
                Cell::number(figure(|one| one.bytes_each), 0),
            ]);
        }
        tables.push(table);
    }
    cores::pin(settings.cores.load)?;
    let notes = vec![
        "Deadlines are uniform over the next 60 s. Arm and cancel: a thousand more timers are armed \
         on top of those that stay, then cancelled in another order. Expire: the clock moves in \
         steps of 1 ms until all have fired, and the figure includes the steps. Bytes are what the \
         store has asked the allocator for after arming, per timer."
            .to_owned(),
    ];
    Ok(Section { title: "Timers", notes, tables })
}

/// Measures one store; the list of contenders names it for each.
pub(crate) fn measure<T: TimerBench>(plan: &TimerPlan) -> Outcome<TimerFigures> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut store, bytes) = allocations::growth_bytes(|| {
        let mut store = T::new();
        for tag in 0..plan.armed {
            store.arm(1 + dice.below(HORIZON_NS), tag as u64);
        }
        store
    });
    let (arm_ns, cancel_ns) = arm_and_cancel(&mut store, &mut dice, plan.effort)?;
    let expire_ns = expire(&mut store, &mut dice, plan)?;
    let bytes_each = bytes as f64 / plan.armed as f64;
    Ok(TimerFigures { arm_ns, cancel_ns, expire_ns, bytes_each })
}

fn arm_and_cancel<T: TimerBench>(
    store: &mut T,
    dice: &mut Dice,
    effort: Duration,
) -> Outcome<(f64, f64)> {
    const BATCH: usize = 1000;
    let (mut arming, mut cancelling, mut count) = (Duration::ZERO, Duration::ZERO, 0);
    let mut keys = Vec::with_capacity(BATCH);
    while arming + cancelling < effort {
        let deadlines: Vec<u64> = (0..BATCH).map(|_| 1 + dice.below(HORIZON_NS)).collect();
        let start = Instant::now();
        for deadline_ns in deadlines {
            keys.push(store.arm(deadline_ns, 0));
        }
        arming += start.elapsed();
        dice.shuffle(&mut keys);
        let start = Instant::now();
        let cancelled = keys.drain(..).filter(|key| store.cancel(*key)).count();
        cancelling += start.elapsed();
        if cancelled != BATCH {
            return Err(Failure::new("a timer store lost a timer before its cancellation"));
        }
        count += BATCH;
    }
    let each = |time: Duration| time.as_nanos() as f64 / count as f64;
    Ok((each(arming), each(cancelling)))
}

/// Expires all armed timers, refilling the store until the effort is spent.
fn expire<T: TimerBench>(store: &mut T, dice: &mut Dice, plan: &TimerPlan) -> Outcome<f64> {
    let (mut expiring, mut count, mut now_ns) = (Duration::ZERO, 0, 0);
    // Few timers leave most steps empty; coarser steps keep the figure about expiring.
    let step_ns = STEP_NS.max(HORIZON_NS / plan.armed as u64);
    loop {
        let end_ns = now_ns + HORIZON_NS + step_ns;
        let mut fired = 0;
        let start = Instant::now();
        while now_ns < end_ns {
            now_ns += step_ns;
            store.expire(now_ns, &mut |_tag| fired += 1);
        }
        expiring += start.elapsed();
        if fired != plan.armed {
            let lost = plan.armed;
            return Err(Failure::new(format!("a timer store fired {fired} of {lost} timers")));
        }
        count += fired;
        if expiring >= plan.effort {
            return Ok(expiring.as_nanos() as f64 / count as f64);
        }
        for tag in 0..plan.armed {
            store.arm(now_ns + 1 + dice.below(HORIZON_NS), tag as u64);
        }
    }
}

/// Xorshift: every run throws the same, and a throw costs next to nothing.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_store_keeps_its_timers() {
        let plan = TimerPlan { armed: 500, effort: Duration::from_millis(1) };
        for contender in TIMERS {
            (contender.measure)(&plan).unwrap();
        }
    }
}
