//! A host, and what runs on it.

use std::fmt;
use std::net::IpAddr;

use super::oracle::Oracles;
use super::scribe::Scribe;
use crate::base::{Address, LoopId, Rng};
use crate::endpoint::{Bound, Client, Error, Place, Server};
use crate::net::{ConnectError, ListenError, Target, TargetError, Watched};
use crate::protocol::{
    EventLoop, IntoHandler, LoopConfig, LoopHandle, Peer, Protocol, Reactor, ServerHandle,
};
use crate::sys::Descriptor;
use crate::sys::memory::{Fault, World};

/// A host of a simulation. It is `Copy`, and names its host in calls of the
/// [`Simulation`](super::Simulation) that made it.
///
/// Another simulation knows nothing of it: there it names the host of the same number, and calls with
/// a number that is too high panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(pub(super) usize);

/// What a host does when it starts: a function that is called again after each restart.
pub(super) type BootCall = Box<dyn FnMut(&mut Boot<'_>) -> Result<(), Error>>;

/// A host that is starting up, lent to the function that sets up its programs.
///
/// Whatever is made through it runs on the simulated host: servers, clients, bare loops. All of it
/// is the ordinary thing; only the kernel below is simulated.
#[derive(Debug)]
pub struct Boot<'a> {
    pub(super) nursery: Nursery<'a>,
    pub(super) processes: Vec<Process>,
    /// The loop that [`reactor`](Self::reactor) lends.
    pub(super) own: Option<EventLoop>,
    pub(super) random: &'a mut Rng,
}

/// A server that a [`Boot`] has started.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Served {
    /// Where it listens, with the port the kernel chose for port 0.
    pub address: Address,
    /// Stops it, and reaches its loops.
    pub handle: ServerHandle,
}

/// Loops that serve together and end together.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) loops: Vec<EventLoop>,
    pub(super) outcome: Option<Verdict>,
}

/// Asked once the process has ended: the first connection that could not be opened.
pub(super) struct Verdict(pub(super) Box<dyn FnOnce() -> Option<ConnectError>>);

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verdict")
    }
}

impl Boot<'_> {
    /// Returns the host's own loop, made with default limits when it is first asked for.
    ///
    /// It runs until it is stopped, such as by [`Reactor::stop`], also when it has nothing to do.
    pub fn reactor(&mut self) -> Reactor<'_> {
        let nursery = &mut self.nursery;
        self.own.get_or_insert_with(|| nursery.make(LoopConfig::default())).reactor()
    }

    /// Starts a server with its loops; what [`Server::listen`] and
    /// [`BoundServer::run`](crate::BoundServer::run) do in production.
    ///
    /// `address` is a literal one, such as `0.0.0.0:9000`, or a Unix socket of this host, such as
    /// `unix:/run/hub.sock`. Signals are not simulated: a server that
    /// stops on them is stopped by its handle.
    ///
    /// # Errors
    ///
    /// [`Error::Target`] or [`Error::Listen`] when the address is bad or in use.
    pub fn serve<F, H>(&mut self, server: Server<F>, address: &str) -> Result<Served, Error>
    where
        F: FnMut(&Peer) -> H + 'static,
        H: IntoHandler,
    {
        let target: Target = address.parse()?;
        if let Target::Host(..) = target {
            let source = std::io::ErrorKind::InvalidInput.into();
            let address = address.to_owned();
            return Err(Error::Listen(ListenError::BadAddress { address, source }));
        }
        let Bound { event_loop, address, others, .. } =
            server.bind_in(&mut self.nursery, target)?;
        let mut loops = vec![event_loop];
        loops.extend(others);
        let handle = ServerHandle::new(loops.iter().map(EventLoop::handle));
        if loops.len() > 1 {
            loops.iter_mut().for_each(|each| each.reactor().set_server(&handle));
        }
        self.processes.push(Process { loops, outcome: None });
        Ok(Served { address, handle })
    }

    /// Starts a client on a loop of its own; what [`Client::connect`] and
    /// [`RunningClient::run`](crate::RunningClient::run) do in production.
    ///
    /// Hosts are found by their names: `"hub:9000"`.
    ///
    /// # Errors
    ///
    /// [`Error::Target`] when the text is no target.
    pub fn connect<F, P, T>(&mut self, client: Client<F>, target: T) -> Result<LoopHandle, Error>
    where
        F: FnMut() -> P,
        P: Protocol,
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        let target = target.try_into().map_err(TargetError::from)?;
        let running = client.connect_in(&mut self.nursery, &target)?;
        let handle = running.handle();
        let (event_loop, outcome) = running.into_parts();
        let outcome = Some(Verdict(Box::new(outcome)));
        self.processes.push(Process { loops: vec![event_loop], outcome });
        Ok(handle)
    }

    /// Starts a bare loop, set up by `setup`; what [`LoopThread::spawn`](crate::LoopThread::spawn)
    /// does in production.
    ///
    /// # Errors
    ///
    /// Those of `setup`; nothing runs then.
    pub fn spawn(
        &mut self,
        config: LoopConfig,
        setup: impl FnOnce(&mut EventLoop) -> Result<(), Error>,
    ) -> Result<LoopHandle, Error> {
        let mut event_loop = self.nursery.make(config);
        setup(&mut event_loop)?;
        let handle = event_loop.handle();
        self.processes.push(Process { loops: vec![event_loop], outcome: None });
        Ok(handle)
    }

    /// Returns the IPv4 address that other hosts reach this one by; [`Simulation::ip`] tells those of
    /// the others.
    ///
    /// [`Simulation::ip`]: super::Simulation::ip
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.nursery.world.machine_named(self.nursery.host).ip()
    }

    /// Makes a pipe on the host, as `std::io::pipe` does in production: its reading and its writing
    /// end, for [`Reactor::add_fd`]. It holds 64 KiB.
    ///
    /// # Errors
    ///
    /// [`Error::Descriptor`] when the host has no descriptors left.
    pub fn pipe(&mut self) -> Result<(Descriptor, Descriptor), Error> {
        self.nursery.world.pipe(self.nursery.host).map_err(Error::Descriptor)
    }

    /// Makes two ends on the host that both read what the other writes, as `UnixStream::pair` does
    /// in production. Each direction holds 64 KiB.
    ///
    /// # Errors
    ///
    /// [`Error::Descriptor`] when the host has no descriptors left.
    pub fn pair(&mut self) -> Result<(Descriptor, Descriptor), Error> {
        self.nursery.world.pair(self.nursery.host).map_err(Error::Descriptor)
    }

    /// Returns a number below `bound` (0 for 0) that depends on the seed alone.
    pub fn random(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }
}

/// Makes loops on one host.
pub(super) struct Nursery<'a> {
    pub(super) world: &'a World,
    pub(super) host: &'a str,
    pub(super) oracles: &'a Oracles,
    pub(super) next_number: usize,
    /// How many posts each loop takes, if a fault limits that.
    pub(super) inbox_tasks_max: Option<usize>,
    /// The kernel of each loop made here, in the order of their numbers.
    pub(super) kernels: Vec<(LoopId, usize)>,
}

impl fmt::Debug for Nursery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nursery").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Nursery<'_> {
    fn make(&mut self, config: LoopConfig) -> EventLoop {
        let number = u32::try_from(self.next_number).unwrap_or(u32::MAX >> 1);
        let id = LoopId(LoopId::SIMULATED_MIN | number);
        let memory = self.world.host(self.host);
        let config = match self.inbox_tasks_max {
            Some(tasks) => {
                self.world.count(Fault::InboxFull);
                config.limit_inbox(tasks)
            }
            None => config,
        };
        let kernel = memory.index();
        self.kernels.push((id, kernel));
        let mut event_loop = EventLoop::numbered(id, memory, config);
        let eye = self.oracles.eye(self.next_number, self.host);
        let scribe = Scribe::new(self.world, kernel, eye);
        event_loop.watch(Watched::by(Box::new(scribe)));
        self.next_number += 1;
        event_loop
    }
}

impl Place for Nursery<'_> {
    type Loop = EventLoop;

    fn first_loop(&mut self, config: LoopConfig) -> Result<EventLoop, Error> {
        Ok(self.make(config))
    }

    fn another_loop<T: Send + 'static>(
        &mut self,
        _name: &str,
        config: LoopConfig,
        setup: impl FnOnce(&mut EventLoop) -> Result<T, Error> + Send + 'static,
    ) -> Result<(EventLoop, LoopHandle, T), Error> {
        let mut event_loop = self.make(config);
        let value = setup(&mut event_loop)?;
        let handle = event_loop.handle();
        Ok((event_loop, handle, value))
    }

    fn stop_on_signals(&mut self, _event_loop: &mut EventLoop) -> std::io::Result<()> {
        Ok(())
    }
}
