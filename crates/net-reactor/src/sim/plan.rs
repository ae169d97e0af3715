//! The episodes of a simulation: faults that begin, last, and end.

use std::time::Duration;

use super::agenda::Act;
use super::machine::TRUE_RATE_PPM;
use super::{Fault, Faults, Host, Latency, Link, Simulation};
use crate::base::Rng;
use crate::sys::memory::FaultRates;

/// The episodes under way and those to come.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) rates: FaultRates,
    /// Counts up when the plan changes: what was written down for an older one does not happen.
    epoch: u64,
    /// What ends each episode under way.
    ends: Vec<(u64, Act)>,
    begun: u64,
}

impl Plan {
    /// Returns how many posts a loop that is made now takes, if a fault limits that: 1 to 32.
    pub(super) fn inbox_tasks_max(&self) -> Option<usize> {
        let ppm = self.rates.get(Fault::InboxFull);
        (ppm > 0).then(|| 1 << (ppm % 6))
    }
}

impl Simulation {
    /// Lets faults happen from now on, instead of those chosen before, until [`calm`](Self::calm).
    ///
    /// Of several calls the last one counts. Episodes hit every host, also those that are added
    /// later, but those that [`spare`](Self::spare) names. Two faults need to be chosen before the
    /// host is added: `inbox-full`, which is of the moment in which a loop is made, and whatever is
    /// to hit the start of the host itself.
    ///
    /// The end of an episode undoes what the test did by hand to the same link or host in the same
    /// way: a [`partition`](Self::partition) is mended when a drawn one between the two hosts ends.
    pub fn faults(&mut self, faults: Faults) {
        self.end_episodes();
        let rates = faults.draw(self.chance, self.mask.as_ref());
        self.chosen.extend(Fault::ALL.iter().filter(|fault| rates.get(**fault) > 0));
        self.world.faults(&rates);
        self.set_habits(&rates);
        let staged: Vec<Fault> = Fault::ALL
            .iter()
            .copied()
            .filter(|fault| fault.is_staged() && rates.get(*fault) > 0 && has_episodes(*fault))
            .collect();
        self.plan.rates = rates;
        for fault in staged {
            let mut rng = self.chance.stream(&format!("plan/{fault}"));
            let mean = faults.draw_pause(&mut rng);
            self.expect_episode(fault, mean, rng);
        }
    }

    /// Ends all faults, the test's own too: links are mended and carry what they carried before,
    /// hosts that were killed, frozen or without power run, clocks go at the right rate. Then what
    /// the program promises in a quiet world can be awaited.
    ///
    /// What a test has set up stays: [links](Self::link), limits, wall clocks. So does what was
    /// [stopped](Self::stop).
    pub fn calm(&mut self) {
        self.faults(Faults::none());
        // What episodes did to the speed of links has ended with them.
        self.world.heal();
        for host in (0..self.sites.len()).map(Host) {
            self.thaw(host);
            self.right_clock(host);
            self.start_again(host);
        }
    }

    /// Lets handlers panic without failing the run, for programs in which that is a matter of
    /// course. By default a panic fails it; one that the simulation makes itself
    /// ([`Fault::HandlerPanic`]) never does.
    pub fn allow_panics(&mut self) {
        self.oracles.allow_panics(true);
    }

    /// Keeps the episodes of hosts away from this one for the whole run: power cuts, kills, freezes,
    /// wrong clocks, limits. Faults of its links and of its calls still happen.
    pub fn spare(&mut self, host: Host) {
        self.site(host).is_spared = true;
    }

    /// What is not an episode but a habit of the whole run.
    fn set_habits(&mut self, rates: &FaultRates) {
        let habits = &mut self.schedule.habits;
        habits.shuffles = rates.get(Fault::TurnOrder) > 0;
        habits.stall_ppm = rates.get(Fault::LoopStall) / 10;
        let panic_ppm = u64::from(rates.get(Fault::HandlerPanic) / 20);
        let mut panics = self.chance.stream("plan/handler-panic");
        self.oracles.sabotage(move |_| panic_ppm > 0 && panics.below(1_000_000) < panic_ppm);
        if let Some(points) = &mut self.points {
            points.is_on = rates.get(Fault::UserPoint) > 0;
        }
    }

    fn end_episodes(&mut self) {
        self.plan.epoch += 1;
        for (_, end) in std::mem::take(&mut self.plan.ends) {
            end(self);
        }
    }

    fn expect_episode(&mut self, fault: Fault, mean: Duration, mut rng: Rng) {
        let pause = mean.mul_f64(0.1) + exact_below(&mut rng, mean.saturating_mul(2));
        let epoch = self.plan.epoch;
        self.after(pause, move |sim| {
            if sim.plan.epoch == epoch {
                sim.begin_episode(fault, &mut rng);
                sim.expect_episode(fault, mean, rng);
            }
        });
    }

    fn begin_episode(&mut self, fault: Fault, rng: &mut Rng) {
        let Some((length, end)) = self.stage(fault, rng) else { return };
        let number = self.plan.begun;
        self.plan.begun += 1;
        self.plan.ends.push((number, end));
        self.after(length, move |sim| {
            if let Some(at) = sim.plan.ends.iter().position(|(known, _)| *known == number) {
                let (_, end) = sim.plan.ends.remove(at);
                end(sim);
            }
        });
    }

    /// Begins an episode; returns how long it lasts and what ends it.
    fn stage(&mut self, fault: Fault, rng: &mut Rng) -> Option<(Duration, Act)> {
        match fault {
            Fault::Partition
            | Fault::PartitionOneWay
            | Fault::Clog
            | Fault::LinkReset
            | Fault::LatencySpike
            | Fault::SlowLink => {
                let (a, b) = self.draw_pair(rng)?;
                Some(self.stage_on_link(fault, a, b, rng))
            }
            _ => {
                let host = self.draw_host(rng)?;
                self.stage_on_host(fault, host, rng)
            }
        }
    }

    fn stage_on_link(&mut self, fault: Fault, a: Host, b: Host, rng: &mut Rng) -> (Duration, Act) {
        let length = some_time(rng, Duration::from_millis(100), Duration::from_secs(30));
        let end: Act = match fault {
            Fault::Partition => {
                self.partition(a, b);
                Box::new(move |sim| sim.mend(a, b))
            }
            Fault::PartitionOneWay => {
                self.partition_one_way(a, b);
                Box::new(move |sim| sim.mend(a, b))
            }
            Fault::Clog => {
                self.clog(a, b);
                Box::new(move |sim| sim.unclog(a, b))
            }
            Fault::LinkReset => {
                self.reset_link(a, b);
                Box::new(|_| ())
            }
            Fault::LatencySpike | Fault::SlowLink => {
                self.world.count(fault);
                let slow = if fault == Fault::SlowLink {
                    let speed = 1_000 + rng.below(100_000);
                    Link { bytes_per_second: Some(speed), ..super::network::DEFAULT_LINK }
                } else {
                    let min = Duration::from_millis(50 + rng.below(500));
                    let latency = Latency::Uniform { min, max: min * 4 };
                    Link { latency, bytes_per_second: None }
                };
                let (from, to) = (self.name_of(a), self.name_of(b));
                self.world.set_link(&from, &to, slow);
                // Of two such episodes on one way the first to end makes it fast again.
                Box::new(move |sim| sim.usual_link(a, b))
            }
            _ => Box::new(|_| ()),
        };
        (length, end)
    }

    fn stage_on_host(
        &mut self,
        fault: Fault,
        host: Host,
        rng: &mut Rng,
    ) -> Option<(Duration, Act)> {
        let length = some_time(rng, Duration::from_millis(10), Duration::from_secs(20));
        let end: Act = match fault {
            // Who has stopped, or is down already, stays as it is.
            Fault::PowerCut | Fault::ProcessKill if !self.is_up(host) => return None,
            Fault::PowerCut => {
                self.power_off(host);
                Box::new(move |sim| sim.start_again(host))
            }
            Fault::ProcessKill => {
                self.kill(host);
                Box::new(move |sim| sim.start_again(host))
            }
            Fault::HostFreeze => {
                self.freeze(host);
                Box::new(move |sim| sim.thaw(host))
            }
            Fault::ClockSkew => {
                self.clock_rate(host, 900_000 + rng.below(200_000));
                Box::new(move |sim| sim.right_clock(host))
            }
            Fault::ClockFreeze => {
                self.clock_rate(host, 0);
                Box::new(move |sim| sim.right_clock(host))
            }
            Fault::ClockJump => {
                self.jump_clock(host, Duration::from_millis(1 << rng.below(22)));
                Box::new(|_| ())
            }
            Fault::WallJump => {
                let wall = self.machine(host).wall();
                let by = Duration::from_secs(1 << rng.below(28));
                let set =
                    if rng.below(2) == 0 { wall.checked_sub(by) } else { wall.checked_add(by) };
                self.set_wall_clock(host, set.unwrap_or(wall));
                Box::new(|_| ())
            }
            Fault::DescriptorLimit => {
                let spare = usize::try_from(rng.below(4)).unwrap_or(0);
                let open = self.open_descriptors(host);
                self.world.count(fault);
                let limit = (open + spare).min(self.site(host).descriptors_max);
                self.machine(host).set_descriptor_limit(limit);
                Box::new(move |sim| sim.usual_limits(host))
            }
            Fault::FewPorts => {
                let first = 40_000 + u16::try_from(rng.below(10_000)).unwrap_or(0);
                let count = 1 + u16::try_from(rng.below(8)).unwrap_or(0);
                self.world.count(fault);
                self.machine(host).ephemeral_ports(first..=first + count);
                Box::new(move |sim| sim.usual_limits(host))
            }
            _ => return None,
        };
        Some((length, end))
    }

    fn right_clock(&mut self, host: Host) {
        self.clock_rate(host, TRUE_RATE_PPM);
    }

    fn start_again(&mut self, host: Host) {
        if self.is_down(host) {
            self.start(host);
        }
    }

    fn draw_host(&self, rng: &mut Rng) -> Option<Host> {
        let eligible: Vec<Host> =
            (0..self.sites.len()).filter(|at| !self.sites[*at].is_spared).map(Host).collect();
        let drawn = rng.below(eligible.len() as u64);
        eligible.get(usize::try_from(drawn).unwrap_or(0)).copied()
    }

    /// Draws two hosts that differ. Links of spared hosts are not spared.
    fn draw_pair(&self, rng: &mut Rng) -> Option<(Host, Host)> {
        let count = self.sites.len();
        if count < 2 {
            return None;
        }
        let a = usize::try_from(rng.below(count as u64)).unwrap_or(0);
        let step = 1 + usize::try_from(rng.below(count as u64 - 1)).unwrap_or(0);
        Some((Host(a), Host((a + step) % count)))
    }
}

/// Whether a staged kind comes in episodes, and is not a habit of the whole run.
fn has_episodes(fault: Fault) -> bool {
    !matches!(
        fault,
        Fault::LoopStall
            | Fault::HandlerPanic
            | Fault::InboxFull
            | Fault::TurnOrder
            | Fault::UserPoint
    )
}

fn exact_below(rng: &mut Rng, max: Duration) -> Duration {
    Duration::from_nanos(rng.below(u64::try_from(max.as_nanos()).unwrap_or(u64::MAX)))
}

/// Draws a time whose logarithm is even: short episodes are as likely as long ones.
fn some_time(rng: &mut Rng, min: Duration, max: Duration) -> Duration {
    let octaves = u64::from((max.as_nanos() / min.as_nanos().max(1)).max(2).ilog2());
    let base = min * (1 << rng.below(octaves.max(1)));
    (base + exact_below(rng, base)).min(max)
}
