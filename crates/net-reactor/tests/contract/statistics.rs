//! Counters that can be believed.

use net_reactor::ConnConfig;

use crate::peer::Peer;
use crate::probe::{Plan, Step, Watch, command};
use crate::support::{ByHand, Echo, KIB, MIB, Served, pattern, small_buffers};

fn counted(watch: &Watch, handle: &net_reactor::ConnHandle) -> net_reactor::ConnStats {
    let (told, stats) = std::sync::mpsc::channel();
    command(handle, move |conn| Ok(told.send(conn.stats())?));
    let _ = watch;
    stats.recv_timeout(crate::support::PATIENCE).unwrap()
}

#[test]
fn a_connection_counts_the_bytes_that_it_received_and_sent() {
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    let handle = watch.opened();
    let stats = counted(&watch, &handle);
    assert_eq!((stats.bytes_in, stats.bytes_out, stats.queued_bytes), (0, 0, 0));
    peer.send(pattern(300 * KIB));
    watch.data_until(300 * KIB);
    handle.send(pattern(MIB)).unwrap();
    handle.send("small").unwrap();
    peer.receive(MIB + 5);
    let stats = counted(&watch, &handle);
    assert_eq!(stats.bytes_in, 300 * KIB as u64);
    assert_eq!(stats.bytes_out, MIB as u64 + 5);
    assert_eq!(stats.queued_bytes, 0);
}

#[test]
fn what_was_written_is_either_sent_or_queued() {
    let (plan, watch) = Plan::passive();
    let served = Served::with(small_buffers(), move || plan.probe());
    let mut peer = Peer::connect_small(&served.address);
    let handle = watch.opened();
    let mut written = 0;
    for len in [1, 100, 5000, 70 * KIB, 511, 512, MIB, 3] {
        handle.send(pattern(len)).unwrap();
        written += len;
        let stats = counted(&watch, &handle);
        assert_eq!(usize::try_from(stats.bytes_out).unwrap() + stats.queued_bytes, written);
    }
    peer.receive(written);
    let stats = counted(&watch, &handle);
    assert_eq!((usize::try_from(stats.bytes_out).unwrap(), stats.queued_bytes), (written, 0));
}

#[test]
fn a_loop_adds_up_its_connections() {
    let mut by_hand = ByHand::new(ConnConfig::default(), Echo::new);
    let address = by_hand.address.clone();
    let peers = std::thread::spawn(move || {
        for len in [10, 20 * KIB, MIB] {
            let mut peer = Peer::connect(&address);
            let sending = peer.send_aside(pattern(len), true);
            assert_eq!(peer.read_to_end().len(), len);
            sending.join().unwrap().unwrap();
        }
    });
    by_hand.turn_until(|event_loop| event_loop.stats().closed == 3);
    peers.join().unwrap();
    let stats = by_hand.event_loop.stats();
    let total = (10 + 20 * KIB + MIB) as u64;
    assert_eq!((stats.bytes_in, stats.bytes_out), (total, total));
    assert_eq!((stats.accepted, stats.closed, stats.connections), (3, 3, 0));
    assert_eq!((stats.connected, stats.accept_errors, stats.turned_away), (0, 0, 0));
}

#[test]
fn the_counters_and_addresses_are_still_there_in_on_close() {
    let (told, heard) = std::sync::mpsc::channel();
    let (plan, _watch) = Plan::new(move |conn, step| {
        if let Step::Data(bytes) = step {
            conn.write(bytes)?;
        }
        if step == Step::Close {
            told.send((conn.stats(), conn.peer_address())).unwrap();
            assert!(conn.write("x").is_err());
            assert!(!conn.is_open());
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    let address = peer.address();
    peer.send("12345");
    peer.finish();
    assert_eq!(peer.read_to_end(), b"12345");
    let (stats, peer_address) = heard.recv_timeout(crate::support::PATIENCE).unwrap();
    assert_eq!((stats.bytes_in, stats.bytes_out, stats.queued_bytes), (5, 5, 0));
    assert_eq!(peer_address.ip(), address);
}
