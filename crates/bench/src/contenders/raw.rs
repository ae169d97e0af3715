//! The limit: an edge-triggered epoll loop that does nothing but what the kernel demands.
//!
//! One `epoll_ctl` per connection, one receive buffer for all, a short read counts as drained, the
//! answer leaves in one send at once, and no memory is taken per message. There are no timers,
//! limits or callbacks: what a library adds is the difference to this file.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

/// Fits in the second-level cache, and larger than what a socket holds at once.
const RECEIVE_BYTES: usize = 256 * 1024;
const EVENTS_PER_WAIT: usize = 1024;
const LISTENER_TAG: u64 = u64::MAX;

/// What a raw server answers.
pub(super) trait Answer {
    /// Returns what to send for `input`. Bytes that cannot be answered yet go into `stash`, which is
    /// empty when called, and come back in front of the next input.
    fn answer<'a>(&'a mut self, input: &'a [u8], stash: &mut Vec<u8>) -> io::Result<&'a [u8]>;
}

/// Sends every byte back.
pub(super) fn echo(listener: TcpListener) -> io::Result<()> {
    RawLoop::new(listener, EchoAnswer)?.run()
}

struct EchoAnswer;

impl Answer for EchoAnswer {
    fn answer<'a>(&'a mut self, input: &'a [u8], _stash: &mut Vec<u8>) -> io::Result<&'a [u8]> {
        Ok(input)
    }
}

/// The loop, with everything that connections share.
pub(super) struct RawLoop<A> {
    epoll: OwnedFd,
    listener: TcpListener,
    /// A slot's index is its tag in epoll. A late event for a slot that was filled again does no
    /// harm: it only reads once in vain.
    connections: Vec<Option<Connection>>,
    free_slots: Vec<usize>,
    receive_buffer: Vec<u8>,
    answer: A,
}

struct Connection {
    socket: OwnedFd,
    /// Input that is not a whole request yet.
    stash: Vec<u8>,
    /// Output that the socket did not take; `unsent_from` bytes of it are gone.
    unsent: Vec<u8>,
    unsent_from: usize,
}

impl<A: Answer> RawLoop<A> {
    pub(super) fn new(listener: TcpListener, answer: A) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER_TAG), EventFlags::IN)?;
        Ok(Self {
            epoll,
            listener,
            connections: Vec::new(),
            free_slots: Vec::new(),
            receive_buffer: vec![0; RECEIVE_BYTES],
            answer,
        })
    }

    pub(super) fn run(mut self) -> io::Result<()> {
        let nothing = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut events = vec![nothing; EVENTS_PER_WAIT];
        loop {
            let ready = match epoll::wait(&self.epoll, &mut events[..], None) {
                Err(Errno::INTR) => 0,
                waited => waited?,
            };
            for event in &events[..ready] {
                // The record is packed: its fields are copied, not borrowed.
                let (data, flags) = (event.data, event.flags);
                match data.u64() {
                    LISTENER_TAG => self.accept_all()?,
                    tag => self.serve(usize::try_from(tag).unwrap_or(usize::MAX), flags),
                }
            }
        }
    }

    fn accept_all(&mut self) -> io::Result<()> {
        loop {
            match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => self.add(socket)?,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn add(&mut self, socket: OwnedFd) -> io::Result<()> {
        // Fails only on a peer that is gone already; the first read will say so.
        let _ = sockopt::set_tcp_nodelay(&socket, true);
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &socket, EventData::new_u64(slot as u64), flags)?;
        self.connections[slot] =
            Some(Connection { socket, stash: Vec::new(), unsent: Vec::new(), unsent_from: 0 });
        Ok(())
    }

    fn serve(&mut self, slot: usize, flags: EventFlags) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let ending = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        let served = connection.serve(&mut self.receive_buffer, &mut self.answer, ending);
        if !served.unwrap_or(false) {
            // Dropping the socket closes it, which takes it out of epoll as well.
            self.connections[slot] = None;
            self.free_slots.push(slot);
        }
    }
}

impl Connection {
    /// Reads and answers until the socket is empty or takes no more output. Returns whether the
    /// connection lives on.
    fn serve<A: Answer>(
        &mut self,
        buffer: &mut [u8],
        answer: &mut A,
        ending: bool,
    ) -> io::Result<bool> {
        // While output is stuck nothing is read: the peer's window closes, and the next edge of
        // writability brings us back here.
        while self.flush()? {
            let held = self.stash.len();
            let Some(room) = buffer.get_mut(held..).filter(|room| !room.is_empty()) else {
                return Err(io::Error::other("a request is larger than the receive buffer"));
            };
            let room_bytes = room.len();
            let received = match recv(&self.socket, room, RecvFlags::empty()) {
                Ok((0, _)) => return Ok(false),
                Ok((received, _)) => received,
                Err(Errno::AGAIN) => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            buffer[..held].copy_from_slice(&self.stash);
            self.stash.clear();
            let output = answer.answer(&buffer[..held + received], &mut self.stash)?;
            let sent = send_some(&self.socket, output)?;
            self.unsent.extend_from_slice(&output[sent..]);
            // A short read has emptied the socket, unless an end is pending, which makes no new edge.
            if received < room_bytes && !ending && self.unsent.is_empty() {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Sends what was left over. Returns whether nothing is left now.
    fn flush(&mut self) -> io::Result<bool> {
        while self.unsent_from < self.unsent.len() {
            let sent = send_some(&self.socket, &self.unsent[self.unsent_from..])?;
            if sent == 0 {
                return Ok(false);
            }
            self.unsent_from += sent;
        }
        self.unsent.clear();
        self.unsent_from = 0;
        Ok(true)
    }
}

/// Sends once and returns how much the socket took, zero if it is full.
fn send_some(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match send(socket, bytes, SendFlags::NOSIGNAL) {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
