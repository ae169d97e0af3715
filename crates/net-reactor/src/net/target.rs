//! Where to connect: an address, or a name and a port.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The longest host name that is looked up, in bytes (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Why a text is no host name, if it is none.
pub(super) fn fault_of_host(host: &str) -> Option<&'static str> {
    match host.len() {
        0 => Some("the name is empty"),
        1..=HOST_BYTES_MAX if !host.contains('\0') => None,
        1..=HOST_BYTES_MAX => Some("the name has a zero byte"),
        _ => Some("the name is longer than 253 bytes"),
    }
}

/// Where to connect.
///
/// It is made from a [`SocketAddr`], or from text: `192.0.2.1:80`, `[2001:db8::1]:80`,
/// `example.org:80`.
///
/// ```
/// use net_reactor::Target;
///
/// let target: Target = "example.org:80".parse()?;
/// assert_eq!(target.to_string(), "example.org:80");
/// assert!("example.org".parse::<Target>().is_err()); // no port
/// # Ok::<(), net_reactor::TargetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// An address and a port.
    Address(SocketAddr),
    /// A host name, resolved without blocking the loop, and a port.
    Host(String, u16),
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Address(address));
        }
        let error = |problem| TargetError { text: text.to_owned(), problem };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| error(Problem::NoPort))?;
        let port = port.parse().map_err(|_| error(Problem::BadPort))?;
        // What looks like an address here is an IPv6 address without its brackets.
        if host.is_empty() || host.parse::<IpAddr>().is_ok() || host.contains([':', '[', ']', ' '])
        {
            return Err(error(Problem::BadHost));
        }
        if host.len() > HOST_BYTES_MAX {
            return Err(error(Problem::HostTooLong));
        }
        Ok(Self::Host(host.to_owned(), port))
    }
}

impl TryFrom<&str> for Target {
    type Error = TargetError;

    fn try_from(text: &str) -> Result<Self, TargetError> {
        text.parse()
    }
}

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        text.parse()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// The text does not say where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError {
    text: String,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    NoPort,
    BadPort,
    BadHost,
    HostTooLong,
}

impl From<std::convert::Infallible> for TargetError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, problem } = self;
        match problem {
            Problem::NoPort => write!(f, "{text:?} has no port; write host:port"),
            Problem::BadPort => write!(f, "{text:?} has no port between 0 and 65535"),
            Problem::BadHost => {
                write!(f, "{text:?} has no valid host; write name:port, 1.2.3.4:port or [::1]:port")
            }
            Problem::HostTooLong => {
                write!(f, "the host name in {text:?} is longer than {HOST_BYTES_MAX} bytes")
            }
        }
    }
}

impl Error for TargetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_told_apart() {
        assert!(matches!("127.0.0.1:80".parse(), Ok(Target::Address(_))));
        assert!(matches!("[::1]:80".parse(), Ok(Target::Address(_))));
        assert_eq!("localhost:80".parse(), Ok(Target::Host("localhost".into(), 80)));
    }

    #[test]
    fn what_is_no_target_is_said_in_one_line() {
        for (text, says) in [
            ("localhost", "no port"),
            ("localhost:http", "between 0 and 65535"),
            ("localhost:70000", "between 0 and 65535"),
            (":80", "no valid host"),
            ("::1:80", "no valid host"),
            ("a b:80", "no valid host"),
        ] {
            let error = text.parse::<Target>().expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
            assert!(!error.contains('\n'));
        }
        let long = format!("{}:80", "a".repeat(254));
        assert!(long.parse::<Target>().is_err());
    }
}
