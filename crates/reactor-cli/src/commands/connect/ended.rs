//! How a session came to its end.

use std::cell::RefCell;
use std::io;
use std::thread::JoinHandle;

use net_reactor::{CloseReason, ConnectError};

use crate::failure::Failure;

/// How a session came to its end, told by its handler to whoever ran the loop.
#[derive(Debug, Default)]
pub(super) struct Ended {
    first: RefCell<Option<End>>,
    /// Writes what was received, perhaps still.
    writer: RefCell<Option<JoinHandle<io::Result<()>>>>,
}

#[derive(Debug)]
pub(super) enum End {
    NotOpened(ConnectError),
    /// A signal, or the person.
    Interrupted,
    Unreadable(io::Error),
    /// The writer knows why.
    Unwritable,
    Closed {
        reason: CloseReason,
        /// Everything that was to be sent had been read by then.
        all_read: bool,
    },
}

impl Ended {
    /// Notes why it ends; what comes later follows from that.
    pub(super) fn note(&self, end: End) {
        self.first.borrow_mut().get_or_insert(end);
    }

    pub(super) fn has_writer(&self, writer: JoinHandle<io::Result<()>>) {
        self.writer.replace(Some(writer));
    }

    /// Waits until what was received is written, and says whether all went well.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        match self.first.take() {
            None | Some(End::Interrupted | End::NotOpened(ConnectError::Cancelled)) => {
                Err(Failure::interrupted())
            }
            Some(End::NotOpened(error)) => Err((&error).into()),
            Some(End::Unreadable(error)) => {
                Err(Failure::run(format!("cannot read stdin: {error}")))
            }
            Some(End::Unwritable) => self.written(),
            Some(End::Closed { reason, all_read }) => {
                self.written()?;
                match reason {
                    reason if reason.is_clean() && all_read => Ok(()),
                    reason => Err(Failure::lost(&reason, all_read)),
                }
            }
        }
    }

    fn written(&self) -> Result<(), Failure> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        match writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            // Whoever reads it has seen enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::run(format!("cannot write to stdout: {error}")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
