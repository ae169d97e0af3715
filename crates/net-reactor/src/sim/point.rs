//! Points in a program where a simulation may make something go wrong.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::chance::Chance;
use crate::base::Rng;

thread_local! {
    /// The points of the simulation that runs on this thread now.
    static POINTS: RefCell<Option<Points>> = const { RefCell::new(None) };
}

/// The points that were reached, by name.
#[derive(Debug)]
pub(super) struct Points {
    chance: Chance,
    /// `None` for a point that this seed leaves alone.
    known: BTreeMap<&'static str, Option<Rng>>,
    pub(super) is_on: bool,
    pub(super) fired: u64,
}

impl Points {
    pub(super) fn new(chance: Chance) -> Self {
        Self { chance, known: BTreeMap::new(), is_on: false, fired: 0 }
    }

    fn reach(&mut self, name: &'static str) -> bool {
        let Self { chance, known, .. } = self;
        let point = known.entry(name).or_insert_with(|| {
            let mut stream = chance.stream(&format!("point/{name}"));
            (stream.below(4) == 0).then_some(stream)
        });
        let fires = self.is_on && point.as_mut().is_some_and(|stream| stream.below(4) == 0);
        self.fired += u64::from(fires);
        fires
    }
}

/// Makes the points of a simulation those of this thread until the guard is dropped.
pub(super) struct Reachable<'a> {
    points: &'a mut Option<Points>,
    outer: Option<Points>,
}

impl<'a> Reachable<'a> {
    pub(super) fn start(points: &'a mut Option<Points>) -> Self {
        let outer = POINTS.with_borrow_mut(|current| std::mem::replace(current, points.take()));
        Self { points, outer }
    }
}

impl Drop for Reachable<'_> {
    fn drop(&mut self) {
        let outer = self.outer.take();
        *self.points = POINTS.with_borrow_mut(|current| std::mem::replace(current, outer));
    }
}

/// Whether a point of this name is to misbehave now; see [`buggify!`](crate::buggify).
#[doc(hidden)]
#[must_use]
pub fn reach(name: &'static str) -> bool {
    POINTS.with_borrow_mut(|points| points.as_mut().is_some_and(|points| points.reach(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_fires_only_in_a_simulation_with_points_on_and_only_under_some_seeds() {
        assert!(!(0..1_000).any(|_| reach("outside")));
        let fired = |seed, is_on| {
            let mut points = Some(Points { is_on, ..Points::new(Chance::new(seed)) });
            let guard = Reachable::start(&mut points);
            let fired = (0..100).filter(|_| reach("inside")).count();
            drop(guard);
            assert_eq!(points.unwrap().fired, fired as u64);
            fired
        };
        assert!((0..40).all(|seed| fired(seed, false) == 0));
        let armed = (0..200).filter(|seed| fired(*seed, true) > 0).count();
        assert!((20..80).contains(&armed), "{armed} of 200 seeds");
        assert!((0..200).all(|seed| fired(seed, true) < 60), "a point fires now and then only");
    }
}
