//! SimpleReactor's servers and clients: typed messages to connections by their id.

mod beats;
mod client;
mod handle;
mod messages;
mod server;

use std::time::Duration;

pub use self::beats::TypedBeats;
pub use self::client::TypedClient;
use self::handle::Outgoing;
pub use self::handle::{NotSent, NotSentReason, TypedHandle};
use self::messages::Settings;
pub use self::messages::{TypedHandler, TypedMessages};
pub use self::server::{OnTypedData, TypedServer};
use super::HeartbeatConfig;

/// How often a `SimpleReactor` server beats: 1 s.
const INTERVAL: Duration = Duration::from_secs(1);

/// After how much silence a `SimpleReactor` client drops its server: 2 s.
const TOLERANCE: Duration = Duration::from_secs(2);

const SERVER_HEARTBEAT: HeartbeatConfig = HeartbeatConfig::send().interval(INTERVAL);

const CLIENT_HEARTBEAT: HeartbeatConfig = HeartbeatConfig::expect().tolerance(TOLERANCE);
