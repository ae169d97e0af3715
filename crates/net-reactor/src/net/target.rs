//! Where to connect or listen, and how that is written.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::base::{Address, UnixAddress, UnixNameError};

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

/// Where to connect or listen.
///
/// It is made from a [`SocketAddr`], a [`UnixAddress`], a pair of host and port, or text:
///
/// | text | means |
/// |---|---|
/// | `192.0.2.1:80`, `[2001:db8::1]:80` | an address and a port |
/// | `example.org:80` | a host name and a port |
/// | `tcp:example.org:80` | the same: `tcp:` may stand before either |
/// | `unix:/run/hub.sock`, `unix:hub.sock` | a Unix socket, by its path |
/// | `unix:/run/hub.sock?mode=660` | for a server: with these permission bits, base 8 |
/// | `unix:@hub` | a Unix socket with an abstract name |
///
/// In the name of a Unix socket `%` and two digits, base 16, are one byte: `%3f` is `?`, `%25` is
/// `%`. What a target is shown as is read as the same target again.
///
/// ```
/// use net_reactor::Target;
///
/// let target: Target = "example.org:80".parse()?;
/// assert_eq!(target.to_string(), "example.org:80");
/// assert_eq!("tcp:example.org:80".parse(), Ok(target));
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
    /// A Unix socket.
    Unix {
        /// Its name.
        address: UnixAddress,
        /// The permission bits of the file that a server makes; of no meaning to a client. They
        /// come before [`ListenOptions::mode`](crate::ListenOptions::mode).
        mode: Option<u32>,
    },
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl From<UnixAddress> for Target {
    fn from(address: UnixAddress) -> Self {
        Self::Unix { address, mode: None }
    }
}

impl From<Address> for Target {
    fn from(address: Address) -> Self {
        match address {
            Address::Ip(address) => address.into(),
            Address::Unix(address) => address.into(),
        }
    }
}

impl From<&Address> for Target {
    fn from(address: &Address) -> Self {
        address.clone().into()
    }
}

impl From<(&str, u16)> for Target {
    fn from((host, port): (&str, u16)) -> Self {
        match host.parse() {
            Ok(ip) => Self::Address(SocketAddr::new(ip, port)),
            Err(_) => Self::Host(host.to_owned(), port),
        }
    }
}

impl From<(IpAddr, u16)> for Target {
    fn from((ip, port): (IpAddr, u16)) -> Self {
        Self::Address(SocketAddr::new(ip, port))
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let parsed = match text.strip_prefix("unix:") {
            Some(_) => parse_unix(text, "unix:".len()),
            // A host may be called `tcp`: then there is only its port behind it.
            None => match text.strip_prefix("tcp:") {
                Some(rest) if rest.contains(':') => parse_tcp(text, "tcp:".len()),
                _ => parse_tcp(text, 0),
            },
        };
        parsed.map_err(|(at, problem)| TargetError { text: text.to_owned(), at, problem })
    }
}

/// What is wrong, and at which byte.
type Fault = (usize, Problem);

/// Reads `host:port`, which begins at a byte of the text.
fn parse_tcp(text: &str, start: usize) -> Result<Target, Fault> {
    let rest = &text[start..];
    if let Ok(address) = rest.parse() {
        return Ok(Target::Address(address));
    }
    let (host, port) = rest.rsplit_once(':').ok_or((text.len(), Problem::NoPort))?;
    let bad_port = (start + host.len() + 1, Problem::BadPort);
    // A sign, which a number may have, is none of a port.
    if !port.bytes().all(|each| each.is_ascii_digit()) {
        return Err(bad_port);
    }
    let port = port.parse().map_err(|_| bad_port)?;
    let is_foreign = |each: char| {
        matches!(each, ':' | '[' | ']' | '/') || each.is_whitespace() || each.is_control()
    };
    if let Some(at) = host.find(is_foreign) {
        // What looks like an address here is an IPv6 address without its brackets.
        let at = if host.parse::<IpAddr>().is_ok() { 0 } else { at };
        return Err((start + at, Problem::BadHost));
    }
    match host.len() {
        0 => Err((start, Problem::BadHost)),
        1..=HOST_BYTES_MAX => Ok(Target::Host(host.to_owned(), port)),
        _ => Err((start, Problem::HostTooLong)),
    }
}

/// Reads the name of a Unix socket and its options, which begin at a byte of the text.
fn parse_unix(text: &str, start: usize) -> Result<Target, Fault> {
    let rest = &text[start..];
    let (name, options) = match rest.split_once('?') {
        Some((name, options)) => (name, Some(options)),
        None => (rest, None),
    };
    let of_name = |error| (start, Problem::Name(error));
    let address = match name.strip_prefix('@') {
        Some(name) => UnixAddress::abstract_name(unescape(name, start + 1)?).map_err(of_name)?,
        None => UnixAddress::path_of_bytes(unescape(name, start)?).map_err(of_name)?,
    };
    let mode = match options {
        None => None,
        Some(options) => Some(parse_mode(options, start + name.len() + 1)?),
    };
    Ok(Target::Unix { address, mode })
}

/// Reads `mode=660`, the one option there is.
fn parse_mode(option: &str, start: usize) -> Result<u32, Fault> {
    let Some(bits) = option.strip_prefix("mode=") else { return Err((start, Problem::BadOption)) };
    let at = start + "mode=".len();
    let is_number = (1..=4).contains(&bits.len()) && bits.bytes().all(|each| each.is_ascii_digit());
    match u32::from_str_radix(bits, 8) {
        Ok(mode @ ..=0o777) if is_number => Ok(mode),
        _ => Err((at, Problem::BadMode)),
    }
}

/// Replaces `%` and two digits by the byte that they are.
fn unescape(name: &str, start: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        let byte =
            digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        let at = start + name.len() - after.len() - 1;
        bytes.push(byte.ok_or((at, Problem::BadEscape))?);
        rest = &after[2..];
    }
    Ok(bytes)
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

impl TryFrom<&String> for Target {
    type Error = TargetError;

    fn try_from(text: &String) -> Result<Self, TargetError> {
        text.parse()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            // Alone it would be read as the path of a socket.
            Self::Host(host, port) if host == "unix" => write!(f, "tcp:{host}:{port}"),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
            Self::Unix { address, mode: None } => write!(f, "{address}"),
            Self::Unix { address, mode: Some(mode) } => write!(f, "{address}?mode={mode:o}"),
        }
    }
}

/// The text does not say where to connect or listen.
///
/// It is shown in one line. With `{:#}` two more follow: the text, and below it a caret where it
/// goes wrong.
///
/// ```
/// let error = "unix:/run/hub?mode=999".parse::<net_reactor::Target>().unwrap_err();
/// assert_eq!(
///     format!("{error:#}"),
///     "the mode is no number of up to three digits, base 8\n  \
///      unix:/run/hub?mode=999\n                     ^"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError {
    text: String,
    /// The byte of the text where it goes wrong; its length at its end.
    at: usize,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    NoPort,
    BadPort,
    BadHost,
    HostTooLong,
    Name(UnixNameError),
    BadEscape,
    BadOption,
    BadMode,
}

impl TargetError {
    /// Returns the byte of the text at which it goes wrong; the length of the text if something is
    /// missing there.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }
}

impl From<std::convert::Infallible> for TargetError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, at, problem } = self;
        if !f.alternate() {
            write!(f, "{text:?}: ")?;
        }
        match problem {
            Problem::NoPort => f.write_str("no port; write host:port"),
            Problem::BadPort => f.write_str("no port between 0 and 65535"),
            Problem::BadHost => {
                f.write_str("no valid host; write name:port, 1.2.3.4:port or [::1]:port")
            }
            Problem::HostTooLong => {
                write!(f, "the host name is longer than {HOST_BYTES_MAX} bytes")
            }
            Problem::Name(error) => error.fmt(f),
            Problem::BadEscape => f.write_str("% is not followed by two digits, base 16"),
            Problem::BadOption => f.write_str("no such option; there is mode=660"),
            Problem::BadMode => f.write_str("the mode is no number of up to three digits, base 8"),
        }?;
        if f.alternate() {
            // One character of the text is one column: a control character would be none or many.
            let shown = text.replace(char::is_control, "\u{fffd}");
            let column = text.get(..*at).map_or(0, |before| before.chars().count());
            write!(f, "\n  {shown}\n  {:column$}^", "")?;
        }
        Ok(())
    }
}

impl Error for TargetError {}

#[cfg(test)]
mod tests;
