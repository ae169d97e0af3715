//! An audience: many connections that all hear each line that one of them says.
//!
//! A closed loop again: the next line is said when everybody has heard the last one.

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::connection::connect_to;
use super::{
    EVENTS_PER_WAIT, PATIENCE, RECEIVE_BYTES, WAIT_MAX, Window, new_histogram, thread_cpu,
};
use crate::failure::{Explain, Failure, Outcome};

/// The connections and the line.
pub(crate) struct Audience {
    epoll: OwnedFd,
    events: Vec<Event>,
    members: Vec<Member>,
    line: Vec<u8>,
    receive_buffer: Vec<u8>,
    latency_ns: Histogram<u64>,
}

struct Member {
    socket: OwnedFd,
    /// How much of the line that is under way it has heard.
    heard_bytes: usize,
}

impl Audience {
    /// Connects everybody, and has the first line heard by all, so that all are known to be there.
    pub(crate) fn open(address: SocketAddrV4, members: usize, line_bytes: usize) -> Outcome<Self> {
        let nothing = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut line: Vec<u8> = (b'a'..=b'z').cycle().take(line_bytes.saturating_sub(1)).collect();
        line.push(b'\n');
        let mut audience = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC).explain("cannot create an epoll")?,
            events: vec![nothing; EVENTS_PER_WAIT],
            members: Vec::new(),
            line,
            receive_buffer: vec![0; RECEIVE_BYTES],
            latency_ns: new_histogram()?,
        };
        for index in 0..members {
            let socket = connect_to(address, index)
                .explain(format_args!("cannot open connection {}", index + 1))?;
            let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&audience.epoll, &socket, EventData::new_u64(index as u64), flags)
                .explain("cannot watch a connection")?;
            audience.members.push(Member { socket, heard_bytes: 0 });
        }
        // Servers take connections in order: who is there for the last one's line is there for all.
        audience.deliver(members - 1)?;
        Ok(audience)
    }

    /// Has lines said for a time, by one after the other. What is counted are deliveries, of one line
    /// to one member each; the latency is that of the last member to hear a line.
    pub(crate) fn run_for(&mut self, length: Duration) -> Outcome<Window> {
        self.latency_ns.reset();
        let (start, cpu_before) = (Instant::now(), thread_cpu());
        let mut lines = 0;
        while start.elapsed() < length {
            let latency = self.deliver(lines % self.members.len())?;
            self.latency_ns
                .saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
            lines += 1;
        }
        Ok(Window {
            messages: (lines * self.members.len()) as u64,
            elapsed: start.elapsed(),
            busy: thread_cpu() - cpu_before,
            latency_ns: self.latency_ns.clone(),
        })
    }

    /// Has one member say the line, and returns how long it took until everybody had heard it.
    fn deliver(&mut self, speaker: usize) -> Outcome<Duration> {
        let said_at = Instant::now();
        let socket = &self.members[speaker].socket;
        let sent = send(socket, &self.line, SendFlags::NOSIGNAL).explain("cannot say a line")?;
        if sent < self.line.len() {
            return Err(Failure::new("a line does not fit into an empty socket"));
        }
        let mut waiting = self.members.len();
        while waiting > 0 {
            if said_at.elapsed() > PATIENCE {
                return Err(Failure::new(format!("{waiting} members do not hear a line")));
            }
            waiting -= self.hear()?;
        }
        self.members.iter_mut().for_each(|member| member.heard_bytes = 0);
        Ok(said_at.elapsed())
    }

    /// Waits for what arrives, and returns how many members have now heard the whole line.
    fn hear(&mut self) -> Outcome<usize> {
        let ready = match epoll::wait(&self.epoll, &mut self.events[..], Some(&WAIT_MAX)) {
            Err(Errno::INTR) => 0,
            waited => waited.explain("cannot wait for events")?,
        };
        let mut done = 0;
        for event in &self.events[..ready] {
            let data = event.data;
            let index = usize::try_from(data.u64()).unwrap_or(usize::MAX);
            let Some(member) = self.members.get_mut(index) else { continue };
            match recv(&member.socket, &mut self.receive_buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => return Err(Failure::new("the server closed a connection")),
                Ok((received, _)) => {
                    let heard = &self.receive_buffer[..received];
                    let expected = self.line.get(member.heard_bytes..member.heard_bytes + received);
                    if expected != Some(heard) {
                        return Err(Failure::new("a member heard what nobody said"));
                    }
                    member.heard_bytes += received;
                    done += usize::from(member.heard_bytes == self.line.len());
                }
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error).explain("a connection failed"),
            }
        }
        Ok(done)
    }
}
