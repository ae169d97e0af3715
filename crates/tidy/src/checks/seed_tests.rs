//! Each of the seeds' own tests has a row that says what holds it here, or why nothing does.

use crate::Finding;
use crate::markdown::{inline_code, unfenced_lines};

/// How many there are.
const COUNT: usize = 66;

/// What stands in a row in place of a test.
const REASONS: [&str; 2] = ["not applicable", "not yet"];

/// Checks that the rows are numbered from 1 on, and that each names a test or a reason.
///
/// That the tests exist is checked for every document.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut expected = 1;
    for (line_number, line) in unfenced_lines(text) {
        let Some(number) = row_number(line) else { continue };
        if number != expected {
            let problem = format!("row {number} stands where {expected} belongs");
            findings.push(Finding::at_line(path, line_number, problem));
        }
        expected = number + 1;
        if !names_a_test(line) && !REASONS.iter().any(|reason| line.contains(reason)) {
            let problem = format!("row {number} names no test and gives no reason");
            findings.push(Finding::at_line(path, line_number, problem));
        }
    }
    if expected != COUNT + 1 {
        findings.push(Finding::in_file(path, format!("ends before row {expected} of {COUNT}")));
    }
    findings
}

/// The number in the first cell of a row of a table.
fn row_number(line: &str) -> Option<usize> {
    let (first, _) = line.strip_prefix('|')?.split_once('|')?;
    first.trim().parse().ok()
}

fn names_a_test(line: &str) -> bool {
    inline_code(line).any(|code| code.contains(".rs::") || code.contains(".script::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(change: impl Fn(usize) -> Option<String>) -> Vec<Finding> {
        let row = |number| Some(format!("| {number} | it works | `a.rs::it_works` |"));
        let rows = (1..=COUNT).filter_map(|number| change(number).or_else(|| row(number)));
        let rows: Vec<String> = rows.filter(|row| !row.is_empty()).collect();
        check("a.md", &format!("| # | what | by |\n|---|---|---|\n{}\n", rows.join("\n")))
    }

    fn only(number: usize, row: &str) -> impl Fn(usize) -> Option<String> {
        move |at| (at == number).then(|| row.to_owned())
    }

    #[test]
    fn a_whole_table_passes_with_tests_sections_and_reasons() {
        assert!(table(|_| None).is_empty());
        assert!(table(only(7, "| 7 | x | `a.script::a section` |")).is_empty());
        assert!(table(only(7, "| 7 | x | not applicable: there is none |")).is_empty());
        assert!(table(only(66, "| 66 | x | not yet: needs y |")).is_empty());
    }

    #[test]
    fn a_row_that_is_missing_or_twice_is_found() {
        assert_eq!(table(only(7, "")).len(), 1);
        assert_eq!(table(only(66, "")).len(), 1);
        assert_eq!(table(only(7, "| 6 | x | `a.rs::b` |"))[0].line(), Some(9));
    }

    #[test]
    fn a_row_without_test_or_reason_is_found() {
        assert_eq!(table(only(7, "| 7 | x | of course |")).len(), 1);
        assert_eq!(table(only(7, "| 7 | x | `Conn::close` |")).len(), 1);
    }
}
