//! The trace: what it covers, and what it is good for.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::sys::memory::TraceText;

/// A short exchange; returns the hash and the lines.
fn exchange(seed: u64, bytes: &[u8], text: TraceText) -> (u64, Vec<String>) {
    let world = World::new(seed);
    world.trace_text(text);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    send(&mut a, &mut client, bytes).unwrap();
    world.note("turn", &[1, 2]);
    receive(&mut b, &mut server).unwrap();
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    world.count(Fault::PowerCut);
    (world.trace_hash(), world.trace_lines())
}

#[test]
fn the_hash_covers_every_byte_and_no_line() {
    let (hash, lines) = exchange(1, b"hello", TraceText::Off);
    assert!(lines.is_empty());
    assert_eq!(exchange(1, b"hello", TraceText::All).0, hash);
    assert_ne!(exchange(1, b"hellO", TraceText::All).0, hash);
}

#[test]
fn a_line_says_when_who_and_what() {
    let (_, lines) = exchange(1, b"hello", TraceText::All);
    for expected in [
        "     2.000000 s  a.0  send #0v0 -> 5 bytes",
        "     2.000000 s  net  data to #1v0, 5 bytes",
        "     2.000000 s  b.0  receive #1v0 -> 5 bytes",
        "     2.000000 s  b.0  receive #1v0 -> errno 11",
        "     2.000000 s  world  turn 1 2",
        "     2.000000 s  world  fault power-cut",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected:?} in {lines:#?}");
    }
    let report = "     2.000000 s  b.0  report Stream 2v0: writable";
    assert!(lines.iter().any(|line| line == report), "{lines:#?}");
}

#[test]
fn the_last_lines_are_kept_or_all_of_them_or_given_away() {
    let (_, all) = exchange(1, b"x", TraceText::All);
    let (_, last) = exchange(1, b"x", TraceText::Last(3));
    assert_eq!(last, all[all.len() - 3..]);
    let taken: Rc<RefCell<Vec<String>>> = Rc::default();
    let sink = Rc::clone(&taken);
    let each = TraceText::Each(Box::new(move |line| sink.borrow_mut().push(line.to_owned())));
    assert!(exchange(1, b"x", each).1.is_empty());
    // The kernels end after the lines were looked at.
    assert!(taken.borrow().len() > all.len() && taken.borrow().starts_with(&all));
}

#[test]
fn everything_that_is_noted_changes_the_hash() {
    let world = World::new(1);
    let mut seen = vec![world.trace_hash()];
    let mut a = world.host("a");
    let mut changed = |what: &str| {
        let hash = world.trace_hash();
        assert!(!seen.contains(&hash), "{what}");
        seen.push(hash);
    };
    reports(&mut a);
    changed("a wait");
    reports(&mut a);
    changed("the same again");
    a.resolve(Key { index: 0, generation: 0 }, "a");
    changed("a question");
    reports(&mut a);
    a.resolved().unwrap();
    changed("an answer");
    assert!(a.offload(Box::new(|| {})).is_ok());
    changed("a job");
    world.count(Fault::Partition);
    changed("a fault");
    world.count(Fault::Clog);
    changed("another fault");
    world.advance(ms(1));
    world.note("turn", &[]);
    changed("a note");
    drop(a);
    changed("the end of a loop");
    assert!(world.trace_events() >= 9);
}
