//! The chat, with members who come and go, and one who breaks every rule.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use net_reactor::codec::Lines;
use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use crate::commands::chat::{Limits, Log, Room, member};

const SPEAK: Tag = Tag(1);
const LEAVE: Tag = Tag(2);
const SILENCE: Tag = Tag(3);
/// Who hears nothing for so long, not even itself, looks for the room anew.
const PATIENCE: Duration = Duration::from_secs(20);

const LIMITS: Limits =
    Limits { members_max: 20, line_bytes_max: 100, lines_per_second: NonZeroU32::new(5).unwrap() };

/// Says numbered lines, and checks the order of those of each speaker.
struct Guest {
    number: usize,
    lot: Lot,
    /// Which connection of this guest it is.
    connection: u64,
    said: u64,
    /// The last line of each connection of each guest.
    last: BTreeMap<(usize, u64), u64>,
    /// Lines heard of each guest.
    heard: Vec<Counter>,
}

type Chat<'a> = FrameConn<'a, Lines>;

impl FrameHandler<Lines> for Guest {
    fn on_open(&mut self, conn: &mut Chat<'_>) -> Flow {
        conn.set_timer(SPEAK, self.lot.time(Duration::from_secs(1)));
        conn.set_timer(LEAVE, self.lot.time(Duration::from_secs(120)));
        conn.set_timer(SILENCE, PATIENCE);
        Ok(conn.write(format!("/nick n{}-{}\n", self.number, self.connection))?)
    }

    fn on_frame(&mut self, conn: &mut Chat<'_>, line: &[u8]) -> Flow {
        let line = str::from_utf8(line)?;
        assert!(!line.contains(char::is_control), "{line:?}");
        let Some((_, numbers)) = line.split_once(": say ") else { return Ok(()) };
        conn.set_timer(SILENCE, PATIENCE);
        let numbers: Vec<u64> = numbers.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [guest, connection, said] = numbers[..] else { panic!("{line:?} was never said") };
        let guest = usize::try_from(guest)?;
        let before = self.last.insert((guest, connection), said);
        assert!(before.is_none_or(|before| before < said), "{before:?}, then {line:?}");
        self.heard[guest].add(1);
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Chat<'_>, tag: Tag) -> Flow {
        match tag {
            SILENCE => conn.abort(),
            LEAVE if self.lot.below(2) == 0 => conn.write("/quit\n")?,
            LEAVE => conn.abort(),
            _ => {
                self.said += 1;
                conn.set_timer(SPEAK, self.lot.time(Duration::from_secs(2)));
                let Self { number, connection, said, .. } = self;
                conn.write(format!("say {number} {connection} {said}\n"))?;
            }
        }
        Ok(())
    }
}

/// Says what is no line, or half of one, and goes.
struct Rascal {
    lot: Lot,
}

impl Protocol for Rascal {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(LEAVE, self.lot.time(Duration::from_secs(10)));
        match self.lot.below(4) {
            0 => conn.write([b'x'; 10_000])?,
            1 => conn.write(b"\x1b[2J\xff\xfe\n".repeat(50))?,
            2 => conn.write("/who\n/help\n/nick \x07\n".repeat(50))?,
            _ => {}
        }
        Ok(conn.write("half a li")?)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _leave: Tag) -> Flow {
        if self.lot.below(2) == 0 {
            conn.abort()
        } else {
            conn.close()
        }
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap_or(1);
    let guests = usize::try_from(sim.pick("guests", 1..=5)).unwrap_or(1);
    let rascals = sim.pick("rascals", 0..=2);
    let lot = Lot::new(sim);
    sim.host("hub", move |boot| {
        let room = Room::new(LIMITS, Log::default());
        boot.serve(Server::new(move |_: &Peer| member(&room)).loops(loops), "0.0.0.0:8000")
            .map(drop)
    });
    let heard: Vec<Vec<Counter>> = (0..guests).map(|_| counters(guests as u64)).collect();
    for (number, heard) in heard.iter().cloned().enumerate() {
        let (lot, connections) = (lot.clone(), Counter::default());
        sim.host(format!("guest-{number}"), move |boot| {
            let (draws, heard, connections) = (lot.clone(), heard.clone(), connections.clone());
            let dialer = Dialer::new("hub:8000", &lot, move || {
                connections.add(1);
                let (lot, connection) = (draws.clone(), connections.get());
                let heard = heard.clone();
                let guest =
                    Guest { number, lot, connection, said: 0, last: BTreeMap::new(), heard };
                Framed::new(Lines::new(), guest)
            });
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    for number in 0..rascals {
        let lot = lot.clone();
        sim.host(format!("rascal-{number}"), move |boot| {
            let draws = lot.clone();
            let dialer = Dialer::new("hub:8000", &lot, move || Rascal { lot: draws.clone() });
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    let all: Vec<Counter> = heard.into_iter().flatten().collect();
    all_go_on(sim, &all, Duration::from_secs(300), "everybody hears everybody again");
}
