//! A loop on a thread of its own.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::Error;
use crate::protocol::{EventLoop, LoopConfig, LoopHandle, ServerHandle, Stopped};

/// A loop that runs on a thread of its own.
///
/// Dropping it leaves the thread running; [`join`](Self::join) waits for its end.
///
/// ```
/// use net_reactor::{LoopConfig, LoopThread};
///
/// let thread = LoopThread::spawn("io", LoopConfig::default(), |event_loop| {
///     event_loop.reactor().defer(|_reactor| { /* runs on the new thread */ });
///     Ok(())
/// })?;
/// thread.handle().stop();
/// thread.join()?;
/// # Ok::<(), net_reactor::Error>(())
/// ```
#[derive(Debug)]
pub struct LoopThread {
    handle: LoopHandle,
    start: mpsc::Sender<ServerHandle>,
    thread: JoinHandle<Result<Stopped, Error>>,
}

impl LoopThread {
    /// Starts a thread, makes a loop there, sets it up and runs it.
    ///
    /// # Errors
    ///
    /// When the thread or the loop cannot be made, or `setup` fails; nothing runs then.
    pub fn spawn(
        name: &str,
        config: LoopConfig,
        setup: impl FnOnce(&mut EventLoop) -> Result<(), Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (thread, ()) = Self::prepare(name, config, setup)?;
        thread.start(ServerHandle::new([thread.handle().clone()]));
        Ok(thread)
    }

    /// Makes and sets up a loop on a new thread, which then waits for [`start`](Self::start).
    pub(super) fn prepare<T: Send + 'static>(
        name: &str,
        config: LoopConfig,
        setup: impl FnOnce(&mut EventLoop) -> Result<T, Error> + Send + 'static,
    ) -> Result<(Self, T), Error> {
        let (report, reported) = mpsc::channel();
        let (start, started) = mpsc::channel();
        let body = move || {
            let made = EventLoop::with_config(config).map_err(Error::from);
            let made = made.and_then(|mut made| setup(&mut made).map(|value| (made, value)));
            let mut event_loop = match made {
                Ok((event_loop, value)) => {
                    // The receiver waits for exactly this.
                    let _ = report.send(Ok((event_loop.handle(), value)));
                    event_loop
                }
                Err(error) => {
                    let _ = report.send(Err(error));
                    return Ok(Stopped::default());
                }
            };
            match started.recv() {
                Ok(server) => {
                    event_loop.reactor().set_server(&server);
                    let result = event_loop.run().map_err(Error::from);
                    // Loops that serve together end together.
                    server.stop();
                    result
                }
                // Whoever prepared the loop gave up before it ran.
                Err(mpsc::RecvError) => Ok(Stopped::default()),
            }
        };
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(Error::Thread)?;
        let died = || Error::Thread(io::Error::other("the thread died while it was set up"));
        let (handle, value) = reported.recv().map_err(|_| died())??;
        Ok((Self { handle, start, thread }, value))
    }

    /// Lets the loop run, as one of those that serve together.
    pub(super) fn start(&self, server: ServerHandle) {
        // A thread that is gone will say so when it is joined.
        let _ = self.start.send(server);
    }

    /// Returns a handle of the loop.
    #[must_use]
    pub fn handle(&self) -> &LoopHandle {
        &self.handle
    }

    /// Waits until the loop has stopped.
    ///
    /// # Errors
    ///
    /// When the loop could not wait for events.
    ///
    /// # Panics
    ///
    /// When the thread panicked, which is a bug of this library: handlers' panics are caught.
    pub fn join(self) -> Result<Stopped, Error> {
        let Self { thread, start, .. } = self;
        drop(start);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
