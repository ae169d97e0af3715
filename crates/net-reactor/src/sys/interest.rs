//! What is wanted of a descriptor, and what is there.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// What a handler wants to hear of its descriptor.
///
/// Errors and hang-ups are always told, also with [`NONE`](Self::NONE).
///
/// ```
/// use net_reactor::Interest;
///
/// let both = Interest::READ | Interest::WRITE;
/// assert!(both.has(Interest::WRITE));
/// assert!(!Interest::NONE.has(Interest::READ));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interest(u8);

impl Interest {
    /// Errors and hang-ups alone.
    pub const NONE: Self = Self(0);
    /// There is something to read, or the end.
    pub const READ: Self = Self(1);
    /// There is room to write.
    pub const WRITE: Self = Self(1 << 1);

    /// Whether any of `other` is wanted.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns these without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns what is in both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns `self` if `is_wanted`, and otherwise nothing.
    pub(crate) const fn when(self, is_wanted: bool) -> Self {
        if is_wanted { self } else { Self::NONE }
    }

    #[cfg(any(test, feature = "sim"))]
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.has(Self::READ), self.has(Self::WRITE)) {
            (false, false) => "NONE",
            (true, false) => "READ",
            (false, true) => "WRITE",
            (true, true) => "READ | WRITE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interests_are_sets() {
        let both = Interest::READ | Interest::WRITE;
        assert_eq!(both.without(Interest::READ), Interest::WRITE);
        assert_eq!(both.and(Interest::READ), Interest::READ);
        assert!(!Interest::READ.has(Interest::WRITE) && !both.has(Interest::NONE));
        assert_eq!(format!("{both:?} {:?}", Interest::NONE), "READ | WRITE NONE");
    }
}
