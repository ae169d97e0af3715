//! What can become of a read or a write.

use std::error::Error;
use std::fmt;

/// How many of the bytes that it asks for a read waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a read waits for all or it does not")]
pub enum Amount {
    /// All of them.
    Whole,
    /// As many as there are, once there is one.
    Partial,
}

/// Why a read has no result. No read fails within the call that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer finished before the read was satisfied. What it sent can still be read.
    Ended,
    /// The connection ended, by this side's close or by a failure;
    /// [`StreamConn::close_reason`](crate::StreamConn::close_reason) says more where it is known.
    Closed,
    /// No match ends within the read's limit. The stream closes with
    /// [`Malformed`](crate::CloseReason::Malformed).
    TooLong {
        /// The limit, in bytes with the delimiter or the match.
        limit_bytes: usize,
    },
    /// The read was not satisfied by as much as a connection may keep
    /// ([`input_max`](crate::ConnConfig::input_max)). The stream closes with
    /// [`InputOverflow`](crate::CloseReason::InputOverflow).
    BufferFull {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the peer finished before the read was satisfied"),
            Self::Closed => f.write_str("the stream was closed before the read was satisfied"),
            Self::TooLong { limit_bytes } => write!(f, "no match within {limit_bytes} bytes"),
            Self::BufferFull { limit_bytes } => {
                write!(f, "the read was not satisfied by {limit_bytes} bytes")
            }
        }
    }
}

impl Error for ReadError {}

/// Why a read was not started. Nothing has changed; its continuation is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadRefused {
    /// Another read is pending: there is one at a time.
    AlreadyReading,
    /// The peer has finished, and what it left does not satisfy the read.
    Ended,
    /// The stream is closed or closing.
    Closed,
    /// More bytes were asked for at once than a connection may keep
    /// ([`input_max`](crate::ConnConfig::input_max)).
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
}

impl fmt::Display for ReadRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyReading => f.write_str("another read is pending"),
            Self::Ended => f.write_str("the peer has finished, and what it left is not enough"),
            Self::Closed => f.write_str("the stream is closed"),
            Self::TooLarge { limit_bytes } => {
                write!(f, "the read is larger than the buffer of {limit_bytes} bytes")
            }
        }
    }
}

impl Error for ReadRefused {}

/// Why bytes were not queued. Those queued before are as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteRefused {
    /// The stream is closed or closing, or writing was shut down.
    Closed,
    /// The bytes would take the queue above its limit
    /// ([`output_max`](crate::ConnConfig::output_max)), or 65,536 continuations wait. The stream
    /// stays open: write again when earlier writes have completed.
    Full {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
}

impl fmt::Display for WriteRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the stream is closed"),
            Self::Full { limit_bytes } => {
                write!(f, "the queue of {limit_bytes} bytes has no room for the write")
            }
        }
    }
}

impl Error for WriteRefused {}
