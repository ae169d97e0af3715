//! What a test does to a host: its power, its clocks, its limits.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use super::{Host, Simulation};
use crate::sys::memory::{self, Fault};

/// The rate of a clock that is right, in millionths.
pub(super) const TRUE_RATE_PPM: u64 = 1_000_000;

/// Hosts: what befalls them.
impl Simulation {
    /// Cuts the power of a host: everything on it is gone at once, without a word to its peers, and
    /// no handler is told.
    ///
    /// [`power_on`](Self::power_on) starts it again. What its programs keep outside their loops,
    /// such as a value that the test shares with them, survives, as a disk does.
    pub fn power_off(&mut self, host: Host) {
        self.world.count(Fault::PowerCut);
        self.world.power_off(&self.name_of(host));
        self.bury(host);
    }

    /// Starts a host whose power was cut; nothing happens to one that runs. Peers that still send to
    /// its old connections are reset.
    pub fn power_on(&mut self, host: Host) {
        if !self.is_up(host) {
            self.start(host);
        }
    }

    /// Kills the processes of a host: its kernel closes their sockets, and no handler is told.
    ///
    /// [`start`](Self::start) starts them again.
    pub fn kill(&mut self, host: Host) {
        self.world.count(Fault::ProcessKill);
        self.bury(host);
    }

    /// Lets the programs of a host stand still while the world goes on, until
    /// [`thaw`](Self::thaw).
    pub fn freeze(&mut self, host: Host) {
        let place = self.place_of(host);
        self.world.count(Fault::HostFreeze);
        self.schedule.freeze(place, true);
    }

    /// Lets a frozen host go on.
    pub fn thaw(&mut self, host: Host) {
        self.schedule.freeze(self.place_of(host), false);
    }

    /// Lets both clocks of a host run at another rate, in millionths of the true one: 1,000,000 is
    /// right, and 0 stops them, so that no timer of the host is ever due.
    pub fn clock_rate(&mut self, host: Host, parts_per_million: u64) {
        match parts_per_million {
            TRUE_RATE_PPM => {}
            0 => self.world.count(Fault::ClockFreeze),
            _ => self.world.count(Fault::ClockSkew),
        }
        self.machine(host).set_clock_rate(parts_per_million);
        self.schedule.clock_changed(host.0, &self.world);
    }

    /// Lets the monotonic clock of a host jump forward, as after a suspended virtual machine. The
    /// wall clock stays.
    pub fn jump_clock(&mut self, host: Host, forward: Duration) {
        self.world.count(Fault::ClockJump);
        self.machine(host).jump_clock(forward);
        self.schedule.clock_changed(host.0, &self.world);
    }

    /// Sets the wall clock of a host, which its programs read with
    /// [`Reactor::wall_time`](crate::Reactor::wall_time). It starts at 2026-01-01T00:00:00Z, and
    /// cannot be set before 1970.
    pub fn set_wall_clock(&mut self, host: Host, time: SystemTime) {
        self.world.count(Fault::WallJump);
        let machine = self.machine(host);
        match time.duration_since(machine.wall()) {
            Ok(forward) => machine.advance_wall(forward),
            Err(back) => machine.set_back_wall(back.duration()),
        }
    }

    /// Limits how many descriptors a host's programs may have open, all together; `None` lifts it.
    /// There is no limit by default.
    ///
    /// Each socket is one, and each loop keeps one in reserve. A limit below what is open closes
    /// nothing.
    pub fn descriptor_limit(&mut self, host: Host, descriptors: Option<usize>) {
        if descriptors.is_some() {
            self.world.count(Fault::DescriptorLimit);
        }
        self.site(host).descriptors_max = descriptors.unwrap_or(usize::MAX);
        self.usual_limits(host);
    }

    /// Returns the IPv4 address that other hosts reach a host by. It keeps it for ever.
    #[must_use]
    pub fn ip(&self, host: Host) -> IpAddr {
        self.machine(host).ip()
    }

    /// Returns how many descriptors a host has open.
    #[must_use]
    pub fn open_descriptors(&self, host: Host) -> usize {
        self.machine(host).open_descriptors()
    }

    /// Sets the ports that a host connects from, 32768 to 60999 by default, as on Linux. When all
    /// are in use for a target, connecting to it fails.
    ///
    /// # Panics
    ///
    /// When there is no port in the range.
    #[track_caller]
    pub fn ephemeral_ports(&mut self, host: Host, ports: RangeInclusive<u16>) {
        assert!(!ports.is_empty(), "a host needs at least one port to connect from");
        self.world.count(Fault::FewPorts);
        self.site(host).ports = ports;
        self.usual_limits(host);
    }

    /// Gives a host the limits that it has without an episode.
    pub(super) fn usual_limits(&self, host: Host) {
        let machine = self.machine(host);
        let site = &self.sites[host.0];
        machine.set_descriptor_limit(site.descriptors_max);
        machine.ephemeral_ports(site.ports.clone());
    }

    #[track_caller]
    pub(super) fn machine(&self, host: Host) -> memory::Host {
        self.world.machine_named(&self.name_of(host))
    }
}
