//! A test waits for an event or moves a virtual clock; it never sleeps.

use crate::Finding;
use crate::checks::file_length::is_test_file;
use crate::source::{code_only, has_word, test_module_lines};

/// Checks the test code of one Rust file: all of it, or its test module.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let all = is_test_file(path);
    let in_test = test_module_lines(text);
    let code = code_only(text);
    let sleeps = code.lines().enumerate().filter(|(index, line)| {
        // A method is of a loop, whose timers a virtual clock moves; a thread's sleep is none.
        let line = line.replace(".sleep(", "");
        (all || in_test[*index]) && (has_word(&line, "sleep") || has_word(&line, "sleep_ms"))
    });
    let message = "a test sleeps: it is slow when right and flaky when wrong; wait for the event";
    sleeps.map(|(index, _)| Finding::at_line(path, index + 1, message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLEEP: &str = "    thread::sleep(A);\n";

    #[test]
    fn a_sleep_in_a_test_is_found() {
        assert_eq!(check("crates/a/tests/b.rs", SLEEP)[0].line(), Some(1));
        let module = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{SLEEP}}}\n");
        assert_eq!(check("crates/a/src/b.rs", &module)[0].line(), Some(4));
    }

    #[test]
    fn a_sleep_outside_tests_is_left_to_clippy() {
        assert!(check("crates/a/src/b.rs", SLEEP).is_empty());
    }

    #[test]
    fn the_sleep_of_a_loop_passes() {
        assert!(check("crates/a/tests/b.rs", "tasks.sleep(A).await;\n").is_empty());
        assert!(!check("crates/a/tests/b.rs", "tasks.sleep(A); sleep(B);\n").is_empty());
    }

    #[test]
    fn the_word_in_a_comment_or_string_passes() {
        assert!(check("crates/a/tests/b.rs", "// never sleep\nlet a = \"sleep\";\n").is_empty());
    }
}
