//! Connections, listeners and connectors: what sockets mean.
//!
//! [`Net`] owns the state of every connection of one loop. Its methods act on that state and on
//! the engine, and never call anybody: what the layer above must be told is queued as a
//! [`Notice`]. This is what keeps callbacks from nesting.
//!
//! This layer knows bytes, limits and deadlines. It does not know framing or handlers.

mod accepting;
mod admission;
mod closing;
mod config;
mod connecting;
mod connection;
mod datagram_error;
mod datagrams;
mod error;
mod fds;
mod feeding;
mod guard;
mod happy_eyeballs;
mod input;
mod layer;
mod layering;
mod names;
mod output;
mod phase;
mod resolve;
mod staging;
mod target;
mod throttle;
mod timeouts;
mod watch;

use std::collections::VecDeque;
use std::rc::Rc;

use self::accepting::Listener;
pub(crate) use self::accepting::is_peers_fault;
pub use self::admission::PeerLimits;
pub(crate) use self::admission::{Door, Permit};
pub use self::config::{ConnConfig, ConnectOptions, OnHighMark};
pub use self::connection::{ConnStats, Pressure};
pub(crate) use self::connection::{Connection, PeerEnd};
pub use self::datagram_error::{BindError, DatagramError, DatagramSendError};
pub(crate) use self::datagrams::UdpSocket;
pub use self::error::{CloseReason, Closed, ConnectError, ListenError};
use self::fds::WatchedFd;
pub use self::fds::{AddFdError, AddFdRefused};
use self::guard::Guards;
#[cfg(feature = "_fuzz")]
pub use self::happy_eyeballs::script::play as play_happy_eyeballs;
pub(crate) use self::input::Received;
pub use self::layer::Layer;
use self::layer::Layered;
#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
pub(crate) use self::layer::{LayerError, Read, Then, Transform};
pub(crate) use self::names::NameOptions;
use self::names::Names;
pub(crate) use self::phase::Phase;
pub(crate) use self::resolve::Question;
pub use self::resolve::{Answer, Resolve, StaticNames};
pub(crate) use self::staging::Growing;
use self::staging::Staging;
pub use self::target::{Target, TargetError};
pub use self::throttle::RateLimit;
use self::throttle::Throttles;
pub use self::timeouts::{Timeout, Timeouts};
#[cfg(feature = "sim")]
pub(crate) use self::watch::Watch;
pub(crate) use self::watch::{Callback, Watched};
use crate::base::{Bug, Inbound, Instant, Key, OutQueue, Pool, SideTable, Slab, planted};
use crate::driver::Ops;
use crate::event_loop::Timers;
use crate::sys::CloseHow;

/// How many idle buffers of each kind a loop keeps.
const POOLED_BUFFERS_MAX: usize = 256;

/// What the layer above is to be told, in the order in which it happened.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A connection that this side started is open.
    Opened(Key),
    /// A connection that this side started could not be opened. Its slot is free afterwards.
    ConnectFailed(Key, ConnectError),
    /// A resolver of the user's own is to be asked.
    Ask(Question),
    /// The queued output crossed a watermark.
    Pressure(Key, Pressure),
    /// The queue of a connection that is fed has come down to the low mark.
    FeedWanted(Key),
    /// The kernel took output, as far as it went, and the handler asked to be told.
    Sent(Key),
    /// Reading was resumed while unconsumed input waits.
    InputWaits(Key),
    /// The connection is over. Its slot is free afterwards.
    Closed(Key, CloseReason, CloseHow),
    /// A descriptor of the user's own is watched.
    FdOpened(Key),
    /// It is not watched any more. Its slot is free afterwards.
    FdClosed(Key, CloseReason),
    /// A socket of datagrams is open.
    DatagramsOpened(Key),
    /// Its queue crossed a mark.
    DatagramPressure(Key, Pressure),
    /// A datagram was refused, dropped, or not sent.
    DatagramError(Key, DatagramError),
    /// It is over. Its slot is free afterwards.
    DatagramsClosed(Key, CloseReason),
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// A timer of a connection's handler.
    Tag { conn: Key, tag: u32 },
    /// A timer of the handler of datagrams.
    DatagramTag { socket: Key, tag: u32 },
    /// The end of the patience with what a closing socket of datagrams has queued.
    DatagramLinger(Key),
    /// The end of a graceful close's patience.
    Linger(Key),
    /// The end of a connector's patience.
    Connect(Key),
    /// The next address of a connector has its turn.
    NextDial(Key),
    /// A connection's timeouts are to be looked at.
    Guard(Key),
    /// A connection may have tokens again for bytes that its rates have held back.
    Tokens(Key),
    /// A resting listener tries again.
    AcceptAgain(Key),
    /// A function that the layer above keeps.
    Call(Key),
    /// The end of a stopping loop's patience.
    Drain,
}

/// Counters of one loop's connections.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NetStats {
    pub(crate) accepted: u64,
    pub(crate) connected: u64,
    pub(crate) closed: u64,
    pub(crate) accept_errors: u64,
    pub(crate) turned_away: u64,
    pub(crate) refused: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) datagrams_in: u64,
    pub(crate) datagrams_out: u64,
}

/// Every connection and listener of one loop.
#[derive(Debug)]
pub(crate) struct Net {
    /// The time of this turn.
    pub(crate) now: Instant,
    pub(crate) timers: Timers<Due>,
    pub(crate) stats: NetStats,
    conns: Slab<Connection>,
    guards: Guards,
    throttles: Throttles,
    /// Of accepted connections, where their number is limited.
    permits: SideTable<Permit>,
    /// The layers of those connections that have one.
    layers: SideTable<Layered>,
    listeners: Slab<Listener>,
    fds: Slab<WatchedFd>,
    datagrams: Slab<UdpSocket>,
    /// Dials under way that have no slot in `conns` of their own, and for whom they are.
    dials: Slab<Key>,
    names: Names,
    /// Connections with something to send or to finish, each once.
    dirty: Vec<Key>,
    staging: Staging,
    /// Memory for an encoder that cannot write to the staging area.
    spare: Vec<u8>,
    /// Memory for what comes out of a layer.
    plain: Vec<u8>,
    /// Counts whatever may end a connection's flow of input: a pause, the high mark, an end. Whoever
    /// works through a batch looks here, and at the connection only when this has changed.
    pub(crate) flow_changes: u64,
    notices: VecDeque<Notice>,
    out_pool: Pool<OutQueue>,
    in_pool: Pool<Inbound>,
    /// Whether a descriptor was freed since resting listeners last looked.
    descriptor_freed: bool,
    resting_listeners: usize,
    /// Whether the loop is on its way to stop: new attempts to connect are cancelled.
    pub(crate) stopping: bool,
    pub(crate) watched: Watched,
    /// Attempts to connect that failed within the call that started them.
    stillborn: Vec<(Key, ConnectError)>,
}

impl Net {
    pub(crate) fn new(now: Instant, names: NameOptions) -> Self {
        Self {
            now,
            timers: Timers::new(now),
            stats: NetStats::default(),
            conns: Slab::default(),
            guards: Guards::new(now),
            throttles: Throttles::default(),
            permits: SideTable::default(),
            layers: SideTable::default(),
            listeners: Slab::default(),
            fds: Slab::default(),
            datagrams: Slab::default(),
            dials: Slab::default(),
            names: Names::new(names),
            dirty: Vec::new(),
            staging: Staging::default(),
            spare: Vec::new(),
            plain: Vec::new(),
            flow_changes: 0,
            notices: VecDeque::new(),
            out_pool: Pool::new(POOLED_BUFFERS_MAX),
            in_pool: Pool::new(POOLED_BUFFERS_MAX),
            descriptor_freed: false,
            resting_listeners: 0,
            stopping: false,
            watched: Watched::default(),
            stillborn: Vec::new(),
        }
    }

    /// Whether there is something to tell, or to do before that.
    pub(crate) fn has_notices(&self) -> bool {
        !self.notices.is_empty() || !self.stillborn.is_empty() || self.names.has_answered()
    }

    pub(crate) fn take_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    pub(crate) fn conn(&self, key: Key) -> Option<&Connection> {
        self.conns.get(key)
    }

    /// Visits every connection, in every phase.
    pub(crate) fn conns(&self) -> impl Iterator<Item = (Key, &Connection)> {
        self.conns.iter()
    }

    pub(crate) fn conns_len(&self) -> usize {
        self.conns.len()
    }

    /// Whether a stopping loop has nobody left to wait for.
    ///
    /// Attempts to connect do not count: they are cancelled, and a handler that always tries again
    /// always has one.
    pub(crate) fn is_drained(&self) -> bool {
        let alone = self.fds.len() == 0 && self.datagrams.len() == 0;
        alone && self.conns.iter().all(|(_, conn)| conn.phase == Phase::Connecting)
    }

    pub(crate) fn listener_keys(&self) -> Vec<Key> {
        self.listeners.iter().map(|(key, _)| key).collect()
    }

    /// Gives up the slot of a connection whose end was told.
    pub(crate) fn release(&mut self, key: Key) {
        if let Some(conn) = self.conns.remove(key) {
            self.permits.take(key);
            self.stats.closed += 1;
            if let Some(input) = conn.input {
                self.in_pool.give(input);
            }
        }
    }

    /// Arms a timer of the connection's handler; an earlier one with the same tag is replaced.
    pub(crate) fn set_tag_timer(&mut self, key: Key, tag: u32, deadline: Instant) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.phase == Phase::Closed {
            return;
        }
        match conn.tag_timers.get(tag) {
            Some(timer) if self.timers.rearm(timer, deadline) => {}
            _ => conn.tag_timers.put(tag, self.timers.arm(deadline, Due::Tag { conn: key, tag })),
        }
    }

    /// Cancels a timer of the connection's handler; returns whether it was armed.
    pub(crate) fn cancel_tag_timer(&mut self, key: Key, tag: u32) -> bool {
        let Some(conn) = self.conns.get_mut(key) else { return false };
        if planted(Bug::CancelledTimerFires) {
            let deadline = conn.tag_timers.get(tag).and_then(|timer| self.timers.deadline(timer));
            if deadline.is_some_and(|deadline| deadline <= self.now) {
                return true;
            }
        }
        conn.tag_timers.take(tag).map(|timer| self.timers.cancel(timer)).is_some()
    }

    /// A timer of the connection's handler is due; returns whether that is to be told now.
    ///
    /// One that is due before the connection is open waits for that, since `on_open` comes first.
    pub(crate) fn take_due_tag(&mut self, key: Key, tag: u32) -> bool {
        let Some(conn) = self.conns.get_mut(key) else { return false };
        let Some(timer) = conn.tag_timers.take(tag) else { return false };
        let early = conn.phase == Phase::Connecting;
        if early {
            conn.tag_timers.put(tag, timer);
        }
        !early
    }

    /// Arms the timers anew that were due before the connection was open.
    fn arm_early_timers(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        for (tag, timer) in conn.tag_timers.iter_mut() {
            if self.timers.deadline(*timer).is_none() {
                *timer = self.timers.arm(self.now, Due::Tag { conn: key, tag: *tag });
            }
        }
    }

    /// Pauses or resumes reading on the handler's wish.
    pub(crate) fn pause_reading<O: Ops + ?Sized>(&mut self, key: Key, paused: bool, ops: &mut O) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.paused == paused {
            return;
        }
        conn.paused = paused;
        self.flow_changes = self.flow_changes.wrapping_add(1);
        if conn.phase == Phase::Open {
            let owed = (conn.input.is_some() && !planted(Bug::ResumeWithoutInput))
                || self.layers.reads_on(key)
                || conn.end == PeerEnd::Untold
                || (conn.end == PeerEnd::Told && planted(Bug::EndToldTwice));
            if !paused && owed {
                conn.input_waits = conn.input.is_some();
                self.notices.push_back(Notice::InputWaits(key));
            }
            self.set_read_mode(key, ops);
        }
    }

    /// Changes what the high mark does by itself, also while output is above it.
    pub(crate) fn set_on_high_mark<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        reaction: OnHighMark,
        ops: &mut O,
    ) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.on_high_mark = reaction;
        if conn.phase == Phase::Open && conn.pressured {
            self.flow_changes = self.flow_changes.wrapping_add(1);
            let held = reaction == OnHighMark::Tell && std::mem::take(&mut conn.held);
            let owed = held || self.layers.reads_on(key);
            self.set_read_mode(key, ops);
            if owed {
                self.owe_input(key);
            }
        }
    }

    fn insert(&mut self, conn: Connection) -> Key {
        let key = self.conns.insert(conn);
        self.add_layer(key);
        key
    }
}

/// Connections of one origin share one configuration.
pub(crate) type SharedConfig = Rc<ConnConfig>;
