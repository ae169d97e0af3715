//! Received bytes, lent for one callback.

use std::error::Error;
use std::fmt;

use memchr::{memchr, memchr_iter, memmem};

use super::{Bug, ScanMark, planted};

/// The unconsumed bytes of a connection, lent for the length of one callback.
///
/// Slices that it gives out borrow from the receive buffer, not from the `Input`, so several can
/// be held at once. What is not consumed comes back with the next bytes, in front of them.
#[derive(Debug)]
pub struct Input<'a> {
    /// What is not consumed yet.
    bytes: &'a [u8],
    /// How far a search for a delimiter has come; stays with the connection.
    mark: ScanMark,
}

/// No delimiter was found within the limit.
///
/// Nothing is consumed. A handler that passes it on with `?` closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLong {
    /// The limit, in bytes without the delimiter.
    pub limit_bytes: usize,
}

#[cfg(test)]
thread_local! {
    /// How many bytes this thread's searches have looked at, at most: linear work is a count.
    pub(crate) static EXAMINED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no end within {} bytes", self.limit_bytes)
    }
}

impl Error for TooLong {}

impl<'a> Input<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8], mark: ScanMark) -> Self {
        Self { bytes, mark }
    }

    /// Returns the same input once more, for one who works on it alone and puts it back.
    #[inline]
    pub(crate) const fn copy(&self) -> Self {
        Self { bytes: self.bytes, mark: self.mark }
    }

    /// Makes an input from bytes, to test a handler's parsing without a connection.
    ///
    /// ```
    /// use net_reactor::Input;
    ///
    /// let mut input = Input::from_bytes(b"GET /\r\nrest");
    /// assert_eq!(input.line(100)?, Some(&b"GET /"[..]));
    /// assert_eq!(input.line(100)?, None);
    /// assert_eq!(input.bytes(), b"rest");
    /// # Ok::<(), net_reactor::TooLong>(())
    /// ```
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Self::new(bytes, ScanMark::default())
    }

    /// Returns the input as it is when more has arrived, to test parsing under any split: `bytes` are
    /// what is unconsumed here, and more behind it. It knows how far searches had come, as the input of
    /// a connection does.
    ///
    /// ```
    /// use net_reactor::Input;
    ///
    /// let mut input = Input::from_bytes(b"12");
    /// assert_eq!(input.line(100)?, None);
    /// let mut input = input.grown(b"123\n"); // the next search begins at the 3
    /// assert_eq!(input.line(100)?, Some(&b"123"[..]));
    /// # Ok::<(), net_reactor::TooLong>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When there are fewer bytes than were left.
    #[must_use]
    pub fn grown<'b>(&self, bytes: &'b [u8]) -> Input<'b> {
        assert!(bytes.len() >= self.len(), "an input does not shrink by itself");
        Input::new(bytes, self.mark)
    }

    /// Returns the unconsumed bytes without consuming them.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns how many bytes are unconsumed.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether everything is consumed.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Drops `count` bytes from the front, or all if there are fewer.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.bytes = &self.bytes[count.min(self.bytes.len())..];
        self.mark.clear();
    }

    /// Takes exactly `count` bytes, or nothing if there are fewer.
    #[inline]
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, _) = self.bytes.split_at_checked(count)?;
        self.consume(count);
        Some(taken)
    }

    /// Takes exactly `count` bytes behind a head, which is dropped, or nothing if there are fewer.
    #[inline]
    pub(crate) fn take_behind(&mut self, head_bytes: usize, count: usize) -> Option<&'a [u8]> {
        let (_, behind) = self.bytes.split_at_checked(head_bytes)?;
        let (taken, left) = behind.split_at_checked(count)?;
        self.bytes = left;
        self.mark.clear();
        Some(taken)
    }

    /// Takes everything.
    #[inline]
    pub fn take_all(&mut self) -> &'a [u8] {
        let taken = self.bytes;
        self.consume(taken.len());
        taken
    }

    /// Takes the bytes before the next `delimiter` and drops the delimiter with them.
    ///
    /// `Ok(None)` means that the delimiter has not arrived yet. A search resumes where the last
    /// one for the same delimiter stopped, so a peer that sends byte by byte costs linear work.
    ///
    /// # Errors
    ///
    /// [`TooLong`] when there are more than `max_bytes` bytes before the delimiter, whether or not
    /// it has arrived: exactly `max_bytes` are fine.
    pub fn take_until(
        &mut self,
        delimiter: &[u8],
        max_bytes: usize,
    ) -> Result<Option<&'a [u8]>, TooLong> {
        match self.find(delimiter) {
            Some(at) if at <= max_bytes => {
                let taken = &self.bytes[..at];
                self.consume(at + delimiter.len());
                Ok(Some(taken))
            }
            Some(_) => Err(TooLong { limit_bytes: max_bytes }),
            // The last bytes may be the beginning of the delimiter.
            None if self.len() >= max_bytes.saturating_add(delimiter.len()) => {
                Err(TooLong { limit_bytes: max_bytes })
            }
            None => Ok(None),
        }
    }

    /// Takes the next line, without its end: LF, or CR LF.
    ///
    /// `Ok(None)` means that no line is complete yet.
    ///
    /// # Errors
    ///
    /// [`TooLong`] when the line has more than `max_bytes` bytes; a CR before the LF does not count.
    pub fn line(&mut self, max_bytes: usize) -> Result<Option<&'a [u8]>, TooLong> {
        match self.take_until(b"\n", max_bytes.saturating_add(1)) {
            Ok(Some(line)) => {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if line.len() > max_bytes {
                    return Err(TooLong { limit_bytes: max_bytes });
                }
                Ok(Some(line))
            }
            Ok(None) => Ok(None),
            Err(_) => Err(TooLong { limit_bytes: max_bytes }),
        }
    }

    /// Returns where `delimiter` starts, and remembers a fruitless search.
    fn find(&mut self, delimiter: &[u8]) -> Option<usize> {
        let from = self.mark.resume(delimiter).min(self.bytes.len());
        let unsearched = &self.bytes[from..];
        let found = match delimiter {
            [byte] => memchr(*byte, examined(unsearched)),
            several if unsearched.len() < several.len() => None,
            several => memmem::find(examined(unsearched), several),
        };
        if found.is_none() {
            let missed = planted(Bug::CutDelimiterMissed);
            let cut = if missed { unsearched.len() } else { cut_at(unsearched, delimiter) };
            self.mark.note(delimiter, from + cut);
        }
        found.map(|at| from + at)
    }

    #[inline]
    pub(crate) const fn mark(&self) -> ScanMark {
        self.mark
    }
}

/// Returns where a delimiter begins that the end of `bytes` cuts, or their end.
fn cut_at(bytes: &[u8], delimiter: &[u8]) -> usize {
    let Some(first) = delimiter.first() else { return 0 };
    let start = (bytes.len() + 1).saturating_sub(delimiter.len());
    let mut candidates = memchr_iter(*first, examined(&bytes[start..])).map(|at| start + at);
    candidates.find(|at| delimiter.starts_with(&bytes[*at..])).unwrap_or(bytes.len())
}

/// Counts what a search looks at, or a codec copies, in tests.
#[inline]
pub(crate) fn examined(bytes: &[u8]) -> &[u8] {
    #[cfg(test)]
    EXAMINED.with(|examined| examined.set(examined.get() + bytes.len()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_outlives_the_next_take() {
        let mut input = Input::from_bytes(b"abcdef");
        let first = input.take(2);
        let second = input.take(2);
        assert_eq!((first, second), (Some(&b"ab"[..]), Some(&b"cd"[..])));
        assert_eq!(input.take(3), None);
        assert_eq!(input.take_all(), b"ef");
        assert!(input.is_empty());
    }

    #[test]
    fn the_maximum_is_inclusive() {
        assert_eq!(Input::from_bytes(b"12345;").take_until(b";", 5), Ok(Some(&b"12345"[..])));
        assert_eq!(
            Input::from_bytes(b"123456;").take_until(b";", 5),
            Err(TooLong { limit_bytes: 5 })
        );
        assert_eq!(Input::from_bytes(b"12345").take_until(b";", 5), Ok(None));
        assert_eq!(
            Input::from_bytes(b"123456").take_until(b";", 5),
            Err(TooLong { limit_bytes: 5 })
        );
    }

    #[test]
    fn a_carriage_return_does_not_count_against_a_line() {
        assert_eq!(Input::from_bytes(b"12345\r\n").line(5), Ok(Some(&b"12345"[..])));
        assert_eq!(Input::from_bytes(b"12345\n").line(5), Ok(Some(&b"12345"[..])));
        assert_eq!(Input::from_bytes(b"12345\r").line(5), Ok(None));
        assert_eq!(Input::from_bytes(b"123456\n").line(5), Err(TooLong { limit_bytes: 5 }));
        assert_eq!(Input::from_bytes(b"\n").line(0), Ok(Some(&b""[..])));
    }

    #[test]
    fn a_search_resumes_where_the_last_one_stopped() {
        let bytes = b"aaaa\r\nb";
        let mut mark = ScanMark::default();
        for end in 0..=bytes.len() {
            let mut input = Input::new(&bytes[..end], mark);
            let found = input.take_until(b"\r\n", 100).unwrap();
            if end < 6 {
                assert_eq!(found, None);
                mark = input.mark();
                assert_eq!(mark.resume(b"\r\n"), end.min(4), "after {end} bytes");
            } else {
                assert_eq!(found, Some(&b"aaaa"[..]));
            }
        }
    }

    #[test]
    fn a_mark_of_one_delimiter_does_not_hide_another() {
        let mut input = Input::from_bytes(b"a,b");
        assert_eq!(input.take_until(b";", 100), Ok(None));
        assert_eq!(input.take_until(b",", 100), Ok(Some(&b"a"[..])));
    }
}
