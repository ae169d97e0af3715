//! The listener: accepted peers, and the policy for bad days.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::admission::{Door, Full, Permit};
use super::connecting::apply_options;
use super::connection::Connection;
use super::phase::Phase;
use super::{Due, ListenError, Net, SharedConfig};
use crate::base::{Address, Bug, Instant, Key, planted};
use crate::driver::Ops;
use crate::event_loop::TimerKey;
use crate::sys::{ListenOptions, ListeningSocket};

/// The first rest of a listener that ran out of descriptors: 5 ms.
const REST_MIN: Duration = Duration::from_millis(5);
/// The longest rest: 1 s.
const REST_MAX: Duration = Duration::from_secs(1);
/// A failure that comes later than this after the last one begins a new episode, with a log line
/// and a short rest: 2 s.
const EPISODE_GAP: Duration = Duration::from_secs(2);

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) address: Address,
    pub(super) config: SharedConfig,
    /// Armed while the listener rests.
    resting: Option<TimerKey>,
    rest: Duration,
    last_failure: Option<Instant>,
    /// Lets peers in, where their number is limited.
    door: Option<Arc<Door>>,
    last_refusal: Option<Instant>,
}

impl Listener {
    fn new(address: Address, config: SharedConfig) -> Self {
        Self {
            address,
            config,
            resting: None,
            rest: REST_MIN,
            last_failure: None,
            door: None,
            last_refusal: None,
        }
    }
}

impl Net {
    pub(crate) fn listen<O: Ops + ?Sized>(
        &mut self,
        address: Address,
        options: &ListenOptions,
        config: SharedConfig,
        ops: &mut O,
    ) -> Result<Key, ListenError> {
        self.add_listener(address.clone(), config, |key| ops.listen(key, &address, options))
    }

    /// Takes over a listening socket that was made elsewhere.
    pub(crate) fn adopt_listener<O: Ops + ?Sized>(
        &mut self,
        socket: ListeningSocket,
        config: SharedConfig,
        ops: &mut O,
    ) -> Result<Key, ListenError> {
        self.add_listener(socket.address(), config, |key| ops.adopt_listener(key, socket))
    }

    fn add_listener(
        &mut self,
        address: Address,
        config: SharedConfig,
        open: impl FnOnce(Key) -> io::Result<Address>,
    ) -> Result<Key, ListenError> {
        let key = self.listeners.insert(Listener::new(address.clone(), config));
        match open(key) {
            Ok(bound) => {
                tracing::debug!(address = %bound, "listening");
                if let Some(listener) = self.listeners.get_mut(key) {
                    listener.address = bound;
                }
                Ok(key)
            }
            Err(error) => {
                self.listeners.remove(key);
                Err(ListenError::from_io(address, error))
            }
        }
    }

    /// Adds a listener without a socket, for peers that another loop accepts.
    pub(crate) fn add_fed_listener(&mut self, address: Address, config: SharedConfig) -> Key {
        self.listeners.insert(Listener::new(address, config))
    }

    pub(crate) fn listener_address(&self, key: Key) -> Option<Address> {
        self.listeners.get(key).map(|listener| listener.address.clone())
    }

    /// Closes a listening socket; its connections live on. Returns whether it was open.
    pub(crate) fn unlisten<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) -> bool {
        let Some(listener) = self.listeners.remove(key) else { return false };
        if let Some(timer) = listener.resting {
            self.timers.cancel(timer);
            self.resting_listeners -= 1;
        }
        ops.unlisten(key);
        tracing::debug!(address = %listener.address, "no longer listening");
        true
    }

    /// Makes room for an accepted peer.
    pub(crate) fn add_accepted(
        &mut self,
        listener: Key,
        peer: Address,
        config: SharedConfig,
        permit: Option<Permit>,
    ) -> Key {
        self.stats.accepted += 1;
        let key = self.insert(Connection::new(Phase::Open, peer, Some(listener), config, self.now));
        if let Some(permit) = permit {
            self.permits.put(key, permit);
        }
        key
    }

    /// Limits the peers of a listener by a door, which others may share.
    pub(crate) fn set_door(&mut self, key: Key, door: Arc<Door>) {
        if let Some(listener) = self.listeners.get_mut(key) {
            listener.door = Some(door);
        }
    }

    /// Asks whether a peer may come in: with a permit to keep, or none where there are no limits.
    ///
    /// # Errors
    ///
    /// That it may not. It is counted, and logged once an episode.
    pub(crate) fn knock(&mut self, key: Key, peer: &Address) -> Result<Option<Permit>, Full> {
        let Some(listener) = self.listeners.get_mut(key) else { return Ok(None) };
        let Some(door) = &listener.door else { return Ok(None) };
        let full = match door.knock(peer.ip().map(|address| address.ip())) {
            Ok(permit) => return Ok(Some(permit)),
            Err(full) => full,
        };
        self.stats.refused += 1;
        let last = listener.last_refusal.replace(self.now);
        if last.is_none_or(|last| self.now - last > EPISODE_GAP) {
            let refused = self.stats.refused;
            tracing::warn!(address = %listener.address, %peer, ?full, refused, "too many peers: refused");
        }
        Err(full)
    }

    /// The configuration for peers of a listener.
    pub(crate) fn listener_config(&self, key: Key) -> Option<SharedConfig> {
        self.listeners.get(key).map(|listener| SharedConfig::clone(&listener.config))
    }

    /// Sets the options of an accepted socket, and begins to watch it.
    pub(crate) fn prepare_accepted<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        if let Some(conn) = self.conns.get(key) {
            apply_options(key, conn, ops);
        }
        self.start_guard(key);
        self.start_throttle(key, ops);
    }

    /// Accepting failed: goes on if the fault was the peer's, rests if it was ours.
    pub(crate) fn on_accept_failed<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        error: &io::Error,
        ops: &mut O,
    ) {
        self.stats.accept_errors += 1;
        if is_peers_fault(error) {
            tracing::debug!(%error, "a peer was gone before it was accepted");
            return;
        }
        if planted(Bug::EmfileSpins) {
            return;
        }
        if planted(Bug::EmfileEndsListener) {
            self.unlisten(key, ops);
            return;
        }
        if matches!(ops.turn_away(key), Ok(true)) {
            self.stats.turned_away += 1;
        }
        let Some(listener) = self.listeners.get_mut(key) else { return };
        let new_episode = listener.last_failure.is_none_or(|last| self.now - last > EPISODE_GAP);
        if new_episode {
            listener.rest = REST_MIN;
            tracing::warn!(address = %listener.address, %error, "cannot accept; the listener rests");
        }
        listener.last_failure = Some(self.now);
        if listener.resting.is_none() {
            self.resting_listeners += 1;
            ops.rest(key, true);
        }
        let timer = self.timers.arm(self.now + listener.rest, Due::AcceptAgain(key));
        if let Some(old) = listener.resting.replace(timer) {
            self.timers.cancel(old);
        }
        listener.rest = (listener.rest * 2).min(REST_MAX);
    }

    /// A rest is over.
    pub(crate) fn accept_again<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(listener) = self.listeners.get_mut(key) else { return };
        if let Some(timer) = listener.resting.take() {
            self.timers.cancel(timer);
            self.resting_listeners -= 1;
            ops.rest(key, planted(Bug::RestForever));
        }
    }

    /// Ends every rest if a descriptor came free in this turn: no need to wait for the timer.
    pub(crate) fn wake_resting_listeners<O: Ops + ?Sized>(&mut self, ops: &mut O) {
        let freed = std::mem::take(&mut self.descriptor_freed);
        if freed && self.resting_listeners > 0 {
            for key in self.listener_keys() {
                self.accept_again(key, ops);
            }
        }
    }
}

/// Errors that concern one pending connection and say nothing about the next.
///
/// accept(2): Linux passes pending network errors of the new socket on, and asks to treat them as
/// "try again". A firewall rule shows as `EPERM`. Of that page's list `EOPNOTSUPP` is left out: it is
/// also what a socket says for ever that is no listener, and without a rest that would spin.
pub(crate) fn is_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
    ) || error.raw_os_error().is_some_and(|errno| PENDING_ERRORS.contains(&errno))
}

/// `EPROTO`, and on Linux `ENOPROTOOPT`, `ENONET` and `EHOSTDOWN`: they have no [`io::ErrorKind`].
const PENDING_ERRORS: &[i32] =
    if cfg!(any(target_os = "linux", target_os = "android")) { &[71, 92, 64, 112] } else { &[100] };
