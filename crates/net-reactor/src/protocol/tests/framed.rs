//! Connections that speak in frames take the staging area out of the loop, and give it back.

use super::rig::Rig;
use crate::base::{EXAMINED, MOVED};
use crate::codec::Lines;
use crate::net::ConnConfig;
use crate::protocol::Framed;
use crate::sys::memory::{Fault, FaultRates};

/// Enough to tell a square from a line; the codecs' own test has a line of 1 MiB.
const LINE_BYTES: usize = 128 * 1024;

/// What is sent at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Lets a loop receive one line, and returns how many bytes it looked at and moved for it.
fn steps_of_a_line(rates: &FaultRates) -> usize {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || {
        let log = log.clone();
        Framed::on_frame(Lines::new(), move |_conn, line| {
            log.note(format!("a line of {}", line.len()));
            Ok(())
        })
    });
    let bare = rig.bare("c");
    let mut peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    rig.world.faults(rates);
    EXAMINED.set(0);
    MOVED.set(0);
    for chunk in [&[b'x'; LINE_BYTES][..], b"\n"].concat().chunks(CHUNK_BYTES) {
        assert_eq!(peer.send(chunk).expect("the loop has read everything before"), chunk.len());
        rig.settle();
    }
    assert_eq!(rig.log.take(), [format!("a line of {LINE_BYTES}")]);
    EXAMINED.get() + MOVED.get()
}

#[test]
fn a_line_byte_by_byte_costs_a_loop_at_most_twice_what_it_costs_in_chunks() {
    let chunks = steps_of_a_line(&FaultRates::none());
    let drip = steps_of_a_line(&FaultRates::none().with(Fault::ReceiveOneByte, 1_000_000));
    assert!(drip <= 2 * chunks, "{drip} steps byte by byte, {chunks} in chunks");
}

#[test]
fn a_panic_between_two_frames_costs_no_other_connection_its_output() {
    let mut rig = Rig::pair();
    rig.listen(0, ConnConfig::default(), || {
        Framed::on_frame(Lines::new(), |conn, line| {
            conn.send(line)?;
            assert!(line != b"panic", "as asked");
            Ok(())
        })
    });
    let bare = rig.bare("c");
    let mut peers: Vec<_> = (0..3).map(|_| bare.connect("10.0.0.1:7000")).collect();
    rig.settle();
    // All in one turn, so that the output of the others is staged before and behind.
    peers[0].send(b"first\n").unwrap();
    peers[1].send(b"x\npanic\nx\n").unwrap();
    peers[2].send(b"last\n").unwrap();
    rig.settle();
    assert_eq!(peers[0].receive().unwrap().0, b"first\n");
    assert_eq!(peers[2].receive().unwrap().0, b"last\n");
    assert_eq!(rig.reactor(0).accepted().len(), 2);
}
