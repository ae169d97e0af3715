//! The world: several hosts, the wires between them, and one clock.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Memory;
use super::alarm::{Alarm, Roused};
use super::chance::Chance;
use super::datagrams::Udp;
use super::ends::{Dropped, End, Pipe};
use super::fault::{Fault, FaultRates, FaultTable};
use super::inject::Doom;
use super::links::{Link, Wires};
use super::listeners::Listening;
use super::machine::{EPHEMERAL_PORTS_LEN, Kernel, Machine};
use super::names::Name;
use super::network::{Event, EventId};
use super::socket::Socket;
use super::trace::Trace;
use crate::base::{Instant, Slab};

/// How many bytes each end of a direction buffers by default: 64 KiB a direction.
const CAPACITY_BYTES: usize = 32 * 1024;

/// How long `TIME_WAIT` lasts by default; Linux's `TCP_TIMEWAIT_LEN`.
const TIME_WAIT: Duration = Duration::from_secs(60);

/// Hosts in plain memory, with one clock that only a test moves.
///
/// A clone is another handle on the same world. Everything happens on the thread that calls, and
/// everything that is left to chance is drawn from the seed: the same calls in the same order give
/// the same world.
///
/// What is simpler than the real thing:
///
/// - Acknowledgements and window updates travel in no time, or not at all while their way is cut or
///   clogged. There is no congestion window, and no limit to the size of a segment.
/// - What follows a lost segment is lost with it, and everything waits for the retransmission
///   timer: there are neither fast retransmits nor selective acknowledgements.
/// - A segment never overtakes an earlier one to the same socket. Only a reset does, ahead of bytes
///   that are under way and then count for nothing, and only by
///   [`Fault::ResetOvertakes`](super::Fault::ResetOvertakes).
/// - A server's end exists, and can be accepted, when the SYN arrives; Linux waits for the
///   acknowledgement of its answer.
/// - Nobody connects over its own `TIME_WAIT`. Linux skips it for ports that it picks, as here, but
///   lets an explicit port through at once where both sides use TCP timestamps, and picked ones
///   after a second on loopback (`net.ipv4.tcp_tw_reuse`). Any number of connections can be in
///   `TIME_WAIT`, and a reset does not end it.
/// - A server's end whose client vanished before its answer came stays in the backlog, half open.
/// - No router sends ICMP: what cannot arrive is lost in silence. A host that nobody listens on at a
///   port says so to a connected socket of datagrams.
/// - One descriptor table serves all loops of a host, as if they were one process.
#[derive(Clone)]
pub(crate) struct World {
    state: Rc<RefCell<State>>,
}

/// What becomes of a connection to an address that no host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoHost {
    /// No answer, ever, so that it times out after 127 s. The default.
    Silent,
    /// It fails with [`HostUnreachable`](std::io::ErrorKind::HostUnreachable).
    Unreachable,
}

impl World {
    /// Makes an empty world.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: Rc::new(RefCell::new(State::new(seed))) }
    }

    /// Makes a kernel for one more loop of the host `name`, and the host if it is new.
    ///
    /// The n-th host has the addresses `10.0.0.n` and `fd00::n`, and its name resolves to the
    /// first.
    pub(crate) fn host(&self, name: &str) -> Memory {
        Memory::new(self.clone(), self.state().add_kernel(name))
    }

    /// Returns the time.
    pub(crate) fn now(&self) -> Instant {
        self.state().now
    }

    /// Moves the clock on, and delivers what arrives meanwhile, each at its own time.
    pub(crate) fn advance(&self, time: Duration) {
        let mut state = self.state();
        let end = state.now + time;
        state.run_until(end);
    }

    /// Returns when the next segment or answer arrives, or the next thing that a fault has held
    /// back: a report, a wake-up, a job.
    ///
    /// A harness that finds the world [quiet](Self::is_quiet) jumps to the earlier of this and the
    /// next deadline of its loops.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        let mut state = self.state();
        state.notice_wakes();
        state.events.keys().next().map(|(at, _)| *at)
    }

    /// Whether no loop would find anything in a wait now: no report, answer, job or wake-up.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut state = self.state();
        state.notice_wakes();
        state.kernels.iter().all(Kernel::is_quiet)
    }

    /// Returns how many sockets exist, with those that wait in a backlog, and those that are
    /// closed but have not finished.
    pub(crate) fn sockets_len(&self) -> usize {
        self.state().sockets.len()
    }

    /// Returns how many sockets a loop has open: connected, connecting and listening ones. Those
    /// that it has accepted for another loop count until that one registers them.
    #[cfg(feature = "sim")]
    pub(crate) fn open_sockets(&self, kernel: usize) -> usize {
        let state = self.state();
        state.held_by(kernel).len() + state.listeners_of(kernel).count()
    }

    /// Sets how long a host remembers a connection that it closed first; 60 s by default.
    pub(crate) fn time_wait(&self, time: Duration) {
        self.state().settings.time_wait = time;
    }

    /// Sets how many bytes each end of a direction buffers, for connections made from now on.
    ///
    /// By default 32 KiB: a sender gets 64 KiB ahead of its reader.
    pub(crate) fn capacity(&self, bytes_per_end: usize) {
        self.state().settings.capacity_bytes = bytes_per_end.max(1);
    }

    /// Lets each wait report each registered socket without cause, with this probability.
    pub(crate) fn spurious(&self, percent: u64) {
        self.state().settings.spurious_percent = percent;
    }

    /// Lets each receive and each send move at most a random 1 to `max_bytes` bytes; zero lifts
    /// that.
    ///
    /// Then the rest counts as not arrived, or the buffer as full, until the next wait reports the
    /// socket: no call takes fewer bytes without a report that follows.
    pub(crate) fn chop(&self, max_bytes: usize) {
        self.state().settings.chop_bytes = max_bytes;
    }

    /// Sets the rate of each kind of fault, from now on. All are off by default.
    pub(crate) fn faults(&self, rates: &FaultRates) {
        self.state().faults.set(rates.clone());
    }

    /// Returns how often each kind of fault has happened, with those that were
    /// [counted](Self::count) from outside.
    pub(crate) fn fired(&self) -> Vec<(Fault, u64)> {
        self.state().faults.fired()
    }

    /// Counts a fault that the simulation staged, and notes it in the trace.
    pub(crate) fn count(&self, fault: Fault) {
        let mut state = self.state();
        state.faults.count(fault);
        state.trace_fault(None, fault.name());
    }

    /// Sets what becomes of connections to addresses that no host has.
    pub(crate) fn no_host(&self, outcome: NoHost) {
        self.state().settings.no_host = outcome;
    }

    /// Opens the world. The borrow ends before any foreign code runs.
    pub(super) fn state(&self) -> RefMut<'_, State> {
        let mut state = self.state.borrow_mut();
        state.close_dropped();
        state
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// Everything there is.
pub(super) struct State {
    pub(super) now: Instant,
    pub(super) machines: Vec<Machine>,
    /// The places of the hosts in `machines`, by their names.
    machine_places: BTreeMap<String, usize>,
    pub(super) kernels: Vec<Kernel>,
    pub(super) sockets: Slab<Socket>,
    pub(super) listeners: Slab<Listening>,
    pub(super) udp: Slab<Udp>,
    pub(super) ends: Slab<End>,
    pub(super) pipes: Slab<Pipe>,
    pub(super) dropped: Arc<Dropped>,
    /// What is on its way, by time of arrival and then in the order of sending.
    pub(super) events: BTreeMap<EventId, Event>,
    pub(super) events_sent: u64,
    pub(super) wires: Wires,
    /// Buffers for the next segments.
    pub(super) spare: Vec<Vec<u8>>,
    pub(super) roused: Arc<Roused>,
    pub(super) seed: u64,
    pub(super) settings: Settings,
    pub(super) chance: Chance,
    pub(super) faults: FaultTable,
    /// What becomes of the connection that is being started, if a fault says so.
    pub(super) doom: Option<Doom>,
    /// How many bytes the call that is being made may move, if a fault says so.
    pub(super) limit: Option<usize>,
    pub(super) trace: Trace,
    pub(super) names: BTreeMap<String, Name>,
}

/// What the knobs of [`World`] set.
pub(super) struct Settings {
    /// The properties of ways that have none of their own.
    pub(super) link: Link,
    /// How long a segment takes within a host.
    pub(super) local_latency: Duration,
    pub(super) time_wait: Duration,
    pub(super) name_latency: Duration,
    pub(super) capacity_bytes: usize,
    pub(super) spurious_percent: u64,
    pub(super) chop_bytes: usize,
    pub(super) no_host: NoHost,
}

impl State {
    fn new(seed: u64) -> Self {
        Self {
            now: Instant::ORIGIN,
            machines: Vec::new(),
            machine_places: BTreeMap::new(),
            kernels: Vec::new(),
            sockets: Slab::default(),
            listeners: Slab::default(),
            udp: Slab::default(),
            ends: Slab::default(),
            pipes: Slab::default(),
            dropped: Arc::default(),
            events: BTreeMap::new(),
            events_sent: 0,
            wires: Wires::new(),
            spare: Vec::new(),
            roused: Arc::default(),
            seed,
            settings: Settings {
                link: Link::default(),
                local_latency: Duration::ZERO,
                time_wait: TIME_WAIT,
                name_latency: Duration::ZERO,
                capacity_bytes: CAPACITY_BYTES,
                spurious_percent: 0,
                chop_bytes: 0,
                no_host: NoHost::Silent,
            },
            chance: Chance::new(seed),
            faults: FaultTable::new(seed),
            doom: None,
            limit: None,
            trace: Trace::new(),
            names: BTreeMap::new(),
        }
    }

    fn add_kernel(&mut self, name: &str) -> usize {
        let index = self.machine(name);
        let kernel = self.kernels.len();
        let number = self.machines[index].add_kernel(kernel);
        let lane = self.trace.add_lane(format!("{name}.{number}"));
        let alarm = Alarm::new(kernel, &self.roused);
        let is_on = self.machines[index].is_on;
        let reserve = is_on.then(|| self.machines[index].descriptors.open().ok()).flatten();
        self.kernels.push(Kernel::new(index, reserve, alarm, lane));
        self.kernels[kernel].held.retired = !is_on;
        kernel
    }

    /// Finds a host by its name, or makes it.
    pub(super) fn machine(&mut self, name: &str) -> usize {
        if let Some(index) = self.machine_places.get(name) {
            return *index;
        }
        let index = self.machines.len();
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let offset = self.chance.ports.below(u64::from(EPHEMERAL_PORTS_LEN));
        let offset = u16::try_from(offset).unwrap_or_default();
        self.machines.push(Machine::new(name, number, offset));
        self.machine_places.insert(name.to_owned(), index);
        index
    }

    /// Returns the host that `ip` leads to from `machine`.
    pub(super) fn route(&self, machine: usize, ip: IpAddr) -> Option<usize> {
        if self.machines[machine].owns(ip) {
            return Some(machine);
        }
        if ip.is_loopback() {
            return None;
        }
        // The n-th host has the n-th address of its network.
        let index = Machine::number_of(ip)?.checked_sub(1)?;
        (index < self.machines.len()).then_some(index)
    }
}
