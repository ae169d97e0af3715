//! Who does not read holds its peer back, and what is read costs linear work.

use net_reactor::Amount;
use net_reactor::prelude::*;

use super::support::{Log, solo};

/// Tornado 52: small reads from a lot that waits take no more than a turn's share out of the kernel.
#[test]
fn who_reads_little_takes_little_out_of_the_kernel() {
    /// What a loop receives from one connection in a turn.
    const SHARE: u64 = 256 * 1024;
    let (mut solo, log) = solo(|stream, noted| {
        stream.on_message(move |stream, _| {
            let noted = noted.clone();
            stream.read_bytes(10, Amount::Whole, move |stream, bytes| {
                bytes?;
                noted.value(stream.stats().bytes_in);
                Ok(())
            })?;
            Ok(())
        });
        Ok(())
    });
    for _ in 0..20 {
        solo.feed(vec![b'x'; 100_000]);
    }
    assert!(log.take().is_empty());
    for reads in 1..=100 {
        solo.message(());
        let received: u64 = log.take().concat().parse().expect("one read was told");
        assert!(received <= SHARE, "{received} received for {reads} reads of 10");
    }
}

/// Tornado 52: all of it goes through in the end.
#[test]
fn ten_megabytes_pass_a_reader_that_reads_in_pieces() {
    fn pieces(stream: &mut StreamConn<'_>, log: Log, left: usize) -> Flow {
        if left == 0 {
            log.note("all");
            return Ok(());
        }
        stream.read_bytes(left.min(500_000), Amount::Whole, move |stream, bytes| {
            let length = bytes?.len();
            pieces(stream, log, left - length)
        })?;
        Ok(())
    }
    let (mut solo, log) = solo(|stream, noted| pieces(stream, noted, 10_000_000));
    for _ in 0..100 {
        solo.feed(vec![b'x'; 100_000]);
    }
    assert_eq!(log.take(), ["all"]);
}
