//! A server on its way: bound, then running.

use std::thread::JoinHandle;

use super::{Error, LoopThread};
use crate::base::{Address, ListenerId};
use crate::protocol::{EventLoop, LoopStats, Reactor, ServerHandle, Stopped};

/// A server that is bound to its address and ready to run.
#[derive(Debug)]
pub struct BoundServer {
    pub(super) event_loop: EventLoop,
    pub(super) listener: ListenerId,
    pub(super) address: Address,
    pub(super) threads: Vec<LoopThread>,
}

impl BoundServer {
    /// Returns the address that the server is bound to, with the port the kernel chose for port 0.
    #[must_use]
    pub fn local_address(&self) -> Address {
        self.address.clone()
    }

    /// Returns the listener on the first loop.
    #[must_use]
    pub fn listener(&self) -> ListenerId {
        self.listener
    }

    /// Returns a handle to stop the server and to reach its loops from any thread.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        let others = self.threads.iter().map(|thread| thread.handle().clone());
        ServerHandle::new(std::iter::once(self.event_loop.handle()).chain(others))
    }

    /// Returns the first loop, to set up timers and the like before it runs.
    pub fn reactor(&mut self) -> Reactor<'_> {
        self.event_loop.reactor()
    }

    /// Returns the counters of the first loop.
    #[must_use]
    pub fn stats(&self) -> LoopStats {
        self.event_loop.stats()
    }

    /// Runs until the server is stopped; the first loop runs on this thread.
    ///
    /// When one loop stops, for whatever reason, the others are stopped as well.
    ///
    /// # Errors
    ///
    /// [`Error::Loop`] when a loop could not wait for events.
    pub fn run(mut self) -> Result<Stopped, Error> {
        let server = self.handle();
        self.event_loop.reactor().set_server(&server);
        for thread in &self.threads {
            thread.start(server.clone());
        }
        let mut result = self.event_loop.run().map_err(Error::from);
        server.stop();
        for thread in self.threads {
            let other = thread.join();
            result = result.and_then(|sum| Ok(Stopped { aborted: sum.aborted + other?.aborted }));
        }
        result
    }
}

/// A server that runs on threads of its own.
///
/// Dropping it leaves the server running; [`join`](Self::join) waits for its end.
#[derive(Debug)]
pub struct RunningServer {
    pub(super) address: Address,
    pub(super) handle: ServerHandle,
    pub(super) thread: JoinHandle<Result<Stopped, Error>>,
}

impl RunningServer {
    /// Returns the address that the server is bound to, with the port the kernel chose for port 0.
    #[must_use]
    pub fn local_address(&self) -> Address {
        self.address.clone()
    }

    /// Returns a handle to stop the server and to reach its loops from any thread.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Waits until the server has stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Loop`] when a loop could not wait for events.
    ///
    /// # Panics
    ///
    /// When a thread panicked, which is a bug of this library: handlers' panics are caught.
    pub fn join(self) -> Result<Stopped, Error> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
