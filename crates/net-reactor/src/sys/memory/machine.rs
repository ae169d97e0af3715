//! Machines and the loops on them: what exists once for each.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::World;
use super::readiness::Held;
use super::trace::Lane;
use crate::base::Key;
use crate::sys::{Job, Resolution, Wake};

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

    /// Limits how many descriptors may be open; there is no limit by default.
    ///
    /// Each socket uses one, and so does the reserve of each loop. A limit below what is open
    /// closes nothing.
    pub(crate) fn set_descriptor_limit(&self, descriptors_max: usize) {
        self.world.state().machines[self.index].descriptors_max = descriptors_max;
    }

    /// Returns how many descriptors are open, reserves included.
    pub(crate) fn open_descriptors(&self) -> usize {
        self.world.state().machines[self.index].descriptors
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
    pub(super) descriptors: usize,
    descriptors_max: usize,
    ports: RangeInclusive<u16>,
    next_port: u16,
    failures: BTreeMap<Call, VecDeque<i32>>,
    /// Connections by local and remote address.
    pub(super) tuples: BTreeMap<(SocketAddr, SocketAddr), Key>,
    /// Listening sockets, in the order of their making.
    pub(super) listening: Vec<Key>,
}

impl Machine {
    /// Makes the host with this number, counted from one.
    pub(super) fn new(name: &str, number: u32, first_port_offset: u16) -> Self {
        Self {
            name: name.to_owned(),
            v4: Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) | number),
            v6: Ipv6Addr::from((0xfd << 120) | u128::from(number)),
            descriptors: 0,
            descriptors_max: usize::MAX,
            next_port: EPHEMERAL_PORTS.start() + first_port_offset,
            ports: EPHEMERAL_PORTS,
            failures: BTreeMap::new(),
            tuples: BTreeMap::new(),
            listening: Vec::new(),
        }
    }

    /// Fails if a test asked this call to.
    pub(super) fn check(&mut self, call: Call) -> io::Result<()> {
        match self.failures.get_mut(&call).and_then(VecDeque::pop_front) {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        }
    }

    /// Opens a descriptor, or fails with `EMFILE`.
    pub(super) fn open_descriptor(&mut self) -> io::Result<()> {
        if self.descriptors >= self.descriptors_max {
            return Err(io::Error::from_raw_os_error(TOO_MANY_FILES));
        }
        self.descriptors += 1;
        Ok(())
    }

    /// Closes a descriptor.
    pub(super) fn close_descriptor(&mut self) {
        self.descriptors -= 1;
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

/// `EMFILE`, which has no [`io::ErrorKind`]; the number is the same on all Unix systems.
const TOO_MANY_FILES: i32 = 24;

/// A socket that has something to report.
#[derive(Debug, Clone, Copy)]
pub(super) enum Named {
    Listener(Key),
    Stream(Key),
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
    pub(super) alarm: Arc<Alarm>,
    /// Whether the reserve descriptor is held.
    pub(super) reserve: bool,
    pub(super) held: Held,
}

impl Kernel {
    /// Makes the kernel's side of a loop.
    pub(super) fn new(machine: usize, reserve: bool, lane: Lane) -> Self {
        Self {
            machine,
            ready: VecDeque::new(),
            arrived: VecDeque::new(),
            answers: VecDeque::new(),
            jobs: VecDeque::new(),
            alarm: Arc::default(),
            reserve,
            held: Held::new(lane),
        }
    }

    /// Whether a wait would bring nothing, wake-ups that nobody has noticed aside.
    pub(super) fn is_quiet(&self) -> bool {
        self.ready.is_empty()
            && self.arrived.is_empty()
            && self.jobs.is_empty()
            && self.held.is_quiet()
    }
}

/// The wake-up of one loop: a flag, since nobody sleeps here.
#[derive(Debug, Default)]
pub(super) struct Alarm(AtomicBool);

impl Alarm {
    /// Forgets the wake-up; returns whether there was one.
    pub(super) fn take(&self) -> bool {
        // Acquires as well: what the waker did before is visible to the loop after its wait.
        self.0.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Alarm {
    fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}
