//! The map shows every place.

use crate::Finding;
use crate::source::is_word;

/// Checks that the document names every one of the given crates or folders.
///
/// A name counts inside code - `` `net/` ``, `` `crates/net` ``, a line of a drawn tree - where it
/// is not part of a longer word; the word "net" in a sentence is no map.
pub fn check(path: &str, text: &str, names: &[&str]) -> Vec<Finding> {
    let missing = names.iter().filter(|name| !is_mapped(text, name));
    missing
        .map(|name| Finding::in_file(path, format!("does not say what `{name}` is for")))
        .collect()
}

fn is_mapped(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        let starts = before.is_none_or(|c| !is_word(c) && c != '-');
        let marked = matches!(before, Some('`' | '/')) && matches!(after, Some('`' | '/'));
        starts && (marked || after == Some('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_place_is_named() {
        let findings = check("a.md", "Only `base/` and the word net.", &["base", "net"]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message().contains("`net`"));
    }

    #[test]
    fn each_way_of_writing_a_place_counts() {
        for text in ["`net/` is", "`crates/net`", "`crates/net/src`", "  net/   sockets", "`net`"] {
            assert!(check("a.md", text, &["net"]).is_empty(), "{text}");
        }
        assert_eq!(check("a.md", "`subnet/` and `net-reactor`", &["net"]).len(), 1);
    }
}
