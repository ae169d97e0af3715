//! What one connection leaves behind must not reach the next, and nothing is left in a full buffer.

use std::time::Duration;

use super::rig::Rig;
use super::teller::Teller;
use crate::driver::READ_BYTES_PER_TURN;
use crate::net::ConnConfig;

/// More than one receive takes.
const FLOOD: usize = 2 * READ_BYTES_PER_TURN + 1000;

/// Adds up the bytes that the log tells of.
fn data_told(lines: &[String]) -> usize {
    let counts = lines.iter().filter_map(|line| line.split(" data ").nth(1));
    counts.map(|count| count.parse::<usize>().unwrap()).sum()
}

#[test]
fn what_fills_the_receive_buffer_more_than_once_is_read_to_its_end() {
    let mut rig = Rig::pair();
    rig.world.capacity(4 * FLOOD);
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    let bare = rig.bare("c");
    let mut peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    assert_eq!(peer.send(&vec![7; FLOOD]).unwrap(), FLOOD);
    rig.settle();
    assert_eq!(data_told(&rig.log.take()), FLOOD);
}

#[test]
fn a_flood_on_one_connection_lets_the_others_have_their_share_between() {
    let mut rig = Rig::pair();
    rig.world.capacity(4 * FLOOD);
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    let bare = rig.bare("c");
    let (mut flood, mut other) = (bare.connect("10.0.0.1:7000"), bare.connect("10.0.0.1:7000"));
    rig.settle();
    rig.log.take();
    flood.send(&vec![7; FLOOD]).unwrap();
    other.send(b"hello").unwrap();
    rig.settle();
    let told = rig.log.take();
    let full = format!("0ns conn data {READ_BYTES_PER_TURN}");
    assert_eq!(told, [&full, "0ns conn data 5", &full, "0ns conn data 1000"]);
}

/// The first connection uses up its share of the turn and ends in the callback; its place in line
/// is left. The second gets its slot in the same turn, and must not be served in its name.
#[test]
fn the_place_in_line_of_an_ended_connection_is_not_that_of_the_next_in_its_slot() {
    let mut rig = Rig::pair();
    rig.world.capacity(4 * FLOOD);
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || {
        Teller::new(&log, "conn").on_data(|conn, input| {
            if input.take_all().len() == READ_BYTES_PER_TURN {
                conn.abort();
            }
            Ok(())
        })
    });
    let bare = rig.bare("c");
    let mut first = bare.connect("10.0.0.1:7000");
    rig.settle();
    first.send(&vec![7; FLOOD]).unwrap();
    let mut second = bare.connect("10.0.0.1:7000");
    rig.turn(0);
    rig.log.take();
    second.send(b"hello").unwrap();
    rig.advance(Duration::from_millis(1));
    assert_eq!(data_told(&rig.log.take()), 5);
}

#[test]
fn output_that_an_aborted_connection_leaves_is_not_sent_on_the_next() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    let bare = rig.bare("c");
    let first = bare.connect("10.0.0.1:7000");
    rig.settle();
    let id = rig.reactor(0).accepted()[0];
    rig.reactor(0).write(id, vec![1; 300_000]).unwrap();
    rig.settle();
    rig.reactor(0).abort(id);
    rig.settle();
    drop(first);
    let mut second = bare.connect("10.0.0.1:7000");
    rig.settle();
    let id = rig.reactor(0).accepted()[0];
    rig.reactor(0).write(id, vec![2; 200_000]).unwrap();
    rig.settle();
    let (received, _) = second.receive().unwrap();
    assert!(!received.is_empty());
    let mut all = received;
    for _ in 0..20 {
        rig.settle();
        all.extend(second.receive().unwrap().0);
    }
    assert_eq!(all, vec![2; 200_000]);
}

/// A peer that floods without end, and a hundred others that send a word before each turn.
#[test]
fn a_flood_without_end_delays_nobodys_word_by_a_turn() {
    const OTHERS: usize = 100;
    let mut rig = Rig::pair();
    rig.world.capacity(4 * FLOOD);
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    let bare = rig.bare("c");
    let mut flood = bare.connect("10.0.0.1:7000");
    let mut others: Vec<_> = (0..OTHERS).map(|_| bare.connect("10.0.0.1:7000")).collect();
    rig.settle();
    rig.log.take();
    let full = format!("0ns conn data {READ_BYTES_PER_TURN}");
    for turn in 0..20 {
        // As much as there is room for: the kernel is never empty.
        let _ = flood.send(&vec![7; FLOOD]);
        others.iter_mut().for_each(|other| assert_eq!(other.send(b"hello").unwrap(), 5));
        rig.turn(0);
        let told = rig.log.take();
        let words = told.iter().filter(|line| *line == "0ns conn data 5").count();
        let shares = told.iter().filter(|line| **line == full).count();
        assert_eq!((words, shares, told.len()), (OTHERS, 1, OTHERS + 1), "turn {turn}");
    }
}
