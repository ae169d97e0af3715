//! The load: many connections in one epoll loop, each with a fixed number of messages in flight.
//!
//! It is a closed loop: an echo that comes back is replaced by a new message at once, so the server
//! is always busy and the figures are its capacity, not the client's schedule.

pub(crate) mod audience;
mod connection;
mod wire;

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use self::connection::Connection;
use self::wire::Wire;
use crate::contenders::Suite;
use crate::failure::{Explain, Failure, Outcome};

const EVENTS_PER_WAIT: usize = 1024;
const RECEIVE_BYTES: usize = 256 * 1024;
/// Without a single echo for this long, the server is stuck.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest sleep; bounds how late the end of a window is seen when nothing comes.
const WAIT_MAX: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// Latencies are kept in nanoseconds up to a minute, to three digits.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// The shape of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadPlan {
    pub(crate) suite: Suite,
    pub(crate) connections: usize,
    pub(crate) outstanding: u32,
    pub(crate) payload_bytes: usize,
}

/// What was seen while a load ran.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) messages: u64,
    pub(crate) elapsed: Duration,
    /// The part of `elapsed` that this thread was on its core.
    pub(crate) busy: Duration,
    pub(crate) latency_ns: Histogram<u64>,
}

impl Window {
    pub(crate) fn per_second(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }
}

/// The connections, and everything they share.
pub(crate) struct Load {
    address: SocketAddrV4,
    outstanding: u32,
    epoll: OwnedFd,
    events: Vec<Event>,
    connections: Vec<Connection>,
    shared: Shared,
}

/// What a connection needs while it handles an event.
#[derive(Debug)]
struct Shared {
    wire: Wire,
    receive_buffer: Vec<u8>,
    origin: Instant,
    /// Messages that may still be sent.
    budget: u64,
    in_flight: u64,
    /// Echoes since the window began.
    messages: u64,
    latency_ns: Histogram<u64>,
    /// Whether every byte that comes back is compared with what was sent.
    is_checking: bool,
}

impl Load {
    /// Connects to the server; nothing is sent yet.
    pub(crate) fn open(address: SocketAddrV4, plan: &LoadPlan) -> Outcome<Self> {
        let nothing = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut load = Self {
            address,
            outstanding: plan.outstanding,
            epoll: epoll::create(CreateFlags::CLOEXEC).explain("cannot create an epoll")?,
            events: vec![nothing; EVENTS_PER_WAIT],
            connections: Vec::new(),
            shared: Shared {
                wire: Wire::new(plan.suite, plan.payload_bytes, plan.outstanding),
                receive_buffer: vec![0; RECEIVE_BYTES],
                origin: Instant::now(),
                budget: 0,
                in_flight: 0,
                messages: 0,
                latency_ns: new_histogram()?,
                is_checking: true,
            },
        };
        load.grow(plan.connections)?;
        Ok(load)
    }

    /// Opens more connections.
    pub(crate) fn grow(&mut self, count: usize) -> Outcome<()> {
        for _ in 0..count {
            let index = self.connections.len();
            let connection = Connection::open(self.address, index)
                .explain(format_args!("cannot open connection {}", index + 1))?;
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            let tag = EventData::new_u64(index as u64);
            epoll::add(&self.epoll, connection.socket(), tag, flags)
                .explain("cannot watch a connection")?;
            self.connections.push(connection);
        }
        Ok(())
    }

    /// Loads the server without counting, and compares every byte that comes back.
    pub(crate) fn warm_up(&mut self, length: Duration) -> Outcome<()> {
        self.shared.is_checking = true;
        self.run_for(length)?;
        self.shared.is_checking = false;
        Ok(())
    }

    /// Loads the server for a time. What is in flight at the end stays in flight.
    pub(crate) fn run_for(&mut self, length: Duration) -> Outcome<Window> {
        let start = self.begin(u64::MAX)?;
        self.run_until(start, |_, elapsed| elapsed >= length)
    }

    /// Sends so many messages and waits for all echoes. Connections that come first send first.
    pub(crate) fn run_messages(&mut self, count: u64) -> Outcome<Window> {
        let start = self.begin(count)?;
        self.run_until(start, |shared, _| shared.budget == 0 && shared.in_flight == 0)
    }

    fn begin(&mut self, budget: u64) -> Outcome<Instant> {
        self.shared.messages = 0;
        self.shared.latency_ns.reset();
        self.shared.budget = budget;
        let start = Instant::now();
        for connection in &mut self.connections {
            connection.top_up(&mut self.shared, self.outstanding)?;
        }
        Ok(start)
    }

    fn run_until(
        &mut self,
        start: Instant,
        is_over: impl Fn(&Shared, Duration) -> bool,
    ) -> Outcome<Window> {
        let (mut seen, mut seen_at) = (0, Duration::ZERO);
        let cpu_before = thread_cpu();
        loop {
            let elapsed = start.elapsed();
            if is_over(&self.shared, elapsed) {
                let (messages, busy) = (self.shared.messages, thread_cpu() - cpu_before);
                let latency_ns = self.shared.latency_ns.clone();
                return Ok(Window { messages, elapsed, busy, latency_ns });
            }
            if self.shared.messages != seen {
                (seen, seen_at) = (self.shared.messages, elapsed);
            } else if elapsed - seen_at > PATIENCE {
                return Err(Failure::new(format!("no echo for {} s", PATIENCE.as_secs())));
            }
            self.turn()?;
        }
    }

    fn turn(&mut self) -> Outcome<()> {
        let ready = match epoll::wait(&self.epoll, &mut self.events[..], Some(&WAIT_MAX)) {
            Err(Errno::INTR) => 0,
            waited => waited.explain("cannot wait for events")?,
        };
        for event in &self.events[..ready] {
            let data = event.data;
            let index = usize::try_from(data.u64()).unwrap_or(usize::MAX);
            if let Some(connection) = self.connections.get_mut(index) {
                connection.handle_ready(&mut self.shared)?;
            }
        }
        Ok(())
    }
}

impl Shared {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Takes up to `wanted` messages out of the budget.
    fn take_budget(&mut self, wanted: u32) -> u32 {
        let granted = u32::try_from(self.budget).unwrap_or(u32::MAX).min(wanted);
        if self.budget != u64::MAX {
            self.budget -= u64::from(granted);
        }
        self.in_flight += u64::from(granted);
        granted
    }

    fn note_echoes(&mut self, count: u32, latency_ns: u64) {
        self.in_flight -= u64::from(count);
        self.messages += u64::from(count);
        self.latency_ns.saturating_record_n(latency_ns, u64::from(count));
    }
}

/// The CPU time of this thread so far.
fn thread_cpu() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

fn new_histogram() -> Outcome<Histogram<u64>> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).explain("cannot make a histogram")
}
