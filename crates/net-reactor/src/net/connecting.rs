//! The connector: from a target to an open connection, or to one typed failure.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::connection::{Attempt, Connection, Phase, Pressure};
use super::{ConnectError, ConnectOptions, Due, Net, Notice, Target};
use crate::base::{Bug, Key, planted};
use crate::driver::Ops;
use crate::sys::{CloseHow, Resolution, SocketOption, StreamAddresses};

/// How often a connection that met itself is tried again.
///
/// Connecting to a port of the ephemeral range on the own host can, by chance, pick that very port
/// as the source; TCP's simultaneous open then connects the socket to itself. A new try picks
/// another port.
const SELF_CONNECTS_MAX: u32 = 3;

impl Net {
    /// Starts to connect. The outcome comes as exactly one notice, never from within this call.
    pub(crate) fn connect<O: Ops + ?Sized>(
        &mut self,
        target: Target,
        options: ConnectOptions,
        ops: &mut O,
    ) -> Key {
        let config = options.config.clone().share();
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let conn = Connection::new(Phase::Connecting, nowhere, None, config, self.now);
        let key = self.insert(conn);
        let deadline = self.timers.arm(self.now + options.deadline, Due::Connect(key));
        let (host, untried) = match target {
            Target::Address(address) => (None, vec![address]),
            Target::Host(host, port) => (Some((host, port)), Vec::new()),
        };
        let query = host.as_ref().map(|(host, _)| host.clone());
        if let Some(conn) = self.conns.get_mut(key) {
            let attempt = Attempt { options, host, untried, self_connects: 0, deadline };
            conn.attempt = Some(Box::new(attempt));
        }
        let started = match query {
            _ if self.stopping => Err(ConnectError::Cancelled),
            None => self.start_next(key, io::ErrorKind::AddrNotAvailable.into(), ops),
            Some(host) => {
                ops.resolve(key, &host);
                Ok(())
            }
        };
        if let Err(error) = started {
            self.stillborn.push((key, error));
        }
        key
    }

    /// Ends the attempts that failed within the call that started them.
    ///
    /// This happens once a turn, so that a handler that tries again at once cannot keep a turn
    /// from ending. An attempt that was cancelled meanwhile has its outcome already.
    pub(crate) fn fail_stillborn<O: Ops + ?Sized>(&mut self, ops: &mut O) {
        for (key, error) in std::mem::take(&mut self.stillborn) {
            self.fail_connect(key, error, ops);
        }
    }

    /// The name of a target was resolved.
    pub(crate) fn on_resolved<O: Ops + ?Sized>(&mut self, resolution: Resolution, ops: &mut O) {
        let Resolution { query: key, outcome } = resolution;
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Some(attempt) = conn.attempt.as_mut() else { return };
        let Some((host, port)) = attempt.host.take() else { return };
        let addresses = match outcome {
            Ok(addresses) if !addresses.is_empty() => addresses,
            Ok(_) => {
                let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                let source = Arc::new(source);
                return self.fail_connect(key, ConnectError::NameNotFound { host, source }, ops);
            }
            Err(source) if source.kind() == io::ErrorKind::ResourceBusy => {
                let source = Arc::new(source);
                return self.fail_connect(key, ConnectError::Failed { source }, ops);
            }
            Err(source) => {
                let source = Arc::new(source);
                return self.fail_connect(key, ConnectError::NameNotFound { host, source }, ops);
            }
        };
        attempt.untried = addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        attempt.untried.reverse();
        self.try_next(key, io::ErrorKind::AddrNotAvailable.into(), ops);
    }

    /// Tries the next address, or fails with the last error when there is none.
    fn try_next<O: Ops + ?Sized>(&mut self, key: Key, last_error: io::Error, ops: &mut O) {
        if let Err(error) = self.start_next(key, last_error, ops) {
            self.fail_connect(key, error, ops);
        }
    }

    /// Starts to connect to the next address that can be tried at all.
    fn start_next<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        last_error: io::Error,
        ops: &mut O,
    ) -> Result<(), ConnectError> {
        let mut last_error = last_error;
        while let Some(conn) = self.conns.get_mut(key) {
            let Some(attempt) = conn.attempt.as_mut() else { break };
            let Some(peer) = attempt.untried.pop() else {
                let deadline = attempt.options.deadline;
                return Err(ConnectError::from_io(conn.peer.get(), deadline, last_error));
            };
            conn.peer = peer.into();
            let bind = attempt.options.bind;
            if bind.is_some_and(|local| local.is_ipv4() != peer.is_ipv4()) {
                // A local address of the other family cannot serve this peer, and going without
                // would leave by an address that was not asked for.
                last_error = io::ErrorKind::AddrNotAvailable.into();
                continue;
            }
            match ops.connect(key, peer, bind) {
                Ok(()) => break,
                Err(error) => last_error = error,
            }
        }
        Ok(())
    }

    /// One address did not answer as hoped: tries the next.
    pub(super) fn on_connect_error<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        error: io::Error,
        ops: &mut O,
    ) {
        if !planted(Bug::FailedAddressLeaks) {
            ops.close(key, CloseHow::Fin);
        }
        if planted(Bug::FirstAddressOnly)
            && let Some(attempt) = self.conns.get_mut(key).and_then(|conn| conn.attempt.as_mut())
        {
            attempt.untried.clear();
        }
        self.try_next(key, error, ops);
    }

    /// The socket is connected.
    pub(crate) fn on_connected<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        addresses: StreamAddresses,
        ops: &mut O,
    ) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Some(attempt) = conn.attempt.as_mut() else { return };
        if addresses.local == addresses.peer && !planted(Bug::SelfConnectAccepted) {
            attempt.self_connects += 1;
            if attempt.self_connects < SELF_CONNECTS_MAX {
                attempt.untried.push(addresses.peer);
            }
            // Nobody listens there: that is what a refusal says.
            let refused = io::ErrorKind::ConnectionRefused.into();
            ops.close(key, CloseHow::Reset);
            return self.try_next(key, refused, ops);
        }
        if !planted(Bug::ConnectToldTwice) {
            self.timers.cancel(attempt.deadline);
            conn.attempt = None;
        }
        conn.phase = Phase::Open;
        conn.peer = addresses.peer.into();
        conn.opened_at = self.now;
        self.stats.connected += 1;
        let has_output = (conn.out.is_some() || conn.fin_wanted) && !planted(Bug::EarlyOutputStuck);
        let conn = &*conn;
        super::apply_read_mode(key, conn, ops);
        apply_options(key, conn, ops);
        self.notices.push_back(Notice::Opened(key));
        if conn.pressured {
            self.notices.push_back(Notice::Pressure(key, Pressure::High));
        }
        self.arm_early_timers(key);
        if has_output {
            self.mark_dirty(key);
        }
    }

    pub(crate) fn on_connect_deadline<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(attempt) = self.conns.get(key).and_then(|conn| conn.attempt.as_ref()) else {
            return;
        };
        if planted(Bug::ConnectWithoutDeadline) {
            return;
        }
        let after = attempt.options.deadline;
        self.fail_connect(key, ConnectError::TimedOut { after }, ops);
    }

    /// The one way out for an unopened connection.
    pub(super) fn fail_connect<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        error: ConnectError,
        ops: &mut O,
    ) {
        if self.free_resources(key, CloseHow::Reset, ops) {
            self.notices.push_back(Notice::ConnectFailed(key, error));
        }
    }
}

/// Sets what the configuration asks of the socket.
///
/// A peer that has reset the connection already makes these calls fail; the same reset ends the
/// connection a moment later, so a failure here is only logged.
pub(super) fn apply_options<O: Ops + ?Sized>(key: Key, conn: &Connection, ops: &mut O) {
    let config = &conn.config;
    let wanted = [
        config.no_delay.then_some(SocketOption::NoDelay(true)),
        config.keep_alive.map(|keep_alive| SocketOption::KeepAlive(Some(keep_alive))),
        config.receive_buffer_bytes.map(SocketOption::ReceiveBuffer),
        config.send_buffer_bytes.map(SocketOption::SendBuffer),
    ];
    for option in wanted.into_iter().flatten() {
        if let Err(error) = ops.set_option(key, option) {
            tracing::debug!(peer = %conn.peer.get(), ?option, %error, "cannot set a socket option");
        }
    }
}
