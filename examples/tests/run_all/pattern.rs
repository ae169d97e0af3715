//! What an example's header promises about its output.
//!
//! A pattern is the line itself, with a placeholder where a value differs from run to run:
//!
//! | placeholder | stands for |
//! |---|---|
//! | `<n>` | a whole number |
//! | `<port>` | a port number |
//! | `<seconds>` | a number with or without decimals |
//! | `<addr>` | an address with its port, such as `127.0.0.1:4000` |
//! | `<time>` | a duration (`1.5ms`) or a clock reading (`12:30:01`) |

use std::net::SocketAddr;

const MARK: &str = "//! expect:";

/// The patterns of a source file, in order.
pub(crate) fn expected_lines(source: &str) -> Vec<&str> {
    let marked = source.lines().filter_map(|line| line.strip_prefix(MARK));
    marked.map(|pattern| pattern.strip_prefix(' ').unwrap_or(pattern)).collect()
}

/// The first place where the output is not what was promised, in words.
pub(crate) fn first_difference(expected: &[&str], output: &str) -> Option<String> {
    let mut lines = output.lines();
    for (index, pattern) in expected.iter().enumerate() {
        let number = index + 1;
        match lines.next() {
            Some(line) if matches(pattern, line) => {}
            Some(line) => {
                return Some(format!("line {number} is\n  {line}\nand should be\n  {pattern}"));
            }
            None => return Some(format!("line {number} is missing: {pattern}")),
        }
    }
    lines.next().map(|line| format!("line {} is not expected: {line}", expected.len() + 1))
}

#[derive(Clone, Copy)]
enum Placeholder {
    Number,
    Port,
    Seconds,
    Address,
    Time,
}

impl Placeholder {
    const ALL: [(&str, Self); 5] = [
        ("<n>", Self::Number),
        ("<port>", Self::Port),
        ("<seconds>", Self::Seconds),
        ("<addr>", Self::Address),
        ("<time>", Self::Time),
    ];

    fn at_start(pattern: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|(name, kind)| Some((kind, pattern.strip_prefix(name)?)))
    }

    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Number => is_digits(value),
            Self::Port => is_digits(value) && value.parse::<u16>().is_ok(),
            Self::Seconds => match value.split_once('.') {
                Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
                None => is_digits(value),
            },
            Self::Address => value.parse::<SocketAddr>().is_ok(),
            Self::Time => is_time(value),
        }
    }
}

fn is_digits(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits joined by the signs of a date or a time of day, with or without a unit at the end.
fn is_time(value: &str) -> bool {
    const UNITS: [&str; 6] = ["ns", "µs", "us", "ms", "s", "Z"];
    let number = UNITS.iter().find_map(|unit| value.strip_suffix(unit)).unwrap_or(value);
    let bounded = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    bounded(number.chars().next())
        && bounded(number.chars().next_back())
        && number.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ':' | '-' | 'T'))
}

/// Whether the whole line is what the pattern says.
fn matches(pattern: &str, line: &str) -> bool {
    if let Some((placeholder, after)) = Placeholder::at_start(pattern) {
        // Longest first; a shorter value is tried when the rest of the line does not fit.
        return (1..=line.len())
            .rev()
            .filter(|end| line.is_char_boundary(*end))
            .any(|end| placeholder.accepts(&line[..end]) && matches(after, &line[end..]));
    }
    match (pattern.chars().next(), line.chars().next()) {
        (None, None) => true,
        (Some(expected), Some(found)) if expected == found => {
            matches(&pattern[expected.len_utf8()..], &line[found.len_utf8()..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_matches_itself_only() {
        assert!(matches("hello, world", "hello, world"));
        assert!(!matches("hello", "hello "));
        assert!(!matches("hello", "hell"));
        assert!(matches("", ""));
        assert!(matches("a < b > c [.*]", "a < b > c [.*]"));
    }

    #[test]
    fn placeholders_take_their_kind_of_value() {
        assert!(matches("<n> messages in <seconds> s", "1200 messages in 0.52 s"));
        assert!(matches("port <port>.", "port 65535."));
        assert!(matches("from <addr>: hi", "from 127.0.0.1:4000: hi"));
        assert!(matches("from <addr>", "from [::1]:80"));
        for time in ["1.5ms", "12:30:01", "3s", "17µs", "2026-11-21T10:00:00Z", "40"] {
            assert!(matches("at <time>", &format!("at {time}")), "{time}");
        }
    }

    #[test]
    fn placeholders_refuse_the_rest() {
        assert!(!matches("<n>", ""));
        assert!(!matches("<n>", "-1"));
        assert!(!matches("<n>", "1.5"));
        assert!(!matches("<port>", "65536"));
        assert!(!matches("<seconds>", "1."));
        assert!(!matches("<addr>", "127.0.0.1"));
        assert!(!matches("<time>", "soon"));
        assert!(!matches("<time>", "ms"));
    }

    #[test]
    fn a_placeholder_gives_back_what_the_rest_needs() {
        assert!(matches("<n>0", "1230"));
        assert!(matches("<n><n>", "12"));
        assert!(!matches("<n><n>", "1"));
    }

    #[test]
    fn expectations_are_read_in_order_and_keep_their_indent() {
        let source =
            "//! Title.\n//!\n//! expect: one\n//! expect:   two\n//! expect:\nfn main() {}\n";
        assert_eq!(expected_lines(source), ["one", "  two", ""]);
    }

    #[test]
    fn differences_are_named() {
        assert_eq!(first_difference(&["a", "b"], "a\nb\n"), None);
        let difference =
            |expected: &[&str], output| first_difference(expected, output).expect("differs");
        assert!(difference(&["a"], "b\n").contains("line 1 is\n  b\nand should be\n  a"));
        assert!(difference(&["a", "b"], "a\n").contains("line 2 is missing: b"));
        assert!(difference(&["a"], "a\nb\n").contains("line 2 is not expected: b"));
    }
}
