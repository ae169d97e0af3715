//! The connector: from a target to an open connection, or to one typed failure.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::connection::{Attempt, Connection, Host, Pressure};
use super::happy_eyeballs::{HappyEyeballs, Seat, Step};
use super::names::{Addresses, Look};
use super::phase::Phase;
use super::target::fault_of_host;
use super::{ConnectError, ConnectOptions, Due, Net, Notice, Target};
use crate::base::{Address, Bug, Instant, Key, NOWHERE, planted};
use crate::driver::Ops;
use crate::sys::{CloseHow, Resolution, SocketOption, StreamAddresses};

/// How many connections that waited for a name start to dial in one turn. There can be thousands:
/// all the clients of one server share one answer.
const ANSWERED_PER_TURN: usize = 64;

impl Net {
    /// Starts to connect. The outcome comes as exactly one notice, never from within this call.
    pub(crate) fn connect<O: Ops + ?Sized>(
        &mut self,
        target: Target,
        options: ConnectOptions,
        ops: &mut O,
    ) -> Key {
        let config = options.config.clone().share();
        let conn = Connection::new(Phase::Connecting, NOWHERE.into(), None, config, self.now);
        let key = self.insert(conn);
        let deadline = self.timers.arm(self.now + options.deadline, Due::Connect(key));
        let (host, address) = match target {
            Target::Address(address) => (None, Some(Address::Ip(address))),
            Target::Unix { address, mode: _ } => (None, Some(Address::Unix(address))),
            Target::Host(name, port) => match name.parse() {
                // A number is its own answer.
                Ok(ip) => (None, Some(SocketAddr::new(ip, port).into())),
                Err(_) => (Some(Host { name, port, ticket: None }), None),
            },
        };
        let by_name = host.is_some();
        let dials = dials(address, &options);
        if let Some(conn) = self.conns.get_mut(key) {
            let attempt = Attempt { options, host, dials, deadline, next_turn: None };
            conn.attempt = Some(Box::new(attempt));
        }
        let started = match by_name {
            _ if self.stopping => Err(ConnectError::Cancelled),
            true => self.look_up(key, ops),
            false => self.dial_on(key, ops),
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

    /// Looks for the addresses of an attempt's name, and dials if they are known.
    fn look_up<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) -> Result<(), ConnectError> {
        let Some(attempt) = self.conns.get_mut(key).and_then(|conn| conn.attempt.as_mut()) else {
            return Ok(());
        };
        let Some(host) = attempt.host.as_mut() else { return Ok(()) };
        if let Some(fault) = fault_of_host(&host.name) {
            let source = Arc::new(io::Error::new(io::ErrorKind::InvalidInput, fault));
            return Err(ConnectError::NameNotFound { host: host.name.clone(), source });
        }
        match self.names.look_up(&host.name, key, self.now) {
            Look::Known(addresses) => {
                self.plan_dials(key, &addresses);
                return self.dial_on(key, ops);
            }
            Look::Waits(ticket) => host.ticket = Some(ticket),
            Look::Ask { ticket, query } => {
                host.ticket = Some(ticket);
                self.ask(query, ops);
            }
            Look::Full => {
                let kind = io::ErrorKind::ResourceBusy;
                let source = Arc::new(io::Error::new(kind, "too many names are being resolved"));
                return Err(ConnectError::NameFailed { host: host.name.clone(), source });
            }
        }
        Ok(())
    }

    /// Asks the user's own resolver, once the current callback is over, or the system's.
    fn ask<O: Ops + ?Sized>(&mut self, query: Key, ops: &mut O) {
        if let Some(question) = self.names.question(query, || ops.waker()) {
            self.notices.push_back(Notice::Ask(question));
        } else if let Some(host) = self.names.host_of(query) {
            ops.resolve(query, host);
        }
    }

    /// A name was resolved: those who wait for it [dial](Self::dial_answered) when it is their
    /// turn.
    pub(crate) fn on_resolved(&mut self, resolution: Resolution) {
        self.names.on_answer(resolution, self.now);
    }

    /// Takes in what the user's own resolver has answered since the last turn.
    pub(crate) fn take_letters(&mut self) {
        while let Some(resolution) = self.names.take_letter() {
            self.on_resolved(resolution);
        }
    }

    /// Dials for those whose name was resolved, a turn's share of them. Returns whether there was
    /// anybody.
    pub(crate) fn dial_answered<O: Ops + ?Sized>(&mut self, ops: &mut O) -> bool {
        for taken in 0..ANSWERED_PER_TURN {
            let Some((key, addresses)) = self.names.take_answered() else { return taken > 0 };
            self.on_addresses(key, addresses, ops);
        }
        true
    }

    /// The wait of one attempt for its addresses is over.
    fn on_addresses<O: Ops + ?Sized>(&mut self, key: Key, addresses: Addresses, ops: &mut O) {
        let Some(host) = self.attempt_mut(key).and_then(|attempt| attempt.host.as_mut()) else {
            return;
        };
        host.ticket = None;
        match addresses {
            Ok(addresses) => {
                self.plan_dials(key, &addresses);
                self.dial_or_fail(key, ops);
            }
            Err(source) => {
                let host = host.name.clone();
                let error = match source.kind() {
                    io::ErrorKind::NotFound => ConnectError::NameNotFound { host, source },
                    _ => ConnectError::NameFailed { host, source },
                };
                self.fail_connect(key, error, ops);
            }
        }
    }

    fn plan_dials(&mut self, key: Key, addresses: &[IpAddr]) {
        let Some(attempt) = self.attempt_mut(key) else { return };
        let Some(port) = attempt.host.as_ref().map(|host| host.port) else { return };
        let peers = addresses.iter().map(|ip| SocketAddr::new(*ip, port).into());
        attempt.dials = dials(peers, &attempt.options);
    }

    /// Dials on, or fails with the last error when there is nothing left to dial.
    fn dial_or_fail<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        if let Err(error) = self.dial_on(key, ops) {
            self.fail_connect(key, error, ops);
        }
    }

    /// Takes the next steps of an attempt, up to where it waits.
    fn dial_on<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) -> Result<(), ConnectError> {
        while let Some(conn) = self.conns.get_mut(key) {
            let Some(attempt) = conn.attempt.as_mut() else { break };
            match attempt.dials.step(self.now) {
                Step::Dial(peer) => self.dial(key, peer, ops),
                Step::Wait(until) => {
                    self.set_next_turn(key, until);
                    break;
                }
                Step::GiveUp(last_failure) => {
                    let deadline = attempt.options.deadline;
                    let (peer, error) = last_failure.unwrap_or_else(|| {
                        (conn.peer.get(), io::ErrorKind::AddrNotAvailable.into())
                    });
                    return Err(ConnectError::from_io(peer, deadline, error));
                }
            }
        }
        Ok(())
    }

    /// Starts to connect to one address, in the connection's own slot if that is free.
    fn dial<O: Ops + ?Sized>(&mut self, key: Key, peer: Address, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Some(attempt) = conn.attempt.as_mut() else { return };
        let bind = attempt.options.bind;
        if attempt.dials.dialling().all(|seat| seat != Seat::Own) {
            let connected = ops.connect(key, &peer, bind);
            conn.peer = peer.into();
            match connected {
                Ok(()) => attempt.dials.started(Seat::Own, self.now),
                Err(error) => attempt.dials.not_started(error),
            }
        } else {
            let dial = self.dials.insert(key);
            match ops.dial(dial, &peer, bind) {
                Ok(()) => attempt.dials.started(Seat::Apart(dial), self.now),
                Err(error) => {
                    self.dials.remove(dial);
                    attempt.dials.not_started(error);
                }
            }
        }
    }

    /// Sets when the next address has its turn; `None` while that depends on those under way.
    fn set_next_turn(&mut self, key: Key, at: Option<Instant>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Some(attempt) = conn.attempt.as_mut() else { return };
        attempt.next_turn = match (attempt.next_turn.take(), at) {
            (Some(timer), Some(at)) if self.timers.rearm(timer, at) => Some(timer),
            (timer, at) => {
                if let Some(timer) = timer {
                    self.timers.cancel(timer);
                }
                at.map(|at| self.timers.arm(at, Due::NextDial(key)))
            }
        };
    }

    /// The next address has its turn, although others have not answered yet.
    pub(crate) fn on_next_dial<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        self.dial_or_fail(key, ops);
    }

    /// The dial in the connection's own slot has failed.
    pub(super) fn on_connect_error<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        error: io::Error,
        ops: &mut O,
    ) {
        if !planted(Bug::FailedAddressLeaks) {
            self.end_dial(key, Seat::Own, CloseHow::Fin, ops);
        }
        self.dial_failed(key, Seat::Own, error, ops);
    }

    /// A dial apart from its connection's slot has failed.
    pub(crate) fn on_dial_failed<O: Ops + ?Sized>(
        &mut self,
        dial: Key,
        error: io::Error,
        ops: &mut O,
    ) {
        let Some(key) = self.dials.get(dial).copied() else { return };
        let seat = Seat::Apart(dial);
        self.end_dial(key, seat, CloseHow::Reset, ops);
        self.dial_failed(key, seat, error, ops);
    }

    /// One address did not answer as hoped: dials the next at once.
    fn dial_failed<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        seat: Seat,
        error: io::Error,
        ops: &mut O,
    ) {
        let now = self.now;
        if let Some(attempt) = self.attempt_mut(key) {
            tracing::debug!(%error, "an address cannot be reached");
            attempt.dials.failed(seat, error, now);
            if planted(Bug::FirstAddressOnly) {
                attempt.dials.forget_untried();
            }
        }
        self.dial_or_fail(key, ops);
    }

    /// Gives back the socket of one dial.
    fn end_dial<O: Ops + ?Sized>(&mut self, key: Key, seat: Seat, how: CloseHow, ops: &mut O) {
        self.descriptor_freed = true;
        match seat {
            Seat::Own => ops.close(key, how),
            Seat::Apart(dial) => {
                self.dials.remove(dial);
                ops.cancel_dial(dial);
            }
        }
    }

    /// Gives back what an attempt holds besides the connection's own slot.
    pub(super) fn end_attempt<O: Ops + ?Sized>(&mut self, attempt: &Attempt, ops: &mut O) {
        self.timers.cancel(attempt.deadline);
        if let Some(Host { name, ticket: Some(ticket), .. }) = &attempt.host {
            self.names.leave(name, *ticket);
        }
        if let Some(timer) = attempt.next_turn {
            self.timers.cancel(timer);
        }
        for seat in attempt.dials.dialling() {
            if let Seat::Apart(dial) = seat
                && !planted(Bug::LoserKept)
            {
                self.dials.remove(dial);
                ops.cancel_dial(dial);
                self.descriptor_freed = true;
            }
        }
    }

    /// The dial in the connection's own slot reached its peer: the others are given up.
    pub(crate) fn on_connected<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        addresses: StreamAddresses,
        ops: &mut O,
    ) {
        if met_itself(&addresses) {
            return self.on_self_connect(key, Seat::Own, ops);
        }
        self.open_connected(key, addresses, ops);
    }

    /// A dial apart from its connection's slot reached its peer: its socket moves there, and the
    /// others are given up.
    pub(crate) fn on_dialled<O: Ops + ?Sized>(
        &mut self,
        dial: Key,
        addresses: StreamAddresses,
        ops: &mut O,
    ) {
        let Some(key) = self.dials.get(dial).copied() else { return };
        if met_itself(&addresses) {
            return self.on_self_connect(key, Seat::Apart(dial), ops);
        }
        match ops.promote(dial, key) {
            Ok(()) => {
                self.open_connected(key, addresses, ops);
            }
            Err(error) => self.on_dial_failed(dial, error, ops),
        }
    }

    fn on_self_connect<O: Ops + ?Sized>(&mut self, key: Key, seat: Seat, ops: &mut O) {
        let now = self.now;
        let Some(attempt) = self.attempt_mut(key) else { return };
        attempt.dials.met_itself(seat, now);
        self.end_dial(key, seat, CloseHow::Reset, ops);
        self.dial_or_fail(key, ops);
    }

    /// The connection's slot holds a connected socket.
    fn open_connected<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        addresses: StreamAddresses,
        ops: &mut O,
    ) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if planted(Bug::ConnectToldTwice) {
            if conn.attempt.is_none() {
                return;
            }
        } else {
            let Some(attempt) = conn.attempt.take() else { return };
            self.end_attempt(&attempt, ops);
        }
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.phase = Phase::Open;
        conn.peer = addresses.peer.into();
        conn.opened_at = self.now;
        conn.received_at = self.now;
        self.stats.connected += 1;
        let is_pressured = conn.pressured;
        let has_output =
            (conn.out.is_some() || conn.fin.is_wanted()) && !planted(Bug::EarlyOutputStuck);
        apply_options(key, conn, ops);
        self.start_guard(key);
        self.start_throttle(key, ops);
        self.set_read_mode(key, ops);
        self.notices.push_back(Notice::Opened(key));
        if is_pressured {
            self.notices.push_back(Notice::Pressure(key, Pressure::High));
        }
        self.arm_early_timers(key);
        if has_output {
            self.mark_dirty(key);
        }
    }

    fn attempt_mut(&mut self, key: Key) -> Option<&mut Attempt> {
        self.conns.get_mut(key)?.attempt.as_deref_mut()
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
        if !matches!(error, ConnectError::Cancelled)
            && let Some(attempt) = self.conns.get(key).and_then(|conn| conn.attempt.as_ref())
            && let Some(host) = &attempt.host
        {
            self.names.distrust(&host.name, self.now);
        }
        if self.free_resources(key, CloseHow::Reset, ops) {
            self.notices.push_back(Notice::ConnectFailed(key, error));
        }
    }
}

/// Makes the plan for these addresses, in this order.
///
/// A local address of the other family cannot serve a peer, and going without would leave by an
/// address that was not asked for; so such peers are passed over.
fn dials(peers: impl IntoIterator<Item = Address>, options: &ConnectOptions) -> HappyEyeballs {
    let fits = |peer: &Address| match (options.bind, peer.ip()) {
        (Some(local), Some(peer)) => local.is_ipv4() == peer.is_ipv4(),
        _ => true,
    };
    HappyEyeballs::new(peers.into_iter().filter(fits), options.dial_delay)
}

/// Whether a connection leads to its own socket; see the machine for how that comes.
fn met_itself(addresses: &StreamAddresses) -> bool {
    let is_ip = addresses.local.ip().is_some();
    is_ip && addresses.local == addresses.peer && !planted(Bug::SelfConnectAccepted)
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
