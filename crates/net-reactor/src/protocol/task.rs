//! Work that waits for its place in a turn.

use std::any::Any;
use std::error::Error;
use std::fmt;

use bytes::Bytes;

use super::{Message, Reactor};
use crate::base::{Address, CompactAddress, ConnId, DatagramId, Key};
use crate::driver::Handover;
use crate::net::Permit;

/// A function posted from another thread; see [`LoopHandle::run_in_loop`](crate::LoopHandle).
pub type RemoteCall = Box<dyn FnOnce(&mut Reactor<'_>) + Send>;

/// An accepted peer on its way to the loop that will serve it.
pub(crate) struct Adoption {
    pub(crate) listener: Key,
    pub(crate) socket: Handover,
    pub(crate) peer: Address,
    pub(crate) permit: Option<Permit>,
}

/// A function that stays on its loop.
pub(crate) type LocalCall = Box<dyn FnOnce(&mut Reactor<'_>)>;

/// What happens on the loop with the result of a blocking job.
pub(crate) type Continuation = Box<dyn FnOnce(&mut Reactor<'_>, WorkResult)>;

/// The outcome of a blocking job, its type forgotten on the way between the threads.
pub(crate) type WorkResult = Result<Box<dyn Any + Send>, WorkError>;

/// What other threads ask of a loop: one cache line at most, since it is written on one core and read
/// on another.
pub(crate) enum Task {
    Run(RemoteCall),
    Send {
        conn: ConnId,
        bytes: Bytes,
    },
    Message {
        conn: ConnId,
        message: Message,
    },
    Close(ConnId),
    Abort(ConnId),
    SendDatagram {
        socket: DatagramId,
        to: Option<CompactAddress>,
        bytes: Bytes,
    },
    DatagramMessage {
        socket: DatagramId,
        message: Message,
    },
    CloseDatagrams(DatagramId),
    Broadcast(Bytes),
    /// A socket that another loop accepted for the listener of this one.
    Adopt(Box<Adoption>),
    /// A future was woken.
    #[cfg(feature = "async")]
    Poll(Key),
    /// A blocking job is done.
    Finished {
        job: Key,
        result: WorkResult,
    },
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run(_) => "Run",
            Self::Send { .. } => "Send",
            Self::Message { .. } => "Message",
            Self::Close(_) => "Close",
            Self::Abort(_) => "Abort",
            Self::SendDatagram { .. } => "SendDatagram",
            Self::DatagramMessage { .. } => "DatagramMessage",
            Self::CloseDatagrams(_) => "CloseDatagrams",
            Self::Broadcast(_) => "Broadcast",
            Self::Adopt(_) => "Adopt",
            #[cfg(feature = "async")]
            Self::Poll(_) => "Poll",
            Self::Finished { .. } => "Finished",
        })
    }
}

/// What a loop keeps for its own next turn.
pub(crate) enum LocalTask {
    Run(LocalCall),
    Message {
        conn: Key,
        message: Message,
    },
    /// Reading was resumed while input waited.
    InputWaits(Key),
    /// A future is new.
    #[cfg(feature = "async")]
    Poll(Key),
    /// A handler asked for what it has left of its input.
    LookAgain(Key),
    /// A connection wants more of its producer.
    Produce(Key),
    /// The handler of a descriptor is to look.
    PokeFd(Key),
}

impl fmt::Debug for LocalTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run(_) => "Run",
            Self::Message { .. } => "Message",
            Self::InputWaits(_) => "InputWaits",
            #[cfg(feature = "async")]
            Self::Poll(_) => "Poll",
            Self::LookAgain(_) => "LookAgain",
            Self::Produce(_) => "Produce",
            Self::PokeFd(_) => "PokeFd",
        })
    }
}

/// Why a blocking job has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum WorkError {
    /// The job panicked.
    Panicked {
        /// The message of the panic, if it had one.
        message: String,
    },
    /// The queue of jobs refused it, after it had waited for a place there.
    Refused,
}

impl fmt::Display for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked { message } => write!(f, "the blocking job panicked: {message}"),
            Self::Refused => fmt::Display::fmt(&QueueFull, f),
        }
    }
}

impl Error for WorkError {}

/// The queue of blocking jobs is full; nothing was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueFull;

impl fmt::Display for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue of blocking jobs is full")
    }
}

impl Error for QueueFull {}

/// Returns what a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_no_larger_than_a_cache_line() {
        assert!(size_of::<Task>() <= 64, "{}", size_of::<Task>());
    }
}
