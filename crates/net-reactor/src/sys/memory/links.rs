//! The links between hosts: how long a segment takes, and whether it arrives at all.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use super::chance::stream;
use super::network::{Event, Segment};
use super::world::{State, World};
use crate::base::{Instant, Key, Rng};

/// How long a segment is on its way, beside the time that it takes to put its bytes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Anything from `min` to `max`, evenly spread; always `min` if `max` is less.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// Mostly `base`; now and then up to `spike` more, evenly spread.
    LongTail {
        /// What most segments take.
        base: Duration,
        /// The most that comes on top.
        spike: Duration,
        /// How many of a million segments are late.
        spikes_ppm: u64,
    },
}

impl Latency {
    fn draw(self, rng: &mut Rng) -> Duration {
        match self {
            Self::Fixed(time) => time,
            Self::Uniform { min, max } => min.saturating_add(below(rng, max.saturating_sub(min))),
            Self::LongTail { base, spike, spikes_ppm } if rng.below(1_000_000) < spikes_ppm => {
                base.saturating_add(below(rng, spike))
            }
            Self::LongTail { base, .. } => base,
        }
    }

    /// Returns what a sender that has measured it for a while counts on.
    fn nominal(self) -> Duration {
        match self {
            Self::Fixed(time) => time,
            Self::Uniform { min, max } => min.max(max),
            Self::LongTail { base, .. } => base,
        }
    }
}

fn below(rng: &mut Rng, span: Duration) -> Duration {
    let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.below(span.saturating_add(1)))
}

/// The properties of the way from one host to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// How long a segment is on its way; no time by default.
    pub latency: Latency,
    /// How fast bytes are put on the wire, where segments wait for each other; `None`, the default,
    /// takes no time. Only payload counts.
    pub bytes_per_second: Option<u64>,
}

impl Default for Link {
    fn default() -> Self {
        Self { latency: Latency::Fixed(Duration::ZERO), bytes_per_second: None }
    }
}

impl Link {
    /// Makes a link with this latency and no limit of bandwidth.
    #[must_use]
    pub fn new(latency: Latency) -> Self {
        Self { latency, bytes_per_second: None }
    }

    /// Limits how fast bytes are put on the wire.
    #[must_use]
    pub fn bytes_per_second(mut self, bytes: u64) -> Self {
        self.bytes_per_second = Some(bytes);
        self
    }
}

impl World {
    /// Sets the properties of the way from one host to another; nothing changes for segments that
    /// are on it already.
    pub(crate) fn set_link(&self, from: &str, to: &str, link: Link) {
        let mut state = self.state();
        let way = (state.machine(from), state.machine(to));
        state.wire(way).link = Some(link);
    }

    /// Sets the properties of every way that has none of its own.
    pub(crate) fn set_links(&self, link: Link) {
        self.state().settings.link = link;
    }

    /// Sets how long a segment takes from one host to another; no time by default.
    ///
    /// Within a host it takes its [`local_latency`](Self::local_latency). Segments on their way
    /// keep their time of arrival.
    pub(crate) fn latency(&self, latency: Duration) {
        self.state().settings.link.latency = Latency::Fixed(latency);
    }

    /// Sets how long a segment takes within a host, on every host; no time by default.
    ///
    /// With no time at all two programs on one host that answer each other without end do so at
    /// one instant, and the clock never moves again. Segments on their way keep their time of
    /// arrival, and none overtakes another of the same direction.
    pub(crate) fn local_latency(&self, latency: Duration) {
        self.state().settings.local_latency = latency;
    }

    /// Sets how long a segment takes on the way from one host to another, one way.
    pub(crate) fn link_latency(&self, from: &str, to: &str, latency: Duration) {
        let mut state = self.state();
        let way = (state.machine(from), state.machine(to));
        let link = state.link(way);
        state.wire(way).link = Some(Link { latency: Latency::Fixed(latency), ..link });
    }

    /// Loses everything on the way from one host to another, with what is on it now, until
    /// [`mend`](Self::mend).
    ///
    /// The senders repeat what was lost as Linux does, and give up as Linux does. Cut a second
    /// time the other way round, two hosts are parted; the way within a host cannot be cut.
    pub(crate) fn cut(&self, from: &str, to: &str) {
        let mut state = self.state();
        let way = (state.machine(from), state.machine(to));
        let wire = state.wire(way);
        wire.cut = true;
        wire.cuts += 1;
        state.worry(way.0, way.1);
    }

    /// Undoes [`cut`](Self::cut). What was lost arrives when its sender tries again.
    pub(crate) fn mend(&self, from: &str, to: &str) {
        let mut state = self.state();
        let way = (state.machine(from), state.machine(to));
        state.wire(way).cut = false;
    }

    /// Keeps everything that is sent from one host to another waiting, until
    /// [`unclog`](Self::unclog). What is on its way arrives.
    pub(crate) fn clog(&self, from: &str, to: &str) {
        let mut state = self.state();
        let way = (state.machine(from), state.machine(to));
        state.wire(way).clogged = true;
        state.worry(way.0, way.1);
    }

    /// Undoes [`clog`](Self::clog): what waited sets out now, in its order.
    pub(crate) fn unclog(&self, from: &str, to: &str) {
        let mut state = self.state();
        let way = (state.machine(from), state.machine(to));
        state.unclog(way);
        state.run_due();
    }

    /// Ends every cut and every clog, as [`mend`](Self::mend) and [`unclog`](Self::unclog) do for
    /// one way.
    ///
    /// Costs a look at each way that was ever used or changed, however many hosts there are.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        let mut clogged = Vec::new();
        for (way, wire) in &mut state.wires {
            wire.cut = false;
            if wire.clogged {
                clogged.push(*way);
            }
        }
        clogged.into_iter().for_each(|way| state.unclog(way));
        state.run_due();
    }

    /// Resets every connection between two hosts on both sides, as a box on the way can.
    pub(crate) fn reset_link(&self, a: &str, b: &str) {
        let mut state = self.state();
        let (a, b) = (state.machine(a), state.machine(b));
        for key in [state.between(a, b), state.between(b, a)].concat() {
            state.on_reset(key);
        }
    }
}

/// The state of the way from one host to another.
pub(super) struct Wire {
    /// Its own properties, if it does not have those of all.
    link: Option<Link>,
    rng: Rng,
    /// When the last byte so far is on the wire.
    free_at: Instant,
    cut: bool,
    /// How often it was cut: what set out before a cut does not arrive after it.
    cuts: u32,
    clogged: bool,
    /// What waits for the end of the clog.
    held: VecDeque<Segment>,
}

/// One segment's way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hop {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) sent: Instant,
    cuts: u32,
}

/// The ways, by the numbers of their hosts.
pub(super) type Wires = BTreeMap<(usize, usize), Wire>;

impl State {
    /// Returns a way's state, and makes it if it is new.
    fn wire(&mut self, way: (usize, usize)) -> &mut Wire {
        let (seed, machines) = (self.seed, &self.machines);
        self.wires.entry(way).or_insert_with(|| {
            let name = format!("link {} {}", machines[way.0].name, machines[way.1].name);
            Wire {
                link: None,
                rng: stream(seed, &name),
                free_at: Instant::ORIGIN,
                cut: false,
                cuts: 0,
                clogged: false,
                held: VecDeque::new(),
            }
        })
    }

    fn link(&self, way: (usize, usize)) -> Link {
        self.wires.get(&way).and_then(|wire| wire.link).unwrap_or(self.settings.link)
    }

    /// Lets what waits for the end of a clog set out.
    fn unclog(&mut self, way: (usize, usize)) {
        let wire = self.wire(way);
        wire.clogged = false;
        for segment in std::mem::take(&mut wire.held) {
            self.transmit(way.0, way.1, segment);
        }
        // Acknowledgements are not segments of their own here; they waited as well.
        for key in self.between(way.0, way.1) {
            self.acknowledge_from(key);
        }
    }

    /// Sends a segment on its way.
    pub(super) fn transmit(&mut self, from: usize, to: usize, segment: Segment) {
        let (now, default) = (self.now, self.settings.link);
        if from == to {
            let hop = Hop { from, to, sent: now, cuts: 0 };
            self.on_way(now, &segment);
            return self.set_out(now + self.settings.local_latency, hop, segment);
        }
        let wire = self.wire((from, to));
        let hop = Hop { from, to, sent: now, cuts: wire.cuts };
        if wire.cut {
            self.on_way(now, &segment);
            return self.on_lost(segment, now);
        }
        if wire.clogged {
            let waiting = segment.waiting();
            wire.held.push_back(segment);
            if let Some(key) = waiting {
                self.arm(key, now);
            }
            return;
        }
        let link = wire.link.unwrap_or(default);
        let mut leaves = now.max(wire.free_at);
        if let Some(rate) = link.bytes_per_second {
            let nanos = u128::from(segment.len()) * 1_000_000_000 / u128::from(rate.max(1));
            leaves += Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            wire.free_at = leaves;
        }
        let at = leaves + link.latency.draw(&mut wire.rng);
        self.on_way(leaves, &segment);
        self.set_out(at, hop, segment);
    }

    /// Sends a segment that takes half of the way's latency, and less if it has to in order to
    /// overtake what arrives at `last`.
    pub(super) fn transmit_ahead(
        &mut self,
        (from, to): (usize, usize),
        last: Instant,
        segment: Segment,
    ) {
        let (now, default) = (self.now, self.settings.link);
        let (latency, cuts) = if from == to {
            (self.settings.local_latency, 0)
        } else {
            let wire = self.wire((from, to));
            // The same draw as for any segment: what follows is not shifted.
            (wire.link.unwrap_or(default).latency.draw(&mut wire.rng), wire.cuts)
        };
        let at = now + latency.min(last - now) / 2;
        self.schedule(at, Event::Arrival { hop: Hop { from, to, sent: now, cuts }, segment });
    }

    /// Lets a segment arrive at a time, or behind those to the same stream that set out earlier.
    fn set_out(&mut self, at: Instant, hop: Hop, segment: Segment) {
        let at = match &segment {
            Segment::Datagram(flight) => at + flight.late,
            _ => at,
        };
        let receiver = segment.receiver().and_then(|key| self.sockets.get_mut(key));
        let at = receiver.map_or(at, |receiver| receiver.incoming.arrival(at));
        self.schedule(at, Event::Arrival { hop, segment });
    }

    /// Lets a connection that is being started fail at a time.
    pub(super) fn refuse_at(&mut self, at: Instant, key: Key, error: io::ErrorKind) {
        let Some(client) = self.sockets.get(key) else { return };
        let hop = Hop { from: client.machine, to: client.machine, sent: self.now, cuts: 0 };
        self.set_out(at, hop, Segment::Refusal { to: key, error });
    }

    /// Whether a segment that would arrive now does not: its way was cut, or nobody is there.
    pub(super) fn loses(&self, hop: Hop) -> bool {
        let cut = || {
            let wire = self.wires.get(&(hop.from, hop.to));
            wire.is_some_and(|wire| wire.cut || wire.cuts != hop.cuts)
        };
        !self.machines[hop.to].is_on || (hop.from != hop.to && cut())
    }

    /// Whether the way from one host to another is open now; acknowledgements take it in no time.
    pub(super) fn is_passable(&self, from: usize, to: usize) -> bool {
        let closed = |wire: &Wire| wire.cut || wire.clogged;
        from == to || !self.wires.get(&(from, to)).is_some_and(closed)
    }

    /// Whether nothing gets from one host to another now.
    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        from != to && self.wires.get(&(from, to)).is_some_and(|wire| wire.cut)
    }

    /// Returns how long an answer takes that nothing delays.
    pub(super) fn round_trip(&self, from: usize, to: usize) -> Duration {
        if from == to {
            return self.settings.local_latency.saturating_mul(2);
        }
        let [there, back] = [(from, to), (to, from)].map(|way| self.link(way).latency.nominal());
        there.saturating_add(back)
    }

    /// Returns the sockets of one host that are connected to another, in the order of their
    /// addresses.
    pub(super) fn between(&self, here: usize, there: usize) -> Vec<Key> {
        let leads_there =
            |key: &Key| self.sockets.get(*key).is_some_and(|socket| socket.far == there);
        self.machines[here].tuples.values().copied().filter(leads_there).collect()
    }

    /// Lets the connections between two hosts that wait for each other find out that nothing
    /// comes. While nothing is in the way no timer runs.
    pub(super) fn worry(&mut self, a: usize, b: usize) {
        for key in [self.between(a, b), self.between(b, a)].concat() {
            self.arm_pending(key);
        }
    }
}
