//! No marks for later: what is left to do is an issue or a decision, not a comment.

use crate::Finding;
use crate::source::has_word;

/// Put together at compile time, so that this file does not contain what it looks for.
const WORDS: [&str; 3] = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
const MACROS: [&str; 2] = [concat!("to", "do!"), concat!("un", "implemented!")];

/// Checks one source file, manifest or script.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words = WORDS.into_iter().filter(|word| has_word(line, word));
        let macros = MACROS.into_iter().filter(|name| has_word(line, name));
        for mark in words.chain(macros) {
            let message = format!("`{mark}`: do it now, or write it down where it will be found");
            findings.push(Finding::at_line(path, index + 1, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_found() {
        for word in WORDS {
            assert_eq!(
                check("a.rs", &format!("fn a() {{}}\n// {word}: later\n"))[0].line(),
                Some(2)
            );
        }
        for name in MACROS {
            assert_eq!(check("a.rs", &format!("fn a() {{ {name}() }}"))[0].line(), Some(1));
        }
    }

    #[test]
    fn words_that_only_contain_a_mark_pass() {
        assert!(
            check("a.rs", concat!("const HA", "CKSAW: u8 = 0; // XX", "XX and to", "do list"))
                .is_empty()
        );
    }
}
