//! Machines and the loops on them: what exists once for each.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::World;
use super::alarm::Alarm;
use super::clock::Clock;
use super::descriptors::Descriptors;
use super::readiness::Held;
use super::time_wait::{TimeWait, Tuple};
use super::trace::Lane;
use super::unix::UnixNames;
use crate::base::Key;
use crate::sys::{Job, Resolution, WorkersLimits};

/// The ports that the kernel picks from; Linux's `ip_local_port_range`.
const EPHEMERAL_PORTS: RangeInclusive<u16> = 32_768..=60_999;

/// A system call that a test can make fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    /// [`Sys::wait`](crate::sys::Sys::wait).
    Wait,
    /// [`Sys::listen`](crate::sys::Sys::listen).
    Listen,
    /// [`Sys::accept`](crate::sys::Sys::accept).
    Accept,
    /// [`Sys::connect`](crate::sys::Sys::connect), which then starts nothing.
    Connect,
    /// [`Sys::connected`](crate::sys::Sys::connected): the connection was started, and fails.
    Connected,
    /// [`Sys::register`](crate::sys::Sys::register).
    Register,
    /// [`Sys::receive`](crate::sys::Sys::receive).
    Receive,
    /// [`Sys::send`](crate::sys::Sys::send).
    Send,
    /// [`Sys::shutdown_write`](crate::sys::Sys::shutdown_write).
    ShutdownWrite,
    /// [`Sys::set_option`](crate::sys::Sys::set_option).
    SetOption,
}

/// The outside of one host: its addresses and the knobs of its kernel.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(super) world: World,
    pub(super) index: usize,
}

impl Host {
    /// Returns the IPv4 address that other hosts reach this one by.
    pub(crate) fn ip(&self) -> IpAddr {
        self.world.state().machines[self.index].v4.into()
    }

    /// Returns the IPv6 address that other hosts reach this one by.
    pub(crate) fn ip_v6(&self) -> IpAddr {
        self.world.state().machines[self.index].v6.into()
    }

    /// Limits the descriptor table to this many numbers; there is no limit by default. A full
    /// table makes calls fail with `EMFILE`.
    ///
    /// Each socket uses one, and so does the reserve of each loop; the standard streams have their
    /// own three. As `RLIMIT_NOFILE` it can be changed at any time, and a limit below what is open
    /// closes nothing.
    pub(crate) fn set_descriptor_limit(&self, numbers_max: usize) {
        self.world.state().machines[self.index].descriptors.set_table_max(numbers_max);
    }

    /// Limits how many descriptors may be open on the whole host, whatever their numbers; there is
    /// no limit by default. Beyond it calls fail with `ENFILE`.
    pub(crate) fn set_file_limit(&self, descriptors_max: usize) {
        self.world.state().machines[self.index].descriptors.set_open_max(descriptors_max);
    }

    /// Returns how many descriptors are open, reserves included.
    pub(crate) fn open_descriptors(&self) -> usize {
        self.world.state().machines[self.index].descriptors.open_len()
    }

    /// Makes the next call of this kind on this host fail with a raw error number.
    ///
    /// Called again before that, it adds to a queue. The call has no effect but the error. After
    /// an injected `EAGAIN` the socket is reported anew by the next wait, as the contract of edges
    /// demands.
    pub(crate) fn fail_next(&self, call: Call, errno: i32) {
        let mut state = self.world.state();
        state.machines[self.index].failures.entry(call).or_default().push_back(errno);
    }

    /// Sets the range of ports that connecting and port zero pick from.
    pub(crate) fn ephemeral_ports(&self, ports: RangeInclusive<u16>) {
        let machine = &mut self.world.state().machines[self.index];
        machine.next_port = *ports.start();
        machine.ports = ports;
    }
}

/// The inside of one host.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
    pub(super) is_on: bool,
    pub(super) descriptors: Descriptors,
    pub(super) clock: Clock,
    ports: RangeInclusive<u16>,
    next_port: u16,
    failures: BTreeMap<Call, VecDeque<i32>>,
    /// Connections by local and remote address.
    pub(super) tuples: BTreeMap<Tuple, Key>,
    /// Connections that this host closed first.
    pub(super) time_wait: TimeWait,
    /// Kernels of its loops that have not ended.
    pub(super) kernels: Vec<usize>,
    kernels_made: usize,
    /// Listening sockets, in the order of their making.
    pub(super) listening: Vec<Key>,
    /// Sockets of datagrams, likewise.
    pub(super) datagrams: Vec<Key>,
    pub(super) unix: UnixNames,
}

impl Machine {
    /// Makes the host with this number, counted from one.
    pub(super) fn new(name: &str, number: u32, first_port_offset: u16) -> Self {
        Self {
            name: name.to_owned(),
            v4: Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) | number),
            v6: Ipv6Addr::from((0xfd << 120) | u128::from(number)),
            is_on: true,
            descriptors: Descriptors::default(),
            clock: Clock::default(),
            next_port: EPHEMERAL_PORTS.start() + first_port_offset,
            ports: EPHEMERAL_PORTS,
            failures: BTreeMap::new(),
            tuples: BTreeMap::new(),
            time_wait: TimeWait::default(),
            kernels: Vec::new(),
            kernels_made: 0,
            listening: Vec::new(),
            datagrams: Vec::new(),
            unix: UnixNames::default(),
        }
    }

    /// Takes in the kernel of one more loop; returns how many there were before it, ever.
    pub(super) fn add_kernel(&mut self, kernel: usize) -> usize {
        self.kernels.push(kernel);
        self.kernels_made += 1;
        self.kernels_made - 1
    }

    /// Fails if a test asked this call to.
    pub(super) fn check(&mut self, call: Call) -> io::Result<()> {
        match self.failures.get_mut(&call).and_then(VecDeque::pop_front) {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        }
    }

    /// Finds a port that is `free`, beginning after the one that was found last.
    pub(super) fn find_port(&mut self, free: impl Fn(&Self, u16) -> bool) -> Option<u16> {
        for _ in self.ports.clone() {
            let port = self.next_port;
            self.next_port = if port >= *self.ports.end() { *self.ports.start() } else { port + 1 };
            if free(self, port) {
                return Some(port);
            }
        }
        None
    }

    /// Returns the number of the host that an address would belong to, counted from one.
    pub(super) fn number_of(ip: IpAddr) -> Option<usize> {
        let number = match ip {
            IpAddr::V4(ip) => u32::from(ip) ^ u32::from(Ipv4Addr::new(10, 0, 0, 0)),
            IpAddr::V6(ip) => u32::try_from(u128::from(ip) ^ (0xfd << 120)).ok()?,
        };
        usize::try_from(number).ok()
    }

    /// Whether `ip` is an address of this host.
    pub(super) fn owns(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || ip == IpAddr::V4(self.v4) || ip == IpAddr::V6(self.v6)
    }

    /// Returns the address that a connection to `ip` comes from.
    pub(super) fn source_for(&self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_loopback() => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V4(_) => self.v4.into(),
            IpAddr::V6(_) => self.v6.into(),
        }
    }
}

/// How many ports the default range has, for the seeded choice of the first.
pub(super) const EPHEMERAL_PORTS_LEN: u16 = 60_999 - 32_768 + 1;

/// A socket that has something to report.
#[derive(Debug, Clone, Copy)]
pub(super) enum Named {
    Listener(Key),
    Stream(Key),
    /// An end of a pipe or pair.
    End(Key),
    /// A socket of datagrams.
    Udp(Key),
}

/// The kernel's side of one loop.
pub(super) struct Kernel {
    pub(super) machine: usize,
    /// Sockets to report, in the order in which they became ready.
    pub(super) ready: VecDeque<Named>,
    /// Answers that the next wait brings.
    pub(super) arrived: VecDeque<Resolution>,
    /// Answers that a wait has brought.
    pub(super) answers: VecDeque<Resolution>,
    /// Jobs that the next wait runs.
    pub(super) jobs: VecDeque<Job>,
    /// How many jobs may wait.
    pub(super) jobs_max: usize,
    pub(super) alarm: Arc<Alarm>,
    /// The reserve descriptor, if it is held.
    pub(super) reserve: Option<u32>,
    pub(super) held: Held,
}

impl Kernel {
    /// Makes the kernel's side of a loop.
    pub(super) fn new(machine: usize, reserve: Option<u32>, alarm: Alarm, lane: Lane) -> Self {
        Self {
            machine,
            ready: VecDeque::new(),
            arrived: VecDeque::new(),
            answers: VecDeque::new(),
            jobs: VecDeque::new(),
            jobs_max: WorkersLimits::default().queued_max,
            alarm: Arc::new(alarm),
            reserve,
            held: Held::new(lane),
        }
    }

    /// Whether a wait would bring nothing, wake-ups that nobody has noticed aside.
    pub(super) fn is_quiet(&self) -> bool {
        let nothing = self.ready.is_empty() && self.arrived.is_empty() && self.jobs.is_empty();
        self.held.retired || (nothing && self.held.is_quiet())
    }
}
