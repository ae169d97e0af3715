//! The echo server that is started when none is named.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use net_reactor::{
    Address, Balance, BoundServer, Error, IntoHandler, Peer, Server, ServerHandle, Stopped,
};

use crate::commands::echo::{Echo, echo_frames, echo_typed};
use crate::failure::Failure;
use crate::framing::Framing;

/// An echo server on threads of its own, on a port that the system chose.
#[derive(Debug)]
pub(super) struct EmbeddedServer {
    address: Address,
    handle: ServerHandle,
    thread: JoinHandle<Result<Stopped, Error>>,
}

impl EmbeddedServer {
    /// Starts a server with so many loops.
    pub(super) fn start(loops: u16, framing: Framing) -> Result<Self, Failure> {
        let (report, reported) = mpsc::channel();
        let body = move || {
            let server = match framing {
                Framing::Raw => listen(Server::new(|_peer| Echo), loops)?,
                Framing::Plain(plain) => {
                    listen(Server::new(move |_peer| echo_frames(plain)), loops)?
                }
                Framing::Typed(typed) => listen(echo_typed(typed), loops)?,
            };
            // The receiver waits for exactly this.
            let _ = report.send((server.local_address(), server.handle()));
            server.run()
        };
        let thread = thread::Builder::new()
            .name("echo-server".to_owned())
            .spawn(body)
            .map_err(Error::Thread)?;
        match reported.recv() {
            Ok((address, handle)) => Ok(Self { address, handle, thread }),
            Err(mpsc::RecvError) => Err(match join(thread) {
                Ok(_) => Error::Thread(io::Error::other("the server ended at once")).into(),
                Err(error) => error.into(),
            }),
        }
    }

    /// Returns where it listens.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Stops it and waits for its end.
    pub(super) fn stop(self) -> Result<(), Failure> {
        self.handle.stop();
        join(self.thread)?;
        Ok(())
    }
}

fn listen<F, H>(server: Server<F>, loops: u16) -> Result<BoundServer, Error>
where
    F: FnMut(&Peer) -> H + Clone + Send + 'static,
    H: IntoHandler,
{
    // The connections last for the whole run: better shared out evenly than by a hash.
    server.loops(usize::from(loops)).balance(Balance::LeastLoaded).listen("127.0.0.1:0")
}

fn join(thread: JoinHandle<Result<Stopped, Error>>) -> Result<Stopped, Error> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
