//! What a check reports.

use std::fmt;

/// Whether a finding fails the run.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Printed, and nothing more: the file comes near a limit.
    Warning,
    /// Fails the run.
    Error,
}

/// One thing a check found in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    severity: Severity,
    path: String,
    line: Option<usize>,
    message: String,
}

impl Finding {
    /// An error about a whole file.
    pub fn in_file(path: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            path: path.to_owned(),
            line: None,
            message: message.into(),
        }
    }

    /// An error at a line, counted from one.
    pub fn at_line(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::in_file(path, message) }
    }

    /// The same finding as a warning.
    #[must_use]
    pub fn as_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// Whether the finding fails the run.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The line it stands on, counted from one; `None` when it is about the whole file.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{}: {}", self.path, line, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_compiler_message() {
        assert_eq!(Finding::at_line("a.rs", 3, "too long").to_string(), "a.rs:3: too long");
        assert_eq!(Finding::in_file("a.rs", "too long").to_string(), "a.rs: too long");
    }

    #[test]
    fn is_an_error_unless_softened() {
        let finding = Finding::in_file("a.rs", "too long");
        assert_eq!(finding.severity(), Severity::Error);
        assert_eq!(finding.as_warning().severity(), Severity::Warning);
    }
}
