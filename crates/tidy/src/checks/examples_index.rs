//! Every example is in the curriculum.

use crate::Finding;

/// Where the programs are.
pub const PROGRAMS: &str = "examples/src/bin/";

/// Checks that the index names every one of the given program files.
pub fn check(path: &str, text: &str, programs: &[&str]) -> Vec<Finding> {
    let unlisted =
        programs.iter().filter_map(|program| name(program)).filter(|n| !text.contains(n));
    unlisted
        .map(|name| Finding::in_file(path, format!("does not list the example `{name}`")))
        .collect()
}

/// `01_timers` for both `01_timers.rs` and `01_timers/main.rs`.
fn name(program: &str) -> Option<&str> {
    let inside = program.strip_prefix(PROGRAMS)?;
    inside.strip_suffix("/main.rs").or_else(|| inside.strip_suffix(".rs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlisted_example_is_named() {
        let programs = ["examples/src/bin/01_timers.rs", "examples/src/bin/02_chat/main.rs"];
        let findings = check("README.md", "- `01_timers`", &programs);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message().contains("02_chat"));
        assert!(check("README.md", "`01_timers`, `02_chat`", &programs).is_empty());
    }
}
