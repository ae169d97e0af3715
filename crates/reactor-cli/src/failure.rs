//! What went wrong, in one line that also says what to do.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use net_reactor::{CloseReason, ConnectError, ListenError};

/// Why the command could not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    exit_code: u8,
    line: String,
}

/// The command line makes no sense.
const EXIT_USAGE: u8 = 2;
/// Something failed while running.
const EXIT_RUN: u8 = 1;
/// A signal ended it: what a shell reports of a program that SIGINT killed.
const EXIT_INTERRUPTED: u8 = 130;

impl Failure {
    /// Makes a failure of whoever wrote the command line.
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self { exit_code: EXIT_USAGE, line: line.into() }
    }

    /// Makes a failure that happened while running.
    pub(crate) fn run(line: impl Into<String>) -> Self {
        Self { exit_code: EXIT_RUN, line: line.into() }
    }

    /// Makes the failure of a command that was told to leave before its end.
    pub(crate) fn interrupted() -> Self {
        Self { exit_code: EXIT_INTERRUPTED, line: "interrupted".to_owned() }
    }

    /// Makes the failure of a connection that ended badly, or before all of stdin was sent.
    pub(crate) fn lost(reason: &CloseReason, all_sent: bool) -> Self {
        let advice = (!all_sent).then_some("stdin was not sent to its end");
        Self::with_advice(reason, advice)
    }

    /// Says on stderr what went wrong, and returns the exit code for it.
    pub(crate) fn report(&self) -> ExitCode {
        // When stderr is closed too, the exit code has to do.
        let _ = writeln!(io::stderr(), "reactor: {self}");
        ExitCode::from(self.exit_code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The texts of a system's errors are its own.
        f.write_str(&self.line.replace('\n', " "))
    }
}

impl From<net_reactor::Error> for Failure {
    fn from(error: net_reactor::Error) -> Self {
        match &error {
            net_reactor::Error::Listen(error) => error.into(),
            net_reactor::Error::Connect(error) => error.into(),
            other => Self::with_advice(other, None),
        }
    }
}

impl From<net_reactor::LoopError> for Failure {
    fn from(error: net_reactor::LoopError) -> Self {
        net_reactor::Error::from(error).into()
    }
}

impl From<&ListenError> for Failure {
    fn from(error: &ListenError) -> Self {
        match error {
            ListenError::InUse { .. } => Self::run(format!(
                "{error} - choose another port with --listen, or stop what listens there"
            )),
            ListenError::NotPermitted { .. } => Self::run(format!(
                "{error} - choose a port above 1023 with --listen, or run with the privilege"
            )),
            ListenError::BadAddress { .. } => Self::with_advice(
                error,
                Some("give --listen an address of this machine, such as 127.0.0.1:9000"),
            ),
            _ => Self::with_advice(error, None),
        }
    }
}

impl From<&ConnectError> for Failure {
    fn from(error: &ConnectError) -> Self {
        match error {
            ConnectError::Refused { peer, .. } => Self::run(format!(
                "{error} - start a server there, such as `reactor echo --listen {peer}`"
            )),
            ConnectError::TimedOut { .. } => Self::run(format!(
                "cannot connect: {error} - check the address, and firewalls on the way"
            )),
            ConnectError::Unreachable { .. } => {
                Self::with_advice(error, Some("check the address and this machine's network"))
            }
            ConnectError::NameNotFound { .. } => {
                Self::with_advice(error, Some("check its spelling, or give an address"))
            }
            ConnectError::CannotBind { .. } => Self::with_advice(
                error,
                Some("the ports of this machine may be used up: use fewer connections"),
            ),
            _ => Self::with_advice(error, None),
        }
    }
}

impl Failure {
    /// Joins an error with its causes, and with what to do.
    fn with_advice(error: &dyn Error, advice: Option<&str>) -> Self {
        let mut line = error.to_string();
        let mut cause = error.source();
        let mut advice = advice;
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            if error.downcast_ref().is_some_and(is_out_of_descriptors) {
                advice = Some("allow more open files (`ulimit -n`), or use fewer connections");
            }
            cause = error.source();
        }
        if let Some(advice) = advice {
            line.push_str(&format!(" - {advice}"));
        }
        Self::run(line)
    }
}

/// Whether the process has as many descriptors as it may have (`EMFILE`: 24 on every Unix).
fn is_out_of_descriptors(error: &io::Error) -> bool {
    cfg!(unix) && error.raw_os_error() == Some(24)
}

#[cfg(test)]
mod tests {
    use net_reactor::Address;

    use super::*;

    #[test]
    fn a_failure_says_what_is_wrong_and_what_to_do() {
        let address = Address::from(([127, 0, 0, 1], 80));
        let source = || io::Error::from_raw_os_error(98);
        let failure =
            Failure::from(&ListenError::InUse { address: address.clone(), source: source() });
        assert_eq!(
            failure.to_string(),
            "127.0.0.1:80 is in use - choose another port with --listen, or stop what listens there"
        );
        let failure =
            Failure::from(&ConnectError::Refused { peer: address, source: source().into() });
        assert!(failure.to_string().starts_with("127.0.0.1:80 refused the connection - start"));
    }

    #[test]
    #[cfg(unix)]
    fn a_lack_of_descriptors_is_recognised_behind_the_error() {
        let source = io::Error::from_raw_os_error(24).into();
        let failure = Failure::from(&ConnectError::Failed { source });
        assert!(failure.to_string().contains("ulimit -n"), "{failure}");
    }

    #[test]
    fn a_failure_is_one_line_whatever_the_system_says() {
        let source = io::Error::other("first\nsecond").into();
        let failure = Failure::from(&ConnectError::Failed { source });
        assert_eq!(failure.to_string(), "cannot connect: first second");
    }
}
