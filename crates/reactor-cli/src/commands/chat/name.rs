//! What members call themselves.

use std::fmt;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 20;

/// A name: up to 20 ASCII letters, digits, `-` and `_`. Two that differ in case alone are the same.
///
/// No other letters, because some of those look like each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    shown: String,
}

impl Name {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fits = (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_fit);
        fits.then(|| Self { shown: text.to_owned() })
    }

    /// The name of somebody who has not said one.
    pub(super) fn of_guest(number: u64) -> Self {
        Self { shown: format!("guest{number}") }
    }

    /// What is compared.
    pub(super) fn key(&self) -> String {
        self.shown.to_ascii_lowercase()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for text in ["a", "Ann", "o_o", "x-9", "12345678901234567890"] {
            assert_eq!(Name::parse(text).unwrap().to_string(), text);
        }
        for text in ["", " ", "a b", "a:", "*", "\u{1b}[2J", "аnn", "123456789012345678901"] {
            assert_eq!(Name::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn case_tells_nobody_apart() {
        assert_eq!(Name::parse("ANN").unwrap().key(), Name::parse("ann").unwrap().key());
    }
}
