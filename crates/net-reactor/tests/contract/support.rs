//! Loops to test against: on a thread of their own, or turned by hand.

use std::panic;
use std::sync::Once;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use net_reactor::{
    Address, Conn, ConnConfig, ConnHandle, EventLoop, Flow, Input, IntoHandler, LoopConfig,
    LoopHandle, LoopStats, Protocol, Server, Stopped,
};

use crate::family::anywhere;
use crate::peer::Peer;

/// After this long, what should come does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What panics on purpose say, so that they can be kept off the terminal.
pub(crate) const ON_PURPOSE: &str = "on purpose";

pub(crate) const KIB: usize = 1024;
pub(crate) const MIB: usize = 1024 * 1024;

/// Bytes that differ from place to place, so that a gap or a swap shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 256);
    for block in 0_u64.. {
        if bytes.len() >= len {
            break;
        }
        bytes.extend_from_slice(&block.to_be_bytes());
        bytes.extend_from_slice(&[block.to_le_bytes()[0]; 241]);
    }
    bytes.truncate(len);
    bytes
}

/// Compares long byte strings without printing them.
pub(crate) fn assert_same(got: &[u8], expected: &[u8]) {
    assert_eq!(got.len(), expected.len(), "length");
    if got != expected {
        let differs = got.iter().zip(expected).position(|(got, expected)| got != expected);
        panic!("different from byte {differs:?} on");
    }
}

/// Random numbers that a seed replays (`splitmix64`).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// The defaults, but without much patience for a peer that does not finish after our FIN.
pub(crate) fn brief() -> ConnConfig {
    ConnConfig::default().drain(Duration::from_millis(100))
}

/// Small buffers in the kernel, so that a peer that does not read is felt soon.
///
/// Much data is slow through them: the peer's delayed acknowledgements hold it up.
pub(crate) fn small_buffers() -> ConnConfig {
    brief().send_buffer(32 * KIB)
}

/// Keeps panics that a test causes off the terminal.
pub(crate) fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&ON_PURPOSE) {
                usual(info);
            }
        }));
    });
}

/// Sends everything back.
pub(crate) struct Echo {
    opened: Option<Sender<ConnHandle>>,
}

impl Echo {
    pub(crate) fn new() -> Self {
        Self { opened: None }
    }
}

impl Protocol for Echo {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        if let Some(opened) = &self.opened {
            // The test may have seen enough.
            let _ = opened.send(conn.handle());
        }
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        conn.write(input.take_all())?;
        Ok(())
    }
}

/// A loop on a thread of its own, with a listener for the test and another that echoes.
pub(crate) struct Served {
    pub(crate) address: Address,
    pub(crate) handle: LoopHandle,
    echo_address: Address,
    echo_opened: Receiver<ConnHandle>,
    result: Receiver<(Stopped, LoopStats)>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(crate) fn new<H: IntoHandler>(factory: impl FnMut() -> H + Send + 'static) -> Self {
        Self::with(brief(), factory)
    }

    pub(crate) fn with<H: IntoHandler>(
        config: ConnConfig,
        factory: impl FnMut() -> H + Send + 'static,
    ) -> Self {
        Self::with_loop(LoopConfig::default(), config, factory)
    }

    pub(crate) fn with_loop<H: IntoHandler>(
        loop_config: LoopConfig,
        config: ConnConfig,
        mut factory: impl FnMut() -> H + Send + 'static,
    ) -> Self {
        hush();
        let (opened, echo_opened) = channel();
        let (bound, address) = channel();
        let (ended, result) = channel();
        let thread = std::thread::spawn(move || {
            let mut event_loop = EventLoop::with_config(loop_config).unwrap();
            let mut reactor = event_loop.reactor();
            let tested = Server::new(move |_peer: &net_reactor::Peer| factory())
                .connections(config)
                .listen_on(&mut reactor, anywhere())
                .unwrap();
            let echo = move |_peer: &net_reactor::Peer| Echo { opened: Some(opened.clone()) };
            let echo =
                Server::new(echo).connections(brief()).listen_on(&mut reactor, anywhere()).unwrap();
            let addresses = [tested, echo].map(|id| reactor.listener_address(id).unwrap());
            bound.send((addresses, event_loop.handle())).unwrap();
            let stopped = event_loop.run().unwrap();
            // Nobody listens any more if the test has failed.
            let _ = ended.send((stopped, event_loop.stats()));
        });
        let ([address, echo_address], handle) = address.recv_timeout(PATIENCE).unwrap();
        Self { address, handle, echo_address, echo_opened, result, thread: Some(thread) }
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer::connect(&self.address)
    }

    /// Opens another connection of the same loop, one that echoes.
    pub(crate) fn bystander(&self) -> Bystander {
        let peer = Peer::connect(&self.echo_address);
        let handle = self.echo_opened.recv_timeout(PATIENCE).unwrap();
        Bystander { peer, handle }
    }

    /// Stops the loop gracefully and returns how that went.
    pub(crate) fn finish(mut self) -> (Stopped, LoopStats) {
        self.handle.stop();
        self.join()
    }

    /// Waits until the loop has stopped by itself.
    pub(crate) fn join(&mut self) -> (Stopped, LoopStats) {
        let thread = self.thread.take().unwrap();
        let (stopped, stats) = self.result.recv_timeout(PATIENCE).expect("the loop stops");
        thread.join().expect("the loop never panics");
        assert_eq!(stats.connections, 0, "connections are left over: {stats:?}");
        assert_eq!(stats.timers, 0, "timers are left over: {stats:?}");
        assert_eq!(stats.spins, 0, "the loop was spinning: {stats:?}");
        assert_eq!(self.handle.connections(), 0, "the shared count went wrong");
        (stopped, stats)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.handle.stop_now();
            if !std::thread::panicking() {
                self.join();
            }
        }
    }
}

/// A connection that nothing may happen to.
pub(crate) struct Bystander {
    pub(crate) peer: Peer,
    pub(crate) handle: ConnHandle,
}

impl Bystander {
    /// Checks that the connection still works.
    pub(crate) fn check(&mut self) {
        self.peer.send("are you well?");
        assert_eq!(self.peer.receive(13), b"are you well?");
    }
}

/// A loop that is turned by hand, with one listener.
pub(crate) struct ByHand {
    pub(crate) event_loop: EventLoop,
    pub(crate) address: Address,
}

impl ByHand {
    pub(crate) fn new<H: IntoHandler>(
        config: ConnConfig,
        mut factory: impl FnMut() -> H + 'static,
    ) -> Self {
        hush();
        let mut event_loop = EventLoop::new().unwrap();
        let mut reactor = event_loop.reactor();
        let listener = Server::new(move |_peer: &net_reactor::Peer| factory())
            .connections(config)
            .listen_on(&mut reactor, anywhere())
            .unwrap();
        let address = reactor.listener_address(listener).unwrap();
        Self { event_loop, address }
    }

    /// Turns once, for at most a few milliseconds.
    pub(crate) fn turn(&mut self) {
        self.event_loop.turn(Some(Duration::from_millis(5))).unwrap();
    }

    /// Turns until `done`.
    pub(crate) fn turn_until(&mut self, mut done: impl FnMut(&mut EventLoop) -> bool) {
        let end = self.event_loop.reactor().now() + PATIENCE;
        while !done(&mut self.event_loop) {
            assert!(self.event_loop.reactor().now() < end, "{:?}", self.event_loop.stats());
            self.turn();
        }
    }

    /// Turns until there were connections and all are over.
    pub(crate) fn turn_until_empty(&mut self) {
        self.turn_until(|event_loop| {
            let stats = event_loop.stats();
            stats.connections == 0 && stats.closed > 0
        });
    }

    /// Checks that the loop sleeps when nothing happens.
    pub(crate) fn assert_quiet(&mut self) {
        // What was under way may settle.
        (0..3).for_each(|_| self.turn());
        let before = self.event_loop.stats().idle_turns;
        (0..20).for_each(|_| self.turn());
        let idle = self.event_loop.stats().idle_turns - before;
        assert!(idle <= 2, "{idle} of 20 turns woke up for nothing");
    }
}
