//! Regular expressions that a read ends at.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, nfa::thompson};

/// The most memory that the tables of one pattern take, and that making them takes: 1 MiB each.
const TABLES_BYTES_MAX: usize = 1024 * 1024;

/// A regular expression over bytes, for [`StreamConn::read_until_regex`](crate::StreamConn::read_until_regex)
/// and its awaited kin.
///
/// ```
/// use net_reactor::{Pattern, prelude::*, sim::Solo};
///
/// let end_of_line = Pattern::new(r"\r?\n")?;
/// let mut solo = Solo::new(Stream::new(move |stream| {
///     stream.read_until_regex(&end_of_line, 100, |stream, line| Ok(stream.write(line?)?))?;
///     Ok(())
/// }));
/// solo.feed("hello\r\nrest");
/// assert_eq!(solo.output(), b"hello\r\n");
/// # Ok::<(), net_reactor::PatternError>(())
/// ```
///
/// A read ends where the *first* match can end, so `a+` is satisfied by one `a`: what is read depends
/// on the bytes alone and not on how they were cut. Each byte is looked at once, whatever the pattern.
///
/// The syntax is that of the crate `regex`. Classes such as `\w` are those of ASCII; `(?u)` makes them
/// Unicode's. Anchors and word boundaries are refused, since they ask about bytes that are read already
/// or have not come.
///
/// It is made once, costs at most 1 MiB, and is shared by its clones, also among threads.
#[derive(Clone)]
pub struct Pattern {
    tables: Arc<Tables>,
}

struct Tables {
    text: String,
    machine: dense::DFA<Vec<u32>>,
    start: StateID,
}

/// Why a text is no [`Pattern`].
#[derive(Debug)]
#[non_exhaustive]
pub enum PatternError {
    /// It is no regular expression.
    Invalid {
        /// Which rule it breaks, and where.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It has an anchor or a word boundary.
    LooksAround,
    /// Nothing is a match, and a read of nothing would end before it began.
    MatchesNothing,
    /// Its tables would be too large.
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { .. } => f.write_str("no regular expression"),
            Self::LooksAround => f.write_str("anchors and word boundaries have no meaning here"),
            Self::MatchesNothing => f.write_str("a pattern that nothing matches ends no read"),
            Self::TooLarge { limit_bytes } => {
                write!(f, "the pattern needs more than {limit_bytes} bytes")
            }
        }
    }
}

impl Error for PatternError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Invalid { source } => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl Pattern {
    /// Makes a pattern of a regular expression.
    ///
    /// # Errors
    ///
    /// [`PatternError`], when the text is none, or none that a read can end at.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let rules = syntax::Config::new().unicode(false).utf8(false);
        let parsed = syntax::parse_with(text, &rules)
            .map_err(|error| PatternError::Invalid { source: error.into() })?;
        if !parsed.properties().look_set().is_empty() {
            return Err(PatternError::LooksAround);
        }
        if parsed.properties().minimum_len() == Some(0) {
            return Err(PatternError::MatchesNothing);
        }
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(TABLES_BYTES_MAX))
            .determinize_size_limit(Some(TABLES_BYTES_MAX));
        let nfa_config = thompson::Config::new().utf8(false).nfa_size_limit(Some(TABLES_BYTES_MAX));
        // A pattern that was parsed fails for its size alone.
        let too_large = PatternError::TooLarge { limit_bytes: TABLES_BYTES_MAX };
        let Ok(machine) =
            dense::Builder::new().configure(config).syntax(rules).thompson(nfa_config).build(text)
        else {
            return Err(too_large);
        };
        let Ok(start) = machine.start_state(&start::Config::new().anchored(Anchored::No)) else {
            return Err(too_large);
        };
        Ok(Self { tables: Arc::new(Tables { text: text.to_owned(), machine, start }) })
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.tables.text).finish()
    }
}

/// A search for a pattern, which goes on where it stopped.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pattern: Pattern,
    state: StateID,
    searched: usize,
}

impl Search {
    pub(crate) fn new(pattern: &Pattern) -> Self {
        Self { pattern: pattern.clone(), state: pattern.tables.start, searched: 0 }
    }

    /// Returns where the first match ends in `bytes`, which begin with those that were searched.
    pub(super) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let machine = &self.pattern.tables.machine;
        for (at, byte) in bytes.iter().enumerate().skip(self.searched) {
            self.state = machine.next_state(self.state, *byte);
            // The machine knows of a match one byte later.
            if machine.is_match_state(self.state) {
                return Some(at);
            }
        }
        self.searched = self.searched.max(bytes.len());
        let at_end = machine.next_eoi_state(self.state);
        machine.is_match_state(at_end).then_some(self.searched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns where the first match ends, searched in one piece and byte by byte.
    fn end_of(pattern: &str, bytes: &[u8]) -> Option<usize> {
        let pattern = Pattern::new(pattern).unwrap();
        let whole = Search::new(&pattern).find_end(bytes);
        let mut search = Search::new(&pattern);
        let drip = (0..=bytes.len()).find_map(|end| search.find_end(&bytes[..end]));
        assert_eq!(drip, whole, "byte by byte");
        whole
    }

    #[test]
    fn a_search_ends_where_the_first_match_can_end() {
        assert_eq!(end_of(r"\r?\n", b"ab\r\ncd\n"), Some(4));
        assert_eq!(end_of("a+", b"xaaa"), Some(2));
        assert_eq!(end_of("abc|b", b"abc"), Some(2));
        assert_eq!(end_of("[0-9]{3}", b"12a1234"), Some(6));
        assert_eq!(end_of("(?s-u)x.y", b"x\xffy"), Some(3));
        assert_eq!(end_of("end", b"no match, no en"), None);
        assert_eq!(end_of("a{0,3}b", b""), None);
    }

    #[test]
    fn what_no_read_can_end_at_is_refused() {
        let refused = |text| Pattern::new(text).unwrap_err();
        assert!(matches!(refused("a("), PatternError::Invalid { .. }));
        for text in ["^a", "a$", r"\ba", r"a\b", r"(?m)a$", r"\Aa"] {
            assert!(matches!(refused(text), PatternError::LooksAround), "{text}");
        }
        for text in ["", "a*", "a|"] {
            assert!(matches!(refused(text), PatternError::MatchesNothing), "{text}");
        }
        for text in [r"(?u)\w{2000}", "(a|b)*a(a|b){20}"] {
            assert!(matches!(refused(text), PatternError::TooLarge { .. }), "{text}");
        }
    }
}
