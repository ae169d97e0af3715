//! The one error of this program: a line that says what could not be done, and why.

use std::fmt;

/// Why the run ended early, as one line for a person.
#[derive(Debug)]
pub(crate) struct Failure(String);

/// What every fallible step returns.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts what was attempted in front of an error.
pub(crate) trait Explain<T> {
    /// Turns the error into `attempt: error`.
    fn explain(self, attempt: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: fmt::Display> Explain<T> for Result<T, E> {
    fn explain(self, attempt: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| Failure(format!("{attempt}: {error}")))
    }
}
