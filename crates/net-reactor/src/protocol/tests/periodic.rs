//! Work that comes again: where it starts, how it is spread, and that it never overlaps.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::rig::{Rig, ms, secs};
use super::teller::Log;
use crate::base::Instant;
use crate::protocol::{LoopConfig, Period, Reactor, Round, Tick};

fn rig(seed: u64) -> Rig {
    let mut rig = Rig::seeded(seed);
    rig.add("a", LoopConfig::default());
    rig
}

/// A call that notes when it was due and what was missed.
fn tell(log: &Log) -> impl FnMut(&mut Reactor<'_>, Tick) + 'static {
    let log = log.clone();
    move |reactor, tick| {
        log.at(reactor.now(), format_args!("due {:?} missed {}", tick.due, tick.missed));
    }
}

#[test]
fn the_first_call_starts_the_grid() {
    let mut rig = rig(1);
    let log = rig.log.clone();
    rig.reactor(0).call_every(Period::of(ms(10)).first_after(ms(3)), tell(&log));
    rig.advance(ms(24));
    assert_eq!(
        log.take(),
        ["3ms due 3ms missed 0", "13ms due 13ms missed 0", "23ms due 23ms missed 0"]
    );
    rig.reactor(0).call_every(Period::of(secs(1)).first_after(Duration::ZERO), tell(&log));
    rig.turn(0);
    assert_eq!(log.take(), ["24ms due 24ms missed 0"], "in the next turn");
}

#[test]
fn jitter_comes_after_the_grid_and_does_not_add_up() {
    let mut late = Vec::new();
    for seed in 0..50 {
        let mut rig = rig(seed);
        let ticks = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&ticks);
        let period = Period::of(secs(1)).jitter(ms(400));
        rig.reactor(0).call_every(period, move |reactor, tick| {
            assert_eq!(tick.missed, 0);
            noted.borrow_mut().push((tick.due, reactor.now()));
        });
        rig.advance(secs(20) + ms(500));
        let ticks = ticks.take();
        assert_eq!(ticks.len(), 20);
        for (number, (due, ran)) in (1..).zip(ticks) {
            assert_eq!(due, Instant::ORIGIN + secs(number), "the grid moved");
            assert!(ran >= due && ran - due < ms(400), "{due:?} ran at {ran:?}");
            late.push(ran - due);
        }
    }
    // Drawn evenly, or it would spread nothing: each tenth of the range has its share of the 1,000.
    for tenth in 0..10 {
        let share = late.iter().filter(|late| late.as_millis() / 40 == tenth).count();
        assert!((50..200).contains(&share), "{share} of 1,000 in the tenth {tenth}");
    }
}

#[test]
fn full_jitter_misses_nothing_by_itself() {
    let mut rig = rig(7);
    let log = rig.log.clone();
    let noted = log.clone();
    rig.reactor(0).call_every(Period::of(ms(10)).jitter(secs(1)), move |_, tick| {
        noted.note(format!("{:?} {}", tick.due, tick.missed));
    });
    rig.advance(ms(110));
    let grid: Vec<String> = (1..=10).map(|number| format!("{}ms 0", number * 10)).collect();
    assert_eq!(log.take()[..10], grid);
}

#[test]
fn a_round_under_way_lets_no_second_one_begin() {
    let mut rig = rig(1);
    let log = rig.log.clone();
    let under_way: Rc<RefCell<Option<Round>>> = Rc::default();
    let (kept, noted) = (Rc::clone(&under_way), log.clone());
    rig.reactor(0).repeat(ms(10), move |reactor, round| {
        let Tick { due, missed, .. } = round.tick();
        noted.at(reactor.now(), format_args!("due {due:?} missed {missed}"));
        *kept.borrow_mut() = Some(round);
    });
    rig.advance(ms(45));
    assert_eq!(log.take(), ["10ms due 10ms missed 0"], "three ticks came while it was under way");
    drop(under_way.take());
    rig.advance(ms(10));
    assert_eq!(log.take(), ["50ms due 50ms missed 3"]);
    drop(under_way.take());
    rig.advance(ms(10));
    assert_eq!(log.take(), ["60ms due 60ms missed 0"]);
    // A busy loop and a round under way are counted together: 70 is skipped, 80 and 90 passed.
    rig.advance(ms(10));
    rig.jump(ms(24));
    drop(under_way.take());
    rig.advance(ms(10));
    assert_eq!(log.take(), ["100ms due 100ms missed 3"]);
}

#[test]
fn a_round_that_ends_within_its_call_skips_nothing() {
    let mut rig = rig(1);
    let log = rig.log.clone();
    let noted = log.clone();
    rig.reactor(0).repeat(ms(10), move |_, round| noted.note(round.tick().missed.to_string()));
    rig.advance(ms(30));
    assert_eq!(log.take(), ["0", "0", "0"]);
}

#[test]
fn a_round_goes_on_when_its_timer_is_cancelled() {
    let mut rig = rig(1);
    let under_way: Rc<RefCell<Option<Round>>> = Rc::default();
    let kept = Rc::clone(&under_way);
    let timer = rig.reactor(0).repeat(ms(10), move |_, round| *kept.borrow_mut() = Some(round));
    rig.advance(ms(10));
    assert!(rig.reactor(0).cancel(timer));
    assert_eq!(under_way.take().map(|round| round.tick().missed), Some(0));
    assert_eq!(rig.stats(0).timers, 0);
}

#[test]
fn the_same_seed_draws_the_same_numbers_and_another_loop_others() {
    let draw = |seed| {
        let mut rig = rig(seed);
        rig.add("b", LoopConfig::default());
        [0, 1].map(|index| [(); 4].map(|()| rig.reactor(index).random()))
    };
    assert_eq!(draw(3), draw(3));
    let [[a, b], [c, d]] = [draw(3), draw(4)];
    assert!(a != b && a != c && b != d && a != d, "{a:?} {b:?} {c:?} {d:?}");
}
