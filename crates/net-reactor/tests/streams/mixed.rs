//! Tornado 53: random reads of all kinds, under every split, together read what was sent.

use std::cell::RefCell;
use std::rc::Rc;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{Amount, ConnConfig};

/// A generator of numbers; the seed says which.
#[derive(Clone)]
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound
    }
}

/// What was read, piece by piece.
type Pieces = Rc<RefCell<Vec<u8>>>;

/// Reads on in a way that is drawn, until the end.
fn read_on(stream: &mut StreamConn<'_>, mut draw: Draw, read: Pieces) -> Flow {
    let count = 1 + draw.below(30_000);
    match draw.below(5) {
        0 => stream.read_bytes(count, Amount::Whole, move |stream, bytes| match bytes {
            Ok(bytes) => {
                read.borrow_mut().extend_from_slice(bytes);
                read_on(stream, draw, read)
            }
            Err(_) => the_rest(stream, read),
        })?,
        1 => stream.read_bytes(count, Amount::Partial, move |stream, bytes| match bytes {
            Ok(bytes) => {
                read.borrow_mut().extend_from_slice(bytes);
                read_on(stream, draw, read)
            }
            Err(_) => the_rest(stream, read),
        })?,
        2 => stream.read_until(b"\x01\x02", 1_000_000, move |stream, bytes| match bytes {
            Ok(bytes) => {
                assert!(bytes.ends_with(b"\x01\x02"));
                read.borrow_mut().extend_from_slice(bytes);
                read_on(stream, draw, read)
            }
            Err(_) => the_rest(stream, read),
        })?,
        3 => stream.read_into(Vec::new(), count, Amount::Whole, move |stream, bytes, result| {
            read.borrow_mut().extend_from_slice(&bytes);
            if result.is_ok() { read_on(stream, draw, read) } else { the_rest(stream, read) }
        })?,
        _ => {
            // Started outside of a callback with input.
            stream.set_timer(Tag(1), std::time::Duration::ZERO);
            stream.on_timer(move |stream, _| read_on(stream, draw.clone(), Rc::clone(&read)));
        }
    }
    Ok(())
}

/// Reads what a finished peer left.
fn the_rest(stream: &mut StreamConn<'_>, read: Pieces) -> Flow {
    stream.read_until_close(move |_, bytes| {
        read.borrow_mut().extend_from_slice(&bytes?);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn random_reads_together_read_what_was_sent() {
    for seed in 0..8_u16 {
        let mut draw = Draw(seed.into());
        let sent: Rc<Vec<u8>> =
            Rc::new((0..300_000).map(|_| u8::try_from(draw.below(250)).unwrap()).collect());
        let read = Pieces::default();
        let mut sim = Simulation::new(seed.into());
        let (collected, reads) = (Rc::clone(&read), draw.clone());
        sim.host("reader", move |boot| {
            let (collected, reads) = (Rc::clone(&collected), reads.clone());
            let config = ConnConfig::default().receive_buffer(4_096 + 1_000 * usize::from(seed));
            let server = Server::new(move |_: &Peer| {
                let (collected, reads) = (Rc::clone(&collected), reads.clone());
                Stream::new(move |stream| read_on(stream, reads, collected))
            });
            boot.serve(server.connections(config), "0.0.0.0:9000").map(drop)
        });
        let bytes = Rc::clone(&sent);
        sim.host("writer", move |boot| {
            let bytes = Rc::clone(&bytes);
            let stream = Stream::new(move |stream| {
                stream.write(bytes.as_slice())?;
                stream.shutdown_write()?;
                Ok(())
            });
            boot.reactor().connect("reader:9000", stream)?;
            Ok(())
        });
        // All that cuts and delays bytes, and nothing that ends a connection.
        sim.faults(Faults::harmless());
        let all = sent.len();
        let done = Rc::clone(&read);
        assert!(
            sim.run_until(std::time::Duration::from_secs(600), move |_| done.borrow().len() == all),
            "seed {seed}: {} of {all} bytes",
            read.borrow().len()
        );
        assert!(*read.borrow() == *sent, "seed {seed}: other bytes");
    }
}
