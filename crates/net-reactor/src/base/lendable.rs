//! A value that several owners share and one callback at a time has.

use std::cell::Cell;

/// A value that is taken out for the length of a call, and put back also when the call panics.
///
/// In a loop where callbacks never nest nobody finds the place empty; who does so all the same, by
/// asking for the value from within the call that has it, gets `None` instead of a panic.
pub(crate) struct Lendable<T>(Cell<Option<T>>);

impl<T> Lendable<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Cell::new(Some(value)))
    }

    /// Calls `call` with the value, or returns `None` when it is out.
    pub(crate) fn lend<R>(&self, call: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut out = Out { value: self.0.take(), place: &self.0 };
        out.value.as_mut().map(call)
    }
}

/// The value, out of its place.
struct Out<'a, T> {
    value: Option<T>,
    place: &'a Cell<Option<T>>,
}

impl<T> Drop for Out<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.place.set(Some(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn the_value_is_lent_to_one_call_at_a_time() {
        let place = Lendable::new(1);
        let inner = place.lend(|value| {
            *value += 1;
            place.lend(|_| ())
        });
        assert_eq!(inner, Some(None));
        assert_eq!(place.lend(|value| *value), Some(2));
    }

    #[test]
    fn a_panic_gives_the_value_back() {
        let place = Lendable::new(1);
        let call = || place.lend(|_| panic!("within the call"));
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        assert_eq!(place.lend(|value| *value), Some(1));
    }
}
