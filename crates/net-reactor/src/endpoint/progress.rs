//! What a reconnecting client reports.

use std::time::Duration;

use crate::base::ConnId;
use crate::net::ConnectError;

/// A step of a client that connects again; see [`Client::on_progress`](super::Client::on_progress).
///
/// ```text
///   Attempt --> Opened --> Lost ---.--> Ended
///      ^  `---> Failed ------------|
///      `-- after the delay --------'
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// An attempt begins.
    Attempt {
        /// Counted from 1, for each connection that the client keeps.
        number: u64,
    },
    /// The attempt succeeded; told before the handler's [`on_open`](crate::Protocol::on_open).
    Opened {
        /// The connection.
        conn: ConnId,
    },
    /// The attempt failed; told after the handler's
    /// [`on_connect_failed`](crate::Protocol::on_connect_failed).
    Failed {
        /// Why.
        error: &'a ConnectError,
        /// When the next attempt begins; `None` if there is none.
        retry_in: Option<Duration>,
    },
    /// The connection is over; told after the handler's [`on_close`](crate::Protocol::on_close),
    /// which knows why.
    Lost {
        /// Whether one of the two sides closed it, with nothing dropped.
        was_clean: bool,
        /// When the next attempt begins; `None` if there is none.
        retry_in: Option<Duration>,
    },
    /// There will be no further attempt. Told once, last; not to a client that waits for its next
    /// attempt when its loop stops, which ends with it.
    Ended,
}
