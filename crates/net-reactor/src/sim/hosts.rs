//! The hosts of a simulation: starting what runs on them, and ending it.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Simulation;
use super::host::{Boot, BootCall, Host, Nursery, Process, Verdict};
use super::oracle::OracleKind;
use super::point::Reachable;
use crate::base::{LoopId, Rng};
use crate::endpoint::Error;
use crate::net::{BindError, ConnectError, ListenError};
use crate::protocol::{EventLoop, LoopStats, ServerHandle};

/// How long a host waits before it tries again to start what could not start: 1 s.
const BOOT_AGAIN: Duration = Duration::from_secs(1);

/// Linux's range of ports to connect from.
const LINUX_PORTS: RangeInclusive<u16> = 32_768..=60_999;

/// What the simulation keeps of a host.
pub(super) struct Site {
    pub(super) name: String,
    boot: Option<BootCall>,
    random: Rng,
    /// Counts what starts and ends the host: a try to start it that is older does not happen.
    epoch: u64,
    /// Its programs were started, and neither have they ended by themselves nor were they stopped.
    is_wanted: bool,
    /// What the test itself allows, which holds again after an episode.
    pub(super) descriptors_max: usize,
    pub(super) ports: RangeInclusive<u16>,
    /// It could start at least once.
    pub(super) has_started: bool,
    /// What tells the first failure of each client that has ended.
    verdicts: Vec<Verdict>,
    /// Episodes leave it alone.
    pub(super) is_spared: bool,
}

impl Site {
    pub(super) fn new(name: String, boot: Option<BootCall>, random: Rng) -> Self {
        Self {
            name,
            boot,
            random,
            epoch: 0,
            is_wanted: false,
            descriptors_max: usize::MAX,
            ports: LINUX_PORTS,
            has_started: false,
            verdicts: Vec::new(),
            is_spared: false,
        }
    }
}

/// A process of a host.
pub(super) struct Running {
    host: usize,
    /// Numbers of the loops that have not ended.
    pub(super) loops: Vec<usize>,
    pub(super) server: ServerHandle,
    /// It was made with one loop, which hands its sockets to nobody.
    is_alone: bool,
    outcome: Option<Verdict>,
}

/// Hosts: starting and ending them.
impl Simulation {
    /// Starts a host that was [stopped](Self::stop) or [killed](Self::kill), or whose programs have
    /// ended; one without power gets it back. On a host that runs it starts its programs once more,
    /// beside those that run.
    ///
    /// During [`finish`](Self::finish) nothing starts any more.
    pub fn start(&mut self, host: Host) {
        if self.is_ending {
            return;
        }
        self.world.power_on(&self.name_of(host));
        let site = &mut self.sites[host.0];
        // A host whose function starts hosts would call itself.
        let Some(mut call) = site.boot.take() else { return };
        site.epoch += 1;
        site.is_wanted = true;
        let epoch = site.epoch;
        let nursery = Nursery {
            world: &self.world,
            host: &site.name,
            oracles: &self.oracles,
            next_number: self.schedule.next_number(),
            inbox_tasks_max: self.plan.inbox_tasks_max(),
            kernels: Vec::new(),
        };
        let mut boot = Boot { nursery, processes: Vec::new(), own: None, random: &mut site.random };
        let reachable = Reachable::start(&mut self.points);
        let result = call(&mut boot);
        drop(reachable);
        let Boot { nursery, mut processes, own, .. } = boot;
        let kernels = nursery.kernels;
        processes.extend(own.map(|own| Process { loops: vec![own], outcome: None }));
        self.sites[host.0].boot = Some(call);
        if let Err(error) = result {
            self.boot_failed(host, &error);
            drop(processes);
            self.schedule.skip(kernels.len());
            return self.after(BOOT_AGAIN, move |sim| {
                if sim.sites[host.0].epoch == epoch {
                    sim.start(host);
                }
            });
        }
        let count = kernels.len();
        self.sites[host.0].has_started = true;
        self.sites[host.0].is_wanted = count > 0;
        let first = self.schedule.next_number();
        for process in processes {
            self.adopt(host, process, &kernels);
        }
        self.schedule.skip((first + count).saturating_sub(self.schedule.next_number()));
    }

    /// Notes why a host could not start. What will never be otherwise fails the run at once.
    fn boot_failed(&mut self, host: Host, error: &Error) {
        let name = self.name_of(host);
        self.world.note_text("cannot start", &[host.0 as u64], |line| {
            let _ = write!(line, " {name}: {error}");
        });
        let never = matches!(
            error,
            Error::Listen(ListenError::BadAddress { .. })
                | Error::Bind(BindError::BadAddress { .. })
                | Error::Target(_)
        );
        if never {
            self.fail(OracleKind::Check, format!("the host {name} can never start: {error:?}"));
        }
    }

    fn adopt(&mut self, host: Host, process: Process, kernels: &[(LoopId, usize)]) {
        let server = ServerHandle::new(process.loops.iter().map(EventLoop::handle));
        let is_alone = process.loops.len() == 1;
        let mut loops = Vec::new();
        for event_loop in process.loops {
            let id = event_loop.id();
            let Some((_, kernel)) = kernels.iter().find(|(known, _)| *known == id) else {
                continue;
            };
            let number = usize::try_from(id.0 & !LoopId::SIMULATED_MIN).unwrap_or(0);
            self.schedule.add(number, host.0, *kernel, event_loop);
            loops.push(number);
        }
        let outcome = process.outcome;
        self.processes.push(Running { host: host.0, loops, server, is_alone, outcome });
    }

    /// Stops everything on a host gracefully, as its operator would. It stays stopped, through
    /// [`calm`](Self::calm) too, until [`start`](Self::start).
    pub fn stop(&mut self, host: Host) {
        let site = self.site(host);
        site.epoch += 1;
        site.is_wanted = false;
        self.of_host(host).for_each(|each| each.server.stop());
    }

    /// Whether something keeps a host from running that should run.
    pub(super) fn is_down(&self, host: Host) -> bool {
        self.sites[host.0].is_wanted && !self.is_up(host)
    }

    #[track_caller]
    pub(super) fn site(&mut self, host: Host) -> &mut Site {
        let place = self.place_of(host);
        &mut self.sites[place]
    }

    /// Drops the loops of a host; no handler is told.
    pub(super) fn bury(&mut self, host: Host) {
        self.site(host).epoch += 1;
        let loops: Vec<usize> = self.of_host(host).flat_map(|each| each.loops.clone()).collect();
        self.processes.retain(|each| each.host != host.0);
        for number in loops {
            self.oracles.loop_gone(number);
            drop(self.schedule.remove(number));
        }
    }

    /// A loop has ended by itself.
    pub(super) fn loop_ended(&mut self, number: usize) {
        drop(self.schedule.remove(number));
        self.oracles.loop_over(number);
        let of_loop = |process: &Running| process.loops.contains(&number);
        let Some(at) = self.processes.iter().position(of_loop) else { return };
        let process = &mut self.processes[at];
        process.loops.retain(|each| *each != number);
        // Loops that serve together end together.
        process.server.stop();
        if process.loops.is_empty() {
            let Running { host, outcome, .. } = self.processes.remove(at);
            self.sites[host].verdicts.extend(outcome);
            if !self.is_up(Host(host)) {
                self.sites[host].is_wanted = false;
            }
        }
    }

    /// Returns how many sockets a loop keeps for itself. Loops that serve together hand sockets to
    /// each other, and one that is on its way belongs to neither: theirs are not counted.
    pub(super) fn own_sockets(&self, number: usize) -> usize {
        let alone = |process: &Running| process.is_alone && process.loops.contains(&number);
        let is_alone = self.processes.iter().any(alone);
        let kernel = self.schedule.kernel(number).filter(|_| is_alone);
        kernel.map_or(0, |kernel| self.world.open_sockets(kernel))
    }

    fn of_host(&self, host: Host) -> impl Iterator<Item = &Running> {
        let place = self.place_of(host);
        self.processes.iter().filter(move |each| each.host == place)
    }

    /// Whether any loop of a host exists. One that is frozen counts.
    #[must_use]
    pub fn is_up(&self, host: Host) -> bool {
        self.of_host(host).next().is_some()
    }

    /// Returns the counters of a host's loops, added up over those that exist now. What ended loops
    /// had counted is gone with them.
    #[must_use]
    pub fn stats(&self, host: Host) -> LoopStats {
        let loops = self.of_host(host).flat_map(|each| &each.loops);
        let stats = loops.filter_map(|each| self.schedule.stats(*each));
        stats.fold(LoopStats::default(), LoopStats::plus)
    }

    /// Takes why the clients of a host could not connect: the first failure of each
    /// [`Client`](crate::Client) that has ended and had no
    /// [`on_failed`](crate::Client::on_failed). In production its `run` returns it.
    #[must_use]
    pub fn take_failures(&mut self, host: Host) -> Vec<ConnectError> {
        self.site(host).verdicts.drain(..).filter_map(|verdict| (verdict.0)()).collect()
    }
}
