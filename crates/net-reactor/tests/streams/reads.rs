//! What reads take, and when they are told.

use net_reactor::prelude::*;
use net_reactor::{Amount, ReadRefused};

use super::support::{Log, solo};

/// Reads lines and notes them, one after the other.
fn lines(stream: &mut StreamConn<'_>, log: Log) -> Flow {
    stream.read_until(b"\n", 100, move |stream, line| {
        log.read(Ok(line?));
        lines(stream, log)
    })?;
    Ok(())
}

#[test]
fn a_read_ends_behind_its_match_and_the_next_begins_there() {
    for byte_by_byte in [false, true] {
        let (mut solo, log) = solo(lines);
        let feed = "first\nsecond\n\nrest";
        if byte_by_byte {
            solo.feed_each_byte(feed);
        } else {
            solo.feed(feed);
        }
        assert_eq!(log.take(), ["first\n", "second\n", "\n"]);
        solo.feed("\n");
        assert_eq!(log.take(), ["rest\n"]);
    }
}

#[test]
fn no_read_is_told_within_the_call_that_starts_it() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_bytes(1, Amount::Whole, move |stream, first| {
            noted.read(first);
            let inner = noted.clone();
            // Its byte is there already.
            stream.read_bytes(1, Amount::Whole, move |stream, second| {
                inner.read(second);
                let last = inner.clone();
                stream.read_bytes(0, Amount::Whole, move |_, none| {
                    last.read(none);
                    Ok(())
                })?;
                inner.note("started a read of nothing");
                Ok(())
            })?;
            noted.note("started the second");
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("ab");
    assert_eq!(log.take(), ["a", "started the second", "b", "started a read of nothing", ""]);
}

#[test]
fn reads_of_nothing_are_told_though_nothing_arrives_and_do_not_hold_the_loop() {
    fn nothing(stream: &mut StreamConn<'_>, log: Log, times: u32) -> Flow {
        let then = move |stream: &mut StreamConn<'_>, none: Result<&[u8], _>| {
            assert_eq!(none, Ok(&b""[..]));
            log.value(times);
            if times == 0 { Ok(()) } else { nothing(stream, log, times - 1) }
        };
        match times % 3 {
            0 => stream.read_bytes(0, Amount::Whole, then)?,
            1 => stream.read_bytes(0, Amount::Partial, then)?,
            _ => stream.read_until(b"", 10, then)?,
        }
        Ok(())
    }
    let (_solo, log) = solo(|stream, noted| {
        stream.read_into(Vec::new(), 0, Amount::Whole, move |stream, buffer, result| {
            assert_eq!((buffer.len(), result), (0, Ok(())));
            noted.note("into");
            nothing(stream, noted, 3)
        })?;
        Ok(())
    });
    assert_eq!(log.take(), ["into", "3", "2", "1", "0"]);
}

#[test]
fn a_second_read_is_refused_while_one_is_pending() {
    let (mut solo, log) = solo(|stream, noted| {
        let first = noted.clone();
        stream.read_bytes(3, Amount::Whole, move |_, bytes| {
            first.read(bytes);
            Ok(())
        })?;
        assert!(stream.has_pending_read());
        noted.value(stream.read_until(b"\n", 10, |_, _| unreachable!("it was refused")));
        noted.value(stream.read_until_close(|_, _| unreachable!("it was refused")));
        Ok(())
    });
    solo.feed("abc");
    let refused = format!("{:?}", Err::<(), _>(ReadRefused::AlreadyReading));
    assert_eq!(log.take(), [refused.as_str(), refused.as_str(), "abc"]);
}

/// Tornado 51.
#[test]
fn partial_reads_take_what_there_is_and_whole_ones_wait() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_bytes(50, Amount::Partial, move |stream, some| {
            noted.read(some);
            stream.read_bytes(2, Amount::Partial, move |stream, two| {
                noted.read(two);
                stream.read_bytes(4, Amount::Whole, move |_, four| {
                    noted.read(four);
                    Ok(())
                })?;
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("hello");
    assert_eq!(log.take(), ["hello"]);
    solo.feed("world");
    assert_eq!(log.take(), ["wo"]);
    solo.feed("!");
    assert_eq!(log.take(), ["rld!"]);
}

/// Tornado 51.
#[test]
fn a_read_into_a_buffer_goes_behind_what_it_holds_and_begins_with_what_had_arrived() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_until(b"\n", 10, move |stream, _line| {
            stream.read_into(
                b"> ".to_vec(),
                10,
                Amount::Whole,
                move |stream, buffer, result| {
                    noted.value(result);
                    noted.read(Ok(&buffer));
                    let partial = Amount::Partial;
                    stream.read_into(Vec::new(), 10, partial, move |_, buffer, result| {
                        noted.value(result);
                        noted.read(Ok(&buffer));
                        Ok(())
                    })?;
                    Ok(())
                },
            )?;
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("head\n1234");
    solo.feed("567");
    assert!(log.take().is_empty());
    solo.feed("890");
    assert_eq!(log.take(), ["Ok(())", "> 1234567890"]);
    solo.feed("abc");
    assert_eq!(log.take(), ["Ok(())", "abc"]);
}

#[test]
fn a_read_started_from_elsewhere_is_served_from_what_has_arrived() {
    let (mut solo, log) = solo(|stream, noted| {
        let lines = noted.clone();
        stream.on_message(move |stream, _message| {
            let noted = lines.clone();
            stream.read_until(b"\n", 100, move |_, line| {
                noted.read(line);
                Ok(())
            })?;
            lines.note("started");
            Ok(())
        });
        let first = noted.clone();
        stream.read_until(b"\n", 100, move |_, line| {
            first.read(line);
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("one\ntwo\nthr");
    assert_eq!(log.take(), ["one\n"]);
    solo.message(());
    assert_eq!(log.take(), ["started", "two\n"]);
    solo.message(());
    assert_eq!(log.take(), ["started"]);
    solo.feed("ee\n");
    assert_eq!(log.take(), ["three\n"]);
}

#[test]
fn a_read_behind_a_read_of_nothing_finds_what_has_arrived() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_bytes(1, Amount::Whole, move |stream, first| {
            noted.read(first);
            stream.read_bytes(0, Amount::Whole, move |stream, none| {
                noted.read(none);
                stream.read_bytes(1, Amount::Whole, move |_, second| {
                    noted.read(second);
                    Ok(())
                })?;
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("ab");
    assert_eq!(log.take(), ["a", "", "b"]);
}
