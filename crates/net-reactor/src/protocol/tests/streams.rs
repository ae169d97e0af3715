//! What reading in steps costs, counted.

use super::rig::Rig;
use crate::base::{EXAMINED, MOVED};
use crate::net::ConnConfig;
use crate::protocol::Stream;
use crate::sys::memory::{Fault, FaultRates};

/// Sends `chunks` and then a delimiter to a stream that reads up to it; returns how many bytes the
/// loop looked at and moved for that.
fn steps(chunk: &[u8], chunks: usize, rates: &FaultRates) -> usize {
    const DELIMITER: &[u8] = b"\r\n\r\n";
    let bytes_max = chunk.len() * chunks + DELIMITER.len();
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default().input_max(2 * bytes_max), move || {
        let log = log.clone();
        Stream::new(move |stream| {
            stream.read_until(DELIMITER, bytes_max, move |_, bytes| {
                log.note(format!("read {}", bytes?.len()));
                Ok(())
            })?;
            Ok(())
        })
    });
    let bare = rig.bare("c");
    let mut peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    rig.world.faults(rates);
    EXAMINED.set(0);
    MOVED.set(0);
    for _ in 0..chunks {
        assert_eq!(peer.send(chunk).expect("the loop has read everything before"), chunk.len());
        rig.settle();
    }
    assert_eq!(peer.send(DELIMITER).unwrap(), DELIMITER.len());
    rig.settle();
    assert_eq!(rig.log.take(), [format!("read {bytes_max}")]);
    EXAMINED.get() + MOVED.get()
}

/// Tornado's `test_large_read_until`: 4 MiB in writes of 1 KiB.
#[test]
fn four_mebibytes_in_writes_of_a_kibibyte_cost_linear_work() {
    let steps = steps(&[b'x'; 1024], 4096, &FaultRates::none());
    // Each byte is looked at, kept, and moved once or twice as its buffer grows.
    assert!(steps <= 5 * 4096 * 1024, "{steps} steps");
}

#[test]
fn a_read_byte_by_byte_costs_at_most_thrice_what_it_costs_in_chunks() {
    let chunk = &[b'x'; 16 * 1024][..];
    let chunks = steps(chunk, 4, &FaultRates::none());
    let drip = steps(chunk, 4, &FaultRates::none().with(Fault::ReceiveOneByte, 1_000_000));
    assert!(drip <= 3 * chunks, "{drip} steps byte by byte, {chunks} in chunks");
}
