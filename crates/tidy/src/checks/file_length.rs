//! A file is one noun and fits a sitting.

use crate::Finding;
use crate::source::test_module_lines;

/// Lines outside tests from which a file is mentioned.
const LINES_WARN: usize = 350;
/// Lines outside tests at which a source file fails.
const LINES_MAX: usize = 500;
/// Lines at which a file of tests fails.
const TEST_LINES_MAX: usize = 800;

/// A file that is over its limit, with the length it may not exceed.
#[derive(Debug)]
struct Debt {
    path: &'static str,
    lines_max: usize,
    reason: &'static str,
}

/// What is over the limit today. It only ever gets shorter.
const DEBT: &[Debt] = &[];

/// Checks the length of one Rust file against the limits and the debt list.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    check_with(DEBT, path, text)
}

fn check_with(debts: &[Debt], path: &str, text: &str) -> Vec<Finding> {
    let is_test = is_test_file(path);
    let (length, limit) = match is_test {
        true => (text.lines().count(), TEST_LINES_MAX),
        false => (lines_outside_tests(text), LINES_MAX),
    };
    let debt = debts.iter().find(|debt| debt.path == path);
    let finding = match debt {
        Some(_) if length <= limit => {
            Some(format!("has {length} lines: strike it off the debt list"))
        }
        Some(debt) if length > debt.lines_max => Some(format!(
            "has {length} lines and may have {} ({}); split it, a debt does not grow",
            debt.lines_max, debt.reason
        )),
        None if length > limit => {
            Some(format!("has {length} lines, at most {limit}: split it by noun"))
        }
        Some(_) | None => None,
    };
    if let Some(message) = finding {
        return vec![Finding::in_file(path, message)];
    }
    if !is_test && length > LINES_WARN {
        let message = format!("has {length} lines and comes near {LINES_MAX}");
        return vec![Finding::in_file(path, message).as_warning()];
    }
    Vec::new()
}

/// Files named in the debt list that are not among the given paths.
pub fn check_debt_list(paths: &[&str]) -> Vec<Finding> {
    let gone = DEBT.iter().filter(|debt| !paths.contains(&debt.path));
    gone.map(|debt| Finding::in_file(debt.path, "is in the debt list and does not exist")).collect()
}

/// Whether a whole file is test or benchmark code, by its place or name.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.split('/').any(|folder| folder == "tests" || folder == "benches")
}

fn lines_outside_tests(text: &str) -> usize {
    test_module_lines(text).iter().filter(|is_test| !**is_test).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Severity;

    fn file(lines: usize) -> String {
        "fn f() {}\n".repeat(lines)
    }

    #[test]
    fn a_long_file_fails_and_a_nearly_long_one_is_mentioned() {
        assert_eq!(check("a.rs", &file(LINES_MAX + 1))[0].severity(), Severity::Error);
        assert_eq!(check("a.rs", &file(LINES_MAX))[0].severity(), Severity::Warning);
        assert!(check("a.rs", &file(LINES_WARN)).is_empty());
    }

    #[test]
    fn in_file_tests_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn f() {}\n".repeat(600));
        assert!(check("a.rs", &format!("{}{tests}", file(100))).is_empty());
    }

    #[test]
    fn test_files_have_a_wider_limit() {
        assert!(check("crates/a/tests/b.rs", &file(TEST_LINES_MAX)).is_empty());
        assert_eq!(check("crates/a/tests/b.rs", &file(TEST_LINES_MAX + 1)).len(), 1);
        assert_eq!(check("crates/a/src/b/tests.rs", &file(TEST_LINES_MAX + 1)).len(), 1);
    }

    #[test]
    fn a_debt_may_stand_but_not_grow_and_not_outlive_its_cause() {
        let debts = [Debt { path: "a.rs", lines_max: 600, reason: "one state machine" }];
        let severities = |lines| -> Vec<Severity> {
            check_with(&debts, "a.rs", &file(lines)).iter().map(Finding::severity).collect()
        };
        assert_eq!(severities(600), [Severity::Warning]);
        assert_eq!(severities(601), [Severity::Error]);
        assert_eq!(severities(300), [Severity::Error]);
    }
}
