//! What a read takes from the bytes that are there. No connection, no clock.

use std::borrow::Cow;

use super::Amount;
#[cfg(feature = "regex")]
use super::pattern::Search;
use crate::base::Input;

/// The bytes that a read waits for.
#[derive(Debug, Clone)]
pub(crate) enum Want {
    /// Everything up to a delimiter, and the delimiter.
    Until { delimiter: Cow<'static, [u8]>, bytes_max: usize },
    /// Everything up to a match of a pattern, and the match.
    #[cfg(feature = "regex")]
    Match { search: Search, bytes_max: usize },
    /// A number of bytes.
    Bytes { count: usize, amount: Amount },
}

/// What a look at the bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look<'a> {
    /// The read is satisfied, by these.
    Taken(&'a [u8]),
    /// More bytes may satisfy it; none were taken.
    More,
    /// No bytes can satisfy it any more; none were taken.
    TooLong { limit_bytes: usize },
}

impl Want {
    /// Takes what satisfies the read, if it is there.
    ///
    /// The result depends on the bytes alone and not on how they were cut, and no byte is searched
    /// twice for one delimiter.
    pub(crate) fn take<'a>(&mut self, input: &mut Input<'a>) -> Look<'a> {
        match self {
            Self::Until { delimiter, bytes_max } => take_until(input, delimiter, *bytes_max),
            #[cfg(feature = "regex")]
            Self::Match { search, bytes_max } => take_match(input, search, *bytes_max),
            Self::Bytes { count, amount: Amount::Whole } => {
                input.take(*count).map_or(Look::More, Look::Taken)
            }
            Self::Bytes { count: 1.., amount: Amount::Partial } if input.is_empty() => Look::More,
            Self::Bytes { count, amount: Amount::Partial } => {
                input.take((*count).min(input.len())).map_or(Look::More, Look::Taken)
            }
        }
    }

    /// Whether no further byte is needed to say what becomes of the read.
    pub(super) fn is_decided_by(&self, bytes: &[u8]) -> bool {
        self.clone().take(&mut Input::from_bytes(bytes)) != Look::More
    }
}

/// Takes the bytes up to `delimiter` and with it, at most `bytes_max` in all.
fn take_until<'a>(input: &mut Input<'a>, delimiter: &[u8], bytes_max: usize) -> Look<'a> {
    let bytes = input.bytes();
    let too_long = Look::TooLong { limit_bytes: bytes_max };
    let Some(before_max) = bytes_max.checked_sub(delimiter.len()) else {
        // Not even the delimiter fits; said when there is anything to say it of.
        return if bytes.is_empty() { Look::More } else { too_long };
    };
    match input.take_until(delimiter, before_max) {
        Ok(Some(before)) => Look::Taken(&bytes[..before.len() + delimiter.len()]),
        Ok(None) => Look::More,
        Err(_) => too_long,
    }
}

/// Takes the bytes up to the end of a match, at most `bytes_max`.
#[cfg(feature = "regex")]
fn take_match<'a>(input: &mut Input<'a>, search: &mut Search, bytes_max: usize) -> Look<'a> {
    let within = &input.bytes()[..bytes_max.min(input.len())];
    match search.find_end(within) {
        Some(end) => input.take(end).map_or(Look::More, Look::Taken),
        None if input.len() >= bytes_max.max(1) => Look::TooLong { limit_bytes: bytes_max },
        None => Look::More,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::{EXAMINED, Inbound};

    fn until(delimiter: &'static [u8], bytes_max: usize) -> Want {
        Want::Until { delimiter: delimiter.into(), bytes_max }
    }

    fn bytes(count: usize, amount: Amount) -> Want {
        Want::Bytes { count, amount }
    }

    fn look(mut want: Want, bytes: &[u8]) -> (Look<'_>, usize) {
        let mut input = Input::from_bytes(bytes);
        let look = want.take(&mut input);
        (look, input.len())
    }

    #[test]
    fn the_maximum_is_inclusive_and_counts_the_delimiter() {
        assert_eq!(look(until(b"f", 6), b"abcdefg"), (Look::Taken(b"abcdef"), 1));
        let too_long = Look::TooLong { limit_bytes: 5 };
        assert_eq!(look(until(b"f", 5), b"abcdefg"), (too_long, 7));
        assert_eq!(look(until(b"ef", 6), b"abcdef"), (Look::Taken(b"abcdef"), 0));
        assert_eq!(look(until(b"ef", 5), b"abcdef"), (too_long, 6));
    }

    #[test]
    fn a_read_fails_as_soon_as_no_match_can_end_within_its_maximum() {
        assert_eq!(look(until(b"\r\n", 6), b"abcde"), (Look::More, 5));
        assert_eq!(look(until(b"\r\n", 6), b"abcde\r"), (Look::TooLong { limit_bytes: 6 }, 6));
        assert_eq!(look(until(b"\r\n", 1), b""), (Look::More, 0));
        assert_eq!(look(until(b"\r\n", 1), b"\r"), (Look::TooLong { limit_bytes: 1 }, 1));
    }

    #[cfg(feature = "regex")]
    fn matching(pattern: &str, bytes_max: usize) -> Want {
        let pattern = crate::protocol::Pattern::new(pattern).unwrap();
        Want::Match { search: Search::new(&pattern), bytes_max }
    }

    /// Tornado 50, with expressions.
    #[cfg(feature = "regex")]
    #[test]
    fn the_maximum_of_a_pattern_is_inclusive_and_counts_the_match() {
        assert_eq!(look(matching("e?f", 6), b"abcdefg"), (Look::Taken(b"abcdef"), 1));
        let too_long = Look::TooLong { limit_bytes: 5 };
        assert_eq!(look(matching("e?f", 5), b"abcdefg"), (too_long, 7));
        assert_eq!(look(matching("e?f", 5), b"abcde"), (too_long, 5));
        assert_eq!(look(matching("e?f", 5), b"abcd"), (Look::More, 4));
        assert_eq!(look(matching("f", 0), b""), (Look::More, 0));
    }

    /// A pattern that is a text finds what the text finds.
    #[cfg(feature = "regex")]
    #[test]
    fn a_literal_pattern_reads_what_its_delimiter_does() {
        let stream = b"aabcabaababcab";
        for bytes_max in 0..=stream.len() {
            for end in 0..=stream.len() {
                let (text, pattern) = (until(b"abab", bytes_max), matching("abab", bytes_max));
                assert_eq!(
                    matches!(look(text, &stream[..end]).0, Look::Taken(_)),
                    matches!(look(pattern, &stream[..end]).0, Look::Taken(_)),
                    "{bytes_max} of {end}"
                );
            }
        }
    }

    #[test]
    fn counts_are_exact_and_partial_reads_take_what_there_is() {
        assert_eq!(look(bytes(3, Amount::Whole), b"ab"), (Look::More, 2));
        assert_eq!(look(bytes(3, Amount::Whole), b"abcd"), (Look::Taken(b"abc"), 1));
        assert_eq!(look(bytes(3, Amount::Partial), b""), (Look::More, 0));
        assert_eq!(look(bytes(3, Amount::Partial), b"ab"), (Look::Taken(b"ab"), 0));
        assert_eq!(look(bytes(3, Amount::Partial), b"abcd"), (Look::Taken(b"abc"), 1));
        for amount in [Amount::Whole, Amount::Partial] {
            assert_eq!(look(bytes(0, amount), b""), (Look::Taken(b""), 0));
        }
    }

    /// Reads one want after the other from bytes that arrive in pieces; returns what each took.
    fn read(wants: &[Want], stream: &[u8], cuts: &[usize]) -> Vec<Result<Vec<u8>, usize>> {
        let mut kept = Inbound::default();
        let mut wants = wants.iter().cloned();
        let (mut want, mut read, mut at) = (wants.next(), Vec::new(), 0);
        let mut cuts = cuts.iter().copied().cycle();
        loop {
            let mut input = Input::new(kept.unread(), kept.mark);
            while let Some(pending) = &mut want {
                match pending.take(&mut input) {
                    Look::Taken(bytes) => read.push(Ok(bytes.to_vec())),
                    Look::TooLong { limit_bytes } => {
                        read.push(Err(limit_bytes));
                        return read;
                    }
                    Look::More => break,
                }
                want = wants.next();
            }
            if want.is_none() || at == stream.len() {
                return read;
            }
            let (left, mark) = (input.len(), input.mark());
            kept.consume(kept.unread().len() - left);
            kept.mark = mark;
            let end = stream.len().min(at + cuts.next().unwrap_or(1).max(1));
            kept.append(&stream[at..end]);
            at = end;
        }
    }

    fn any_want() -> impl Strategy<Value = Want> {
        let delimiter = prop::sample::select(vec![&b"a"[..], b"ab", b"aab", b"abcabcabca", b""]);
        prop_oneof![
            (delimiter, 0..40_usize).prop_map(|(delimiter, max)| until(delimiter, max)),
            (0..30_usize).prop_map(|count| bytes(count, Amount::Whole)),
            #[cfg(feature = "regex")]
            (prop::sample::select(vec!["ab?c", "a+b", "c{2}"]), 0..40_usize)
                .prop_map(|(pattern, max)| matching(pattern, max)),
        ]
    }

    proptest! {
        #[test]
        fn any_cut_of_the_input_gives_the_same_reads(
            wants in prop::collection::vec(any_want(), 1..20),
            stream in prop::collection::vec(prop::sample::select(b"abc".to_vec()), 0..300),
            cuts in prop::collection::vec(1..20_usize, 1..8),
        ) {
            let whole = read(&wants, &stream, &[stream.len()]);
            prop_assert_eq!(&read(&wants, &stream, &cuts), &whole);
            prop_assert_eq!(&read(&wants, &stream, &[1]), &whole);
        }

        #[test]
        fn partial_reads_lose_and_double_nothing(
            counts in prop::collection::vec(1..30_usize, 300),
            stream in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec(1..20_usize, 1..8),
        ) {
            let wants: Vec<Want> = counts.iter().map(|n| bytes(*n, Amount::Partial)).collect();
            let read: Vec<u8> =
                read(&wants, &stream, &cuts).into_iter().flat_map(Result::unwrap).collect();
            prop_assert_eq!(read, stream);
        }
    }

    #[test]
    fn a_drip_is_searched_once() {
        let stream = vec![b'x'; 20_000];
        EXAMINED.set(0);
        assert_eq!(read(&[until(b"\r\n\r\n", 100_000)], &stream, &[1]), []);
        assert!(EXAMINED.get() <= 6 * stream.len(), "{} looked at", EXAMINED.get());
    }
}
