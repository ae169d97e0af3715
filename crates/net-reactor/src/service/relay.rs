//! One connection passed on to another.

use std::sync::Arc;

use crate::base::{Bug, ConnId, Input, planted};
use crate::net::{
    CloseReason, ConnectError, ConnectOptions, OnHighMark, Pressure, Target, TargetError,
};
use crate::protocol::{Conn, Eof, Failure, Flow, Protocol, Reactor};

/// A handler that passes its connection on to another address, byte for byte in both directions.
///
/// For each peer it opens a connection of its own. From then on:
///
/// - **Backpressure goes from end to end.** While more than the high mark (256 KiB) waits for one
///   side, the other is not read, until the low mark (64 KiB). Each direction has its own brake, so
///   that two sides that both write before they read do not wait for each other. A direction holds
///   the high mark and one turn's input (256 KiB) at most; an
///   [`output_max`](crate::ConnConfig::output_max) below that would cut slow sides off.
/// - **Ends pass through.** A FIN arrives behind all bytes before it, and the other direction goes
///   on. When both directions have ended, both connections close, each within its
///   [`linger`](crate::ConnConfig::linger) (30 s).
/// - **A side that is lost** - a reset, a limit, an abort - resets the other: it must not take what
///   it got for the whole. One that is closed gracefully from outside has the other closed too.
/// - **A failed attempt to connect** is logged with its reason, and the peer is reset. Nothing of
///   the peer's is read before the other side is open.
/// - **A stopping loop** lets what is open go on for its [drain](crate::LoopConfig::drain) time
///   (10 s), and then resets it.
///
/// ```
/// use net_reactor::{Relay, prelude::*};
///
/// let relay = Relay::to("database:5432")?;
/// let server = Server::new(move |_peer| relay.clone());
/// # Ok::<(), net_reactor::TargetError>(())
/// ```
///
/// A handler that reads first where its peer wants to go, such as a proxy's, keeps a `Relay` and
/// hands its callbacks on to it: [`on_open`](Protocol::on_open) when the target is known, and then
/// all the others, with the input that was left.
#[derive(Debug, Clone)]
pub struct Relay {
    route: Arc<Route>,
    /// The connection at the other end; absent until there is one.
    other: Option<ConnId>,
}

#[derive(Debug, Clone)]
struct Route {
    target: Target,
    options: ConnectOptions,
}

impl Relay {
    /// Makes a relay to `target`. Each clone is a handler for one peer.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the text is no target.
    pub fn to<T>(target: T) -> Result<Self, TargetError>
    where
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        let route = Route { target: target.try_into()?, options: ConnectOptions::default() };
        Ok(Self { route: Arc::new(route), other: None })
    }

    /// Sets how the connections to the target are made, with their limits. Those of the peers'
    /// connections are the server's.
    #[must_use]
    pub fn options(mut self, options: ConnectOptions) -> Self {
        Arc::make_mut(&mut self.route).options = options;
        self
    }

    /// Returns the connection at the other end, from [`on_open`](Protocol::on_open) on. It may have
    /// ended.
    #[must_use]
    pub fn other(&self) -> Option<ConnId> {
        self.other
    }

    /// Returns the other end while it exists.
    fn reach<'a>(&self, reactor: &'a mut Reactor<'_>) -> Option<Conn<'a>> {
        reactor.conn(self.other?)
    }

    /// The near side, when its peer is here: opens the far side.
    fn connect(&mut self, conn: &mut Conn<'_>) {
        // Whatever is read before there is a far side would have nowhere to go.
        conn.pause();
        let far = Self { route: Arc::clone(&self.route), other: Some(conn.id()) };
        let Route { target, options } = &*self.route;
        let (target, options) = (target.clone(), options.clone());
        self.other = Some(conn.reactor().connect_target(target, options, Box::new(far)));
    }
}

impl Protocol for Relay {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        // The source of the output is the other end: that is what is to pause above the high mark.
        conn.set_on_high_mark(OnHighMark::Tell);
        match self.reach(conn.reactor()) {
            Some(mut near) => near.resume(),
            None if self.other.is_some() => conn.abort(),
            None => self.connect(conn),
        }
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let bytes = input.take_all();
        let passed_on = self.reach(conn.reactor()).map(|mut other| other.write(bytes));
        if passed_on.is_none_or(|written| written.is_err()) {
            // Bytes are lost that the peer believes to be on their way.
            conn.abort();
        }
        Ok(())
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Result<Eof, Failure> {
        if planted(Bug::RelayKeepsEnd) {
            return Ok(Eof::KeepOpen);
        }
        if let Some(mut other) = self.reach(conn.reactor()) {
            // One that is closing finishes by itself, and its end is told here.
            let _closing = other.shutdown_write();
        }
        Ok(Eof::KeepOpen)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        if let Some(mut source) = self.reach(conn.reactor()) {
            match pressure {
                Pressure::High => source.pause(),
                Pressure::Low => source.resume(),
            }
        }
        Ok(())
    }

    fn on_stop(&mut self, _conn: &mut Conn<'_>) -> Flow {
        // To close would be to finish what the other side has not finished.
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        if let Some(mut other) = self.reach(conn.reactor()) {
            if reason.is_clean() || planted(Bug::RelayEndsForReset) {
                other.close();
            } else {
                other.abort();
            }
        }
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        if let Some(mut near) = self.reach(reactor) {
            let target = &self.route.target;
            tracing::warn!(id = %near.id(), peer = %near.peer_address(), %target, %error, "cannot relay");
            near.abort();
        }
    }
}
