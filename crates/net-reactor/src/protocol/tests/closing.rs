//! Graceful closes: how long they take, and what ends them.

use super::rig::{Rig, ms, secs};
use super::teller::Teller;
use crate::net::ConnConfig;
use crate::protocol::{Conn, Failure, Flow};

/// A connection of loop 0 to a bare peer, which runs `on_open` with `config`.
fn connected(
    config: ConnConfig,
    on_open: impl FnMut(&mut Conn<'_>) -> Flow + 'static,
) -> (Rig, super::bare::BareStream) {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    let mut on_open = Some(on_open);
    rig.listen(0, config, move || {
        on_open.take().map(|on_open| Teller::new(&log, "conn").on_open(on_open))
    });
    let bare = rig.bare("c");
    let peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    (rig, peer)
}

/// Ends a connection with more output than the kernel takes.
fn close_with_output(conn: &mut Conn<'_>) -> Flow {
    conn.write(vec![7; 100_000])?;
    conn.close();
    conn.close();
    assert!(conn.write("too late").is_err());
    Ok(())
}

#[test]
fn a_close_whose_output_is_stuck_becomes_an_abort_after_30_s() {
    let (mut rig, mut peer) = connected(ConnConfig::default(), close_with_output);
    rig.advance(secs(40));
    let told =
        ["0ns conn open", "30s conn closed: the close took too long: 34464 bytes were not sent"];
    assert_eq!(rig.log.take(), told);
    assert!(peer.receive().is_err(), "the peer learns by a reset");
    peer.close();
    rig.assert_clean(&"stuck");
}

#[test]
fn a_stuck_close_is_as_patient_as_it_was_told() {
    let config = ConnConfig::default().linger(ms(1_234)).drain(secs(100));
    let (mut rig, peer) = connected(config, close_with_output);
    rig.advance(secs(40));
    assert!(rig.log.take()[1].starts_with("1.234s conn closed: the close took too long"));
    peer.close();
    rig.assert_clean(&"stuck");
}

#[test]
fn a_failure_outlives_the_goodbye_that_it_began() {
    let (mut rig, _peer) = connected(ConnConfig::default(), |conn| {
        conn.write(vec![7; 100_000])?;
        Err(Failure::msg("enough"))
    });
    rig.advance(secs(40));
    assert_eq!(rig.log.take(), ["0ns conn open", "30s conn closed: the handler failed"]);
}

#[test]
fn after_our_fin_a_silent_peer_is_awaited_for_5_s() {
    let (mut rig, mut peer) = connected(ConnConfig::default(), |conn| {
        conn.write("bye")?;
        conn.close();
        Ok(())
    });
    assert_eq!(peer.receive().unwrap(), (b"bye".to_vec(), true));
    rig.advance(secs(40));
    assert_eq!(rig.log.take(), ["0ns conn open", "5s conn closed: closed by this side"]);
    peer.close();
    rig.settle();
    rig.assert_clean(&"silent");
}

#[test]
fn the_drain_begins_with_our_fin_and_not_with_the_close() {
    let (mut rig, mut peer) = connected(ConnConfig::default(), close_with_output);
    rig.advance(secs(12));
    let mut received = 0;
    while !peer.receive().is_ok_and(|(bytes, end)| {
        received += bytes.len();
        end
    }) {
        rig.settle();
    }
    assert_eq!(received, 100_000);
    rig.advance(secs(40));
    assert_eq!(rig.log.take(), ["0ns conn open", "17s conn closed: closed by this side"]);
}

#[test]
fn the_drain_never_outlasts_the_linger_time() {
    let (mut rig, mut peer) = connected(ConnConfig::default(), close_with_output);
    rig.advance(secs(28));
    while !peer.receive().is_ok_and(|(_, end)| end) {
        rig.settle();
    }
    rig.advance(secs(40));
    assert_eq!(rig.log.take(), ["0ns conn open", "30s conn closed: closed by this side"]);
}

#[test]
fn the_drain_is_as_long_as_it_was_told() {
    let config = ConnConfig::default().drain(ms(77));
    let (mut rig, _peer) = connected(config, |conn| {
        conn.close();
        Ok(())
    });
    rig.advance(secs(1));
    assert_eq!(rig.log.take(), ["0ns conn open", "77ms conn closed: closed by this side"]);
}

#[test]
fn a_close_after_a_half_close_has_only_the_drain_left() {
    let (mut rig, mut peer) = connected(ConnConfig::default(), |conn| {
        conn.shutdown_write()?;
        let id = conn.id();
        conn.reactor().call_later(secs(2), move |reactor| assert!(reactor.close(id)));
        Ok(())
    });
    assert_eq!(peer.receive().unwrap(), (Vec::new(), true));
    rig.advance(secs(40));
    assert_eq!(rig.log.take(), ["0ns conn open", "7s conn closed: closed by this side"]);
}

#[test]
fn the_peers_fin_ends_the_drain_at_once() {
    let (mut rig, peer) = connected(ConnConfig::default(), |conn| {
        conn.close();
        Ok(())
    });
    rig.advance(ms(2_500));
    peer.finish();
    rig.settle();
    assert_eq!(rig.log.take(), ["0ns conn open", "2.5s conn closed: closed by this side"]);
    peer.close();
    rig.assert_clean(&"finished");
}

#[test]
fn the_peers_fin_before_ours_leaves_nothing_to_drain() {
    let (mut rig, mut peer) = connected(ConnConfig::default(), close_with_output);
    peer.finish();
    rig.advance(secs(3));
    assert_eq!(rig.log.take(), ["0ns conn open"], "output is still queued");
    let mut received = 0;
    while !peer.receive().is_ok_and(|(bytes, end)| {
        received += bytes.len();
        end
    }) {
        rig.settle();
    }
    rig.settle();
    assert_eq!(received, 100_000);
    assert_eq!(rig.log.take(), ["3s conn closed: closed by this side"]);
    peer.close();
    rig.assert_clean(&"both");
}

#[test]
fn a_peer_that_sends_without_end_is_drained_for_16_mib_and_no_more() {
    let (mut rig, mut peer) = connected(ConnConfig::default(), |conn| {
        conn.close();
        Ok(())
    });
    let chunk = vec![0; 32 * 1024];
    let mut sent = 0;
    while rig.log.take().iter().all(|line| !line.contains("closed")) {
        sent += peer.send(&chunk).unwrap();
        rig.settle();
        assert!(sent <= (16 << 20) + (64 << 10), "drained {sent} bytes");
    }
    assert!(sent > 16 << 20, "gave up after {sent} bytes");
    peer.close();
    rig.settle();
    rig.assert_clean(&"flooded");
}

#[test]
fn unread_input_does_not_cost_the_peer_what_was_sent() {
    let (mut rig, mut peer) = connected(ConnConfig::default(), |conn| {
        conn.pause();
        let id = conn.id();
        conn.reactor().call_later(secs(1), move |reactor| {
            reactor.write(id, vec![1; 300_000]).unwrap();
            assert!(reactor.close(id));
        });
        Ok(())
    });
    peer.send(&[0; 60_000]).unwrap();
    rig.advance(secs(1));
    let mut received = 0;
    let mut finished = false;
    while !finished {
        let (bytes, end) = peer.receive().unwrap();
        (received, finished) = (received + bytes.len(), end);
        peer.send(&[0; 1_000]).unwrap();
        rig.settle();
    }
    assert_eq!(received, 300_000);
}
