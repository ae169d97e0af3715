//! The simulated world, as a test holds it.

use std::fmt;
use std::time::Duration;

use super::agenda::Agenda;
use super::chance::Chance;
use super::host::{Boot, BootCall, Host, Nursery, Outcome, Process};
use super::oracle::{OracleKind, Oracles, Violation};
use super::schedule::{Schedule, Turned};
use crate::base::{Instant, Rng};
use crate::endpoint::Error;
use crate::net::ConnectError;
use crate::protocol::{Leftovers, LoopStats, ServerHandle};
use crate::sys::memory::World;

/// How long a run waits at its end for the loops to stop, in the world's time: one hour.
const STOP_PATIENCE: Duration = Duration::from_secs(3600);

/// How long a host waits before it tries again to start what could not start: 1 s.
const BOOT_AGAIN: Duration = Duration::from_secs(1);

/// Several hosts, a network between them, one clock, one thread, one seed.
///
/// Hosts run ordinary [`Server`](crate::Server)s, [`Client`](crate::Client)s and loops; everything
/// above the kernel is what production runs. Time passes only when nobody has anything left to do,
/// and then in one jump to the next thing that happens: an hour of quiet costs nothing.
///
/// Everything that chance decides comes from the seed: the same program and the same seed give the
/// same run, down to [the hash of its trace](Self::trace_hash). What a program must not do for
/// that is look at the real world: clocks other than [`Reactor::now`](crate::Reactor::now), the
/// order of a `HashMap`, its own threads.
///
/// The contract is checked while it runs, and a broken promise of the library, a panic of a handler
/// or a failed check of the test ends the run with a panic that says so.
///
/// ```
/// use net_reactor::prelude::*;
/// use net_reactor::sim::Simulation;
/// use std::time::Duration;
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
///         Ok(conn.write(input.take_all())?)
///     }
/// }
///
/// let mut sim = Simulation::new(7);
/// sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:9000").map(drop));
/// sim.host("device", |boot| {
///     let client = Client::new(|| Echo);
///     boot.connect(client, "hub:9000").map(drop)
/// });
/// sim.run_for(Duration::from_secs(60));
/// sim.finish();
/// ```
pub struct Simulation {
    pub(super) seed: u64,
    pub(super) world: World,
    pub(super) schedule: Schedule,
    pub(super) oracles: Oracles,
    pub(super) sites: Vec<Site>,
    pub(super) agenda: Agenda,
    pub(super) chance: Chance,
    processes: Vec<Running>,
    random: Rng,
    violation: Option<Violation>,
    is_ending: bool,
}

/// What the simulation keeps of a host.
pub(super) struct Site {
    pub(super) name: String,
    boot: Option<BootCall>,
    /// Numbers of the processes that run on it.
    processes: Vec<usize>,
    random: Rng,
    pub(super) boots: u32,
}

/// A process of a host.
struct Running {
    host: usize,
    /// Numbers of the loops that have not ended.
    loops: Vec<usize>,
    server: ServerHandle,
    outcome: Option<Outcome>,
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("seed", &self.seed)
            .field("now", &self.now())
            .field("hosts", &self.sites.len())
            .finish_non_exhaustive()
    }
}

/// Making and running.
impl Simulation {
    /// Makes an empty world.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let chance = Chance::new(seed);
        Self {
            seed,
            world: World::new(seed),
            schedule: Schedule::new(&chance),
            oracles: Oracles::new(),
            sites: Vec::new(),
            agenda: Agenda::default(),
            chance,
            processes: Vec::new(),
            random: chance.stream("test"),
            violation: None,
            is_ending: false,
        }
    }

    /// Adds a host and starts it.
    ///
    /// `boot` sets up what runs on it, and is called again when the host is started again. Other
    /// hosts reach it by `name`. One that fails to start tries again after 1 s.
    pub fn host(
        &mut self,
        name: impl Into<String>,
        boot: impl FnMut(&mut Boot<'_>) -> Result<(), Error> + 'static,
    ) -> Host {
        let name = name.into();
        let random = self.chance.stream(&format!("host/{name}"));
        let boot: Option<BootCall> = Some(Box::new(boot));
        self.sites.push(Site { name, boot, processes: Vec::new(), random, boots: 0 });
        let host = Host(self.sites.len() - 1);
        self.start(host);
        host
    }

    /// Returns how much time has passed in the world.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.world.now() - Instant::ORIGIN
    }

    /// Returns the seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns a number below `bound` (0 for 0) that depends on the seed alone.
    pub fn random(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// Calls `act` when `time` has passed since the beginning, or as soon as the world runs if that
    /// was earlier.
    pub fn at(&mut self, time: Duration, act: impl FnOnce(&mut Self) + 'static) {
        self.agenda.write(Instant::ORIGIN + time, Box::new(act));
    }

    /// Calls `act` after `delay`.
    pub fn after(&mut self, delay: Duration, act: impl FnOnce(&mut Self) + 'static) {
        self.agenda.write(self.world.now() + delay, Box::new(act));
    }

    /// Runs the world for `time`.
    ///
    /// # Panics
    ///
    /// When a promise is broken; see [`Simulation`].
    #[track_caller]
    pub fn run_for(&mut self, time: Duration) {
        let end = self.world.now() + time;
        while self.step(end) {
            self.complain();
        }
        self.complain();
    }

    /// Runs the world until `done`, for at most `limit`; returns whether it came to that.
    ///
    /// # Panics
    ///
    /// When a promise is broken; see [`Simulation`].
    #[track_caller]
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.world.now() + limit;
        loop {
            if done(self) {
                return true;
            }
            let goes_on = self.step(end);
            self.complain();
            if !goes_on {
                return done(self);
            }
        }
    }

    /// Fails the run unless `holds`.
    ///
    /// # Panics
    ///
    /// When it does not hold.
    #[track_caller]
    pub fn check(&mut self, holds: bool, what: &str) {
        if !holds {
            self.fail(OracleKind::Check, what.to_owned());
            self.complain();
        }
    }

    pub(super) fn fail(&mut self, oracle: OracleKind, message: String) {
        self.violation.get_or_insert(Violation { oracle, message });
    }

    #[track_caller]
    fn complain(&mut self) {
        let violation = self.violation.take().or_else(|| self.oracles.violation());
        if let Some(violation) = violation {
            let (at, seed) = (self.now(), self.seed);
            panic!("{violation} (after {at:?} of simulated time, seed {seed})");
        }
    }

    /// Does the next thing, at the latest at `end`; returns false when that has come.
    fn step(&mut self, end: Instant) -> bool {
        self.schedule.gather(&self.world);
        if let Some(turned) = self.schedule.run_one(&self.world) {
            self.after_turn(turned);
            return true;
        }
        let next = [self.agenda.next(), self.schedule.next_deadline(), self.world.next_event()];
        let now = self.world.now();
        match next.into_iter().flatten().min().filter(|next| *next <= end) {
            Some(next) => {
                self.world.advance(next - now);
                while let Some(act) = self.agenda.take_due(self.world.now()) {
                    act(self);
                }
                true
            }
            None => {
                self.world.advance(end - now);
                false
            }
        }
    }

    fn after_turn(&mut self, turned: Turned) {
        let Turned { number, end, spins } = turned;
        if spins {
            self.fail(OracleKind::Spin, format!("loop {number} works on and on and never waits"));
        }
        let Some(end) = end else { return };
        if let Err(error) = &end {
            tracing::warn!(number, %error, "a simulated loop ended");
        }
        self.check_leftovers(number);
        drop(self.schedule.remove(number));
        let ended = self.processes.iter_mut().find(|process| process.loops.contains(&number));
        if let Some(process) = ended {
            process.loops.retain(|each| *each != number);
            // Loops that serve together end together.
            process.server.stop();
        }
    }

    /// Checks that a loop that has stopped has given everything back.
    fn check_leftovers(&mut self, number: usize) {
        let Some(event_loop) = self.schedule.event_loop(number) else { return };
        let (leftovers, spins) = (event_loop.leftovers(), event_loop.stats().spins);
        if leftovers != Leftovers::default() {
            let message = format!("loop {number} has stopped and still has {leftovers:?}");
            self.fail(OracleKind::Resources, message);
        }
        if spins > 0 {
            self.fail(
                OracleKind::Spin,
                format!("loop {number} woke up for nothing, again and again"),
            );
        }
    }
}

/// Hosts: starting and ending them.
impl Simulation {
    /// Starts a host that does not run, or starts its programs once more beside those that run.
    pub fn start(&mut self, host: Host) {
        let Some(site) = self.sites.get_mut(host.0) else { return };
        let Some(mut call) = site.boot.take() else { return };
        site.boots += 1;
        let nursery = Nursery {
            world: &self.world,
            host: &site.name,
            oracles: &self.oracles,
            next_number: self.schedule.next_number(),
            kernels: Vec::new(),
        };
        let mut boot = Boot { nursery, processes: Vec::new(), own: None, random: &mut site.random };
        let result = call(&mut boot);
        let Boot { nursery, mut processes, own, .. } = boot;
        let kernels = nursery.kernels;
        processes.extend(own.map(|own| Process { loops: vec![own], outcome: None }));
        self.sites[host.0].boot = Some(call);
        if let Err(error) = result {
            tracing::info!(host = host.0, %error, "a simulated host could not start");
            drop(processes);
            self.schedule.skip(kernels.len());
            return self.after(BOOT_AGAIN, move |sim| sim.start(host));
        }
        let count = kernels.len();
        let first = self.schedule.next_number();
        for process in processes {
            self.adopt(host, process, &kernels);
        }
        self.schedule.skip((first + count).saturating_sub(self.schedule.next_number()));
    }

    fn adopt(&mut self, host: Host, process: Process, kernels: &[(crate::base::LoopId, usize)]) {
        let server = ServerHandle::new(process.loops.iter().map(crate::EventLoop::handle));
        let mut loops = Vec::new();
        for event_loop in process.loops {
            let id = event_loop.id();
            let Some((_, kernel)) = kernels.iter().find(|(known, _)| *known == id) else {
                continue;
            };
            let number = usize::try_from(id.0 & !crate::base::LoopId::SIMULATED_MIN).unwrap_or(0);
            self.schedule.add(number, host.0, *kernel, event_loop);
            loops.push(number);
        }
        self.sites[host.0].processes.push(self.processes.len());
        self.processes.push(Running { host: host.0, loops, server, outcome: process.outcome });
    }

    /// Stops everything on a host gracefully, as its operator would; it stays stopped.
    pub fn stop(&mut self, host: Host) {
        self.processes
            .iter()
            .filter(|each| each.host == host.0)
            .for_each(|each| each.server.stop());
    }

    /// Kills the processes of a host: its kernel closes their sockets, and no handler is told.
    pub fn kill(&mut self, host: Host) {
        let dead = self.processes.iter_mut().filter(|each| each.host == host.0);
        let loops: Vec<usize> = dead.flat_map(|each| std::mem::take(&mut each.loops)).collect();
        for number in loops {
            self.oracles.loop_gone(number);
            drop(self.schedule.remove(number));
        }
    }

    /// Whether any loop of a host runs.
    #[must_use]
    pub fn is_up(&self, host: Host) -> bool {
        self.processes.iter().any(|each| each.host == host.0 && !each.loops.is_empty())
    }

    /// Returns the counters of a host's loops, added up over those that run.
    #[must_use]
    pub fn stats(&self, host: Host) -> LoopStats {
        let loops = self.processes.iter().filter(|each| each.host == host.0);
        let stats =
            loops.flat_map(|each| &each.loops).filter_map(|each| self.schedule.stats(*each));
        stats.fold(LoopStats::default(), LoopStats::plus)
    }

    /// Takes why the clients of a host could not connect: the first failure of each that has ended
    /// and had nobody who was told.
    pub fn take_failures(&mut self, host: Host) -> Vec<ConnectError> {
        let ended = |each: &&mut Running| each.host == host.0 && each.loops.is_empty();
        let ended = self.processes.iter_mut().filter(ended);
        ended.filter_map(|each| each.outcome.take()).filter_map(|outcome| (outcome.0)()).collect()
    }
}

/// The end.
impl Simulation {
    /// Stops every host gracefully, waits until all is quiet, and checks that nothing is left.
    ///
    /// # Panics
    ///
    /// When a promise is broken; see [`Simulation`].
    #[track_caller]
    pub fn finish(&mut self) {
        self.is_ending = true;
        for each in &self.processes {
            each.server.stop();
        }
        let all_stopped = |sim: &mut Self| sim.processes.iter().all(|each| each.loops.is_empty());
        if !self.run_until(STOP_PATIENCE, all_stopped) {
            let left: Vec<usize> = self.schedule.numbers().collect();
            self.fail(OracleKind::Liveness, format!("loops {left:?} do not stop"));
        }
        self.complain();
        if let Some(violation) = self.oracles.finish() {
            self.violation.get_or_insert(violation);
        }
        self.complain();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    struct Echo;
    impl Protocol for Echo {
        fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
            Ok(conn.write(input.take_all())?)
        }
    }

    struct Ping(u32);
    impl Protocol for Ping {
        fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
            Ok(conn.write("ping")?)
        }
        fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
            if input.len() < 4 {
                return Ok(());
            }
            input.consume(4);
            self.0 += 1;
            conn.set_timer(Tag(0), Duration::from_secs(1));
            Ok(())
        }
        fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
            Ok(conn.write("ping")?)
        }
    }

    #[test]
    fn a_server_and_a_client_run_for_an_hour() {
        let mut sim = Simulation::new(7);
        let hub = sim.host("hub", |boot| {
            boot.serve(Server::new(|_: &Peer| Echo).loops(3), "0.0.0.0:9000").map(drop)
        });
        let device = sim.host("device", |boot| {
            boot.connect(Client::new(|| Ping(0)).connections(100), "hub:9000").map(drop)
        });
        sim.run_for(Duration::from_secs(3600));
        assert_eq!(sim.stats(hub).connections, 100);
        assert!(sim.stats(device).bytes_in >= 4 * 100 * 3600, "{:?}", sim.stats(device));
        println!("turns {}", sim.schedule.turns);
        sim.finish();
    }
}
