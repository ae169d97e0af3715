//! The peer's end, resets, and closes, with reads pending and bytes unread.

use net_reactor::prelude::*;
use net_reactor::{Amount, ReadRefused};

use super::support::{Log, solo};

/// Tornado 48: a plain closed error, and no word of the limit.
#[test]
fn an_end_before_the_match_is_told_as_the_end() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_until(b"\n", 100, move |_, line| {
            noted.read(line);
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("no end");
    solo.finish();
    assert_eq!(log.take(), ["Ended", "over: closed by the peer"]);
    assert!(matches!(solo.close_reason(), Some(CloseReason::PeerClosed)));
}

#[test]
fn an_end_that_is_passed_on_is_no_failure() {
    let (mut solo, _log) = solo(|stream, _| {
        stream.write("hello")?;
        stream.read_until(b"\n", 100, |_, line| {
            line?;
            Ok(())
        })?;
        Ok(())
    });
    solo.finish();
    assert!(matches!(solo.close_reason(), Some(CloseReason::PeerClosed)));
    assert_eq!(solo.output(), b"hello");
}

#[test]
fn a_short_end_leaves_the_bytes_readable_and_refuses_what_they_do_not_satisfy() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_bytes(10, Amount::Whole, move |stream, bytes| {
            noted.read(bytes);
            let refused = stream.read_bytes(7, Amount::Whole, |_, _| Ok(()));
            assert_eq!(refused, Err(ReadRefused::Ended));
            let refused = stream.read_until(b"\n", 100, |_, _| Ok(()));
            assert_eq!(refused, Err(ReadRefused::Ended));
            stream.read_until(b"c", 3, move |stream, abc| {
                noted.read(abc);
                let refused = stream.read_bytes(4, Amount::Whole, |_, _| Ok(()));
                assert_eq!(refused, Err(ReadRefused::Ended));
                stream.read_bytes(4, Amount::Partial, move |_, rest| {
                    noted.read(rest);
                    Ok(())
                })?;
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("abcdef");
    solo.finish();
    assert_eq!(log.take(), ["Ended", "abc", "def", "over: closed by the peer"]);
}

/// Tornado 44 and 47: what arrived with the end is read, one read after the other.
#[test]
fn bytes_that_came_with_the_end_satisfy_reads() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.on_message(move |stream, _| {
            let noted = noted.clone();
            stream.read_until(b"\n", 100, move |_, line| {
                noted.read(line);
                Ok(())
            })?;
            Ok(())
        });
        Ok(())
    });
    // Nobody reads: the bytes and the end wait in the kernel.
    solo.feed("one\ntwo\n");
    solo.finish();
    assert!(log.take().is_empty());
    for line in ["one\n", "two\n"] {
        solo.message(());
        assert_eq!(log.take(), [line]);
        assert!(solo.is_open(), "nobody was told of the end");
    }
    solo.message(());
    assert_eq!(log.take(), ["Ended", "over: closed by the peer"]);
}

/// Tornado 45: what is left when the peer has finished is read later, from the stream's own buffer.
#[test]
fn what_a_finished_peer_left_is_read_later_if_the_stream_is_kept_open() {
    let (mut solo, log) = solo(|stream, noted| {
        let told = noted.clone();
        stream.read_bytes(100, Amount::Whole, move |stream, bytes| {
            told.read(bytes);
            stream.keep_open();
            Ok(())
        })?;
        stream.on_message(move |stream, message| {
            let noted = noted.clone();
            if message.is::<u8>() {
                stream.read_bytes(3, Amount::Whole, move |_, bytes| {
                    noted.read(bytes);
                    Ok(())
                })?;
            } else {
                stream.read_until_close(move |stream, bytes| {
                    noted.read(bytes.as_deref().map_err(|error| *error));
                    stream.write("done")?;
                    stream.close();
                    Ok(())
                })?;
            }
            Ok(())
        });
        Ok(())
    });
    solo.feed("abcdef");
    solo.finish();
    assert_eq!(log.take(), ["Ended"]);
    solo.message(1_u8);
    assert_eq!(log.take(), ["abc"]);
    solo.message(());
    assert_eq!(log.take(), ["def", "over: closed by this side"]);
    assert_eq!(solo.output(), b"done");
}

#[test]
fn reading_until_the_end_gets_all_and_can_be_answered() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_until_close(move |stream, bytes| {
            assert!(stream.close_reason().is_none());
            stream.write(bytes?)?;
            noted.note("answered");
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("abc");
    solo.feed("def");
    assert_eq!(solo.output(), b"");
    solo.finish();
    assert_eq!(log.take(), ["answered", "over: closed by the peer"]);
    assert_eq!(solo.output(), b"abcdef");
}

#[test]
fn reading_until_the_end_resolves_on_a_reset_with_the_cause() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_until_close(move |stream, bytes| {
            noted.read(bytes.as_deref().map_err(|error| *error));
            noted.note(stream.close_reason().expect("it is known").to_string());
            assert!(!stream.is_open());
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("abcdef");
    solo.reset();
    assert_eq!(log.take(), ["abcdef", "reset by the peer", "over: reset by the peer"]);
}

/// Tornado 49.
#[test]
fn the_close_callback_comes_last_and_once_with_a_read_pending() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_bytes(9, Amount::Whole, move |stream, bytes| {
            noted.read(bytes);
            let refused = stream.read_bytes(1, Amount::Whole, |_, _| Ok(()));
            noted.value(refused);
            assert_eq!(stream.write("x"), Err(net_reactor::WriteRefused::Closed));
            Ok(())
        })?;
        Ok(())
    });
    solo.reset();
    assert_eq!(log.take(), ["Closed", "Err(Closed)", "over: reset by the peer"]);
}

#[test]
fn a_reset_is_noticed_while_no_read_is_pending() {
    let (mut solo, log) = solo(|_stream, _| Ok(()));
    solo.feed("unread");
    solo.reset();
    assert_eq!(log.take(), ["over: reset by the peer"]);
}

#[test]
fn a_close_resolves_a_read_that_can_be_satisfied_and_fails_others() {
    for (count, told) in [(3, "two"), (5, "Closed")] {
        let (mut solo, log) = solo(move |stream, noted| {
            let first = noted.clone();
            stream.read_bytes(3, Amount::Whole, move |_, one| {
                first.read(one);
                Ok(())
            })?;
            stream.on_message(move |stream, _| {
                let noted = noted.clone();
                stream.read_bytes(count, Amount::Whole, move |_, bytes| {
                    noted.read(bytes);
                    Ok(())
                })?;
                stream.close();
                Ok(())
            });
            Ok(())
        });
        solo.feed("onetwo");
        assert_eq!(log.take(), ["one"]);
        solo.message(());
        assert_eq!(log.take(), [told]);
        solo.finish();
        assert_eq!(log.take(), ["over: closed by this side"]);
    }
}

#[test]
fn a_close_within_a_read_serves_what_was_asked_for_before() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_bytes(3, Amount::Whole, move |stream, one| {
            noted.read(one);
            let inner = noted.clone();
            stream.read_bytes(3, Amount::Whole, move |stream, two| {
                inner.read(two);
                let refused = stream.read_bytes(1, Amount::Whole, |_, _| Ok(()));
                inner.value(refused);
                Ok(())
            })?;
            stream.close();
            Ok(())
        })?;
        Ok(())
    });
    solo.feed("onetwo");
    solo.finish();
    assert_eq!(log.take(), ["one", "two", "Err(Closed)", "over: closed by this side"]);
}

#[test]
fn a_failure_closes_and_tells_the_read_that_was_started_before_it() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_bytes(1, Amount::Whole, move |stream, _| {
            stream.read_bytes(1, Amount::Whole, move |_, bytes| {
                noted.read(bytes);
                Ok(())
            })?;
            Err(Failure::msg("given up"))
        })?;
        Ok(())
    });
    solo.feed("a");
    solo.finish();
    assert_eq!(log.take(), ["Closed", "over: the handler failed"]);
}

#[test]
fn a_stop_tells_the_pending_read() {
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_bytes(1, Amount::Whole, move |_, bytes| {
            noted.read(bytes);
            Ok(())
        })?;
        Ok(())
    });
    solo.stop();
    assert_eq!(log.take(), ["Closed"]);
    solo.finish();
    assert_eq!(log.take(), ["over: closed by this side"]);
}

#[test]
fn reads_of_nothing_and_of_the_rest_cannot_go_on_for_ever_on_a_closed_stream() {
    fn again(stream: &mut StreamConn<'_>, log: Log, times: u32) -> Flow {
        let inner = log.clone();
        log.value(stream.read_bytes(0, Amount::Whole, move |stream, none| {
            inner.read(none);
            again(stream, inner, times + 1)
        }));
        if !stream.has_pending_read() {
            let inner = log.clone();
            log.value(stream.read_until_close(move |stream, rest| {
                inner.value(rest.map(|rest| rest.len()));
                again(stream, inner, times + 1)
            }));
        }
        assert!(times < 5, "it goes on and on");
        Ok(())
    }
    let (mut solo, log) = solo(|stream, noted| {
        stream.read_bytes(1, Amount::Whole, move |stream, one| {
            one?;
            stream.close();
            again(stream, noted, 0)
        })?;
        Ok(())
    });
    solo.feed("abc");
    let refused = "Err(Closed)";
    assert_eq!(log.take(), [refused, "Ok(())", "Ok(2)", refused, refused]);
}
