//! Records that end with a delimiter, which arrives in pieces.

use std::collections::VecDeque;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters, mix};
use super::redial::Dialer;
use super::stream::Frame;

const SPEAK: Tag = Tag(1);
const REST: Tag = Tag(2);
const OVERDUE: Tag = Tag(3);

const DELIMITERS: [&[u8]; 6] = [b"\n", b"\r\n", b"\r\n\r\n", b"aab", b"--end--\r\n", b"12345678"];
const RECORD_BYTES_MAX: usize = 1_000;

/// Returns a number that tells one record from another.
fn digest(record: &[u8]) -> u64 {
    record.iter().fold(record.len() as u64, |sum, byte| mix(sum ^ u64::from(*byte)))
}

/// Answers each record with its digest.
struct Parser {
    delimiter: &'static [u8],
}

impl Protocol for Parser {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(OVERDUE, Duration::from_secs(60));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        conn.set_timer(OVERDUE, Duration::from_secs(60));
        loop {
            let record = match self.delimiter {
                b"\n" => input.line(RECORD_BYTES_MAX),
                delimiter => input.take_until(delimiter, RECORD_BYTES_MAX),
            };
            let record = record.expect("no record is too long");
            let Some(record) = record else { return Ok(()) };
            conn.write(Frame { sender: 0, number: digest(record), body_bytes: 0 }.encode())?;
        }
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

/// Sends records, each in two pieces.
struct Speaker {
    delimiter: &'static [u8],
    lot: Lot,
    rest: Vec<u8>,
    /// The digests that are still to come.
    awaited: VecDeque<u64>,
    answered: Counter,
}

impl Speaker {
    /// Makes a record out of what delimiters are made of, and the delimiter behind it.
    fn make(&self) -> (u64, Vec<u8>) {
        let size = usize::try_from(self.lot.size(RECORD_BYTES_MAX as u64)).unwrap_or(1) - 1;
        let letters = if self.delimiter == b"\n" { b"xyz" } else { self.delimiter };
        let letter =
            |_| letters[usize::try_from(self.lot.below(letters.len() as u64)).unwrap_or(0)];
        let mut bytes: Vec<u8> = (0..size).map(letter).collect();
        let length = self.delimiter.len();
        // The first delimiter is the one at the end.
        loop {
            bytes.truncate(size);
            bytes.extend_from_slice(self.delimiter);
            let at = bytes.windows(length).position(|part| part == self.delimiter).unwrap_or(size);
            if at == size {
                return (digest(&bytes[..size]), bytes);
            }
            bytes[at] = b'z';
        }
    }
}

impl Protocol for Speaker {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(SPEAK, Duration::from_millis(1));
        conn.set_timer(OVERDUE, Duration::from_secs(30));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            let awaited = self.awaited.pop_front();
            assert_eq!(awaited, Some(frame.number), "a record was read that was not sent");
            self.answered.add(1);
            conn.set_timer(OVERDUE, Duration::from_secs(30));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        match tag {
            SPEAK => {
                let (number, mut bytes) = self.make();
                self.awaited.push_back(number);
                // Most cuts go through the delimiter or stand right beside it.
                let behind = 1 + self.lot.below(2 * self.delimiter.len() as u64);
                let behind = usize::try_from(behind).unwrap_or(1).min(bytes.len());
                self.rest = bytes.split_off(bytes.len() - behind);
                conn.set_timer(REST, self.lot.time(Duration::from_millis(50)));
                conn.write(bytes)?;
            }
            REST => {
                conn.set_timer(SPEAK, self.lot.time(Duration::from_secs(2)));
                conn.write(std::mem::take(&mut self.rest))?;
            }
            _ => conn.abort(),
        }
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let number = usize::try_from(sim.pick("delimiter", 0..=5)).unwrap_or(0);
    let delimiter = DELIMITERS[number.min(DELIMITERS.len() - 1)];
    let answered = counters(sim.pick("clients", 1..=3));
    let lot = Lot::new(sim);
    sim.host("hub", move |boot| {
        let server = Server::new(move |_: &Peer| Parser { delimiter });
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    for (number, answered) in answered.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let (draws, answered) = (lot.clone(), answered.clone());
            let make = move || Speaker {
                delimiter,
                lot: draws.clone(),
                rest: Vec::new(),
                awaited: VecDeque::new(),
                answered: answered.clone(),
            };
            Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &answered, Duration::from_secs(300), "every record is read");
}
