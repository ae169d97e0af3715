//! What all services share: listen, say where, and serve until a signal.

use std::time::Duration;

use net_reactor::{IntoHandler, LoopConfig, Peer, Server};

use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::output;

/// How long connections may take to finish after a signal. A second signal does not wait.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves each peer with a handler of `factory`, until SIGINT or SIGTERM.
pub(super) fn serve<F, H>(args: &ServeArgs, factory: F) -> Result<(), Failure>
where
    F: FnMut(&Peer) -> H + Clone + Send + 'static,
    H: IntoHandler,
{
    run(args, Server::new(factory))
}

/// Runs a server until SIGINT or SIGTERM.
pub(super) fn run<F, H>(args: &ServeArgs, server: Server<F>) -> Result<(), Failure>
where
    F: FnMut(&Peer) -> H + Clone + Send + 'static,
    H: IntoHandler,
{
    let server = server
        .loops(usize::from(args.loops))
        .loop_config(LoopConfig::default().drain(DRAIN))
        .stop_on_signals()
        .listen(args.listen.to_string().as_str())?;
    output::print(&format!("listening on {}", server.local_address()))?;
    let stopped = server.run()?;
    tracing::info!(aborted = stopped.aborted, "stopped");
    Ok(())
}
