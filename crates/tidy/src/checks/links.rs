//! A link inside the repository leads to a file, and to a heading if it names one.

use std::path::{Component, Path, PathBuf};

use crate::Finding;
use crate::markdown::{heading, unfenced_lines, without_inline_code};
use crate::source::is_word;

/// Checks the links of one Markdown file.
///
/// `text_of` gives the content of a file by its path from the root, an empty text for a folder or
/// a file that is not text, and `None` for what does not exist. Addresses with a scheme are not
/// followed: a check must not depend on the network.
pub fn check<'a>(
    path: &str,
    text: &'a str,
    text_of: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in unfenced_lines(text) {
        for target in targets(&without_inline_code(line)) {
            if let Some(problem) = problem(path, text, &target, &text_of) {
                findings.push(Finding::at_line(path, number, problem));
            }
        }
    }
    findings
}

fn problem<'a>(
    path: &str,
    text: &'a str,
    target: &str,
    text_of: &impl Fn(&str) -> Option<&'a str>,
) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let content = if file.is_empty() {
        text
    } else {
        let resolved = resolve(path, file);
        let Some(content) = resolved.as_deref().and_then(text_of) else {
            return Some(format!("the link `{target}` leads nowhere"));
        };
        content
    };
    let missing = !anchor.is_empty() && file_has_headings(file) && !has_anchor(content, anchor);
    missing.then(|| format!("the link `{target}` names a heading that is not there"))
}

/// Line anchors into source files are not looked up.
fn file_has_headings(file: &str) -> bool {
    file.is_empty() || file.ends_with(".md")
}

/// The targets of `[text](target)` and of `[name]: target`.
fn targets(line: &str) -> Vec<String> {
    let mut found: Vec<String> = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .chain(line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, t)| t))
        // A title may follow the address.
        .filter_map(|target| target.split_whitespace().next())
        .map(|target| target.trim_matches(['<', '>']).to_owned())
        .collect();
    found.retain(|target| !target.is_empty());
    found
}

/// The path from the root that a target means in the given document; `None` above the root.
fn resolve(document: &str, target: &str) -> Option<String> {
    let folder = Path::new(document).parent().unwrap_or_else(|| Path::new(""));
    let mut resolved = PathBuf::new();
    for component in folder.join(target).components() {
        match component {
            Component::Normal(name) => resolved.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !resolved.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(resolved.to_string_lossy().replace('\\', "/"))
}

/// Whether a heading of the document turns into this anchor on the usual hosts.
fn has_anchor(text: &str, anchor: &str) -> bool {
    unfenced_lines(text)
        .filter_map(|(_, line)| heading(line))
        .any(|(_, title)| slug(title) == anchor)
}

fn slug(title: &str) -> String {
    let kept = title.chars().filter(|c| is_word(*c) || matches!(c, ' ' | '-'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &'static str) -> usize {
        let text_of = |path: &str| match path {
            "README.md" => Some("# Title\n\n## What `it` is\n"),
            "docs/a.md" | "docs" => Some(""),
            _ => None,
        };
        check("docs/a.md", text, text_of).len()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        assert_eq!(count("[a](../README.md), [b](a.md) and [c](../README.md#what-it-is)"), 0);
        assert_eq!(count("[a](../docs/) and [b](https://example.org/none)"), 0);
        assert_eq!(count("[a]: ../README.md \"title\"\n"), 0);
        assert_eq!(count("# Here\n[a](#here)"), 0);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(count("[a](none.md)"), 1);
        assert_eq!(count("[a](README.md) ![b](../../README.md)"), 2);
        assert_eq!(count("[a]: none.md\n"), 1);
        assert_eq!(count("[a](/README.md)"), 1);
    }

    #[test]
    fn headings_that_are_not_there_are_found() {
        assert_eq!(count("[a](../README.md#none)"), 1);
        assert_eq!(count("[a](#none)"), 1);
    }

    #[test]
    fn code_is_not_a_link() {
        assert_eq!(count("`[a](none.md)`\n```\n[a](none.md)\n```\n"), 0);
    }
}
