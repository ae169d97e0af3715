//! One connection of the load.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv, send,
    socket_with, sockopt,
};

use super::Shared;
use crate::failure::{Explain, Failure, Outcome};

/// Far below the 28000 local ports that one address has.
const CONNECTIONS_PER_ADDRESS: usize = 4000;

/// A socket and the messages that are on their way through it.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    /// Messages in flight, oldest first, those sent together as one entry.
    batches: VecDeque<Batch>,
    in_flight: u32,
    unsent_bytes: usize,
    /// How far into a message the sent bytes reach.
    sent_phase: usize,
    /// How far into a message the received bytes reach.
    received_phase: usize,
}

#[derive(Debug)]
struct Batch {
    sent_at_ns: u64,
    messages: u32,
}

/// Connects from an address that still has ports: 127.0.0.2 first, then one further on for every few
/// thousand connections.
pub(super) fn connect_to(server: SocketAddrV4, index: usize) -> io::Result<OwnedFd> {
    let host = u8::try_from(2 + index / CONNECTIONS_PER_ADDRESS).map_err(io::Error::other)?;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), 0))?;
    // Closing resets: ten thousand ports in TIME_WAIT would starve the next run.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    connect(&socket, &server)?;
    ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

impl Connection {
    /// Connects.
    pub(super) fn open(server: SocketAddrV4, index: usize) -> io::Result<Self> {
        Ok(Self {
            socket: connect_to(server, index)?,
            batches: VecDeque::new(),
            in_flight: 0,
            unsent_bytes: 0,
            sent_phase: 0,
            received_phase: 0,
        })
    }

    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Sends until `outstanding` messages are in flight or the budget is spent.
    pub(super) fn top_up(&mut self, shared: &mut Shared, outstanding: u32) -> Outcome<()> {
        let wanted = outstanding.saturating_sub(self.in_flight);
        let now_ns = shared.now_ns();
        self.queue(shared, wanted, now_ns);
        self.flush(shared)
    }

    /// Handles an edge: takes what came, and sends a new message for every echo.
    pub(super) fn handle_ready(&mut self, shared: &mut Shared) -> Outcome<()> {
        loop {
            let room_bytes = shared.receive_buffer.len();
            let received =
                match recv(&self.socket, &mut shared.receive_buffer[..], RecvFlags::empty()) {
                    Ok((0, _)) => return Err(Failure::new("the server closed a connection")),
                    Ok((received, _)) => received,
                    Err(Errno::AGAIN) => return self.flush(shared),
                    Err(error) => return Err(error).explain("a connection failed"),
                };
            let now_ns = shared.now_ns();
            let echoes = self.take_echoes(shared, received)?;
            self.note_latencies(shared, echoes, now_ns);
            self.queue(shared, echoes, now_ns);
            if received < room_bytes {
                return self.flush(shared);
            }
        }
    }

    /// Counts the messages that `received` bytes complete.
    fn take_echoes(&mut self, shared: &Shared, received: usize) -> Outcome<u32> {
        let echo = &shared.receive_buffer[..received];
        if shared.is_checking && !shared.wire.matches(self.received_phase, echo) {
            return Err(Failure::new("the server echoed bytes that were not sent"));
        }
        let reached = self.received_phase + received;
        self.received_phase = reached % shared.wire.message_bytes();
        let echoes = u32::try_from(reached / shared.wire.message_bytes()).unwrap_or(u32::MAX);
        if echoes > self.in_flight {
            return Err(Failure::new("the server echoed more than was sent"));
        }
        Ok(echoes)
    }

    fn note_latencies(&mut self, shared: &mut Shared, echoes: u32, now_ns: u64) {
        self.in_flight -= echoes;
        let mut left = echoes;
        while left > 0
            && let Some(batch) = self.batches.front_mut()
        {
            let count = left.min(batch.messages);
            shared.note_echoes(count, now_ns.saturating_sub(batch.sent_at_ns));
            left -= count;
            batch.messages -= count;
            if batch.messages == 0 {
                self.batches.pop_front();
            }
        }
    }

    fn queue(&mut self, shared: &mut Shared, wanted: u32, now_ns: u64) {
        let messages = shared.take_budget(wanted);
        if messages > 0 {
            self.batches.push_back(Batch { sent_at_ns: now_ns, messages });
            self.in_flight += messages;
            self.unsent_bytes += messages as usize * shared.wire.message_bytes();
        }
    }

    fn flush(&mut self, shared: &Shared) -> Outcome<()> {
        while self.unsent_bytes > 0 {
            let bytes = shared.wire.bytes(self.sent_phase, self.unsent_bytes);
            let sent = match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Err(Errno::AGAIN) => return Ok(()),
                sent => sent.explain("a connection failed")?,
            };
            self.unsent_bytes -= sent;
            self.sent_phase = (self.sent_phase + sent) % shared.wire.message_bytes();
        }
        Ok(())
    }
}
