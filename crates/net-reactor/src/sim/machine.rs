//! What a test does to a host: its power, its clocks, its limits.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use super::{Host, Simulation};
use crate::sys::memory::{self, Fault};

impl Simulation {
    /// Cuts the power of a host: everything on it is gone at once, without a word to its peers.
    ///
    /// [`power_on`](Self::power_on) starts it again.
    pub fn power_off(&mut self, host: Host) {
        self.world.count(Fault::PowerCut);
        self.world.power_off(&self.name_of(host));
        self.bury(host);
    }

    /// Starts a host whose power was cut. Peers that still send to its old connections are reset.
    pub fn power_on(&mut self, host: Host) {
        self.world.power_on(&self.name_of(host));
        if self.sites.get(host.0).is_some_and(|site| site.is_down) {
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
        self.world.count(Fault::HostFreeze);
        self.schedule.freeze(host.0, true);
    }

    /// Lets a frozen host go on.
    pub fn thaw(&mut self, host: Host) {
        self.schedule.freeze(host.0, false);
    }

    /// Lets the clocks of a host run at another rate, in millionths of the true one; 0 stops them.
    pub fn clock_rate(&mut self, host: Host, parts_per_million: u64) {
        let fault = if parts_per_million == 0 { Fault::ClockFreeze } else { Fault::ClockSkew };
        self.world.count(fault);
        self.machine(host).set_clock_rate(parts_per_million);
        self.schedule.wake_all_of(host.0);
    }

    /// Lets the monotonic clock of a host jump forward, as after a suspended virtual machine.
    pub fn jump_clock(&mut self, host: Host, forward: Duration) {
        self.world.count(Fault::ClockJump);
        self.machine(host).jump_clock(forward);
        self.schedule.wake_all_of(host.0);
    }

    /// Sets the wall clock of a host.
    pub fn set_wall_clock(&mut self, host: Host, time: SystemTime) {
        self.world.count(Fault::WallJump);
        let machine = self.machine(host);
        match time.duration_since(machine.wall()) {
            Ok(forward) => machine.advance_wall(forward),
            Err(back) => machine.set_back_wall(back.duration()),
        }
    }

    /// Limits how many descriptors a host's programs may have open; `None` lifts it.
    ///
    /// Each socket is one, and each loop keeps one in reserve.
    pub fn descriptor_limit(&mut self, host: Host, descriptors: Option<usize>) {
        self.world.count(Fault::DescriptorLimit);
        self.machine(host).set_descriptor_limit(descriptors.unwrap_or(usize::MAX));
    }

    /// Returns how many descriptors a host has open.
    #[must_use]
    pub fn open_descriptors(&self, host: Host) -> usize {
        self.machine(host).open_descriptors()
    }

    /// Sets the ports that a host connects from; Linux has 32768 to 60999.
    pub fn ephemeral_ports(&mut self, host: Host, ports: RangeInclusive<u16>) {
        self.world.count(Fault::FewPorts);
        self.machine(host).ephemeral_ports(ports);
    }

    pub(super) fn machine(&self, host: Host) -> memory::Host {
        self.world.machine_named(&self.name_of(host))
    }
}
