//! A server on a thread of its own, and clients that do not wait for ever.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use net_reactor::{BoundServer, Error, ServerHandle, Stopped};

/// Far more than any step here needs; what takes longer is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs on its own thread.
pub(crate) struct Background {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    /// `None` comes from a server that could not be bound.
    thread: JoinHandle<Option<Result<Stopped, Error>>>,
}

impl Background {
    /// Binds a server on a new thread and runs it there.
    pub(crate) fn start(
        bind: impl FnOnce() -> Result<BoundServer, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (report, reported) = mpsc::channel();
        let thread = thread::spawn(move || {
            let server = match bind() {
                Ok(server) => server,
                Err(error) => {
                    report.send(Err(error)).expect("the starter waits");
                    return None;
                }
            };
            let address = server.local_address().ip().expect("a server of IP");
            report.send(Ok((address, server.handle()))).expect("the starter waits");
            Some(server.run())
        });
        let (address, handle) = reported.recv().expect("the thread reports first")?;
        Ok(Self { address, handle, thread })
    }

    pub(crate) fn thread_id(&self) -> ThreadId {
        self.thread.thread().id()
    }

    /// Stops the server gracefully and returns how its connections ended.
    pub(crate) fn stop(self) -> Stopped {
        self.handle.stop();
        let ended = self.thread.join().expect("the loop keeps panics of handlers to itself");
        ended.expect("it was bound").expect("the loop could wait for events")
    }
}

/// Connects a blocking client whose reads and writes fail instead of hanging.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
