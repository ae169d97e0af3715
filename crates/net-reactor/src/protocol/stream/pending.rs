//! A read under way, and what waits for it.

use std::fmt;

use super::want::{Look, Want};
use super::{Amount, ReadError, StreamConn};
use crate::base::Input;
use crate::protocol::Flow;

pub(super) type BytesThen = Box<dyn FnOnce(&mut StreamConn<'_>, Result<&[u8], ReadError>) -> Flow>;
pub(super) type IntoThen =
    Box<dyn FnOnce(&mut StreamConn<'_>, Vec<u8>, Result<(), ReadError>) -> Flow>;
pub(super) type UntilCloseThen =
    Box<dyn FnOnce(&mut StreamConn<'_>, Result<Vec<u8>, ReadError>) -> Flow>;

/// The one read that a stream has under way.
pub(super) enum Pending {
    /// Of bytes that stay where they are until all have come.
    Bytes { want: Want, then: BytesThen },
    /// Into a buffer of the caller's.
    Into { buffer: Vec<u8>, left: usize, amount: Amount, then: IntoThen },
    /// Of all there is until the end.
    UntilClose { bytes: Vec<u8>, then: UntilCloseThen },
}

/// What became of a read after a look at the input.
pub(super) enum Outcome<'a> {
    Waits(Pending),
    Done(Answer<'a>),
}

/// A result, with whom to tell it.
pub(super) enum Answer<'a> {
    Bytes(BytesThen, Result<&'a [u8], ReadError>),
    Into(IntoThen, Vec<u8>, Result<(), ReadError>),
    UntilClose(UntilCloseThen, Result<Vec<u8>, ReadError>),
}

impl Pending {
    /// Takes what it can from the input. `over` says why nothing can follow, if nothing can.
    pub(super) fn take<'a>(
        self,
        input: &mut Input<'a>,
        limit_bytes: usize,
        over: Option<ReadError>,
    ) -> Outcome<'a> {
        match self {
            Self::Bytes { mut want, then } => {
                let result = match (want.take(input), over) {
                    (Look::Taken(bytes), _) => Ok(bytes),
                    (Look::TooLong { limit_bytes }, _) => Err(ReadError::TooLong { limit_bytes }),
                    (Look::More, Some(over)) => Err(over),
                    (Look::More, None) if input.len() > limit_bytes => {
                        Err(ReadError::BufferFull { limit_bytes })
                    }
                    (Look::More, None) => return Outcome::Waits(Self::Bytes { want, then }),
                };
                Outcome::Done(Answer::Bytes(then, result))
            }
            Self::Into { mut buffer, left, amount, then } => {
                let taken = input.take(left.min(input.len())).unwrap_or_default();
                buffer.extend_from_slice(taken);
                let left = left - taken.len();
                let enough = left == 0 || (amount == Amount::Partial && !taken.is_empty());
                match (enough, over) {
                    (true, _) => Outcome::Done(Answer::Into(then, buffer, Ok(()))),
                    (false, Some(over)) => Outcome::Done(Answer::Into(then, buffer, Err(over))),
                    (false, None) => Outcome::Waits(Self::Into { buffer, left, amount, then }),
                }
            }
            Self::UntilClose { mut bytes, then } => {
                if bytes.len() + input.len() > limit_bytes {
                    let full = Err(ReadError::BufferFull { limit_bytes });
                    return Outcome::Done(Answer::UntilClose(then, full));
                }
                bytes.extend_from_slice(input.take_all());
                match over {
                    Some(_) => Outcome::Done(Answer::UntilClose(then, Ok(bytes))),
                    None => Outcome::Waits(Self::UntilClose { bytes, then }),
                }
            }
        }
    }

    /// Whether no further byte is needed to say what becomes of it, once none can follow.
    pub(super) fn is_decided_by(&self, ahead: &[u8]) -> bool {
        match self {
            Self::Bytes { want, .. } => want.is_decided_by(ahead),
            Self::Into { left, amount: Amount::Whole, .. } => ahead.len() >= *left,
            Self::Into { left, amount: Amount::Partial, .. } => *left == 0 || !ahead.is_empty(),
            Self::UntilClose { .. } => true,
        }
    }

    /// Whether it needs no byte at all.
    pub(super) fn is_empty(&self) -> bool {
        !matches!(self, Self::UntilClose { .. }) && self.is_decided_by(&[])
    }
}

impl Answer<'_> {
    pub(super) fn error(&self) -> Option<ReadError> {
        match self {
            Self::Bytes(_, result) => result.err(),
            Self::Into(_, _, result) => result.err(),
            Self::UntilClose(_, result) => result.as_ref().err().copied(),
        }
    }

    /// Whether it shows its reader that no byte follows.
    pub(super) fn tells_of_the_end(&self) -> bool {
        matches!(self, Self::UntilClose(..)) || self.error() == Some(ReadError::Ended)
    }

    pub(super) fn tell(self, stream: &mut StreamConn<'_>) -> Flow {
        match self {
            Self::Bytes(then, result) => then(stream, result),
            Self::Into(then, buffer, result) => then(stream, buffer, result),
            Self::UntilClose(then, result) => then(stream, result),
        }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { want, .. } => f.debug_tuple("Bytes").field(want).finish(),
            Self::Into { left, .. } => f.debug_struct("Into").field("left", left).finish(),
            Self::UntilClose { .. } => f.write_str("UntilClose"),
        }
    }
}
