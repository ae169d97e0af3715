//! The clocks of a host: how it sees the time of the world.

use std::time::{Duration, SystemTime};

use super::machine::Host;
use crate::base::Instant;

/// The rate of a true clock, in parts per million.
const TRUE_RATE_PPM: u64 = 1_000_000;

/// The wall clock's time at the origin of the world: 2026-01-01T00:00:00Z, since the Unix epoch.
const WALL_EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// A monotonic and a wall clock, both driven by the same crystal.
#[derive(Debug)]
pub(super) struct Clock {
    /// The time of the world at which the rate last changed.
    world: Instant,
    /// What the monotonic clock read then.
    local: Instant,
    rate_ppm: u64,
    /// What the wall clock reads beyond the monotonic one, in nanoseconds after [`WALL_EPOCH`].
    wall_ahead_nanos: i128,
}

impl Default for Clock {
    fn default() -> Self {
        let (world, local) = (Instant::ORIGIN, Instant::ORIGIN);
        Self { world, local, rate_ppm: TRUE_RATE_PPM, wall_ahead_nanos: 0 }
    }
}

impl Clock {
    /// Reads the monotonic clock.
    pub(super) fn now(&self, world: Instant) -> Instant {
        let passed = u128::from(world.as_nanos() - self.world.as_nanos());
        let passed = passed * u128::from(self.rate_ppm) / u128::from(TRUE_RATE_PPM);
        self.local + Duration::from_nanos(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Reads the wall clock. It stops at the Unix epoch when set back further.
    pub(super) fn wall(&self, world: Instant) -> SystemTime {
        let since = i128::from(self.now(world).as_nanos()) + self.wall_ahead_nanos;
        let since = since + i128::try_from(WALL_EPOCH.as_nanos()).unwrap_or(0);
        let nanos = u64::try_from(since.max(0)).unwrap_or(u64::MAX);
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
    }

    /// Returns the first time of the world at which the monotonic clock reads `local` or more.
    fn world_time(&self, local: Instant) -> Option<Instant> {
        let ahead = u128::from((local - self.local).as_nanos().try_into().unwrap_or(u64::MAX));
        if ahead == 0 {
            return Some(self.world);
        }
        if self.rate_ppm == 0 {
            return None;
        }
        let passes = (ahead * u128::from(TRUE_RATE_PPM)).div_ceil(u128::from(self.rate_ppm));
        Some(self.world + Duration::from_nanos(u64::try_from(passes).unwrap_or(u64::MAX)))
    }

    /// Makes what is read now the base of what will be read.
    fn rebase(&mut self, world: Instant) {
        self.local = self.now(world);
        self.world = world;
    }
}

impl Host {
    /// Reads the host's monotonic clock.
    pub(crate) fn now(&self) -> Instant {
        let state = self.world.state();
        state.machines[self.index].clock.now(state.now)
    }

    /// Reads the host's wall clock: 2026-01-01T00:00:00Z at the origin of the world, unless it was
    /// set.
    pub(crate) fn wall(&self) -> SystemTime {
        let state = self.world.state();
        state.machines[self.index].clock.wall(state.now)
    }

    /// Lets both clocks run at this rate: 1,000,000 is true, 0 is frozen.
    pub(crate) fn set_clock_rate(&self, parts_per_million: u64) {
        let mut state = self.world.state();
        let now = state.now;
        let clock = &mut state.machines[self.index].clock;
        clock.rebase(now);
        clock.rate_ppm = parts_per_million;
    }

    /// Lets the monotonic clock jump forward, as after a suspended virtual machine. The wall clock
    /// stays.
    pub(crate) fn jump_clock(&self, forward: Duration) {
        let mut state = self.world.state();
        let now = state.now;
        let clock = &mut state.machines[self.index].clock;
        clock.rebase(now);
        let before = clock.local;
        clock.local += forward;
        clock.wall_ahead_nanos -= i128::from(clock.local.as_nanos() - before.as_nanos());
    }

    /// Sets the wall clock forward.
    pub(crate) fn advance_wall(&self, by: Duration) {
        self.shift_wall(i128::try_from(by.as_nanos()).unwrap_or(i128::MAX / 4));
    }

    /// Sets the wall clock back.
    pub(crate) fn set_back_wall(&self, by: Duration) {
        self.shift_wall(-i128::try_from(by.as_nanos()).unwrap_or(i128::MAX / 4));
    }

    fn shift_wall(&self, nanos: i128) {
        let mut state = self.world.state();
        let clock = &mut state.machines[self.index].clock;
        clock.wall_ahead_nanos = clock.wall_ahead_nanos.saturating_add(nanos);
    }

    /// Returns the first time of the world at which this host's monotonic clock has reached
    /// `deadline`, which may be in the past; `None` if it never will because the clock is frozen.
    ///
    /// It holds until the rate changes or the clock jumps.
    pub(crate) fn world_time(&self, deadline: Instant) -> Option<Instant> {
        self.world.state().machines[self.index].clock.world_time(deadline)
    }
}
