//! No code in comments: the history keeps what was deleted.

use crate::Finding;

/// Statements start with one of these, and so does no sentence that ends like code.
const STARTS: [&str; 8] = ["let ", "use ", "pub ", "fn ", "return ", "if ", "for ", "match "];

/// Checks the plain comments of one Rust file; document comments may hold examples.
///
/// Two lines in a row that end as code does are taken for code, and so is a single one that also
/// starts as a statement does.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut run = 0_usize;
    for (index, line) in text.lines().enumerate() {
        let comment = plain_comment(line).filter(|comment| ends_as_code(comment));
        run = if comment.is_some() { run + 1 } else { 0 };
        let statement = comment.is_some_and(|c| STARTS.iter().any(|start| c.starts_with(start)));
        if run == 2 || (run == 1 && statement) {
            let message = "looks like code in a comment; delete it, git remembers";
            findings.push(Finding::at_line(path, index + 1, message));
        }
    }
    findings
}

/// The text of a line that is nothing but a `//` comment.
fn plain_comment(line: &str) -> Option<&str> {
    let text = line.trim_start().strip_prefix("//")?;
    (!text.starts_with(['/', '!'])).then(|| text.trim())
}

fn ends_as_code(comment: &str) -> bool {
    comment.ends_with([';', '{', '}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_statements_is_found() {
        let text = "fn a() {\n    // b();\n    // c();\n}\n";
        assert_eq!(check("a.rs", text)[0].line(), Some(3));
    }

    #[test]
    fn a_single_statement_is_found() {
        assert_eq!(check("a.rs", "// let a = b();\n").len(), 1);
        assert_eq!(check("a.rs", "    // if a {\n").len(), 1);
    }

    #[test]
    fn prose_passes() {
        let text =
            "// The queue is full;\n// let the caller wait.\n/// let a = 1;\n/// b();\nfn a() {}\n";
        assert!(check("a.rs", text).is_empty());
    }
}
