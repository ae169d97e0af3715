//! Host names: what is asked, and what is answered.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::fault::Fault;
use super::network::Event;
use super::world::{State, World};
use crate::base::Key;
use crate::sys::Resolution;

/// How much longer a slow name takes at most.
const SLOW_MAX: Duration = Duration::from_secs(4);

/// How many addresses a name with many has.
const MANY: usize = 1_000;

/// The first address of a network for benchmarks (RFC 2544), which no host of the world has.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// What a name leads to.
pub(super) enum Name {
    Known(Vec<IpAddr>),
    Hangs,
}

impl World {
    /// Lets a name resolve to these addresses, in this order.
    pub(crate) fn name(&self, name: &str, addresses: Vec<IpAddr>) {
        self.state().names.insert(name.to_ascii_lowercase(), Name::Known(addresses));
    }

    /// Lets questions for a name go without an answer.
    pub(crate) fn hang_name(&self, name: &str) {
        self.state().names.insert(name.to_ascii_lowercase(), Name::Hangs);
    }

    /// Sets how long a name takes to resolve; no time by default.
    pub(crate) fn name_latency(&self, latency: Duration) {
        self.state().settings.name_latency = latency;
    }
}

impl State {
    /// Sends a question for a name on its way.
    pub(super) fn ask(&mut self, kernel: usize, query: Key, host: &str) {
        let mut at = self.now + self.settings.name_latency;
        // A number is its own answer: nobody is asked.
        if self.faults.is_on() && host.parse::<IpAddr>().is_err() {
            if self.fires(kernel, Fault::NameHangs) {
                return;
            }
            if self.fires(kernel, Fault::NameSlow) {
                at += self.drawn_time(Fault::NameSlow, SLOW_MAX);
            }
        }
        self.schedule(at, Event::Answer { kernel, query, host: host.to_ascii_lowercase() });
        self.run_due();
    }

    /// Hands the answer for a name to a loop.
    pub(super) fn answer(&mut self, kernel: usize, query: Key, host: &str) {
        if self.kernels[kernel].held.retired {
            return;
        }
        let outcome = if let Ok(ip) = host.parse() {
            Ok(vec![ip])
        } else {
            match self.names.get(host) {
                Some(Name::Known(addresses)) => Ok(addresses.clone()),
                Some(Name::Hangs) => return,
                None => self.built_in_name(host),
            }
        };
        let outcome = match outcome {
            Ok(addresses) if self.faults.is_on() && host.parse::<IpAddr>().is_err() => {
                self.spoil(kernel, addresses)
            }
            outcome => outcome,
        };
        self.kernels[kernel].arrived.push_back(Resolution { query, outcome });
        self.rouse(kernel);
    }

    fn built_in_name(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if host == "localhost" {
            return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
        }
        let known = self.machines.iter().find(|machine| machine.name.eq_ignore_ascii_case(host));
        match known {
            Some(machine) => Ok(vec![machine.v4.into()]),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "the name is not known")),
        }
    }

    /// Does to a good answer what name servers do.
    fn spoil(&mut self, kernel: usize, mut addresses: Vec<IpAddr>) -> io::Result<Vec<IpAddr>> {
        if self.fires(kernel, Fault::NameFails) {
            return Err(match self.drawn_index(Fault::NameFails, 3) {
                0 => io::Error::new(io::ErrorKind::NotFound, "the name is not known"),
                1 => io::Error::other("temporary failure in name resolution"),
                _ => {
                    io::Error::new(io::ErrorKind::ResourceBusy, "too many names are being resolved")
                }
            });
        }
        if addresses.len() > 1 && self.fires(kernel, Fault::NameShuffled) {
            self.shuffle(Fault::NameShuffled, &mut addresses);
        }
        if self.fires(kernel, Fault::NameStale) {
            addresses.insert(0, NOWHERE.into());
        }
        if addresses.len() < MANY && self.fires(kernel, Fault::NameMany) {
            addresses = self.hide(&addresses);
        }
        Ok(addresses)
    }

    /// Puts addresses at drawn places among many others, in their order.
    fn hide(&mut self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let others = (1..).map(|offset| IpAddr::V4((u32::from(NOWHERE) + offset).into()));
        let mut many: Vec<IpAddr> = others.take(MANY - addresses.len()).collect();
        let mut places: Vec<usize> = addresses
            .iter()
            .map(|_| self.drawn_index(Fault::NameMany, MANY - addresses.len() + 1))
            .collect();
        places.sort_unstable();
        for (earlier, (place, address)) in places.iter().zip(addresses).enumerate() {
            many.insert(place + earlier, *address);
        }
        many
    }
}
