//! Where a deadline lives in the wheel: arithmetic only.
//!
//! A deadline is read as eleven digits of six bits. A timer's level is the highest digit in which
//! its deadline differs from the wheel's present, and its slot is the value of that digit:
//!
//! ```text
//!   digit     10     9     8  ...  5      4       3      2     1     0
//!   width   36 y   209 d  3 d      1 s   17 ms  262 us  4 us  64 ns  1 ns
//!
//!   present   0     0     0        7     12      3     40     9     1
//!   deadline  0     0     0        7     30      5      0     0     0
//!                                         ^ level 4, slot 30
//! ```
//!
//! The lowest digit is one nanosecond, so a slot of level 0 holds one deadline and no slot ever
//! needs sorting. Two facts carry the whole wheel: a timer on a lower level is due before every
//! timer on a higher one, and two timers with the same deadline are always in the same slot.

use crate::base::Instant;

const DIGIT_BITS: u32 = 6;
const DIGIT_MASK: u64 = SLOTS_PER_LEVEL as u64 - 1;

/// Slots of one level: the values of one digit.
pub(super) const SLOTS_PER_LEVEL: u32 = 1 << DIGIT_BITS;

/// Levels of the wheel: enough digits for every deadline, [`Instant::FAR_FUTURE`] included.
pub(super) const LEVELS: u32 = u64::BITS.div_ceil(DIGIT_BITS);

/// Slots of the whole wheel. Slots are numbered level by level.
pub(super) const SLOTS: u32 = LEVELS * SLOTS_PER_LEVEL;

/// Returns the slot of `deadline` in a wheel whose present is `present`.
///
/// The deadline must lie in the future; a past one has no slot.
pub(super) fn slot_of(deadline: Instant, present: Instant) -> u32 {
    debug_assert!(deadline > present, "only a future deadline has a slot");
    let differing = deadline.as_nanos() ^ present.as_nanos();
    let level = differing.ilog2() / DIGIT_BITS;
    let digit = (deadline.as_nanos() >> (level * DIGIT_BITS)) & DIGIT_MASK;
    level * SLOTS_PER_LEVEL + digit as u32
}

/// Returns the earliest deadline that `slot` can hold in a wheel whose present is `present`.
pub(super) fn slot_start(slot: u32, present: Instant) -> Instant {
    let shift = slot / SLOTS_PER_LEVEL * DIGIT_BITS;
    let digit = u64::from(slot % SLOTS_PER_LEVEL);
    let digits = (present.as_nanos() >> shift) & !DIGIT_MASK | digit;
    Instant::from_nanos(digits << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_starts_at_or_before_the_deadlines_it_holds() {
        let presents = [0, 1, 63, 64, 999_999_999, u64::MAX / 3, u64::MAX - 1];
        let delays = [1, 2, 63, 64, 65, 4_096, 1_000_000, 30_000_000_000, u64::MAX / 2, u64::MAX];
        for present in presents.map(Instant::from_nanos) {
            for delay in delays {
                let nanos = present.as_nanos().saturating_add(delay);
                let deadline = Instant::from_nanos(nanos);
                let start = slot_start(slot_of(deadline, present), present);
                assert!(present < start && start <= deadline, "{present:?} {deadline:?} {start:?}");
            }
        }
    }

    #[test]
    fn the_far_future_is_in_the_last_level() {
        let slot = slot_of(Instant::FAR_FUTURE, Instant::ORIGIN);
        assert_eq!(slot / SLOTS_PER_LEVEL, LEVELS - 1);
    }
}
