//! A relay: each peer is passed on to another address.

use std::num::NonZeroUsize;
use std::time::Duration;

use net_reactor::{ConnConfig, ConnectOptions, Peer, PeerLimits, Relay, Server, Timeouts};

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
    let most = |limit: Option<NonZeroUsize>| limit.map_or(usize::MAX, NonZeroUsize::get);
    let limits = PeerLimits::default()
        .total(most(args.max_connections))
        .per_network(most(args.max_per_network));
    let server = Server::new(move |_: &Peer| relay.clone()).connections(config).peer_limits(limits);
    serve::run(&args.serve, server)
}
