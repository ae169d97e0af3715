//! Questions and answers over datagrams: a server that is found by multicast, and clients that ask
//! again until they have an answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{Datagram, DatagramOptions, DatagramSocket, MulticastGroup};

use super::lot::{Counter, Lot, all_go_on, counters, mix};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 90, 1);
const PORT: u16 = 9_000;

/// The question that finds a server.
const WHERE: u64 = u64::MAX;

/// The time to the first repetition; it doubles with each.
const AGAIN_MIN: Duration = Duration::from_millis(50);
const AGAIN_MAX: Duration = Duration::from_secs(2);

/// How often a server is asked in vain before another is looked for.
const TRIES_MAX: u32 = 4;

/// The longest pause between an answer and the next question.
const REST: Duration = Duration::from_millis(300);

/// The longest pause before a socket that was lost is made again.
const REBIND: Duration = Duration::from_millis(500);

const AGAIN: Tag = Tag(1);
const NEXT: Tag = Tag(2);

fn group() -> MulticastGroup {
    MulticastGroup::v4(GROUP, Ipv4Addr::UNSPECIFIED)
}

/// Binds a socket, and tries again later if that fails: a socket that ended with a panic of its
/// handler has to be replaced as well.
fn bind<D: Datagram>(
    reactor: &mut Reactor<'_>,
    lot: &Lot,
    (port, options): (u16, DatagramOptions),
    make: impl Fn() -> D + 'static,
) {
    let address = (Ipv4Addr::UNSPECIFIED, port).into();
    if reactor.is_stopping() || reactor.bind_datagram(address, &options, make()).is_ok() {
        return;
    }
    let lot = lot.clone();
    reactor.call_later(lot.time(REBIND), move |reactor| bind(reactor, &lot, (port, options), make));
}

/// Answers each question with what [`mix`] makes of it.
struct Server {
    lot: Lot,
}

impl Server {
    fn start(reactor: &mut Reactor<'_>, lot: &Lot) {
        let inner = lot.clone();
        let options = DatagramOptions::default().join(group());
        bind(reactor, lot, (PORT, options), move || Self { lot: inner.clone() });
    }
}

impl Datagram for Server {
    fn on_datagram(
        &mut self,
        socket: &mut DatagramSocket<'_>,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Flow {
        let question = u64::from_be_bytes(bytes.try_into()?);
        let answer = [question.to_be_bytes(), mix(question).to_be_bytes()].concat();
        // What cannot be sent is lost, as anything may be.
        let _lost = socket.send_to(from, answer);
        Ok(())
    }

    fn on_close(&mut self, socket: &mut DatagramSocket<'_>, _reason: CloseReason) {
        Self::start(socket.reactor(), &self.lot);
    }
}

/// Asks one question after the other.
struct Client {
    lot: Lot,
    /// Questions that were answered.
    answered: Counter,
    /// Where the server is, if it was found.
    server: Option<SocketAddr>,
    question: u64,
    tries: u32,
}

impl Client {
    fn start(reactor: &mut Reactor<'_>, lot: &Lot, answered: &Counter) {
        let (inner, counter) = (lot.clone(), answered.clone());
        let options = DatagramOptions::default();
        bind(reactor, lot, (0, options), move || Self {
            lot: inner.clone(),
            answered: counter.clone(),
            server: None,
            question: inner.below(WHERE),
            tries: 0,
        });
    }

    fn ask(&mut self, socket: &mut DatagramSocket<'_>) {
        if self.tries == TRIES_MAX {
            self.server = None;
        }
        let (to, question) = match self.server {
            Some(server) => (server, self.question),
            None => ((GROUP, PORT).into(), WHERE),
        };
        let _lost = socket.send_to(to, question.to_be_bytes());
        let wait = AGAIN_MIN.saturating_mul(1 << self.tries.min(16)).min(AGAIN_MAX);
        socket.set_timer(AGAIN, wait);
        self.tries += 1;
    }
}

impl Datagram for Client {
    fn on_open(&mut self, socket: &mut DatagramSocket<'_>) -> Flow {
        self.ask(socket);
        Ok(())
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramSocket<'_>,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Flow {
        let (question, answer) = bytes.split_at(8);
        let [question, answer] =
            [u64::from_be_bytes(question.try_into()?), u64::from_be_bytes(answer.try_into()?)];
        assert_eq!(answer, mix(question), "an answer is whole and of its question");
        if question == WHERE && self.server.is_none() {
            self.server = Some(from);
            self.tries = 0;
            self.ask(socket);
        }
        // Answers to earlier questions come late or twice.
        if question == self.question {
            self.answered.add(1);
            self.question = self.lot.below(WHERE);
            self.tries = 0;
            assert!(socket.cancel_timer(AGAIN), "it was asked, and not answered before");
            socket.set_timer(NEXT, self.lot.time(REST));
        }
        Ok(())
    }

    fn on_timer(&mut self, socket: &mut DatagramSocket<'_>, _tag: Tag) -> Flow {
        self.ask(socket);
        Ok(())
    }

    fn on_close(&mut self, socket: &mut DatagramSocket<'_>, _reason: CloseReason) {
        Self::start(socket.reactor(), &self.lot, &self.answered);
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let count = sim.pick("clients", 1..=6);
    let lot = Lot::new(sim);
    let answered = counters(count);
    let server_lot = lot.clone();
    sim.host("server", move |boot| {
        Server::start(&mut boot.reactor(), &server_lot);
        Ok(())
    });
    for (number, counter) in answered.iter().enumerate() {
        let (counter, lot) = (counter.clone(), lot.clone());
        sim.host(format!("client-{number}"), move |boot| {
            Client::start(&mut boot.reactor(), &lot, &counter);
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    // The longest pause, and the way to find the server again.
    all_go_on(sim, &answered, Duration::from_secs(20), "every client is answered");
}
