//! The simulated world, as a test holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::agenda::Agenda;
use super::chance::Chance;
use super::host::{Boot, BootCall, Host};
use super::hosts::{Running, Site};
use super::network::{DEFAULT_LINK, LOCAL_LATENCY};
use super::oracle::{OracleKind, Oracles, Violation};
use super::plan::Plan;
use super::point::{Points, Reachable};
use super::run::{Pick, Run};
use super::schedule::{Schedule, Turned};
use crate::base::{Instant, Rng};
use crate::endpoint::Error;
use crate::sys::memory::{Fault, Link, TraceText, World};

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
    /// What the test has set for links, by way.
    pub(super) links: BTreeMap<(Host, Host), Link>,
    pub(super) agenda: Agenda,
    pub(super) chance: Chance,
    pub(super) processes: Vec<Running>,
    random: Rng,
    pub(super) violation: Option<Violation>,
    /// Which promise the run was ended for.
    pub(super) broken: Option<OracleKind>,
    pub(super) is_ending: bool,
    pub(super) plan: Plan,
    pub(super) points: Option<Points>,
    /// The only kinds of fault that may happen.
    pub(super) mask: Option<BTreeSet<Fault>>,
    /// The kinds of fault that were chosen so far.
    pub(super) chosen: BTreeSet<Fault>,
    /// Sizes that are given from outside.
    given_picks: BTreeMap<String, u64>,
    pub(super) picks: BTreeMap<String, Pick>,
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
        Self::of(&Run::new(seed))
    }

    pub(super) fn of(run: &Run) -> Self {
        let Run { seed, faults, picks, trace_lines } = run.clone();
        let chance = Chance::new(seed);
        let world = World::new(seed);
        world.set_links(DEFAULT_LINK);
        world.local_latency(LOCAL_LATENCY);
        if trace_lines > 0 {
            world.trace_text(TraceText::Last(trace_lines));
        }
        Self {
            seed,
            world,
            schedule: Schedule::new(&chance),
            oracles: Oracles::new(),
            sites: Vec::new(),
            links: BTreeMap::new(),
            agenda: Agenda::default(),
            chance,
            processes: Vec::new(),
            random: chance.stream("test"),
            violation: None,
            broken: None,
            is_ending: false,
            plan: Plan::default(),
            points: Some(Points::new(chance)),
            mask: faults,
            chosen: BTreeSet::new(),
            given_picks: picks,
            picks: BTreeMap::new(),
        }
    }

    /// Adds a host and starts it.
    ///
    /// `boot` sets up what runs on it, and is called again when the host is started again. One that
    /// fails tries again after 1 s, with nothing of the failed try left.
    ///
    /// Hosts reach each other by `name`, in any case of letters; `localhost` is each host itself.
    /// The n-th host has the addresses `10.0.0.n` and `fd00::n`, and the name leads to the first.
    ///
    /// # Panics
    ///
    /// When there is a host of this name, when nobody could ask for it (it is empty, a number, has a
    /// colon, is `localhost`), or after [`finish`](Self::finish).
    #[track_caller]
    pub fn host(
        &mut self,
        name: impl Into<String>,
        boot: impl FnMut(&mut Boot<'_>) -> Result<(), Error> + 'static,
    ) -> Host {
        let name = name.into();
        assert!(!self.is_ending, "the simulation has finished");
        let is_new = self.sites.iter().all(|site| !site.name.eq_ignore_ascii_case(&name));
        assert!(is_new, "there is a host {name:?} already");
        assert!(is_host_name(&name), "nobody could ask for a host {name:?}");
        let random = self.chance.stream(&format!("host/{name}"));
        let boot: Option<BootCall> = Some(Box::new(boot));
        self.sites.push(Site::new(name, boot, random));
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

    /// Returns a number below `bound` (0 for 0) that depends on the seed, and on how often it was
    /// asked before, alone.
    pub fn random(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// Lets the seed choose a size of the test, such as how many clients there are.
    ///
    /// A failing run is repeated with smaller ones, to find the smallest that fails. A value from
    /// outside (`SIM_PICKS`, [`Run::picks`]) is taken as it is, also beyond the range. Asked again
    /// by the same name, it gives the same.
    ///
    /// # Panics
    ///
    /// When the range is empty.
    #[track_caller]
    pub fn pick(&mut self, name: &str, range: RangeInclusive<u64>) -> u64 {
        let is_plain = |each: char| each.is_ascii_alphanumeric() || "_-".contains(each);
        assert!(name.chars().all(is_plain), "{name:?} cannot be written on a command line");
        assert!(!range.is_empty(), "there is nothing to pick {name:?} from");
        let (least, most) = (*range.start(), *range.end());
        let mut stream = self.chance.stream(&format!("pick/{name}"));
        let drawn = least + stream.below(most.saturating_sub(least).saturating_add(1));
        let value = self.given_picks.get(name).copied().unwrap_or(drawn);
        self.picks.insert(name.to_owned(), Pick { value, least });
        value
    }

    /// Calls `act` when `time` has passed since the beginning, or as soon as the world runs if that
    /// was earlier.
    ///
    /// It runs once every loop has done what it had to do at that time, acts of the same time in
    /// the order in which they were written down, and only while the world [runs](Self::run_for).
    pub fn at(&mut self, time: Duration, act: impl FnOnce(&mut Self) + 'static) {
        self.agenda.write(Instant::ORIGIN + time, Box::new(act));
    }

    /// Calls `act` after `delay`; otherwise as [`at`](Self::at).
    pub fn after(&mut self, delay: Duration, act: impl FnOnce(&mut Self) + 'static) {
        self.agenda.write(self.world.now() + delay, Box::new(act));
    }

    /// Runs the world for `time`, and everything that happens at its end too.
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
    /// `done` is asked after every turn of a loop, and must not run the world itself.
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

    /// Runs the world until `done`, and fails the run if that takes longer than `within`.
    ///
    /// # Panics
    ///
    /// When it does, or when a promise is broken; see [`Simulation`].
    #[track_caller]
    pub fn eventually(
        &mut self,
        within: Duration,
        what: &str,
        done: impl FnMut(&mut Self) -> bool,
    ) {
        if !self.run_until(within, done) {
            self.fail(OracleKind::Liveness, format!("not within {within:?}: {what}"));
            self.complain();
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
    pub(super) fn complain(&mut self) {
        let violation = self.violation.take().or_else(|| self.oracles.violation());
        if let Some(violation) = violation {
            self.broken = Some(violation.oracle);
            let (at, seed) = (self.now(), self.seed);
            panic!("{violation} (after {at:?} of simulated time, seed {seed})");
        }
    }

    /// Does the next thing, at the latest at `end`; returns false when that has come.
    fn step(&mut self, end: Instant) -> bool {
        self.schedule.gather(&self.world);
        let reachable = Reachable::start(&mut self.points);
        let turned = self.schedule.run_one(&self.world);
        drop(reachable);
        if let Some(turned) = turned {
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
        self.loop_ended(number);
    }
}

fn is_host_name(name: &str) -> bool {
    let is_number = name.parse::<IpAddr>().is_ok();
    !name.is_empty() && !name.contains(':') && !is_number && !name.eq_ignore_ascii_case("localhost")
}
