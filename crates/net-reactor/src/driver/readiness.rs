//! The readiness engine: ask what is ready, then call.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::datagrams::{DatagramShare, DatagramSlot, serve_datagrams};
use super::fds::FdSlot;
use super::service::{HotBuffer, Place, Served, serve_dial, serve_listener, serve_stream};
use super::slots::{ListenerSlot, StreamSlot, StreamState};
use super::{
    ACCEPTS_PER_TURN, Engine, Event, Flushed, Handover, Ops, READ_BYTES_PER_TURN, ReadMode,
};
use crate::base::{Address, Bug, Instant, Key, OutQueue, SideTable, planted};
use crate::sys::{
    CloseHow, Credentials, Job, Kind, ListenOptions, ListeningSocket, SocketOption, Sys, Token,
    Wake, Wire, WorkersLimits,
};

/// More than a turn's share is never received at once.
const READ_MAX: NonZeroUsize = NonZeroUsize::new(READ_BYTES_PER_TURN).unwrap();

/// How many slices one send call may name. The kernel's own limit is 1024 (`IOV_MAX`).
const SLICES_PER_SEND: usize = 64;

/// Turns readiness reports into events.
///
/// Each socket is registered once, for both directions and edges only, and never changed: in
/// steady state an echo costs one wait, one receive and one send. The price is that readiness must
/// be remembered here, and that an answer to "is there more?" must not be lost:
///
/// - a receive that fills less than the buffer found the end of what was there, and an edge
///   announces more - except after a hang-up, whose edge is spent already;
/// - a receive that fills the buffer leaves the socket on the ready list;
/// - a paused socket keeps its readiness and is tried at once when it is resumed.
#[derive(Debug)]
pub(crate) struct Readiness<S: Sys> {
    pub(super) sys: S,
    streams: SideTable<StreamSlot<S::Stream>>,
    /// The most bytes that one receive may take, of the few streams that are metered.
    receive_limits: SideTable<NonZeroUsize>,
    listeners: SideTable<ListenerSlot<S::Listener>>,
    /// Streams that are being connected beside others; the one that wins moves to `streams`.
    dials: SideTable<StreamSlot<S::Stream>>,
    pub(super) fds: SideTable<FdSlot>,
    pub(super) datagrams: SideTable<DatagramSlot<S::Udp>>,
    /// Sockets with something to do, in the order in which they get their share.
    ready: VecDeque<Token>,
    /// How many of them belong to the current turn.
    turn_share: usize,
    /// How many more peers the listener at the front may accept in this turn.
    accepts_left: usize,
    /// What the socket of datagrams there may still receive.
    datagrams_left: DatagramShare,
    /// Whether the last wait may have brought answers to name queries.
    may_be_resolved: bool,
    reports: Vec<crate::sys::Readiness>,
    /// The receive buffer; absent while it is lent.
    buffer: Option<Box<[u8]>>,
    stale_events: u64,
    last_report: Option<Token>,
}

impl<S: Sys> Readiness<S> {
    pub(crate) fn new(sys: S) -> Self {
        Self {
            sys,
            streams: SideTable::default(),
            receive_limits: SideTable::default(),
            listeners: SideTable::default(),
            dials: SideTable::default(),
            fds: SideTable::default(),
            datagrams: SideTable::default(),
            ready: VecDeque::new(),
            turn_share: 0,
            accepts_left: ACCEPTS_PER_TURN,
            datagrams_left: DatagramShare::WHOLE,
            may_be_resolved: false,
            reports: Vec::new(),
            buffer: None,
            stale_events: 0,
            last_report: None,
        }
    }

    /// Takes in one report of the kernel.
    fn note(&mut self, report: crate::sys::Readiness) {
        let queue = match report.token.kind {
            Kind::Listener => self.listeners.get_mut(report.token.key).map(ListenerSlot::note),
            Kind::Stream => {
                self.streams.get_mut(report.token.key).map(|slot| slot.state.note(report))
            }
            Kind::Dial => self.dials.get_mut(report.token.key).map(|slot| slot.state.note(report)),
            Kind::Fd => self.fds.get_mut(report.token.key).map(|slot| slot.note(report)),
            Kind::Udp => self.datagrams.get_mut(report.token.key).map(|slot| slot.note(report)),
        };
        match queue {
            Some(true) => self.ready.push_back(report.token),
            Some(false) => {}
            None => self.stale_events += 1,
        }
    }

    /// Puts a socket on the ready list if it has something to do and is not there yet.
    pub(super) fn enqueue(&mut self, token: Token) {
        let queue = match token.kind {
            Kind::Listener => self.listeners.get_mut(token.key).is_some_and(ListenerSlot::enqueue),
            Kind::Stream => {
                self.streams.get_mut(token.key).is_some_and(|slot| slot.state.enqueue())
            }
            Kind::Dial => self.dials.get_mut(token.key).is_some_and(|slot| slot.state.enqueue()),
            // Reports alone put them there.
            Kind::Fd => false,
            Kind::Udp => self.datagrams.get_mut(token.key).is_some_and(DatagramSlot::enqueue),
        };
        if queue {
            self.ready.push_back(token);
        }
    }

    /// Serves the socket at the front of the ready list once.
    fn serve(&mut self, token: Token) -> Served<S> {
        let Self { sys, streams, listeners, dials, fds, datagrams, buffer, .. } = self;
        match token.kind {
            Kind::Stream => match streams.get_mut(token.key) {
                Some(slot) => {
                    let limit = slot.state.has(StreamState::METERED);
                    let limit = limit.then(|| self.receive_limits.get(token.key)).flatten();
                    let room = limit.map_or(READ_BYTES_PER_TURN, |limit| limit.get());
                    serve_stream(sys, buffer, room, token.key, slot)
                }
                None => (None, Place::Gone),
            },
            Kind::Listener => match listeners.get_mut(token.key) {
                Some(slot) => {
                    let share = self.accepts_left;
                    self.accepts_left = share.saturating_sub(1);
                    serve_listener(sys, share, token.key, slot)
                }
                None => (None, Place::Gone),
            },
            Kind::Dial => {
                let slot = dials.get_mut(token.key);
                (slot.and_then(|slot| serve_dial(sys, token.key, slot)), Place::Gone)
            }
            Kind::Fd => {
                let ready = fds.get_mut(token.key).and_then(FdSlot::take_ready);
                (ready.map(|ready| Event::Ready { slot: token.key, ready }), Place::Gone)
            }
            Kind::Udp => match datagrams.get_mut(token.key) {
                Some(slot) => {
                    serve_datagrams(sys, buffer, &mut self.datagrams_left, token.key, slot)
                }
                None => (None, Place::Gone),
            },
        }
    }
}

impl<S: Sys> Engine for Readiness<S> {
    type Socket = S::Stream;
    type Lease = HotBuffer;

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.ready.is_empty() { timeout } else { Some(Duration::ZERO) };
        let mut reports = std::mem::take(&mut self.reports);
        let result = self.sys.wait(timeout, &mut reports);
        self.last_report = reports.first().map(|report| report.token);
        for report in reports.drain(..) {
            self.note(report);
        }
        self.reports = reports;
        self.turn_share = self.ready.len();
        self.may_be_resolved = true;
        result
    }

    fn has_backlog(&self) -> bool {
        !self.ready.is_empty()
    }

    fn next(&mut self) -> Option<Event<S::Stream, HotBuffer>> {
        if self.may_be_resolved {
            if let Some(resolution) = self.sys.resolved() {
                return Some(Event::Resolved(resolution));
            }
            self.may_be_resolved = false;
        }
        while self.turn_share > 0 {
            let token = *self.ready.front()?;
            let (event, place) = self.serve(token);
            if place != Place::Front {
                self.ready.pop_front();
                self.turn_share -= 1;
                self.accepts_left = ACCEPTS_PER_TURN;
                self.datagrams_left = DatagramShare::WHOLE;
            }
            if place == Place::Back {
                self.ready.push_back(token);
            }
            if event.is_some() {
                return event;
            }
        }
        None
    }

    fn recycle(&mut self, lease: HotBuffer) {
        self.buffer = Some(lease.into_inner());
    }

    fn refuse(&mut self, socket: S::Stream) {
        self.sys.close(socket, CloseHow::Reset);
    }

    fn adopt(&mut self, slot: Key, mut socket: S::Stream) -> io::Result<()> {
        if let Err(error) = self.sys.register(Token::stream(slot), &mut socket) {
            if planted(Bug::UnregisteredSocketLeaks) {
                std::mem::forget(socket);
            } else {
                self.sys.close(socket, CloseHow::Reset);
            }
            return Err(error);
        }
        self.streams.put(slot, StreamSlot { stream: socket, state: StreamState::default() });
        Ok(())
    }

    fn last_report(&self) -> Option<Token> {
        self.last_report
    }

    fn stale_events(&self) -> u64 {
        self.stale_events
    }
}

impl<S: Sys> Ops for Readiness<S> {
    fn now(&self) -> Instant {
        self.sys.now()
    }

    fn wall(&self) -> SystemTime {
        self.sys.wall()
    }

    fn seed(&self) -> u64 {
        self.sys.seed()
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.sys.waker()
    }

    fn listen(
        &mut self,
        listener: Key,
        address: &Address,
        options: &ListenOptions,
    ) -> io::Result<Address> {
        let (socket, bound) = self.sys.listen(Token::listener(listener), address, options)?;
        self.listeners.put(listener, ListenerSlot::new(socket));
        Ok(bound)
    }

    fn adopt_listener(&mut self, listener: Key, socket: ListeningSocket) -> io::Result<Address> {
        let (socket, bound) = self.sys.adopt_listener(Token::listener(listener), socket)?;
        self.listeners.put(listener, ListenerSlot::new(socket));
        Ok(bound)
    }

    fn unlisten(&mut self, listener: Key) {
        if let Some(slot) = self.listeners.take(listener) {
            self.sys.close_listener(slot.listener);
        }
    }

    fn rest(&mut self, listener: Key, resting: bool) {
        if let Some(slot) = self.listeners.get_mut(listener) {
            slot.resting = resting;
            // The edge that announced the pending peers is spent: they must be looked for.
            slot.ready |= !resting;
            self.enqueue(Token::listener(listener));
        }
    }

    fn turn_away(&mut self, listener: Key) -> io::Result<bool> {
        match self.listeners.get(listener) {
            Some(slot) => self.sys.turn_away(&slot.listener),
            None => Ok(false),
        }
    }

    fn connect(&mut self, slot: Key, peer: &Address, bind: Option<SocketAddr>) -> io::Result<()> {
        let stream = self.sys.connect(Token::stream(slot), peer, bind)?;
        let state = StreamState::CONNECTING;
        self.streams.put(slot, StreamSlot { stream, state });
        Ok(())
    }

    fn dial(&mut self, dial: Key, peer: &Address, bind: Option<SocketAddr>) -> io::Result<()> {
        let stream = self.sys.connect(Token::dial(dial), peer, bind)?;
        let state = StreamState::CONNECTING;
        self.dials.put(dial, StreamSlot { stream, state });
        Ok(())
    }

    fn promote(&mut self, dial: Key, slot: Key) -> io::Result<()> {
        let entry = self.dials.get_mut(dial).ok_or(io::ErrorKind::NotConnected)?;
        self.sys.rename(Token::stream(slot), &mut entry.stream)?;
        Ops::close(self, slot, CloseHow::Reset);
        if let Some(entry) = self.dials.take(dial) {
            self.streams.put(slot, entry);
            // What was reported under the old name holds under the new one.
            self.enqueue(Token::stream(slot));
        }
        Ok(())
    }

    fn cancel_dial(&mut self, dial: Key) {
        if let Some(entry) = self.dials.take(dial) {
            self.sys.close(entry.stream, CloseHow::Reset);
        }
    }

    fn adopt_handover(&mut self, slot: Key, socket: Handover) -> io::Result<()> {
        match socket.downcast::<S::Stream>() {
            Ok(stream) => self.adopt(slot, *stream),
            Err(_) => Err(io::Error::other("the socket belongs to another kind of engine")),
        }
    }

    fn read_mode(&mut self, slot: Key, mode: ReadMode) {
        if let Some(entry) = self.streams.get_mut(slot) {
            entry.state.set(StreamState::PAUSED, mode == ReadMode::Paused);
            self.enqueue(Token::stream(slot));
        }
    }

    fn limit_receive(&mut self, slot: Key, bytes_max: NonZeroUsize) {
        if let Some(entry) = self.streams.get_mut(slot) {
            entry.state.set(StreamState::METERED, true);
            self.receive_limits.put(slot, bytes_max.min(READ_MAX));
        }
    }

    fn look(&mut self, slot: Key) {
        if let Some(entry) = self.streams.get_mut(slot) {
            entry.state.set(StreamState::READABLE, true);
            self.enqueue(Token::stream(slot));
        }
    }

    fn send(&mut self, slot: Key, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let entry = self.streams.get_mut(slot).ok_or(io::ErrorKind::NotConnected)?;
        let sent = match self.sys.send(&mut entry.stream, slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            sent => sent?,
        };
        if sent < slices.iter().map(|slice| slice.len()).sum() {
            entry.state.await_room();
        }
        Ok(sent)
    }

    fn flush(&mut self, slot: Key, queue: &mut OutQueue, bytes_max: usize) -> Flushed {
        let Some(entry) = self.streams.get_mut(slot) else {
            return Flushed::Failed(io::ErrorKind::NotConnected.into());
        };
        let mut budget = bytes_max;
        while !queue.is_empty() {
            if budget == 0 {
                return Flushed::Yielded;
            }
            let (offered, sent) = match queue.only_chunk() {
                Some(only) => {
                    let part = &only[..only.len().min(budget)];
                    (part.len(), self.sys.send(&mut entry.stream, &[IoSlice::new(part)]))
                }
                None => send_gathered(&mut self.sys, &mut entry.stream, queue, budget),
            };
            match sent {
                Ok(sent) => {
                    queue.advance(sent);
                    budget = budget.saturating_sub(sent);
                    if sent < offered {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Flushed::Failed(error),
            }
        }
        if queue.is_empty() {
            return Flushed::Drained;
        }
        if planted(Bug::BlockedFlushSpins) {
            return Flushed::Yielded;
        }
        entry.state.await_room();
        Flushed::Blocked
    }

    fn shutdown_write(&mut self, slot: Key) -> io::Result<()> {
        match self.streams.get(slot) {
            Some(entry) => self.sys.shutdown_write(&entry.stream),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn set_option(&mut self, slot: Key, option: SocketOption) -> io::Result<()> {
        match self.streams.get(slot) {
            Some(entry) => self.sys.set_option(&entry.stream, option),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn local_address(&self, slot: Key) -> io::Result<Address> {
        match self.streams.get(slot) {
            Some(entry) => self.sys.local_address(&entry.stream),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn peer_credentials(&self, slot: Key) -> io::Result<Credentials> {
        match self.streams.get(slot) {
            Some(entry) => self.sys.peer_credentials(&entry.stream),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn wire(&self, slot: Key) -> Option<Wire> {
        self.sys.wire(&self.streams.get(slot)?.stream)
    }

    fn close(&mut self, slot: Key, how: CloseHow) {
        if let Some(entry) = self.streams.take(slot) {
            self.sys.close(entry.stream, how);
        }
    }

    fn resolve(&mut self, query: Key, host: &str) {
        self.sys.resolve(query, host);
    }

    fn limit_workers(&mut self, limits: WorkersLimits) {
        self.sys.limit_workers(limits);
    }

    fn offload(&mut self, job: Job) -> Result<(), Job> {
        self.sys.offload(job)
    }
}

/// Offers as many chunks as fit one call; returns what was offered and what was taken.
fn send_gathered<S: Sys>(
    sys: &mut S,
    stream: &mut S::Stream,
    queue: &OutQueue,
    bytes_max: usize,
) -> (usize, io::Result<usize>) {
    let mut slices = [IoSlice::new(&[]); SLICES_PER_SEND];
    let used = queue.gather(&mut slices, bytes_max);
    if planted(Bug::GatherReversed) {
        slices[..used].reverse();
    }
    let slices = &slices[..used];
    (slices.iter().map(|slice| slice.len()).sum(), sys.send(stream, slices))
}
