//! Timeouts of a connection: each at its exact time, and nobody blamed for what he did not do.

use std::time::Duration;

use super::bare::BareStream;
use super::rig::{Rig, ms, secs};
use super::teller::{Log, Teller};
use crate::base::ConnId;
use crate::net::{ConnConfig, Timeouts};
use crate::protocol::{Flow, LoopConfig};
use crate::sys::memory::{Fault, FaultRates};

const NANO: Duration = Duration::from_nanos(1);

/// A loop that serves one silent peer, with `timeouts`.
struct Guarded {
    rig: Rig,
    peer: BareStream,
    id: ConnId,
}

impl Guarded {
    fn new(timeouts: Timeouts, teller: impl Fn(&Log) -> Teller + 'static) -> Self {
        Self::with(ConnConfig::default().timeouts(timeouts), teller)
    }

    fn with(config: ConnConfig, teller: impl Fn(&Log) -> Teller + 'static) -> Self {
        let (rig, peer, id) = Rig::serving_one(config, teller);
        Self { rig, peer, id }
    }

    fn consuming(timeouts: Timeouts) -> Self {
        Self::new(timeouts, |log| Teller::new(log, "conn"))
    }

    /// Lets `time` pass while the connection stays open.
    #[track_caller]
    fn lives_through(&mut self, time: Duration) {
        self.rig.advance(time);
        let (_, ended) = self.peer.receive().expect("no reset");
        assert!(!ended, "it was closed by {:?}: {:?}", self.rig.world.now(), self.rig.log.take());
    }

    /// The connection stays open for all but the last nanosecond of `time`, and is then closed in
    /// an orderly way, with this reason.
    #[track_caller]
    fn closes_after(mut self, time: Duration, reason: &str) {
        self.lives_through(time - NANO);
        self.rig.advance(NANO);
        assert!(self.peer.receive().expect("no reset").1, "it is still open");
        self.peer.close();
        self.rig.settle();
        let last = self.rig.log.take().pop().unwrap();
        assert!(last.ends_with(&format!("conn closed: timed out: {reason}")), "{last}");
        self.rig.assert_clean(&"closed");
    }

    /// The same with a reset.
    #[track_caller]
    fn resets_after(mut self, time: Duration, reason: &str) {
        self.rig.advance(time - NANO);
        assert!(self.rig.reactor(0).conn(self.id).is_some(), "{:?}", self.rig.log.take());
        self.rig.advance(NANO);
        let last = self.rig.log.take().pop().unwrap();
        assert!(last.ends_with(&format!("conn closed: timed out: {reason}")), "{last}");
        self.peer.receive().expect_err("a reset");
        self.peer.close();
        self.rig.assert_clean(&"reset");
    }

    #[track_caller]
    fn send(&mut self, bytes: &[u8]) {
        assert_eq!(self.peer.send(bytes).unwrap(), bytes.len());
        self.rig.settle();
    }

    fn write(&mut self, bytes: &[u8]) {
        self.rig.reactor(0).write(self.id, bytes).unwrap();
        self.rig.settle();
    }

    /// Has the loop's side pause, or read on.
    fn pause(&mut self, paused: bool) {
        let mut reactor = self.rig.reactor(0);
        let mut conn = reactor.conn(self.id).unwrap();
        if paused {
            conn.pause()
        } else {
            conn.resume()
        }
        self.rig.settle();
    }
}

#[test]
fn a_peer_that_says_nothing_is_closed_after_the_first_byte_timeout() {
    let timeouts = Timeouts::never().first_byte(secs(10));
    let mut guarded = Guarded::consuming(timeouts);
    guarded.write(b"hello");
    guarded.closes_after(secs(10), "no first byte came for 10s");
}

#[test]
fn one_byte_ends_the_first_byte_timeout_for_good() {
    let mut guarded = Guarded::consuming(Timeouts::never().first_byte(secs(10)));
    guarded.lives_through(secs(10) - NANO);
    guarded.send(b"x");
    guarded.lives_through(secs(1_000_000));
    assert_eq!(guarded.rig.stats(0).timers, 0);
}

#[test]
fn received_bytes_put_the_read_timeout_off_and_sent_ones_do_not() {
    let mut guarded = Guarded::consuming(Timeouts::never().read(secs(10)));
    guarded.lives_through(secs(4));
    guarded.send(b"x");
    guarded.lives_through(secs(9));
    guarded.write(b"y");
    guarded.closes_after(secs(1), "nothing was received for 10s");
}

#[test]
fn bytes_of_either_direction_put_the_idle_timeout_off() {
    let mut guarded = Guarded::consuming(Timeouts::never().idle(secs(10)));
    for _ in 0..20 {
        guarded.lives_through(secs(9));
        guarded.send(b"x");
        guarded.lives_through(secs(9));
        guarded.write(b"y");
    }
    guarded.closes_after(secs(10), "nothing was received or sent for 10s");
}

#[test]
fn a_life_ends_however_busy_it_is() {
    let mut guarded = Guarded::consuming(Timeouts::never().life(secs(60)));
    for _ in 0..59 {
        guarded.lives_through(secs(1));
        guarded.send(b"x");
    }
    guarded.closes_after(secs(1), "the connection was open for 60s");
}

/// Fills the kernel's buffers and the queue of a connection whose peer does not read.
fn stuck(config: ConnConfig) -> Guarded {
    let mut guarded = Guarded::with(config, |log| Teller::new(log, "conn"));
    guarded.write(&[7; 100_000]);
    guarded.write(&[7; 100_000]);
    assert!(guarded.rig.reactor(0).conn(guarded.id).unwrap().stats().queued_bytes > 0);
    guarded
}

fn config(timeouts: Timeouts) -> ConnConfig {
    ConnConfig::default().timeouts(timeouts)
}

#[test]
fn a_peer_that_takes_no_output_is_reset_after_the_write_timeout() {
    let timeouts = Timeouts::never().write(secs(10));
    stuck(config(timeouts)).resets_after(secs(10), "the peer took no output for 10s");
}

#[test]
fn by_default_stuck_output_is_given_15_minutes_and_nothing_else_is_watched() {
    let mut idle = Guarded::with(ConnConfig::default(), |log| Teller::new(log, "conn"));
    idle.lives_through(secs(1_000_000));
    assert_eq!(idle.rig.stats(0).timers, 0);
    let after = secs(15 * 60);
    stuck(ConnConfig::default()).resets_after(after, "the peer took no output for 900s");
}

#[test]
fn a_slow_reader_is_no_dead_one() {
    let mut guarded = stuck(config(Timeouts::never().write(secs(10))));
    let mut received = 0;
    while received < 200_000 {
        guarded.rig.advance(secs(9));
        received += guarded.peer.receive().unwrap().0.len();
        guarded.rig.settle();
    }
    assert!(guarded.rig.reactor(0).conn(guarded.id).is_some());
    // What is not stuck is not watched, and the timer ends.
    guarded.lives_through(secs(1_000));
    assert_eq!(guarded.rig.stats(0).timers, 0);
}

#[test]
fn output_that_gets_stuck_again_has_its_whole_time() {
    let mut guarded = stuck(config(Timeouts::never().write(secs(10))));
    guarded.lives_through(secs(9));
    guarded.rig.settle();
    guarded.lives_through(secs(7));
    guarded.write(&[7; 200_000]);
    guarded.resets_after(secs(10), "the peer took no output for 10s");
}

#[test]
fn a_dripping_message_is_reset_at_the_end_of_its_window() {
    let timeouts = Timeouts::never().minimum_rate(100, secs(10));
    let mut guarded = Guarded::new(timeouts, lines);
    guarded.lives_through(secs(1_000));
    for _ in 0..9 {
        guarded.send(b"0123456789");
        guarded.lives_through(secs(1));
    }
    guarded.resets_after(secs(1), "a message came too slowly for 10s");
}

/// A handler that leaves unfinished lines.
fn lines(log: &Log) -> Teller {
    Teller::new(log, "conn").on_data(|_, input| -> Flow {
        while input.line(10_000)?.is_some() {}
        Ok(())
    })
}

#[test]
fn a_message_that_comes_fast_enough_has_one_window_after_the_other() {
    let timeouts = Timeouts::never().minimum_rate(100, secs(10));
    let mut guarded = Guarded::new(timeouts, lines);
    for _ in 0..60 {
        guarded.send(&[b'x'; 55]);
        guarded.lives_through(secs(5));
    }
    guarded.send(b"\n");
    guarded.lives_through(secs(1_000));
}

#[test]
fn small_messages_one_after_the_other_are_no_drip() {
    let timeouts = Timeouts::never().minimum_rate(100, secs(10));
    let mut guarded = Guarded::new(timeouts, lines);
    guarded.send(b"be");
    for _ in 0..50 {
        guarded.lives_through(secs(9));
        guarded.send(b"gun\nbe");
    }
    guarded.resets_after(secs(10), "a message came too slowly for 10s");
}

#[test]
fn a_pause_does_not_count_against_the_peer() {
    let reason = "nothing was received for 10s";
    let timeouts = Timeouts::never().read(secs(10)).first_byte(secs(30)).idle(secs(20));
    let mut guarded = Guarded::consuming(timeouts);
    guarded.lives_through(secs(7));
    for _ in 0..3 {
        guarded.pause(true);
        guarded.lives_through(secs(100));
        guarded.pause(false);
    }
    guarded.closes_after(secs(3), reason);
}

#[test]
fn above_the_high_mark_the_idle_timeout_goes_on_and_the_read_timeout_does_not() {
    let marks = |timeouts| config(timeouts).marks(1_000, 10_000);
    let mut guarded = stuck(marks(Timeouts::never().read(secs(10))));
    guarded.rig.advance(secs(1_000));
    assert!(guarded.rig.reactor(0).conn(guarded.id).is_some());
    let mut guarded = stuck(marks(Timeouts::never().read(secs(10)).idle(secs(20))).linger(secs(5)));
    guarded.rig.advance(secs(20) - NANO);
    assert!(guarded.rig.reactor(0).conn(guarded.id).unwrap().is_open());
    guarded.rig.advance(NANO);
    assert!(!guarded.rig.reactor(0).conn(guarded.id).unwrap().is_open());
    // The output is stuck, so the close becomes an abort; the reason stays.
    guarded.rig.advance(secs(5));
    let last = guarded.rig.log.take().pop().unwrap();
    assert_eq!(last, "25s conn closed: timed out: nothing was received or sent for 20s");
}

#[test]
fn after_the_peers_end_nothing_more_is_expected_of_it() {
    let timeouts = Timeouts::never().read(secs(10)).minimum_rate(100, secs(10));
    let mut guarded = Guarded::new(timeouts, |log| lines(log).keeps_open());
    guarded.send(b"unfinished");
    guarded.peer.finish();
    guarded.lives_through(secs(1_000));
}

#[test]
fn from_close_on_the_linger_holds_and_no_timeout() {
    let timeouts = Timeouts::never().life(secs(10)).idle(secs(10)).write(secs(10));
    let mut guarded = stuck(config(timeouts));
    guarded.rig.reactor(0).close(guarded.id);
    guarded.rig.advance(secs(30) - NANO);
    assert!(guarded.rig.reactor(0).conn(guarded.id).is_some());
    guarded.rig.advance(NANO);
    let last = guarded.rig.log.take().pop().unwrap();
    assert!(last.contains("the close took too long"), "{last}");
}

#[test]
fn a_timed_out_close_still_sends_what_is_queued() {
    let mut guarded = stuck(config(Timeouts::never().life(secs(10))));
    guarded.rig.advance(secs(10));
    let mut all = Vec::new();
    loop {
        let (bytes, ended) = guarded.peer.receive().unwrap();
        all.extend(bytes);
        guarded.rig.settle();
        if ended {
            break;
        }
    }
    assert_eq!(all, [7; 200_000]);
}

#[test]
fn messages_move_no_timer() {
    let timeouts = Timeouts::strangers().read(secs(60)).life(secs(100_000));
    let mut guarded = Guarded::new(timeouts, lines);
    guarded.send(b"first\nbegun");
    guarded.lives_through(ms(1));
    let armed = guarded.rig.event_loop(0).next_deadline().unwrap();
    while guarded.rig.world.now() + ms(100) < armed {
        guarded.send(b" line\nand the next is begun");
        guarded.pause(true);
        guarded.pause(false);
        guarded.write(b"answer");
        guarded.lives_through(ms(99));
        assert_eq!(guarded.rig.event_loop(0).next_deadline(), Some(armed));
        assert_eq!(guarded.rig.stats(0).timers, 1);
    }
    assert!(guarded.rig.world.now() > crate::base::Instant::ORIGIN + secs(9));
}

#[test]
fn bytes_that_waited_through_a_stall_are_read_before_any_verdict() {
    let timeouts = Timeouts::never().read(secs(10)).idle(secs(12)).first_byte(secs(10));
    let mut guarded = Guarded::consuming(timeouts);
    guarded.peer.send(b"I was here").unwrap();
    // The loop has no turn for a minute.
    guarded.rig.jump(secs(60));
    guarded.closes_after(secs(10), "nothing was received for 10s");
}

#[test]
fn what_the_kernel_has_not_reported_is_asked_for_before_a_verdict() {
    let timeouts = Timeouts::never().read(secs(10)).write(secs(15));
    let mut rig = Rig::new();
    rig.add("a", LoopConfig::default());
    let log = rig.log.clone();
    let config = config(timeouts);
    rig.listen(0, config, move || Teller::new(&log, "conn"));
    let bare = rig.bare("b");
    let mut peers: Vec<_> = (0..20).map(|_| bare.connect("10.0.0.1:7000")).collect();
    rig.settle();
    for id in rig.reactor(0).accepted() {
        rig.reactor(0).write(id, vec![7; 200_000]).unwrap();
    }
    rig.settle();
    // One socket is reported in each wait, so a turn hears of one peer in twenty.
    rig.world.faults(&FaultRates::none().with(Fault::ReportAlone, 1_000_000));
    for round in 0..3 {
        for peer in &mut peers {
            let (bytes, _) = peer.receive().unwrap();
            assert!(!bytes.is_empty(), "round {round}: the output moved");
            assert_eq!(peer.send(b"I am here").unwrap(), 9);
        }
        rig.jump(secs(10));
    }
    assert_eq!(rig.reactor(0).accepted().len(), 20, "{:?}", rig.log.take());
}

#[test]
fn a_peer_that_waits_for_a_stalled_loop_has_its_whole_time_afterwards() {
    let timeouts = Timeouts::never().read(secs(10));
    let world = std::rc::Rc::new(std::cell::RefCell::new(None::<crate::sys::memory::World>));
    let clock = std::rc::Rc::clone(&world);
    let mut guarded = Guarded::new(timeouts, move |log| {
        let clock = std::rc::Rc::clone(&clock);
        Teller::new(log, "conn").on_data(move |conn, input| {
            input.take_all();
            // Work that blocks the loop for 9 s.
            clock.borrow().as_ref().unwrap().advance(secs(9));
            Ok(conn.write("the answer")?)
        })
    });
    *world.borrow_mut() = Some(guarded.rig.world.clone());
    guarded.send(b"a question");
    // Of the 9 s a tenth of a second counts.
    guarded.closes_after(secs(10) - ms(100), "nothing was received for 10s");
}
