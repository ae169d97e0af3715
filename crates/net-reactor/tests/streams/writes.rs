//! Writes and what is told of them.

use std::cell::Cell;
use std::rc::Rc;

use net_reactor::prelude::*;
use net_reactor::{Amount, Closed, ConnConfig, OnHighMark, WriteRefused};

use super::support::{Log, solo, solo_with};

#[test]
fn writes_are_told_in_order_when_the_kernel_took_them_and_never_within_the_call() {
    let (mut solo, log) = solo(|stream, noted| {
        for number in 0..3 {
            let noted = noted.clone();
            let bytes = if number == 1 { String::new() } else { format!("{number}") };
            stream.write_then(bytes, move |_, result| {
                noted.note(format!("{number} {result:?}"));
                Ok(())
            })?;
        }
        noted.note("written");
        Ok(())
    });
    assert_eq!(log.take(), ["written", "0 Ok(())", "1 Ok(())", "2 Ok(())"]);
    assert_eq!(solo.output(), b"02");
}

/// Tornado 55.
#[test]
fn an_empty_write_resolves_and_a_chain_of_them_does_not_hold_the_loop() {
    fn empty(stream: &mut StreamConn<'_>, log: Log, times: u32) -> Flow {
        stream.write_then("", move |stream, result: Result<(), Closed>| {
            log.value(times);
            result?;
            if times == 0 { Ok(()) } else { empty(stream, log, times - 1) }
        })?;
        Ok(())
    }
    let (_solo, log) = solo(|stream, noted| empty(stream, noted, 2));
    assert_eq!(log.take(), ["2", "1", "0"]);
}

#[test]
fn a_write_that_the_kernel_has_no_room_for_is_told_when_it_has() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.on_message(move |stream, _| {
            for (name, length) in [("none", 0), ("first", 20_000), ("second", 20_000)] {
                let noted = noted.clone();
                stream.write_then(vec![b'x'; length], move |_, result| {
                    noted.note(format!("{name} {result:?}"));
                    Ok(())
                })?;
            }
            Ok(())
        });
        Ok(())
    });
    solo.full(true);
    solo.message(());
    assert_eq!(log.take(), ["none Ok(())"], "it had nobody to wait for");
    solo.full(false);
    assert_eq!(log.take(), ["first Ok(())", "second Ok(())"]);
    assert_eq!(solo.output().len(), 40_000);
}

#[test]
fn a_write_beyond_the_limit_is_refused_and_leaves_the_stream_open() {
    let config = ConnConfig::default().output_max(1_000).on_high_mark(OnHighMark::Tell);
    let (mut solo, log) = solo_with(config, |stream, noted| {
        stream.on_message(move |stream, _| {
            stream.write(vec![b'x'; 600])?;
            let full = Err(WriteRefused::Full { limit_bytes: 1_000 });
            assert_eq!(stream.write(vec![b'y'; 401]), full);
            assert_eq!(stream.write_then(vec![b'y'; 401], |_, _| unreachable!()), full);
            let noted = noted.clone();
            stream.write_then(vec![b'z'; 400], move |_, result| {
                noted.value(result);
                Ok(())
            })?;
            Ok(())
        });
        Ok(())
    });
    solo.full(true);
    solo.message(());
    solo.full(false);
    assert_eq!(log.take(), ["Ok(())"]);
    assert_eq!(solo.output(), [vec![b'x'; 600], vec![b'z'; 400]].concat());
    assert!(solo.is_open());
}

#[test]
fn writes_that_a_reset_or_an_abort_cut_off_are_told_so_before_the_close_callback() {
    for aborts in [false, true] {
        let (mut solo, log) = solo(|stream, noted| {
            stream.on_message(move |stream, message| {
                if message.is::<u8>() {
                    stream.abort();
                    return Ok(());
                }
                for _ in 0..2 {
                    let noted = noted.clone();
                    stream.write_then(vec![b'x'; 200_000], move |_, result| {
                        noted.value(result);
                        Ok(())
                    })?;
                }
                Ok(())
            });
            Ok(())
        });
        solo.full(true);
        solo.message(());
        if aborts {
            solo.message(0_u8)
        } else {
            solo.reset()
        }
        let over = if aborts { "over: aborted by this side" } else { "over: reset by the peer" };
        assert_eq!(log.take(), ["Err(Closed)", "Err(Closed)", over]);
    }
}

#[test]
fn a_close_lets_queued_writes_complete() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.write_then("last words", move |_, result| {
            noted.value(result);
            Ok(())
        })?;
        stream.close();
        assert_eq!(stream.write("more"), Err(WriteRefused::Closed));
        assert_eq!(stream.write_then("more", |_, _| Ok(())), Err(WriteRefused::Closed));
        Ok(())
    });
    solo.finish();
    assert_eq!(log.take(), ["Ok(())", "over: closed by this side"]);
    assert_eq!(solo.output(), b"last words");
}

/// Tornado 54: 10 writers of 200 pieces of 5 kB each; none is forgotten.
#[test]
fn every_one_of_many_writes_completes_in_its_order() {
    const PIECES: u32 = 200;
    fn write(stream: &mut StreamConn<'_>, writer: u32, left: u32, done: Rc<Cell<u32>>) -> Flow {
        if left == 0 {
            return Ok(());
        }
        stream.write_then(vec![b'x'; 5_000], move |stream, result| {
            result?;
            // Writers take turns, since each writes when its write has completed.
            assert_eq!(done.get() % 10, writer);
            done.set(done.get() + 1);
            write(stream, writer, left - 1, done)
        })?;
        Ok(())
    }
    let done = Rc::new(Cell::new(0));
    let counted = Rc::clone(&done);
    let (mut solo, _log) = solo(move |stream, _| {
        for writer in 0..10 {
            write(stream, writer, PIECES, Rc::clone(&counted))?;
        }
        Ok(())
    });
    assert_eq!(done.get(), 10 * PIECES);
    assert_eq!(solo.output().len(), 10_000_000);
}

#[test]
fn answers_that_nobody_reads_hold_the_reads_back() {
    fn echo(stream: &mut StreamConn<'_>, read: Rc<Cell<usize>>) -> Flow {
        stream.read_bytes(1_000, Amount::Whole, move |stream, bytes| {
            let bytes = bytes?;
            read.set(read.get() + bytes.len());
            stream.write(bytes)?;
            echo(stream, read)
        })?;
        Ok(())
    }
    let read = Rc::new(Cell::new(0));
    let counted = Rc::clone(&read);
    let (mut solo, _log) = solo(move |stream, _| echo(stream, counted));
    solo.full(true);
    for _ in 0..10 {
        solo.feed(vec![b'x'; 100_000]);
    }
    assert!(read.get() <= 400_000, "read {} with nobody taking the answers", read.get());
    solo.full(false);
    assert_eq!(read.get(), 1_000_000);
    assert_eq!(solo.output().len(), 1_000_000);
}

#[test]
fn a_read_that_was_held_back_is_satisfied_by_what_had_arrived_when_a_reset_ends_it() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_bytes(1, Amount::Whole, move |stream, _first| {
            // More than the marks allow: what is behind the first byte waits.
            stream.write(vec![b'x'; 300_000])?;
            stream.read_bytes(2, Amount::Whole, move |stream, more| {
                noted.read(more);
                noted.value(stream.close_reason().is_some());
                stream.read_bytes(1, Amount::Whole, move |_, last| {
                    noted.read(last);
                    Ok(())
                })?;
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    });
    solo.full(true);
    solo.feed("abcd");
    assert!(log.take().is_empty(), "nobody reads the answers");
    solo.reset();
    assert_eq!(log.take(), ["bc", "true", "d", "over: reset by the peer"]);
}

#[cfg(feature = "zlib")]
#[test]
fn writes_through_a_layer_are_told_when_the_kernel_took_what_they_became() {
    use net_reactor::codec::Compression;

    let config = ConnConfig::default().layer(Compression::zlib());
    let (mut solo, log) = solo_with(config, |stream, noted| {
        stream.on_message(move |stream, _| {
            for number in 0..2 {
                let noted = noted.clone();
                stream.write_then(vec![b'x'; 100_000], move |_, result| {
                    noted.note(format!("{number} {result:?}"));
                    Ok(())
                })?;
            }
            Ok(())
        });
        Ok(())
    });
    solo.full(true);
    solo.message(());
    assert!(log.take().is_empty());
    solo.full(false);
    assert_eq!(log.take(), ["0 Ok(())", "1 Ok(())"]);
    assert!(solo.output().len() < 10_000, "it is packed");
}
