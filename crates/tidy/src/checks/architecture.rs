//! The map shows every place, and none twice.

use crate::Finding;
use crate::source::is_word;

/// Checks that the document names every one of the given crates or folders, and gives none of them
/// two rows of a table, which is what a careless merge leaves.
///
/// A name counts inside code - `` `net/` ``, `` `crates/net` ``, a line of a drawn tree - where it
/// is not part of a longer word; the word "net" in a sentence is no map.
pub fn check(path: &str, text: &str, names: &[&str]) -> Vec<Finding> {
    let missing = names.iter().filter(|name| !is_mapped(text, name));
    let missing = missing.map(|name| format!("does not say what `{name}` is for"));
    let doubled = names.iter().filter(|name| rows_of(text, name) > 1);
    let doubled = doubled.map(|name| format!("has more than one row for `{name}/`"));
    missing.chain(doubled).map(|problem| Finding::in_file(path, problem)).collect()
}

fn rows_of(text: &str, name: &str) -> usize {
    let cell = format!("| `{name}/` |");
    text.lines().filter(|line| line.starts_with(&cell)).count()
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
    fn a_place_with_two_rows_is_named() {
        let rows = "| `net/` | sockets | handlers |\n| `codec/` | frames | `net/` |\n";
        assert!(check("a.md", rows, &["net", "codec"]).is_empty());
        let doubled = format!("{rows}| `net/` | more sockets | handlers |\n");
        assert_eq!(check("a.md", &doubled, &["net", "codec"]).len(), 1);
    }

    #[test]
    fn each_way_of_writing_a_place_counts() {
        for text in ["`net/` is", "`crates/net`", "`crates/net/src`", "  net/   sockets", "`net`"] {
            assert!(check("a.md", text, &["net"]).is_empty(), "{text}");
        }
        assert_eq!(check("a.md", "`subnet/` and `net-reactor`", &["net"]).len(), 1);
    }
}
