//! No path of one machine: it means nothing on another.

use crate::Finding;
use crate::source::is_word;

/// Put together at compile time, so that this file does not contain what it looks for.
const PREFIXES: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Checks any text file.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for prefix in PREFIXES {
            if starts_a_path(line, prefix) {
                let message = format!("`{prefix}` belongs to one machine; write a relative path");
                findings.push(Finding::at_line(path, index + 1, message));
            }
        }
    }
    findings
}

/// Whether the prefix stands where a path begins, rather than in the middle of one.
fn starts_a_path(line: &str, prefix: &str) -> bool {
    let continues = |c: char| is_word(c) || matches!(c, '.' | '-' | '/' | '~' | '}');
    line.match_indices(prefix).any(|(at, _)| !line[..at].ends_with(continues))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_are_found() {
        for prefix in PREFIXES {
            assert_eq!(check("a.md", &format!("text\nsee {prefix}me/a.rs"))[0].line(), Some(2));
            assert_eq!(check("a.md", &format!("\"{prefix}me\"")).len(), 1);
        }
    }

    #[test]
    fn the_middle_of_a_path_passes() {
        for prefix in PREFIXES {
            assert!(check("a.md", &format!("https://example.org{prefix}a")).is_empty());
            assert!(check("a.md", &format!("docs{prefix}a.md")).is_empty());
        }
    }
}
