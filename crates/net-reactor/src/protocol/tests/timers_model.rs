//! Random operations on timers, against a list that is searched.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::rig::Rig;
use crate::base::{Instant, Rng, TimerId};
use crate::protocol::{LoopConfig, Reactor};

/// What should happen: every call that is set, with its deadline and the time of its making.
#[derive(Default)]
struct Model {
    calls: Vec<Expected>,
    made: u64,
    /// Names, in the order in which they ran.
    ran: Vec<(u64, Instant)>,
}

struct Expected {
    name: u64,
    id: Option<TimerId>,
    deadline: Instant,
    order: u64,
    period: Option<Duration>,
}

type Shared = Rc<RefCell<Model>>;

impl Model {
    fn next_order(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Removes the calls that are due and returns their names in their order.
    fn expire(&mut self, now: Instant) -> Vec<(u64, Instant)> {
        let mut due: Vec<_> =
            self.calls.iter().filter(|call| call.deadline <= now).map(|call| call.order).collect();
        let at = |order: &u64, calls: &[Expected]| {
            calls.iter().position(|call| call.order == *order).unwrap()
        };
        due.sort_by_key(|order| (self.calls[at(order, &self.calls)].deadline, *order));
        let mut ran = Vec::new();
        for order in due {
            let at = at(&order, &self.calls);
            ran.push((self.calls[at].name, now));
            match self.calls[at].period {
                Some(period) => {
                    let late = (now - self.calls[at].deadline).as_nanos() / period.as_nanos();
                    let steps = u32::try_from(late).unwrap() + 1;
                    let order = self.next_order();
                    let call = &mut self.calls[at];
                    call.deadline += period * steps;
                    call.order = order;
                }
                None => drop(self.calls.remove(at)),
            }
        }
        ran
    }
}

fn pick(rng: &mut Rng, len: usize) -> usize {
    usize::try_from(rng.below(len as u64)).unwrap()
}

/// A delay of any magnitude, with many that are equal.
fn delay(rng: &mut Rng) -> Duration {
    let bits = rng.below(45);
    let nanos = rng.below(1 << bits);
    Duration::from_nanos(if rng.below(2) == 0 { nanos } else { nanos & !0xf_ffff })
}

fn set(reactor: &mut Reactor<'_>, model: &Shared, rng: &mut Rng) {
    let delay = delay(rng);
    let (name, order) = (rng.next_u64(), model.borrow_mut().next_order());
    let told = Rc::clone(model);
    let mut period = None;
    let mut deadline = reactor.now() + delay;
    let id = if rng.below(4) == 0 {
        let every = delay.max(Duration::from_millis(1));
        period = Some(every);
        deadline = reactor.now() + every;
        reactor.call_every(every, move |reactor, _| {
            told.borrow_mut().ran.push((name, reactor.now()));
        })
    } else {
        reactor.call_later(delay, move |reactor| {
            told.borrow_mut().ran.push((name, reactor.now()));
        })
    };
    let id = Some(id);
    model.borrow_mut().calls.push(Expected { name, id, deadline, order, period });
}

fn change(reactor: &mut Reactor<'_>, model: &Shared, rng: &mut Rng) {
    let mut model = model.borrow_mut();
    if model.calls.is_empty() {
        return;
    }
    let at = pick(rng, model.calls.len());
    let id = model.calls[at].id.unwrap();
    assert_eq!(reactor.deadline(id), Some(model.calls[at].deadline));
    let time = delay(rng);
    match rng.below(3) {
        0 => {
            assert!(reactor.cancel(id) && !reactor.cancel(id));
            model.calls.remove(at);
            return;
        }
        1 => {
            assert!(reactor.reset(id, time));
            model.calls[at].deadline = reactor.now() + time;
        }
        _ => {
            assert!(reactor.delay(id, time));
            model.calls[at].deadline += time;
        }
    }
    model.calls[at].order = model.next_order();
}

#[test]
fn random_operations_run_the_same_calls_in_the_same_order_as_a_searched_list() {
    for seed in 0..60 {
        let mut rig = Rig::seeded(seed);
        rig.add("a", LoopConfig::default());
        let mut rng = Rng::new(seed);
        let model = Shared::default();
        for _ in 0..300 {
            match rng.below(5) {
                0 | 1 => set(&mut rig.reactor(0), &model, &mut rng),
                2 | 3 => change(&mut rig.reactor(0), &model, &mut rng),
                _ => {
                    rig.world.advance(delay(&mut rng));
                    rig.turn(0);
                    let now = rig.world.now();
                    let expected = model.borrow_mut().expire(now);
                    let ran = std::mem::take(&mut model.borrow_mut().ran);
                    assert_eq!(ran, expected, "seed {seed} at {now:?}");
                }
            }
            assert_eq!(rig.stats(0).timers, model.borrow().calls.len(), "seed {seed}");
        }
    }
}

#[test]
fn jumping_from_deadline_to_deadline_runs_each_call_exactly_at_its_time() {
    for seed in 0..30 {
        let mut rig = Rig::seeded(seed);
        rig.add("a", LoopConfig::default());
        let mut rng = Rng::new(seed);
        let model = Shared::default();
        for _ in 0..200 {
            let (at, told) = (Instant::ORIGIN + delay(&mut rng), Rc::clone(&model));
            rig.reactor(0).call_at(at, move |reactor| {
                assert_eq!(reactor.now(), at);
                told.borrow_mut().ran.push((0, at));
            });
        }
        rig.advance(Duration::from_secs(86_400));
        assert_eq!(model.borrow().ran.len(), 200, "seed {seed}");
        assert!(model.borrow().ran.is_sorted(), "seed {seed}");
    }
}
