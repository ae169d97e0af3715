//! A test that a document names exists.

use crate::Finding;
use crate::markdown::{inline_code, unfenced_lines};

/// The folders that a document may leave out of a path.
const ROOTS: [&str; 4] = ["", "crates/net-reactor/", "crates/net-reactor/src/", "crates/"];

/// The folder of the conformance scripts, which may be left out too.
const SCRIPTS: &str = "crates/net-reactor/src/protocol/tests/scripts/";

/// Checks the tests that one document names, as `path.rs::name` in code, or as
/// `file.script::title` for a section of a conformance script.
///
/// `text_of` gives the content of a file by its path from the root.
pub fn check<'a>(
    path: &str,
    text: &str,
    text_of: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in unfenced_lines(text) {
        for code in inline_code(line) {
            if let Some(problem) = problem(code, &text_of) {
                findings.push(Finding::at_line(path, number, problem));
            }
        }
    }
    findings
}

fn problem<'a>(code: &str, text_of: &impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let (file, name) = code.split_once("::")?;
    let is_script = file.ends_with(".script");
    if !is_script && !file.ends_with(".rs") {
        return None;
    }
    let roots = ROOTS.into_iter().chain([SCRIPTS]);
    let Some(text) = roots.into_iter().find_map(|root| text_of(&format!("{root}{file}"))) else {
        return Some(format!("`{code}` is in no file"));
    };
    let found = if is_script { has_section(text, name) } else { has_test(text, name) };
    (!found).then(|| format!("`{code}` is no test"))
}

/// Whether a script has a section of that title.
fn has_section(text: &str, title: &str) -> bool {
    text.lines().any(|line| line.strip_prefix("== ") == Some(title))
}

/// Whether a file has a test of that name: a function with the attribute, or one of a suite.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let has_attribute = |at: usize| {
        let above = lines[..at].iter().rev();
        above.take_while(|line| line.starts_with("#[")).any(|line| *line == "#[test]")
    };
    let is_function = |line: &str| {
        // Two suites may share a function.
        let line = line.strip_prefix("pub(super) ").unwrap_or(line);
        let rest = line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    let mut functions = lines.iter().enumerate().filter(|(_, line)| is_function(line));
    functions.any(|(at, _)| has_attribute(at) || is_in_suite(&lines, name))
}

/// Whether the list of a `suite! { ... }` names the function.
fn is_in_suite(lines: &[&str], name: &str) -> bool {
    let list =
        lines.iter().skip_while(|line| **line != "suite! {").take_while(|line| **line != "}");
    list.into_iter().any(|line| line.strip_suffix(',') == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
suite! {
    shared,
}
fn shared<S>() {}
#[test]
#[should_panic]
fn alone() {}
fn helper() {}
";

    fn count(text: &str) -> usize {
        let text_of = |path: &str| match path {
            "crates/net-reactor/src/net/a.rs" => Some(SOURCE),
            "crates/net-reactor/src/protocol/tests/scripts/b.script" => Some("== a title\nact\n"),
            _ => None,
        };
        check("docs/a.md", text, text_of).len()
    }

    #[test]
    fn tests_that_exist_pass() {
        assert_eq!(count("`net/a.rs::alone` and `net/a.rs::shared`, `b.script::a title`"), 0);
        assert_eq!(count("`crates/net-reactor/src/net/a.rs::alone`"), 0);
    }

    #[test]
    fn tests_that_do_not_exist_are_found() {
        assert_eq!(count("| x | `net/a.rs::lone`, `net/a.rs::none` |"), 2);
        assert_eq!(count("`net/none.rs::alone`"), 1);
        assert_eq!(count("`b.script::a`"), 1);
    }

    #[test]
    fn a_function_that_is_no_test_is_found() {
        assert_eq!(count("`net/a.rs::helper`"), 1);
    }

    #[test]
    fn other_code_is_not_its_business() {
        assert_eq!(
            count("`Conn::close`, `net::a`, net/a.rs::none\n```\n`net/a.rs::none`\n```\n"),
            0
        );
    }
}
