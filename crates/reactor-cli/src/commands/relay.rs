//! A relay: each peer is passed on to another address.

use std::time::Duration;

use net_reactor::{ConnConfig, ConnectOptions, Peer, Relay, Server, Timeouts};

use super::serve;
use crate::args::RelayArgs;
use crate::failure::Failure;

/// Serves until a signal.
pub(crate) fn run(args: &RelayArgs) -> Result<(), Failure> {
    // Both sides of a pair carry the same bytes, so they fall silent together.
    let idle = args.idle_timeout.unwrap_or(Duration::MAX);
    let config = ConnConfig::default().timeouts(Timeouts::default().idle(idle));
    let options = ConnectOptions::default().deadline(args.connect_deadline).config(config.clone());
    let relay = Relay::to(args.to.clone()).map_err(net_reactor::Error::Target)?.options(options);
    let server = Server::new(move |_: &Peer| relay.clone()).connections(config);
    serve::run(&args.serve, server)
}
