//! Datagrams in a simulation: queues that fill, ends that wait, and runs that can be repeated.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Boot, Fault, Faults, Latency, Link, Run, Simulation};
use net_reactor::{
    Datagram, DatagramError, DatagramId, DatagramOptions, DatagramSendError, DatagramSocket,
};

use super::support::{ms, secs};

/// Where the hearer is.
const PORT: u16 = 7_000;

/// Writes down what it is told; lines of datagrams are their first byte.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<String>>>);

impl Notes {
    fn add(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

struct Noting(Notes);

impl Datagram for Noting {
    fn on_datagram(
        &mut self,
        _socket: &mut DatagramSocket<'_>,
        _from: SocketAddr,
        bytes: &[u8],
    ) -> Flow {
        self.0.add(format!("{}", bytes[0]));
        Ok(())
    }

    fn on_pressure(&mut self, _socket: &mut DatagramSocket<'_>, pressure: Pressure) -> Flow {
        self.0.add(format!("{pressure:?}"));
        Ok(())
    }

    fn on_error(&mut self, _socket: &mut DatagramSocket<'_>, error: DatagramError) -> Flow {
        self.0.add(match error {
            DatagramError::Unsent { source, .. } => source.to_string(),
            error => error.to_string(),
        });
        Ok(())
    }

    fn on_close(&mut self, _socket: &mut DatagramSocket<'_>, reason: CloseReason) {
        self.0.add(reason.to_string());
    }
}

fn own(boot: &Boot<'_>, port: u16) -> SocketAddr {
    SocketAddr::new(boot.ip(), port)
}

/// Makes a host that hears, and one that `speak` sets up with the address of the first, with a link
/// between them that carries 1,000 bytes a second; returns what is heard.
fn two_hosts(
    sim: &mut Simulation,
    speak: impl Fn(&mut Boot<'_>, SocketAddr) -> Result<(), Error> + 'static,
) -> Notes {
    let heard = Notes::default();
    let noting = heard.clone();
    let hearer = sim.host("hearer", move |boot| {
        let address = own(boot, PORT);
        let options = DatagramOptions::default();
        boot.reactor().bind_datagram(address, &options, Noting(noting.clone()))?;
        Ok(())
    });
    let address = SocketAddr::new(sim.ip(hearer), PORT);
    let speaker = sim.host("speaker", move |boot| speak(boot, address));
    let slow = Link::new(Latency::Fixed(ms(1))).bytes_per_second(1_000);
    sim.link(hearer, speaker, slow);
    heard
}

/// A queue for four datagrams behind a buffer that is full after one of 1,000 bytes.
fn small() -> DatagramOptions {
    DatagramOptions::default().send_buffer(1_000).queue_max(4, 10_000)
}

/// Binds a socket on the host that speaks.
fn bind(
    boot: &mut Boot<'_>,
    options: &DatagramOptions,
    notes: &Notes,
) -> Result<DatagramId, Error> {
    let local = own(boot, 0);
    Ok(boot.reactor().bind_datagram(local, options, Noting(notes.clone()))?)
}

/// Sends so many datagrams of 1,000 bytes at once; returns how many were taken.
fn send_all(reactor: &mut Reactor<'_>, id: DatagramId, to: SocketAddr, count: u8) -> u8 {
    let mut socket = reactor.datagram(id).unwrap();
    let mut taken = 0;
    for number in 0..count {
        match socket.send_to(to, [number; 1_000]) {
            Ok(()) => taken += 1,
            Err(DatagramSendError::Full { queued, queued_bytes }) => {
                assert_eq!((queued, queued_bytes), socket.queued());
            }
            Err(error) => panic!("{error}"),
        }
    }
    taken
}

/// Sends eight datagrams at once; returns how many were taken, what was heard, and what the sender
/// was told.
fn eight(options: DatagramOptions) -> (u8, Vec<String>, Vec<String>) {
    let mut sim = Simulation::new(1);
    let (notes, taken) = (Notes::default(), Rc::new(RefCell::new(0)));
    let (told, count) = (notes.clone(), Rc::clone(&taken));
    let heard = two_hosts(&mut sim, move |boot, to| {
        let id = bind(boot, &options, &told)?;
        let count = Rc::clone(&count);
        boot.reactor().call_later(secs(1), move |reactor| {
            *count.borrow_mut() = send_all(reactor, id, to, 8);
        });
        Ok(())
    });
    sim.run_for(secs(10));
    let (heard, told, taken) = (heard.lines(), notes.lines(), *taken.borrow());
    sim.finish();
    (taken, heard, told)
}

#[test]
fn a_full_queue_refuses_and_what_it_took_arrives_in_order() {
    let (taken, heard, told) = eight(small());
    // One is in the kernel, four in the queue.
    assert_eq!(taken, 5);
    assert_eq!(heard, ["0", "1", "2", "3", "4"]);
    assert_eq!(told, ["High", "Low"]);
}

#[test]
fn bytes_count_as_well_as_datagrams() {
    let (taken, heard, told) = eight(small().queue_max(1_000, 2_500));
    assert_eq!(taken, 3);
    assert_eq!(heard, ["0", "1", "2"]);
    assert_eq!(told, ["High", "Low"]);
}

/// Sends five datagrams and ends; returns what was heard, and what the sender was told at the end.
fn farewell(linger: Duration, end: fn(&mut DatagramSocket<'_>)) -> (Vec<String>, String) {
    let mut sim = Simulation::new(1);
    let notes = Notes::default();
    let told = notes.clone();
    let heard = two_hosts(&mut sim, move |boot, to| {
        let id = bind(boot, &small().linger(linger), &told)?;
        boot.reactor().call_later(secs(1), move |reactor| {
            assert_eq!(send_all(reactor, id, to, 5), 5);
            end(&mut reactor.datagram(id).unwrap());
            assert!(reactor.datagram(id).is_none());
        });
        Ok(())
    });
    sim.run_for(secs(20));
    let (heard, told) = (heard.lines(), notes.lines());
    sim.finish();
    let [end] = &told[..] else { panic!("more than an end: {told:?}") };
    (heard, end.clone())
}

#[test]
fn a_close_waits_for_the_queue_and_an_abort_does_not() {
    let (heard, told) = farewell(secs(30), |socket| socket.close());
    assert_eq!(heard, ["0", "1", "2", "3", "4"]);
    assert_eq!(told, "closed by this side");
    let (heard, told) = farewell(ms(1_500), |socket| socket.close());
    assert_eq!(heard, ["0", "1"], "the rest had no time");
    assert_eq!(told, "the close took too long: 3000 bytes were not sent");
    let (heard, told) = farewell(secs(30), |socket| socket.abort());
    assert_eq!(heard, ["0"]);
    assert_eq!(told, "aborted by this side");
}

#[test]
fn what_a_handle_sends_into_a_full_queue_is_told_to_the_handler() {
    let mut sim = Simulation::new(1);
    let notes = Notes::default();
    let told = notes.clone();
    let heard = two_hosts(&mut sim, move |boot, to| {
        let id = bind(boot, &small(), &told)?;
        let mut reactor = boot.reactor();
        let handle = reactor.datagram(id).expect("it is open").handle();
        reactor.call_later(secs(1), move |_| {
            for number in 0..6 {
                handle.send_to(to, vec![number; 1_000]).unwrap();
            }
        });
        Ok(())
    });
    sim.run_for(secs(10));
    assert_eq!(heard.lines(), ["0", "1", "2", "3", "4"]);
    let full = "the queue is full: 4 datagrams, 4000 bytes";
    assert_eq!(notes.lines(), ["High", full, "Low"]);
    sim.finish();
}

#[test]
fn a_port_of_nobody_is_told_to_a_connected_socket_alone() {
    let mut sim = Simulation::new(1);
    let (unconnected, connected) = (Notes::default(), Notes::default());
    let notes = (unconnected.clone(), connected.clone());
    two_hosts(&mut sim, move |boot, mut nobody| {
        nobody.set_port(PORT + 1);
        let options = DatagramOptions::default();
        let bound = bind(boot, &options, &notes.0)?;
        let handler = Noting(notes.1.clone());
        let mut reactor = boot.reactor();
        let connected = reactor.connect_datagram(nobody, &options, handler)?;
        reactor.call_later(secs(1), move |reactor| {
            reactor.datagram(bound).unwrap().send_to(nobody, "x").unwrap();
            reactor.datagram(connected).unwrap().send("x").unwrap();
        });
        Ok(())
    });
    sim.run_for(secs(3));
    assert_eq!(connected.lines(), ["nobody listens at the peer's address"]);
    assert!(unconnected.lines().is_empty());
    sim.finish();
}

#[test]
fn none_overtakes_one_that_waits() {
    let mut sim = Simulation::new(1);
    // The kernel says that it is full, and has room for the next one all the same.
    sim.faults(Faults::only([Fault::SendNotReady]));
    let notes = Notes::default();
    let told = notes.clone();
    let heard = two_hosts(&mut sim, move |boot, to| {
        let id = bind(boot, &DatagramOptions::default(), &told)?;
        let mut rounds = 0..100;
        boot.reactor().call_every(ms(500), move |reactor, _| {
            let mut socket = reactor.datagram(id).unwrap();
            let numbers = rounds.next().map(|_| 0..10).into_iter().flatten();
            numbers.for_each(|number| socket.send_to(to, [number]).unwrap());
        });
        Ok(())
    });
    sim.run_for(secs(60));
    let expected: Vec<String> = (0..1_000).map(|number| (number % 10).to_string()).collect();
    assert_eq!(heard.lines(), expected);
    assert!(sim.fired(Fault::SendNotReady) > 10, "{}", sim.fired(Fault::SendNotReady));
    sim.finish();
}

#[test]
fn a_run_with_lost_late_and_repeated_datagrams_can_be_repeated() {
    let chosen = [Fault::DatagramLost, Fault::DatagramTwice, Fault::DatagramLate];
    let scenario = |sim: &mut Simulation| {
        sim.faults(Faults::only(chosen));
        let heard = two_hosts(sim, move |boot, to| {
            let id = bind(boot, &DatagramOptions::default(), &Notes::default())?;
            let mut number = 0;
            boot.reactor().call_every(ms(10), move |reactor, _| {
                number = (number + 1) % 100;
                if let Some(mut socket) = reactor.datagram(id) {
                    socket.send_to(to, [number]).unwrap();
                }
            });
            Ok(())
        });
        sim.run_for(secs(100));
        assert!(heard.lines().len() > 8_000, "{}", heard.lines().len());
    };
    let first = Run::new(2).perform(scenario);
    assert_eq!(first.failure, None);
    for (fault, count) in &first.fired {
        assert_eq!(*count > 0, chosen.contains(fault), "{fault} happened {count} times");
    }
    assert_eq!(Run::new(2).perform(scenario).trace_hash, first.trace_hash);
    assert_ne!(Run::new(3).perform(scenario).trace_hash, first.trace_hash);
}
