//! What is so of a descriptor.

use std::fmt;

use crate::sys::Interest;

/// What holds of a descriptor when its handler is called.
///
/// It says what a call is expected to find, not what it must: a report can be late, and then a call
/// finds nothing.
///
/// Other interfaces have one `ERROR` for what is [`is_error`](Self::is_error) and
/// [`is_hung_up`](Self::is_hung_up) here.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// Those that the handler wants to hear of.
    pub(crate) flows: Interest,
    pub(crate) hung_up: bool,
    pub(crate) error: bool,
}

impl Ready {
    /// Whether a read finds something: bytes, the end, or an error.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.flows.has(Interest::READ)
    }

    /// Whether a write finds room, or an error.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.flows.has(Interest::WRITE)
    }

    /// Whether both directions are over: nobody is left at the other end of a pipe that is read, or
    /// both sides of a connection have finished. There may be bytes left to read.
    #[must_use]
    pub const fn is_hung_up(self) -> bool {
        self.hung_up
    }

    /// Whether it carries an error, such as a reset connection, or a pipe that nobody reads.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.error
    }

    pub(super) const fn is_nothing(self) -> bool {
        !(self.is_readable() || self.is_writable() || self.hung_up || self.error)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.is_readable(), "readable"),
            (self.is_writable(), "writable"),
            (self.hung_up, "hung up"),
            (self.error, "error"),
        ];
        f.write_str("Ready(")?;
        let mut names = all.iter().filter(|(is_so, _)| *is_so).map(|(_, name)| *name);
        f.write_str(names.next().unwrap_or("nothing"))?;
        names.try_for_each(|name| write!(f, ", {name}"))?;
        f.write_str(")")
    }
}
