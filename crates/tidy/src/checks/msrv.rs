//! One minimum Rust version, stated in the manifest and repeated nowhere differently.

use crate::Finding;
use crate::markdown::unfenced_lines;

/// Checks a document that states the version against the workspace manifest.
///
/// Every `Rust 1.x` in the document must be the manifest's `rust-version`, and one must be there.
pub fn check(path: &str, text: &str, manifest: &str) -> Vec<Finding> {
    let Some(version) = rust_version(manifest) else {
        return vec![Finding::in_file("Cargo.toml", "states no `rust-version`")];
    };
    let mut stated = false;
    let mut findings = Vec::new();
    for (number, line) in unfenced_lines(text) {
        for found in stated_versions(line) {
            stated = true;
            if found != version {
                let message = format!("says Rust {found}, the manifest says {version}");
                findings.push(Finding::at_line(path, number, message));
            }
        }
    }
    if !stated {
        findings.push(Finding::in_file(path, format!("does not say that it needs Rust {version}")));
    }
    findings
}

/// The value of the first `rust-version` in a manifest.
fn rust_version(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find(|line| line.trim_start().starts_with("rust-version"))?;
    line.split('"').nth(1)
}

/// The numbers after the word Rust, without a full stop that ends the sentence.
fn stated_versions(line: &str) -> impl Iterator<Item = &str> {
    line.split("Rust ").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let version = rest[..end].trim_end_matches('.');
        version.starts_with("1.").then_some(version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[workspace.package]\nrust-version = \"1.88\"\n";

    #[test]
    fn the_same_version_passes() {
        assert!(check("README.md", "It needs Rust 1.88. See Rust itself.", MANIFEST).is_empty());
    }

    #[test]
    fn another_or_none_fails() {
        assert_eq!(check("README.md", "a\nIt needs Rust 1.70.", MANIFEST)[0].line(), Some(2));
        assert_eq!(check("README.md", "It needs Rust.", MANIFEST).len(), 1);
        assert_eq!(check("README.md", "Rust 1.88", "[package]").len(), 1);
    }
}
