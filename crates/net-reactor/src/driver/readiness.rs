//! The readiness engine: ask what is ready, then call.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::slots::{ListenerSlot, Slots, StreamSlot, StreamState};
use super::{
    ACCEPTS_PER_TURN, Engine, Event, Flushed, Handover, Lease, Ops, READ_BYTES_PER_TURN, ReadMode,
    SEND_BYTES_PER_FLUSH,
};
use crate::base::{Instant, Key, OutQueue};
use crate::sys::{CloseHow, Job, Kind, ListenOptions, SocketOption, Sys, Token, Wake};

/// How many slices one send call may name. The kernel's own limit is 1024 (`IOV_MAX`).
const SLICES_PER_SEND: usize = 64;

/// Room before the received bytes, for what a connection had left over.
const FRONT_BYTES: usize = 64 * 1024;

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
    sys: S,
    streams: Slots<StreamSlot<S::Stream>>,
    listeners: Slots<ListenerSlot<S::Listener>>,
    /// Sockets with something to do, in the order in which they get their share.
    ready: VecDeque<Token>,
    /// How many of them belong to the current turn.
    turn_share: usize,
    /// The listener that is accepting, and how many more peers it may accept in this turn.
    accepting: Option<(Key, usize)>,
    reports: Vec<crate::sys::Readiness>,
    /// The receive buffer; absent while it is lent.
    buffer: Option<Box<[u8]>>,
    stale_events: u64,
    last_report: Option<Token>,
}

/// The engine's one receive buffer, on loan.
#[derive(Debug)]
pub(crate) struct HotBuffer {
    buffer: Box<[u8]>,
    len: usize,
}

impl Lease for HotBuffer {
    fn bytes(&self) -> &[u8] {
        &self.buffer[FRONT_BYTES..FRONT_BYTES + self.len]
    }

    fn with_front(&mut self, front: &[u8]) -> Option<&[u8]> {
        let start = FRONT_BYTES.checked_sub(front.len())?;
        self.buffer[start..FRONT_BYTES].copy_from_slice(front);
        Some(&self.buffer[start..FRONT_BYTES + self.len])
    }
}

impl<S: Sys> Readiness<S> {
    pub(crate) fn new(sys: S) -> Self {
        Self {
            sys,
            streams: Slots::default(),
            listeners: Slots::default(),
            ready: VecDeque::new(),
            turn_share: 0,
            accepting: None,
            reports: Vec::new(),
            buffer: None,
            stale_events: 0,
            last_report: None,
        }
    }

    /// Takes in one report of the kernel.
    fn note(&mut self, report: crate::sys::Readiness) {
        let known = match report.token.kind {
            Kind::Listener => self.listeners.get_mut(report.token.key).map(|slot| {
                slot.ready = true;
            }),
            Kind::Stream => self.streams.get_mut(report.token.key).map(|slot| {
                let state = &mut slot.state;
                state.readable |= report.readable || report.hang_up || report.failed;
                state.hang_up |= report.hang_up || report.failed;
                state.failed |= report.failed;
                state.writable |= report.writable || report.failed;
            }),
        };
        match known {
            Some(()) => self.enqueue(report.token),
            None => self.stale_events += 1,
        }
    }

    /// Puts a socket on the ready list if it has something to do and is not there yet.
    fn enqueue(&mut self, token: Token) {
        let queued = match token.kind {
            Kind::Listener => match self.listeners.get_mut(token.key) {
                Some(slot) if slot.ready && !slot.resting => &mut slot.queued,
                _ => return,
            },
            Kind::Stream => match self.streams.get_mut(token.key) {
                Some(slot) if slot.state.wants_service() => &mut slot.state.queued,
                _ => return,
            },
        };
        if !std::mem::replace(queued, true) {
            self.ready.push_back(token);
        }
    }

    /// Serves the stream at the front of the ready list once.
    ///
    /// `None` means that the stream has had its share of this turn.
    fn serve_stream(&mut self, key: Key) -> Option<Event<S::Stream, HotBuffer>> {
        let slot = self.streams.get_mut(key)?;
        if slot.state.connecting {
            return self.finish_connect(key);
        }
        if slot.state.writable && slot.state.blocked {
            slot.state.blocked = false;
            return Some(Event::Writable { slot: key });
        }
        if slot.state.readable && !slot.state.paused && !slot.state.ended {
            return self.receive(key);
        }
        if slot.state.failed && !slot.state.ended {
            return self.report_failure(key);
        }
        None
    }

    fn finish_connect(&mut self, key: Key) -> Option<Event<S::Stream, HotBuffer>> {
        let slot = self.streams.get_mut(key)?;
        if !slot.state.writable {
            return None;
        }
        match self.sys.connected(&slot.stream) {
            Ok(addresses) => {
                slot.state.connecting = false;
                Some(Event::Connected { slot: key, addresses })
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected && !slot.state.failed => {
                slot.state.writable = false;
                None
            }
            Err(error) => {
                slot.state.ended = true;
                slot.state.connecting = false;
                Some(Event::Failed { slot: key, error })
            }
        }
    }

    fn receive(&mut self, key: Key) -> Option<Event<S::Stream, HotBuffer>> {
        let slot = self.streams.get_mut(key)?;
        let mut buffer = self
            .buffer
            .take()
            .unwrap_or_else(|| vec![0; FRONT_BYTES + READ_BYTES_PER_TURN].into_boxed_slice());
        let received = self.sys.receive(&mut slot.stream, &mut buffer[FRONT_BYTES..]);
        let state = &mut slot.state;
        match received {
            Ok(0) => {
                state.ended = true;
                state.readable = false;
                self.buffer = Some(buffer);
                Some(Event::Eof { slot: key })
            }
            Ok(len) => {
                // A full buffer may have left bytes behind; a hang-up has no edge of its own.
                state.readable = len == READ_BYTES_PER_TURN || state.hang_up;
                Some(Event::Data { slot: key, lease: HotBuffer { buffer, len } })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                state.readable = false;
                self.buffer = Some(buffer);
                None
            }
            Err(error) => {
                state.ended = true;
                self.buffer = Some(buffer);
                Some(Event::Failed { slot: key, error })
            }
        }
    }

    /// Tells of an error on a socket that nobody reads from.
    fn report_failure(&mut self, key: Key) -> Option<Event<S::Stream, HotBuffer>> {
        let slot = self.streams.get_mut(key)?;
        slot.state.failed = false;
        match self.sys.take_error(&slot.stream) {
            Ok(None) => None,
            Ok(Some(error)) | Err(error) => {
                slot.state.ended = true;
                Some(Event::Failed { slot: key, error })
            }
        }
    }

    fn serve_listener(&mut self, key: Key) -> Option<Event<S::Stream, HotBuffer>> {
        let share = match self.accepting {
            Some((accepting, share)) if accepting == key => share,
            _ => ACCEPTS_PER_TURN,
        };
        let slot = self.listeners.get_mut(key)?;
        if share == 0 || slot.resting {
            return None;
        }
        self.accepting = Some((key, share - 1));
        match self.sys.accept(&slot.listener) {
            Ok((socket, peer)) => Some(Event::Accepted { listener: key, socket, peer }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                slot.ready = false;
                None
            }
            Err(error) => Some(Event::AcceptFailed { listener: key, error }),
        }
    }

    fn dequeue(&mut self, token: Token) {
        match token.kind {
            Kind::Listener => {
                self.accepting = None;
                if let Some(slot) = self.listeners.get_mut(token.key) {
                    slot.queued = false;
                }
            }
            Kind::Stream => {
                if let Some(slot) = self.streams.get_mut(token.key) {
                    slot.state.queued = false;
                }
            }
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
        result
    }

    fn next(&mut self) -> Option<Event<S::Stream, HotBuffer>> {
        if let Some(resolution) = self.sys.resolved() {
            return Some(Event::Resolved(resolution));
        }
        while self.turn_share > 0 {
            let token = *self.ready.front()?;
            let event = match token.kind {
                Kind::Stream => self.serve_stream(token.key),
                Kind::Listener => self.serve_listener(token.key),
            };
            // A receive that filled the buffer was the share of this turn.
            let share_used = match &event {
                None => true,
                Some(Event::Data { lease, .. }) => lease.len == READ_BYTES_PER_TURN,
                Some(_) => false,
            };
            let done = share_used || (token.kind == Kind::Stream && self.is_idle(token.key));
            if done {
                self.ready.pop_front();
                self.turn_share -= 1;
                self.dequeue(token);
                self.enqueue(token);
            }
            if event.is_some() {
                return event;
            }
        }
        None
    }

    fn recycle(&mut self, lease: HotBuffer) {
        self.buffer = Some(lease.buffer);
    }

    fn adopt(&mut self, slot: Key, mut socket: S::Stream) -> io::Result<()> {
        if let Err(error) = self.sys.register(Token::stream(slot), &mut socket) {
            self.sys.close(socket, CloseHow::Reset);
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

impl<S: Sys> Readiness<S> {
    fn is_idle(&self, key: Key) -> bool {
        self.streams.get(key).is_none_or(|slot| !slot.state.wants_service())
    }
}

impl<S: Sys> Ops for Readiness<S> {
    fn now(&self) -> Instant {
        self.sys.now()
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.sys.waker()
    }

    fn listen(
        &mut self,
        listener: Key,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<SocketAddr> {
        let (socket, bound) = self.sys.listen(Token::listener(listener), address, options)?;
        self.listeners.put(listener, ListenerSlot::new(socket));
        Ok(bound)
    }

    fn adopt_listener(
        &mut self,
        listener: Key,
        socket: std::net::TcpListener,
    ) -> io::Result<SocketAddr> {
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

    fn connect(&mut self, slot: Key, peer: SocketAddr, bind: Option<SocketAddr>) -> io::Result<()> {
        let stream = self.sys.connect(Token::stream(slot), peer, bind)?;
        let state = StreamState { connecting: true, ..StreamState::default() };
        self.streams.put(slot, StreamSlot { stream, state });
        Ok(())
    }

    fn adopt_handover(&mut self, slot: Key, socket: Handover) -> io::Result<()> {
        match socket.downcast::<S::Stream>() {
            Ok(stream) => self.adopt(slot, *stream),
            Err(_) => Err(io::Error::other("the socket belongs to another kind of engine")),
        }
    }

    fn read_mode(&mut self, slot: Key, mode: ReadMode) {
        if let Some(entry) = self.streams.get_mut(slot) {
            entry.state.paused = mode == ReadMode::Paused;
            self.enqueue(Token::stream(slot));
        }
    }

    fn flush(&mut self, slot: Key, queue: &mut OutQueue) -> Flushed {
        let Some(entry) = self.streams.get_mut(slot) else {
            return Flushed::Failed(io::ErrorKind::NotConnected.into());
        };
        let mut budget = SEND_BYTES_PER_FLUSH;
        while !queue.is_empty() {
            if budget == 0 {
                return Flushed::Yielded;
            }
            let (offered, sent) = match queue.only_chunk() {
                Some(only) => (only.len(), self.sys.send(&mut entry.stream, &[IoSlice::new(only)])),
                None => send_gathered(&mut self.sys, &mut entry.stream, queue),
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
        entry.state.blocked = true;
        entry.state.writable = false;
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

    fn local_address(&self, slot: Key) -> io::Result<SocketAddr> {
        match self.streams.get(slot) {
            Some(entry) => self.sys.local_address(&entry.stream),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn close(&mut self, slot: Key, how: CloseHow) {
        if let Some(entry) = self.streams.take(slot) {
            self.sys.close(entry.stream, how);
        }
    }

    fn resolve(&mut self, query: Key, host: &str) {
        self.sys.resolve(query, host);
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
) -> (usize, io::Result<usize>) {
    let mut slices = [IoSlice::new(&[]); SLICES_PER_SEND];
    let used = queue.gather(&mut slices);
    let slices = &slices[..used];
    (slices.iter().map(|slice| slice.len()).sum(), sys.send(stream, slices))
}
