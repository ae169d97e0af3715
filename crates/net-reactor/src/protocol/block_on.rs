//! Waiting, on another thread, for what a function on the loop returns.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use super::loop_shared::runs_any_loop;
use super::task::panic_message;
use super::{LoopHandle, PostRefused, Reactor};

/// Why [`LoopHandle::block_on_loop`] has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockOnLoopError {
    /// The calling thread made this loop, so that the loop would wait for itself; or it runs
    /// another one, whose connections would stand still.
    OnLoopThread,
    /// The loop's inbox is at its limit, or the loop was dropped before the call.
    Refused(PostRefused),
    /// The loop was dropped before it came to the function.
    LoopGone,
    /// The function panicked. Nobody else is told.
    Panicked {
        /// The message of the panic, if it had one.
        message: String,
    },
}

impl fmt::Display for BlockOnLoopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnLoopThread => f.write_str("the thread of a loop must not wait for a loop"),
            Self::Refused(PostRefused::Full) => f.write_str("the loop's inbox is full"),
            Self::Refused(PostRefused::LoopGone) | Self::LoopGone => {
                f.write_str("the loop is gone")
            }
            Self::Panicked { message } => write!(f, "the function on the loop panicked: {message}"),
        }
    }
}

impl Error for BlockOnLoopError {}

impl LoopHandle {
    /// Runs `call` on the loop and waits for what it returns.
    ///
    /// For threads that need an answer before they can go on; the others use
    /// [`run_in_loop`](Self::run_in_loop). It waits as long as the loop takes to come to it: for
    /// ever, if a handler blocks the loop for ever, and until `run` if the loop does not run yet.
    ///
    /// ```
    /// use net_reactor::prelude::*;
    ///
    /// let server = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?))
    ///     .spawn("127.0.0.1:0")?;
    /// let owner = server.handle().loops()[0].clone();
    /// let now = owner.block_on_loop(|reactor| reactor.now())?;
    /// server.handle().stop();
    /// server.join()?;
    /// # let _ = now;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BlockOnLoopError`]; `call` has not run unless it panicked.
    ///
    /// After Twisted's `blockingCallFromThread`.
    pub fn block_on_loop<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Reactor<'_>) -> T + Send + 'static,
    ) -> Result<T, BlockOnLoopError> {
        if runs_any_loop() || self.shared.is_of_this_thread() {
            return Err(BlockOnLoopError::OnLoopThread);
        }
        let (answer, answered) = mpsc::sync_channel::<Result<T, Box<dyn Any + Send>>>(1);
        let run = move |reactor: &mut Reactor<'_>| {
            // There is room for the one answer, and who asked waits for it.
            let _ = answer.send(catch_unwind(AssertUnwindSafe(|| call(reactor))));
        };
        self.run_in_loop(run).map_err(|refused| BlockOnLoopError::Refused(refused.reason))?;
        match answered.recv() {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => Err(BlockOnLoopError::Panicked { message: panic_message(&*panic) }),
            Err(mpsc::RecvError) => Err(BlockOnLoopError::LoopGone),
        }
    }
}
