//! What a loop counts.

/// Counters of a loop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopStats {
    /// Turns since the loop was made.
    pub turns: u64,
    /// Turns that woke up and found nothing to do.
    pub idle_turns: u64,
    /// Times that the loop was found spinning: 1,000 idle turns in a row.
    pub spins: u64,
    /// Reports of the kernel that named a socket that was closed by then.
    pub stale_events: u64,
    /// Connections in every state.
    pub connections: usize,
    /// Descriptors of the user's own that are watched.
    pub descriptors: usize,
    /// Sockets of datagrams in every state.
    pub datagram_sockets: usize,
    /// Datagrams received, too long ones included.
    pub datagrams_in: u64,
    /// Datagrams that the kernel took.
    pub datagrams_out: u64,
    /// Peers accepted.
    pub accepted: u64,
    /// Connections that this loop opened itself.
    pub connected: u64,
    /// Connections, and attempts to connect, that have ended.
    pub closed: u64,
    /// Failed attempts to accept.
    pub accept_errors: u64,
    /// Peers that were accepted and closed at once for lack of descriptors.
    pub turned_away: u64,
    /// Peers that were accepted and reset because of [`PeerLimits`](crate::PeerLimits).
    pub refused: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Timers that are set.
    pub timers: usize,
    /// Blocking jobs whose result has not come back yet: waiting, running, or done.
    pub jobs: usize,
    /// Blocking jobs that were refused because too many waited.
    pub jobs_refused: u64,
}

#[cfg(feature = "sim")]
impl LoopStats {
    /// Adds the counters of another loop.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            turns: self.turns + other.turns,
            idle_turns: self.idle_turns + other.idle_turns,
            spins: self.spins + other.spins,
            stale_events: self.stale_events + other.stale_events,
            connections: self.connections + other.connections,
            descriptors: self.descriptors + other.descriptors,
            datagram_sockets: self.datagram_sockets + other.datagram_sockets,
            datagrams_in: self.datagrams_in + other.datagrams_in,
            datagrams_out: self.datagrams_out + other.datagrams_out,
            accepted: self.accepted + other.accepted,
            connected: self.connected + other.connected,
            closed: self.closed + other.closed,
            accept_errors: self.accept_errors + other.accept_errors,
            turned_away: self.turned_away + other.turned_away,
            refused: self.refused + other.refused,
            bytes_in: self.bytes_in + other.bytes_in,
            bytes_out: self.bytes_out + other.bytes_out,
            timers: self.timers + other.timers,
            jobs: self.jobs + other.jobs,
            jobs_refused: self.jobs_refused + other.jobs_refused,
        }
    }
}
