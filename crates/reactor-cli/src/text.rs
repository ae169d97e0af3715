//! Text of strangers, made fit to be shown.

use std::fmt::Write;

/// Appends bytes as text that does nothing to a terminal but to fill it from left to right.
///
/// What is no UTF-8 becomes U+FFFD. Control characters, of which terminal escapes are made, and
/// those that turn the direction of writing are written as `\u{1b}`; a tab stays.
pub(crate) fn push_printable(text: &mut String, bytes: &[u8]) {
    for character in String::from_utf8_lossy(bytes).chars() {
        if is_harmless(character) {
            text.push(character);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}", character.escape_unicode());
        }
    }
}

fn is_harmless(character: char) -> bool {
    match character {
        '\t' => true,
        // Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9), and
        // the separators of lines and paragraphs.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            false
        }
        other => !other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printable(bytes: &[u8]) -> String {
        let mut text = String::new();
        push_printable(&mut text, bytes);
        text
    }

    #[test]
    fn text_stays_as_it_is() {
        for text in ["", "hello, world", "tab\there", "Grüße, 世界 👩‍👩‍👧"] {
            assert_eq!(printable(text.as_bytes()), text);
        }
    }

    #[test]
    fn escapes_lose_their_power() {
        assert_eq!(
            printable(b"\x1b[2Jgone\x07\r\n\x7f\0"),
            r"\u{1b}[2Jgone\u{7}\u{d}\u{a}\u{7f}\u{0}"
        );
        // C1, as one character.
        assert_eq!(printable("\u{9b}31m".as_bytes()), r"\u{9b}31m");
        assert_eq!(printable("a\u{202e}cba".as_bytes()), r"a\u{202e}cba");
    }

    #[test]
    fn garbage_is_replaced() {
        assert_eq!(printable(b"a\xff\x9bb"), "a\u{fffd}\u{fffd}b");
    }
}
