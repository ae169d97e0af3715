//! What a test does to the network between the hosts.

use std::time::Duration;

use super::{Host, Latency, Link, Simulation};
use crate::sys::memory::Fault;

impl Simulation {
    /// Sets the latency and bandwidth between two hosts, both ways.
    ///
    /// Without it a segment arrives after 0.2 ms. What is on its way keeps its time of arrival.
    pub fn link(&mut self, a: Host, b: Host, link: Link) {
        let (a, b) = (self.name_of(a), self.name_of(b));
        self.world.set_link(&a, &b, link);
        self.world.set_link(&b, &a, link);
    }

    /// Lets nothing through between two hosts, until [`mend`](Self::mend).
    ///
    /// Senders repeat what is lost, as TCP does: a short partition is a delay, and after about a
    /// quarter of an hour connections with unacknowledged data time out.
    pub fn partition(&mut self, a: Host, b: Host) {
        self.world.count(Fault::Partition);
        self.cut_both(a, b, true);
    }

    /// Lets nothing through from one host to another; the other direction goes on.
    pub fn partition_one_way(&mut self, from: Host, to: Host) {
        self.world.count(Fault::PartitionOneWay);
        self.world.cut(&self.name_of(from), &self.name_of(to));
    }

    /// Ends every partition between two hosts.
    pub fn mend(&mut self, a: Host, b: Host) {
        self.cut_both(a, b, false);
    }

    fn cut_both(&mut self, a: Host, b: Host, cut: bool) {
        let (a, b) = (self.name_of(a), self.name_of(b));
        for (from, to) in [(&a, &b), (&b, &a)] {
            if cut { self.world.cut(from, to) } else { self.world.mend(from, to) }
        }
    }

    /// Holds everything back from one host to another, until [`unclog`](Self::unclog): nothing is
    /// lost, and everything arrives in order afterwards.
    pub fn clog(&mut self, from: Host, to: Host) {
        self.world.count(Fault::Clog);
        self.world.clog(&self.name_of(from), &self.name_of(to));
    }

    /// Lets through what was held back.
    pub fn unclog(&mut self, from: Host, to: Host) {
        self.world.unclog(&self.name_of(from), &self.name_of(to));
    }

    /// Resets every connection between two hosts on both sides, as a firewall that restarts does.
    pub fn reset_link(&mut self, a: Host, b: Host) {
        self.world.count(Fault::LinkReset);
        self.world.reset_link(&self.name_of(a), &self.name_of(b));
    }

    /// Ends every partition and every clog, and makes all links fast again.
    pub(super) fn heal_network(&mut self) {
        let hosts: Vec<Host> = (0..self.sites.len()).map(Host).collect();
        for from in &hosts {
            for to in hosts.iter().filter(|to| *to != from) {
                let (from, to) = (self.name_of(*from), self.name_of(*to));
                self.world.mend(&from, &to);
                self.world.unclog(&from, &to);
            }
        }
    }

    pub(super) fn name_of(&self, host: Host) -> String {
        self.sites.get(host.0).map(|site| site.name.clone()).unwrap_or_default()
    }
}

/// What links are like unless a test says otherwise: 0.2 ms, as within a data centre.
pub(super) const DEFAULT_LINK: Link =
    Link { latency: Latency::Fixed(Duration::from_micros(200)), bytes_per_second: None };
