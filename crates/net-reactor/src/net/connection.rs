//! The state of one connection.

use super::feeding::Feed;
use super::happy_eyeballs::HappyEyeballs;
use super::phase::Phase;
use super::staging::Staged;
use super::{CloseReason, ConnectOptions, OnHighMark, SharedConfig};
use crate::base::{Address, Bug, CompactAddress, Inbound, Instant, Key, OutQueue, planted};
use crate::event_loop::TimerKey;

/// How far the output of a connection is ahead of its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two marks, and crossing one is all")]
pub enum Pressure {
    /// Queued output rose above the high mark. Reading from this connection has paused by itself,
    /// unless [`OnHighMark::Tell`](crate::OnHighMark::Tell) is set.
    High,
    /// Queued output fell to the low mark or below. Reading has resumed, unless it is paused.
    Low,
}

/// Counters of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnStats {
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes that the kernel took.
    pub bytes_out: u64,
    /// Bytes queued and not yet taken by the kernel.
    pub queued_bytes: usize,
    /// When the connection was opened.
    pub opened_at: Instant,
    /// When bytes last arrived: the time of that turn; before any have, when it was opened.
    pub received_at: Instant,
}

/// How far the peer's end of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerEnd {
    /// It may send more.
    Open,
    /// It has finished, and the handler does not know yet.
    Untold,
    /// The handler was told so.
    Told,
}

impl PeerEnd {
    pub(crate) fn has_come(self) -> bool {
        self != Self::Open
    }
}

/// How far our own end of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fin {
    Unwanted,
    /// It will be sent when the queue is empty; writing is over.
    Wanted,
    Sent,
}

impl Fin {
    pub(crate) fn is_wanted(self) -> bool {
        self != Self::Unwanted
    }

    pub(crate) fn is_sent(self) -> bool {
        self == Self::Sent
    }
}

/// What an unopened connection still has to try.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) options: ConnectOptions,
    /// The name that the addresses come from.
    pub(crate) host: Option<Host>,
    /// The addresses, and how far each of them got.
    pub(crate) dials: HappyEyeballs,
    pub(crate) deadline: TimerKey,
    /// When the next address has its turn.
    pub(crate) next_turn: Option<TimerKey>,
}

/// A name and a port to connect to.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// What the connection waits by for the addresses.
    pub(crate) ticket: Option<u64>,
}

/// A graceful close under way.
#[derive(Debug)]
pub(crate) struct Goodbye {
    /// What the handler will be told if all goes well.
    pub(crate) reason: CloseReason,
    pub(crate) deadline: TimerKey,
    /// When patience ends whatever has happened by then.
    pub(crate) patience_ends: Instant,
    /// Input thrown away since our FIN.
    pub(crate) drained_bytes: u64,
}

/// The timers of one connection's handler, by tag: one word while there are none.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "most connections have no timer; a Vec is three words")]
pub(crate) struct TagTimers(Option<Box<Vec<(u32, TimerKey)>>>);

impl TagTimers {
    pub(crate) fn get(&self, tag: u32) -> Option<TimerKey> {
        let timers = self.0.as_ref()?;
        timers.iter().find(|(known, _)| *known == tag).map(|(_, timer)| *timer)
    }

    pub(crate) fn put(&mut self, tag: u32, timer: TimerKey) {
        self.take(tag);
        self.0.get_or_insert_default().push((tag, timer));
    }

    pub(crate) fn take(&mut self, tag: u32) -> Option<TimerKey> {
        let timers = self.0.as_mut()?;
        let at = timers.iter().position(|(known, _)| *known == tag)?;
        Some(timers.remove(at).1)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (u32, TimerKey)> {
        self.0.iter_mut().flat_map(|timers| timers.iter_mut())
    }

    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = TimerKey> {
        self.0.take().into_iter().flat_map(|timers| *timers).map(|(_, timer)| timer)
    }
}

/// Everything about one connection but its socket and its handler.
///
/// Most connections are idle most of the time, so what an idle one does not need is behind a
/// pointer.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one connection")]
pub(crate) struct Connection {
    pub(crate) phase: Phase,
    /// The handler does not want input.
    pub(crate) paused: bool,
    /// Output is above the high mark, and was not at the low mark since.
    pub(crate) pressured: bool,
    /// What that does by itself.
    pub(crate) on_high_mark: OnHighMark,
    /// The kernel takes no more output until it says so.
    pub(crate) blocked: bool,
    /// The connection stands in the dirty list.
    pub(crate) dirty: bool,
    /// Whether the peer finished sending.
    pub(crate) end: PeerEnd,
    /// Reading was resumed while unconsumed input was kept: it is owed to the handler.
    pub(crate) input_waits: bool,
    /// The handler left input because output is above the high mark; it is owed at the low mark.
    pub(crate) held: bool,
    /// Our side will finish when the queue is empty; writing is over.
    pub(crate) fin: Fin,
    /// Whether a producer makes output; a FIN waits for its end.
    pub(crate) feed: Feed,
    /// The handler is to be told, once, that the kernel took output.
    pub(crate) tells_sent: bool,
    pub(crate) peer: CompactAddress,
    /// The listener that accepted it.
    pub(crate) listener: Option<Key>,
    pub(crate) config: SharedConfig,
    /// Output of this turn, in the staging area. While there is any, `out` is empty.
    pub(crate) staged: Staged,
    pub(crate) out: Option<Box<OutQueue>>,
    pub(crate) input: Option<Box<Inbound>>,
    pub(crate) attempt: Option<Box<Attempt>>,
    pub(crate) goodbye: Option<Box<Goodbye>>,
    pub(crate) tag_timers: TagTimers,
    pub(crate) opened_at: Instant,
    pub(crate) received_at: Instant,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Connection {
    pub(crate) fn new(
        phase: Phase,
        peer: Address,
        listener: Option<Key>,
        config: SharedConfig,
        now: Instant,
    ) -> Self {
        Self {
            phase,
            paused: false,
            pressured: false,
            on_high_mark: config.on_high_mark,
            blocked: false,
            dirty: false,
            end: PeerEnd::Open,
            input_waits: false,
            held: false,
            fin: Fin::Unwanted,
            feed: Feed::Off,
            tells_sent: false,
            peer: peer.into(),
            listener,
            config,
            staged: Staged::default(),
            out: None,
            input: None,
            attempt: None,
            goodbye: None,
            tag_timers: TagTimers::default(),
            opened_at: now,
            received_at: now,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Writing is over: FIN follows what is queued.
    pub(crate) fn want_fin(&mut self) {
        if self.fin == Fin::Unwanted {
            self.fin = Fin::Wanted;
        }
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.staged.len() + self.out.as_ref().map_or(0, |out| out.len())
    }

    /// Whether the handler may still queue output.
    pub(crate) fn is_writable(&self) -> bool {
        let finished = self.fin.is_wanted() && !planted(Bug::WriteAfterShutdown);
        matches!(self.phase, Phase::Connecting | Phase::Open) && !finished
    }

    /// Whether output may still come, from the handler or from what feeds the connection.
    pub(super) fn takes_output(&self) -> bool {
        self.is_writable() || self.feed != Feed::Off
    }

    pub(crate) fn stats(&self) -> ConnStats {
        ConnStats {
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            queued_bytes: self.queued_bytes(),
            opened_at: self.opened_at,
            received_at: self.received_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Connection>() <= 128, "{}", size_of::<Connection>());
    }
}
