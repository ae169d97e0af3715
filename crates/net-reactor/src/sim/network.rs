//! What a test does to the network between the hosts.

use std::time::Duration;

use super::{Host, Latency, Link, Simulation};
use crate::sys::memory::Fault;

impl Simulation {
    /// Sets the latency and bandwidth between two hosts, both ways.
    ///
    /// By default a segment arrives after 0.2 ms, and bandwidth has no limit. What is on its way
    /// keeps its time of arrival: a host starts within [`host`](Self::host), and a connection that its
    /// function makes to a literal address is on its way by then. Within a host everything takes no
    /// time.
    ///
    /// # Panics
    ///
    /// When `a` is `b`, as all that changes a link.
    #[track_caller]
    pub fn link(&mut self, a: Host, b: Host, link: Link) {
        let _ = self.way(a, b);
        for (from, to) in [(a, b), (b, a)] {
            self.links.insert((from, to), link);
            self.usual_link(from, to);
        }
    }

    /// Gives a way the properties that it has without an episode.
    pub(super) fn usual_link(&self, from: Host, to: Host) {
        let link = self.links.get(&(from, to)).copied().unwrap_or(DEFAULT_LINK);
        self.world.set_link(&self.name_of(from), &self.name_of(to), link);
    }

    /// Sets how many bytes the kernel buffers at each end of each direction, for connections that
    /// are made from now on; 32 KiB by default.
    ///
    /// A sender gets twice that ahead of its reader. Connections whose configuration sets a buffer
    /// of its own keep that, and zero counts as one byte.
    pub fn buffers(&mut self, bytes: usize) {
        self.world.capacity(bytes);
    }

    /// Lets a name lead to these hosts, in this order, as a name with several addresses does.
    ///
    /// Each host is found by its own name without that.
    ///
    /// # Panics
    ///
    /// When a host is of another simulation.
    pub fn name(&mut self, name: &str, hosts: &[Host]) {
        let addresses = hosts.iter().map(|host| self.machine(*host).ip()).collect();
        self.world.name(name, addresses);
    }

    /// Lets nothing through between two hosts, until [`mend`](Self::mend).
    ///
    /// Senders repeat what is lost, as TCP does: a short partition is a delay, and after about a
    /// quarter of an hour connections with unacknowledged data time out (925 s without latency).
    /// Connections that are being made time out after 127 s, or the program's own deadline.
    #[track_caller]
    pub fn partition(&mut self, a: Host, b: Host) {
        let _ = self.way(a, b);
        self.world.count(Fault::Partition);
        self.cut_both(a, b, true);
    }

    /// Lets nothing through from one host to another; the other direction goes on.
    ///
    /// Acknowledgements do not get through either, so a connection that sends in the open
    /// direction times out as well.
    #[track_caller]
    pub fn partition_one_way(&mut self, from: Host, to: Host) {
        let (from, to) = self.way(from, to);
        self.world.count(Fault::PartitionOneWay);
        self.world.cut(&from, &to);
    }

    /// Ends every partition between two hosts, of either kind. What was lost arrives when its
    /// sender tries again: up to 120 s later after a long partition.
    #[track_caller]
    pub fn mend(&mut self, a: Host, b: Host) {
        self.cut_both(a, b, false);
    }

    fn cut_both(&mut self, a: Host, b: Host, cut: bool) {
        let (a, b) = self.way(a, b);
        for (from, to) in [(&a, &b), (&b, &a)] {
            if cut { self.world.cut(from, to) } else { self.world.mend(from, to) }
        }
    }

    /// Holds everything back from one host to another, until [`unclog`](Self::unclog): nothing is
    /// lost, and everything arrives in order afterwards.
    #[track_caller]
    pub fn clog(&mut self, from: Host, to: Host) {
        let (from, to) = self.way(from, to);
        self.world.count(Fault::Clog);
        self.world.clog(&from, &to);
    }

    /// Lets through what was held back.
    #[track_caller]
    pub fn unclog(&mut self, from: Host, to: Host) {
        let (from, to) = self.way(from, to);
        self.world.unclog(&from, &to);
    }

    /// Resets every connection between two hosts on both sides, as a firewall that restarts does.
    #[track_caller]
    pub fn reset_link(&mut self, a: Host, b: Host) {
        let (a, b) = self.way(a, b);
        self.world.count(Fault::LinkReset);
        self.world.reset_link(&a, &b);
    }

    /// Returns the names of two hosts that are not the same one.
    #[track_caller]
    fn way(&self, a: Host, b: Host) -> (String, String) {
        assert_ne!(a, b, "there is no link between a host and itself");
        (self.name_of(a), self.name_of(b))
    }

    #[track_caller]
    pub(super) fn name_of(&self, host: Host) -> String {
        self.sites[self.place_of(host)].name.clone()
    }

    /// Returns the place of a host among all, once it is sure that there is one.
    #[track_caller]
    pub(super) fn place_of(&self, host: Host) -> usize {
        assert!(host.0 < self.sites.len(), "{host:?} belongs to another simulation");
        host.0
    }
}

/// What links are like unless a test says otherwise: 0.2 ms, as within a data centre.
pub(super) const DEFAULT_LINK: Link =
    Link { latency: Latency::Fixed(Duration::from_micros(200)), bytes_per_second: None };

/// How long a segment takes within one host: 10 us. Were it no time, two programs there could talk
/// for ever at one moment.
pub(super) const LOCAL_LATENCY: Duration = Duration::from_micros(10);
