//! A file for everybody who asks, read ahead and sent at the pace of readers that rest; packed, or as
//! it is.

use std::io::{self, Read};
use std::time::Duration;

use net_reactor::codec::Compression;
use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{ConnConfig, ConnectOptions, Transfer, TransferOutcome};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Stream;

const LOW: usize = 8_000;
const CHUNK: usize = 5_000;
/// What packing with the smallest window adds to a chunk that cannot be packed, at most.
const PACKING: usize = CHUNK / 10;
const LOOK: Tag = Tag(1);
const SILENCE: Tag = Tag(2);
const NEXT: Tag = Tag(3);

/// A file that is made as it is read.
struct File {
    stream: Stream,
    left: u64,
}

impl Read for File {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.left.min(buf.len() as u64);
        let bytes = self.stream.make(count);
        buf[..bytes.len()].copy_from_slice(&bytes);
        self.left -= count;
        Ok(bytes.len())
    }
}

struct Sender {
    bytes: u64,
    /// Transfers that have begun and not ended.
    under_way: Counter,
}

impl Protocol for Sender {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let (under_way, bytes) = (self.under_way.clone(), self.bytes);
        under_way.add(1);
        let file = File { stream: Stream::new(3), left: bytes };
        let transfer = Transfer::read(file).chunk_bytes(CHUNK).on_end(move |_reactor, end| {
            assert!(under_way.get() > 0, "an end is told once");
            under_way.take_away(1);
            let whole = end.outcome == TransferOutcome::Complete;
            assert!(end.bytes <= bytes && (end.bytes == bytes || !whole), "{end:?}");
        });
        transfer.start(conn)?;
        conn.set_timer(LOOK, Duration::from_millis(100));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        if !input.take_all().is_empty() {
            conn.close();
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        let queued = conn.stats().queued_bytes;
        assert!(queued <= LOW + CHUNK + PACKING, "{queued} bytes are queued");
        conn.set_timer(tag, Duration::from_millis(100));
        Ok(())
    }
}

/// Asks for the file, rests now and then, and expects all of it.
struct Reader {
    bytes: u64,
    got: Stream,
    lot: Lot,
    done: Counter,
}

impl Protocol for Reader {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(SILENCE, Duration::from_secs(120));
        // The sender closes for this, in the middle of its transfer.
        Ok(conn.write("close after it")?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.got.check(input.take_all());
        if self.lot.below(8) == 0 {
            conn.pause();
            // Shorter than the patience of the sender's close.
            conn.set_timer(NEXT, self.lot.time(Duration::from_secs(10)));
        }
        Ok(())
    }

    fn on_eof(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Result<Eof, Failure> {
        if self.got.place() > 0 {
            assert_eq!(self.got.place(), self.bytes, "the end came early");
            self.done.add(1);
        }
        // Without a byte: a server without descriptors turns its peers away so.
        Ok(Eof::Close)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == NEXT {
            conn.resume()
        } else {
            conn.abort()
        }
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let bytes = sim.pick("bytes", 1..=200_000);
    let done = counters(sim.pick("readers", 1..=5));
    // A small window: a large one is memory that each connection begins with clearing.
    let zlib = Compression::zlib().window_bits(9);
    let packs = sim.pick("packed", 0..=1) == 1;
    let packing = move |config: ConnConfig| if packs { config.layer(zlib) } else { config };
    let lot = Lot::new(sim);
    sim.host("sender", move |boot| {
        // The counter is of this process: whatever is under way ends with it.
        let under_way = Counter::default();
        let config = packing(ConnConfig::default().marks(LOW, 4 * LOW));
        let server = Server::new(move |_: &Peer| Sender { bytes, under_way: under_way.clone() });
        boot.serve(server.connections(config), "0.0.0.0:9000").map(drop)
    });
    for (number, done) in done.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("reader-{number}"), move |boot| {
            let (done, draws) = (done.clone(), lot.clone());
            let make = move || Reader {
                bytes,
                got: Stream::new(3),
                lot: draws.clone(),
                done: done.clone(),
            };
            let mut dialer = Dialer::new("sender:9000", &lot, make);
            let config = packing(ConnConfig::default().receive_buffer(4_096));
            dialer.options = ConnectOptions::default().config(config);
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    // The kernel of a killed process sends its FIN wherever the file is.
    sim.faults(Faults::swarm().without(Fault::ProcessKill));
    sim.run_for(Duration::from_secs(90));
    sim.calm();
    all_go_on(sim, &done, Duration::from_secs(900), "everybody gets the whole file again");
}
