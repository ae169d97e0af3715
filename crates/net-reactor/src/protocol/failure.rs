//! What a callback returns.

use std::error::Error;
use std::fmt;

use crate::net::CloseReason;

/// What a callback returns: `Ok` to go on, or the reason to close the connection.
pub type Flow = Result<(), Failure>;

/// Any error, as the reason why a handler gives its connection up.
///
/// `?` makes one from every error type, so that a callback reads like straight code. The
/// connection is then closed gracefully - what the handler wrote before, such as a farewell that
/// names the problem, is still sent - and [`on_close`](crate::Protocol::on_close) gets
/// [`HandlerFailed`](crate::CloseReason::HandlerFailed) with the error as its source.
///
/// Like other catch-all errors it does not implement [`Error`] itself, because then `?` could not
/// convert into it.
///
/// ```
/// use net_reactor::{Failure, Flow};
///
/// fn parse(text: &str) -> Flow {
///     let _number: u32 = text.parse()?;
///     if text.len() > 3 {
///         return Err(Failure::msg("too long"));
///     }
///     Ok(())
/// }
/// assert!(parse("x").is_err());
/// assert_eq!(parse("1234").unwrap_err().to_string(), "too long");
/// ```
pub struct Failure {
    source: Box<dyn Error + Send + Sync>,
    is_the_peers: bool,
}

impl Failure {
    /// Makes a failure from a message.
    pub fn msg(message: impl Into<String>) -> Self {
        Self { source: message.into().into(), is_the_peers: false }
    }

    /// Makes a failure that is the peer's: what it sent breaks the rules of the protocol.
    ///
    /// `on_close` gets [`Malformed`](CloseReason::Malformed) then.
    pub fn malformed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: error.into(), is_the_peers: true }
    }

    pub(crate) fn into_reason(self) -> CloseReason {
        let Self { source, is_the_peers } = self;
        if is_the_peers {
            CloseReason::Malformed { source }
        } else {
            CloseReason::HandlerFailed { source }
        }
    }

    /// Looks at the error inside.
    pub(crate) fn source(&self) -> &(dyn Error + 'static) {
        &*self.source
    }

    /// Returns the error inside.
    #[must_use]
    pub fn into_source(self) -> Box<dyn Error + Send + Sync> {
        self.source
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { source: Box::new(error), is_the_peers: false }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}
