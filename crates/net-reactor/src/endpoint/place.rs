//! Where loops run: each on a thread of its own, or all of them in a simulation.

use std::io;

use super::{Error, LoopThread};
use crate::protocol::{EventLoop, LoopConfig, LoopHandle};

/// What makes the loops of a server or a client.
pub(crate) trait Place {
    /// A loop beside the first one.
    type Loop;

    /// Makes the loop that the caller keeps.
    fn first_loop(&mut self, config: LoopConfig) -> Result<EventLoop, Error>;

    /// Makes and sets up one more loop, which does not run yet.
    fn another_loop<T: Send + 'static>(
        &mut self,
        name: &str,
        config: LoopConfig,
        setup: impl FnOnce(&mut EventLoop) -> Result<T, Error> + Send + 'static,
    ) -> Result<(Self::Loop, LoopHandle, T), Error>;

    /// Lets the operator's signals stop a loop.
    fn stop_on_signals(&mut self, event_loop: &mut EventLoop) -> io::Result<()>;
}

/// The threads of this process.
#[derive(Debug)]
pub(crate) struct Threads;

impl Place for Threads {
    type Loop = LoopThread;

    fn first_loop(&mut self, config: LoopConfig) -> Result<EventLoop, Error> {
        Ok(EventLoop::with_config(config)?)
    }

    fn another_loop<T: Send + 'static>(
        &mut self,
        name: &str,
        config: LoopConfig,
        setup: impl FnOnce(&mut EventLoop) -> Result<T, Error> + Send + 'static,
    ) -> Result<(LoopThread, LoopHandle, T), Error> {
        let (thread, value) = LoopThread::prepare(name, config, setup)?;
        let handle = thread.handle().clone();
        Ok((thread, handle, value))
    }

    fn stop_on_signals(&mut self, event_loop: &mut EventLoop) -> io::Result<()> {
        event_loop.stop_on_signals()
    }
}
