//! Each verb by itself.

use super::*;
use crate::base::Input;
use crate::net::Pressure;
use crate::protocol::{Conn, Eof, Failure, Flow, Message, Tag};

/// Writes down what it is told, and does what single letters ask for.
#[derive(Default)]
struct Scribe {
    calls: Vec<String>,
    started: Option<Instant>,
}

impl Scribe {
    fn note(&mut self, conn: &mut Conn<'_>, what: impl Into<String>) {
        let now = conn.reactor().now();
        let started = *self.started.get_or_insert(now);
        self.calls.push(format!("{}@{}", what.into(), (now - started).as_millis()));
    }
}

impl Protocol for Scribe {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.note(conn, "open");
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let bytes = input.take_all().to_vec();
        self.note(conn, format!("data {}", bytes.len()));
        match bytes.first() {
            Some(b'c') => conn.close(),
            Some(b'a') => conn.abort(),
            Some(b'h') => conn.shutdown_write()?,
            Some(b'p') => conn.pause(),
            Some(b'!') => panic!("a failed assertion"),
            Some(b'e') => return Err(Failure::msg("an error")),
            Some(b'w') => conn.write(vec![b'w'; 1000])?,
            Some(b't') => {
                conn.set_timer(Tag(2), Duration::from_millis(20));
                conn.set_timer(Tag(1), Duration::from_millis(10));
            }
            _ => conn.write(&bytes)?,
        }
        Ok(())
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.note(conn, "eof");
        Ok(Eof::Close)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.note(conn, format!("timer {}", tag.0));
        Ok(())
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.note(conn, format!("{pressure:?}"));
        Ok(())
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        let number = message.downcast::<u32>().expect("a number");
        self.note(conn, format!("message {number}"));
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.note(conn, format!("close {reason}"));
    }
}

fn calls(solo: &Solo<Scribe>) -> Vec<String> {
    solo.with(|scribe| std::mem::take(&mut scribe.calls))
}

fn solo() -> Solo<Scribe> {
    let solo = Solo::new(Scribe::default());
    assert_eq!(calls(&solo), ["open@0"]);
    solo
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn each_feed_is_one_call() {
    let mut solo = solo();
    solo.feed("xy");
    solo.feed(vec![b'x'; 256 * 1024]);
    assert_eq!(calls(&solo), ["data 2@0", "data 262144@0"]);
    solo.feed_each_byte("xyz");
    assert_eq!(calls(&solo), ["data 1@0"; 3]);
    assert_eq!(solo.output().len(), 2 + 256 * 1024 + 3);
    assert_eq!(solo.output(), b"");
}

#[test]
fn a_large_feed_comes_whole() {
    let mut solo = solo();
    solo.feed(vec![b'x'; 5_000_000]);
    assert_eq!(solo.output().len(), 5_000_000);
    assert!(calls(&solo).len() >= 19);
}

#[test]
fn time_passes_when_it_is_told_to() {
    let mut solo = solo();
    let start = solo.now();
    solo.feed("t");
    assert_eq!(calls(&solo), ["data 1@0"]);
    solo.advance(ms(9));
    assert_eq!(calls(&solo), [""; 0]);
    solo.advance(ms(91));
    assert_eq!(calls(&solo), ["timer 1@10", "timer 2@20"]);
    assert_eq!(solo.now() - start, ms(100));
    assert_eq!(solo.reactor().now() - start, ms(100));
}

#[test]
fn a_timer_that_is_due_at_the_end_of_a_time_runs() {
    let mut solo = solo();
    solo.feed("t");
    solo.advance(ms(10));
    solo.advance(ms(10));
    assert_eq!(calls(&solo), ["data 1@0", "timer 1@10", "timer 2@20"]);
}

#[test]
fn a_peer_that_finishes_is_told_all() {
    let mut solo = solo();
    solo.feed("xyz");
    assert!(solo.is_open());
    solo.finish();
    assert_eq!(calls(&solo), ["data 3@0", "eof@0", "close closed by the peer@0"]);
    assert!(matches!(solo.close_reason(), Some(CloseReason::PeerClosed)));
    assert!(solo.saw_fin() && !solo.was_reset() && !solo.is_open());
    assert_eq!(solo.output(), b"xyz");
}

#[test]
fn a_reset_is_told_as_one() {
    let mut solo = solo();
    solo.reset();
    assert!(matches!(solo.close_reason(), Some(CloseReason::Reset { .. })));
    solo.feed("x");
    assert_eq!(calls(&solo), ["close reset by the peer@0"]);
}

#[test]
fn a_close_waits_for_the_peer() {
    let mut solo = solo();
    solo.feed("c");
    assert!(solo.saw_fin() && solo.is_open());
    solo.feed("xyz");
    solo.advance(ms(4_999));
    assert!(solo.is_open());
    solo.advance(ms(1));
    assert!(matches!(solo.close_reason(), Some(CloseReason::Closed)));
    assert_eq!(calls(&solo), ["data 1@0", "close closed by this side@5000"]);

    let mut solo = Solo::new(Scribe::default());
    solo.feed("c");
    solo.finish();
    assert!(matches!(solo.close_reason(), Some(CloseReason::Closed)));
    assert!(!solo.was_reset());
}

#[test]
fn an_abort_is_a_reset_for_the_peer() {
    let mut solo = solo();
    solo.feed("a");
    assert!(solo.was_reset() && !solo.saw_fin());
    assert!(matches!(solo.close_reason(), Some(CloseReason::Aborted)));
}

#[test]
fn one_half_can_be_closed() {
    let mut solo = solo();
    solo.feed("h");
    assert!(solo.saw_fin() && solo.is_open());
    solo.feed("t");
    assert_eq!(calls(&solo), ["data 1@0", "data 1@0"]);
    solo.finish();
    assert!(matches!(solo.close_reason(), Some(CloseReason::PeerClosed)));
}

#[test]
fn a_full_peer_puts_pressure_on_the_handler() {
    let config = ConnConfig::default().marks(1_000, 2_000).output_max(4_000);
    let mut solo = Solo::with_config(config, Scribe::default());
    solo.full(true);
    solo.feed("w");
    solo.feed("w");
    assert_eq!(calls(&solo), ["open@0", "data 1@0", "data 1@0"]);
    solo.feed("w");
    assert_eq!(calls(&solo), ["data 1@0", "High@0"]);
    // Reading has paused by itself.
    solo.feed("w");
    assert_eq!(calls(&solo), [""; 0]);
    assert_eq!(solo.output(), b"");
    solo.full(false);
    assert_eq!(calls(&solo), ["Low@0", "data 1@0"]);
    assert_eq!(solo.output().len(), 4_000);
}

#[test]
fn limits_are_those_of_production() {
    let config = ConnConfig::default().output_max(1_500).linger(ms(700));
    let mut solo = Solo::with_config(config.clone(), Scribe::default());
    solo.full(true);
    solo.feed("w");
    solo.feed("w");
    let reason = solo.close_reason();
    assert!(matches!(
        reason,
        Some(CloseReason::SlowConsumer { queued_bytes: 2_000, limit_bytes: 1_500 })
    ));

    let mut solo = Solo::with_config(config, Scribe::default());
    solo.full(true);
    solo.feed("w");
    solo.feed("c");
    solo.advance(ms(699));
    assert!(solo.is_open());
    solo.advance(ms(1));
    let reason = solo.close_reason();
    assert!(matches!(reason, Some(CloseReason::LingerExpired { unsent_bytes: 1_000 })));
}

#[test]
fn what_a_paused_handler_does_not_read_waits() {
    let mut solo = solo();
    solo.feed("p");
    solo.feed("xy");
    solo.feed(vec![b'z'; 3_000_000]);
    assert_eq!(calls(&solo), ["data 1@0"]);
    let id = solo.id();
    solo.reactor().conn(id).expect("it is open").resume();
    solo.settle();
    assert_eq!(solo.output().len(), 3_000_002);
}

#[test]
fn a_message_arrives() {
    let mut solo = solo();
    solo.message(7_u32);
    assert_eq!(calls(&solo), ["message 7@0"]);
    solo.reset();
    solo.message(8_u32);
    assert_eq!(calls(&solo), ["close reset by the peer@0"]);
}

#[test]
fn a_stop_is_graceful() {
    let mut solo = solo();
    solo.stop();
    assert!(solo.saw_fin() && solo.stopped().is_none());
    solo.finish();
    assert!(matches!(solo.close_reason(), Some(CloseReason::Closed)));
    assert_eq!(solo.stopped().map(|stopped| stopped.aborted), Some(0));
}

#[test]
fn an_error_is_told_with_its_text() {
    let mut solo = solo();
    solo.feed("e");
    solo.finish();
    let Some(CloseReason::HandlerFailed { source }) = solo.close_reason() else {
        panic!("{:?}", solo.close_reason());
    };
    assert_eq!(source.to_string(), "an error");
}

#[test]
#[should_panic(expected = "panic: solo (loop 0): a failed assertion")]
fn a_failed_assertion_in_a_handler_fails_the_test() {
    solo().feed("!");
}

#[test]
fn a_panic_can_be_allowed() {
    let mut solo = solo();
    solo.allow_panics();
    solo.feed("!");
    let reason = solo.close_reason();
    assert!(
        matches!(reason, Some(CloseReason::HandlerPanicked { message }) if message == "a failed assertion")
    );
    assert!(solo.was_reset());
}

#[test]
#[should_panic(expected = "the handler is never done")]
fn a_handler_that_is_never_done_is_found() {
    struct Restless;
    impl Protocol for Restless {
        fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
            conn.set_timer(Tag(0), Duration::ZERO);
            Ok(())
        }
        fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
            Ok(())
        }
        fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
            self.on_open(conn)
        }
    }
    let _never = Solo::new(Restless);
}
