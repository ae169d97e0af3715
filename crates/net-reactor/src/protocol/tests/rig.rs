//! Several loops in one world, and a clock that stops wherever something happens.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::bare::{Bare, BareStream};
use super::teller::{Log, Teller};
use crate::base::{ConnId, Instant, ListenerId};
use crate::net::{ConnConfig, ConnectOptions};
use crate::protocol::{EventLoop, IntoHandler, LoopConfig, LoopStats, Protocol, Reactor, Stopped};
use crate::sys::memory::{Host, Memory, World};
use crate::sys::{ListenOptions, Sys};

/// Passes after which a world that is still busy is said to spin.
const PASSES_MAX: usize = 200_000;

pub(super) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(super) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Loops, bare sockets, and the world they live in.
///
/// The clock stands still while there is anything to do, so that every time in a test is exact.
pub(super) struct Rig {
    pub(super) world: World,
    pub(super) log: Log,
    loops: Vec<EventLoop>,
    hosts: Vec<Host>,
    bare: Vec<Rc<RefCell<Memory>>>,
    /// The loops that stopped: when, which, how.
    pub(super) stops: Vec<(Instant, usize, Stopped)>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::seeded(1)
    }

    pub(super) fn seeded(seed: u64) -> Self {
        Self {
            world: World::new(seed),
            log: Log::default(),
            loops: Vec::new(),
            hosts: Vec::new(),
            bare: Vec::new(),
            stops: Vec::new(),
        }
    }

    /// Makes a rig with a loop on the host `a`, 10.0.0.1, and one on the host `b`, 10.0.0.2.
    pub(super) fn pair() -> Self {
        let mut rig = Self::new();
        rig.add("a", LoopConfig::default());
        rig.add("b", LoopConfig::default());
        rig
    }

    /// Makes one more loop and returns its number.
    pub(super) fn add(&mut self, host: &str, config: LoopConfig) -> usize {
        let memory = self.world.host(host);
        self.hosts.push(memory.host());
        self.loops.push(EventLoop::on(memory, config));
        self.loops.len() - 1
    }

    /// Makes a kernel that no loop uses.
    pub(super) fn bare(&mut self, host: &str) -> Bare {
        let memory = Rc::new(RefCell::new(self.world.host(host)));
        self.bare.push(Rc::clone(&memory));
        Bare::new(memory)
    }

    pub(super) fn reactor(&mut self, index: usize) -> Reactor<'_> {
        self.loops[index].reactor()
    }

    pub(super) fn event_loop(&mut self, index: usize) -> &mut EventLoop {
        &mut self.loops[index]
    }

    pub(super) fn host(&self, index: usize) -> &Host {
        &self.hosts[index]
    }

    pub(super) fn stats(&self, index: usize) -> LoopStats {
        self.loops[index].stats()
    }

    /// Makes a world of one loop and a peer that is connected to it.
    pub(super) fn serving_one(
        config: ConnConfig,
        teller: impl Fn(&Log) -> Teller + 'static,
    ) -> (Self, BareStream, ConnId) {
        let mut rig = Self::new();
        rig.add("a", LoopConfig::default());
        let log = rig.log.clone();
        rig.listen(0, config, move || teller(&log));
        let peer = rig.bare("b").connect("10.0.0.1:7000");
        rig.settle();
        let id = rig.reactor(0).accepted()[0];
        (rig, peer, id)
    }

    /// Listens on port 7000 with handlers of `factory`.
    pub(super) fn listen<P: IntoHandler>(
        &mut self,
        index: usize,
        config: ConnConfig,
        mut factory: impl FnMut() -> P + 'static,
    ) -> ListenerId {
        let address = SocketAddr::from(([0, 0, 0, 0], 7000));
        let options = ListenOptions::default();
        self.reactor(index).listen(address, &options, config, move |_| factory()).unwrap()
    }

    /// Listens on `port` with handlers of `factory` and default limits.
    pub(super) fn listen_on_port<P: IntoHandler>(
        &mut self,
        index: usize,
        port: u16,
        mut factory: impl FnMut() -> P + 'static,
    ) -> ListenerId {
        let address = SocketAddr::from(([0, 0, 0, 0], port));
        let (options, config) = (ListenOptions::default(), ConnConfig::default());
        self.reactor(index).listen(address, &options, config, move |_| factory()).unwrap()
    }

    pub(super) fn connect(&mut self, index: usize, target: &str, handler: impl Protocol) -> ConnId {
        self.reactor(index).connect(target, handler).unwrap()
    }

    pub(super) fn connect_with(
        &mut self,
        index: usize,
        target: &str,
        options: ConnectOptions,
        handler: impl Protocol,
    ) -> ConnId {
        self.reactor(index).connect_with(target, options, handler).unwrap()
    }

    /// Runs exactly one turn of one loop, which does not sleep.
    pub(super) fn turn(&mut self, index: usize) {
        if let Some(stopped) = self.loops[index].turn(Some(Duration::ZERO)).unwrap() {
            self.stops.push((self.world.now(), index, stopped));
        }
    }

    /// Turns every loop until nothing is left to do at this time.
    pub(super) fn settle(&mut self) {
        let mut calm = 0;
        for _ in 0..PASSES_MAX {
            (0..self.loops.len()).for_each(|index| self.turn(index));
            for memory in &self.bare {
                memory.borrow_mut().wait(None, &mut Vec::new()).unwrap();
            }
            let now = self.world.now();
            let busy = self.loops.iter().any(|each| {
                each.is_busy() || each.next_deadline().is_some_and(|deadline| deadline <= now)
            });
            calm = if busy || !self.world.is_quiet() { 0 } else { calm + 1 };
            // A socket may stand in line although the last turn got nothing out of it.
            if calm == 2 {
                return;
            }
        }
        panic!("the world does not come to rest at {:?}", self.world.now());
    }

    /// Lets `time` pass, and stops wherever something happens on the way.
    pub(super) fn advance(&mut self, time: Duration) {
        let end = self.world.now() + time;
        loop {
            self.settle();
            let now = self.world.now();
            let Some(next) = self.next_event().filter(|next| *next <= end) else {
                self.world.advance(end - now);
                return self.settle();
            };
            self.world.advance(next - now);
        }
    }

    /// Lets one piece of time pass in one jump, as if the loops had been busy elsewhere.
    pub(super) fn jump(&mut self, time: Duration) {
        self.world.advance(time);
        self.settle();
    }

    /// Returns when something happens next.
    pub(super) fn next_event(&self) -> Option<Instant> {
        let deadlines = self.loops.iter().filter_map(EventLoop::next_deadline);
        deadlines.chain(self.world.next_event()).min()
    }

    /// Asserts that nothing is left of any connection, listeners aside.
    pub(super) fn assert_clean(&self, context: &dyn fmt::Debug) {
        assert_eq!(self.world.sockets_len(), 0, "{context:?}: sockets are left");
        for (index, each) in self.loops.iter().enumerate() {
            let stats = each.stats();
            assert_eq!((stats.connections, stats.timers), (0, 0), "{context:?}: loop {index}");
            assert_eq!(each.handle().connections(), 0, "{context:?}: count of loop {index}");
        }
        self.log.assert_faultless(context);
    }
}
