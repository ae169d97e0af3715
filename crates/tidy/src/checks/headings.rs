//! A document has one title.

use crate::Finding;
use crate::markdown::{heading, unfenced_lines};

/// Checks that one Markdown file has exactly one first-level heading, and that it comes first.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let headings: Vec<(usize, usize)> = unfenced_lines(text)
        .filter_map(|(number, line)| heading(line).map(|(level, _)| (number, level)))
        .collect();
    let titles: Vec<usize> =
        headings.iter().filter(|(_, level)| *level == 1).map(|(number, _)| *number).collect();
    match (titles.as_slice(), headings.first()) {
        ([], _) => vec![Finding::in_file(path, "has no title: the first heading is `# Title`")],
        ([title], Some((first, _))) if title != first => {
            vec![Finding::at_line(path, *first, "a heading stands before the title")]
        }
        ([_], _) => Vec::new(),
        ([_, second, ..], _) => {
            vec![Finding::at_line(path, *second, "a second title: one document, one subject")]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_title_passes() {
        assert!(check("a.md", "# A\n\n## B\n\n```sh\n# a comment\n```\n").is_empty());
    }

    #[test]
    fn none_or_two_or_a_late_one_fail() {
        assert_eq!(check("a.md", "text\n").len(), 1);
        assert_eq!(check("a.md", "# A\n\n# B\n")[0].line(), Some(3));
        assert_eq!(check("a.md", "## B\n\n# A\n")[0].line(), Some(1));
    }
}
