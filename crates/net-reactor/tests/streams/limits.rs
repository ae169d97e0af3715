//! Maxima and full buffers.

use net_reactor::prelude::*;
use net_reactor::{Amount, ConnConfig, Pattern, ReadRefused};

use super::support::{Log, solo, solo_with};

/// How the end of a read is said.
#[derive(Clone, Copy)]
enum By {
    Delimiter,
    Pattern,
}

/// Reads up to `f`, at most `max` bytes, and notes the outcome; then whatever follows.
fn until_f(by: By, max: usize) -> (net_reactor::sim::Solo<Stream>, Log) {
    solo(move |stream, noted| {
        let then = move |stream: &mut StreamConn<'_>, bytes: Result<&[u8], _>| {
            noted.read(bytes);
            if bytes.is_ok() {
                stream.read_bytes(10, Amount::Partial, move |_, rest| {
                    noted.read(rest);
                    Ok(())
                })?;
            } else {
                noted.value(stream.read_bytes(1, Amount::Whole, |_, _| Ok(())));
                stream.write("too long")?;
            }
            Ok(())
        };
        match by {
            By::Delimiter => stream.read_until(b"f", max, then)?,
            By::Pattern => stream.read_until_regex(&Pattern::new("[f-h]")?, max, then)?,
        }
        Ok(())
    })
}

const FEEDS: [(&str, By); 4] = [
    ("abcdef", By::Delimiter),
    ("abcdefgh", By::Delimiter),
    ("abcdef", By::Pattern),
    ("abcdefgh", By::Pattern),
];

/// Tornado 50: exactly the maximum is fine, with bytes behind it or without.
#[test]
fn a_match_that_ends_at_the_maximum_is_read() {
    for (feed, by) in FEEDS {
        for byte_by_byte in [false, true] {
            let (mut solo, log) = until_f(by, 6);
            if byte_by_byte {
                solo.feed_each_byte(feed)
            } else {
                solo.feed(feed)
            }
            let told = log.take();
            assert_eq!(told[0], "abcdef");
            assert_eq!(
                told[1..].concat(),
                if byte_by_byte { &feed[6..feed.len().min(7)] } else { &feed[6..] }
            );
            assert!(solo.is_open());
        }
    }
}

/// Tornado 50: one more, and it fails and closes, though the match is there.
#[test]
fn a_match_that_ends_beyond_the_maximum_fails_and_closes_after_a_last_word() {
    for (feed, by) in FEEDS {
        for byte_by_byte in [false, true] {
            let (mut solo, log) = until_f(by, 5);
            if byte_by_byte {
                solo.feed_each_byte(feed)
            } else {
                solo.feed(feed)
            }
            assert_eq!(log.take(), ["TooLong { limit_bytes: 5 }", "Err(Closed)"]);
            assert_eq!(solo.output(), b"too long");
            solo.finish();
            assert_eq!(log.take(), ["over: the peer broke the protocol"]);
            assert!(matches!(solo.close_reason(), Some(CloseReason::Malformed { .. })));
        }
    }
}

#[test]
fn a_violation_that_is_passed_on_is_the_peers_fault_too() {
    let (mut solo, log) = solo(|stream, _| {
        stream.read_until(b"\n", 3, |_, line| {
            line?;
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("abcd");
    solo.finish();
    assert_eq!(log.take(), ["over: the peer broke the protocol"]);
}

#[test]
fn a_read_that_outgrows_the_buffer_fails_and_closes() {
    const LIMIT: usize = 1_000;
    type Begin = fn(&mut StreamConn<'_>, Log) -> Flow;
    let until: Begin = |stream, log| {
        stream.read_until(b"\n", 100_000, move |_, bytes| {
            log.read(bytes);
            Ok(())
        })?;
        Ok(())
    };
    let until_close: Begin = |stream, log| {
        stream.read_until_close(move |_, bytes| {
            log.read(bytes.as_deref().map_err(|error| *error));
            Ok(())
        })?;
        Ok(())
    };
    for begin in [until, until_close] {
        let config = ConnConfig::default().input_max(LIMIT);
        let (mut solo, log) = solo_with(config, begin);
        solo.feed(vec![b'x'; LIMIT]);
        assert!(log.take().is_empty(), "exactly the limit is fine");
        solo.feed("x");
        solo.finish();
        let told = log.take();
        assert_eq!(told[0], "BufferFull { limit_bytes: 1000 }");
        assert_eq!(told[1], "over: too much unconsumed input: 1001 bytes of 1000");
        assert!(matches!(solo.close_reason(), Some(CloseReason::InputOverflow { .. })));
    }
}

#[test]
fn what_could_never_fit_is_refused_and_a_buffer_of_the_callers_has_room() {
    let config = ConnConfig::default().input_max(1_000);
    let (mut solo, log) = solo_with(config, |stream, noted| {
        let refused = stream.read_bytes(1_001, Amount::Whole, |_, _| Ok(()));
        assert_eq!(refused, Err(ReadRefused::TooLarge { limit_bytes: 1_000 }));
        stream.read_into(Vec::new(), 600_000, Amount::Whole, move |_, buffer, result| {
            noted.note(format!("{} {result:?}", buffer.len()));
            Ok(())
        })?;
        Ok(())
    });
    solo.feed(vec![b'x'; 599_999]);
    assert!(log.take().is_empty());
    solo.feed("x");
    assert_eq!(log.take(), ["600000 Ok(())"]);
}
