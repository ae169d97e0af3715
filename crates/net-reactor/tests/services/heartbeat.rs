//! Heartbeats: beats out, silence in, and whose fault it is.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::codec::{LengthPrefix, Lines};
use net_reactor::prelude::*;
use net_reactor::sim::{Host, Latency, Link, Simulation, Solo};
use net_reactor::{
    Beat, BeatFormat, Client, ConnConfig, Heartbeat, HeartbeatConfig, RoundTrip, TextBeats,
};

use super::support::{ms, secs};

const INTERVAL: Duration = Duration::from_secs(1);
const TOLERANCE: Duration = Duration::from_secs(2);

fn quick(config: HeartbeatConfig) -> HeartbeatConfig {
    config.interval(INTERVAL).tolerance(TOLERANCE)
}

/// Notes what it is told; the notes can be read when it is gone.
#[derive(Clone, Default)]
struct Probe(Rc<RefCell<Vec<String>>>);

impl Probe {
    fn note(&self, text: impl Into<String>) {
        self.0.borrow_mut().push(text.into());
    }

    fn notes(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

impl FrameHandler<Lines> for Probe {
    fn on_frame(&mut self, conn: &mut FrameConn<'_, Lines>, line: &[u8]) -> Flow {
        self.note(String::from_utf8_lossy(line));
        match line {
            b"pause" => conn.pause(),
            b"timer" => conn.set_timer(Tag(7), ms(500)),
            b"flood" => conn.write(vec![b'x'; 300 * 1024])?,
            b"done" => conn.shutdown_write()?,
            _ => {}
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, Lines>, tag: Tag) -> Flow {
        self.note(format!("{tag:?}"));
        conn.resume();
        Ok(())
    }

    fn on_eof(&mut self, _conn: &mut FrameConn<'_, Lines>, _rest: &[u8]) -> Result<Eof, Failure> {
        self.note("eof");
        Ok(Eof::KeepOpen)
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, Lines>, reason: CloseReason) {
        self.note(format!("closed: {reason:?}"));
    }
}

type Around = Framed<Lines, Heartbeat<Lines, TextBeats, Probe>>;

fn around(config: HeartbeatConfig, probe: &Probe) -> Around {
    let heartbeat = Heartbeat::new(quick(config), TextBeats::new(), probe.clone());
    Framed::new(Lines::new(), heartbeat)
}

fn solo(config: HeartbeatConfig) -> (Solo<Around>, Probe) {
    let probe = Probe::default();
    (Solo::new(around(config, &probe)), probe)
}

fn timed_out(solo: &Solo<Around>) -> Option<(Duration, Duration)> {
    match solo.close_reason() {
        Some(CloseReason::HeartbeatTimedOut { silence, tolerance }) => Some((*silence, *tolerance)),
        _ => None,
    }
}

#[test]
fn beats_are_sent_at_the_interval_and_nothing_else_is() {
    let (mut solo, _) = solo(HeartbeatConfig::send());
    solo.advance(ms(999));
    assert_eq!(solo.output(), b"");
    solo.advance(ms(1));
    assert_eq!(solo.output(), b"BEAT\n");
    solo.advance(secs(3));
    assert_eq!(solo.output(), b"BEAT\nBEAT\nBEAT\n");
    solo.advance(secs(600));
    assert!(solo.is_open(), "who only sends expects nothing");
}

#[test]
fn the_handler_sees_no_beat_and_everything_else() {
    let (mut solo, probe) = solo(HeartbeatConfig::expect());
    solo.feed("BEAT\nhello\nPING 3\nPONG 9\nPING\nbeat\n");
    assert_eq!(probe.notes(), ["hello", "PING", "beat"]);
    assert_eq!(solo.output(), b"PONG 3\n", "pings are answered whatever else is configured");
    solo.finish();
    assert_eq!(probe.notes()[3..], ["eof"]);
}

#[test]
fn a_silent_peer_is_reset_when_the_tolerance_is_over() {
    let (mut solo, probe) = solo(HeartbeatConfig::both());
    solo.advance(ms(1999));
    assert!(solo.is_open());
    solo.advance(ms(1));
    assert_eq!(timed_out(&solo), Some((TOLERANCE, TOLERANCE)));
    assert!(solo.was_reset());
    assert_eq!(probe.notes(), ["closed: HeartbeatTimedOut { silence: 2s, tolerance: 2s }"]);
}

#[test]
fn beats_alone_and_other_frames_alone_keep_a_connection() {
    for text in ["BEAT\n", "hello\n"] {
        let (mut solo, _) = solo(HeartbeatConfig::expect());
        for _ in 0..10 {
            solo.advance(ms(1900));
            solo.feed(text);
        }
        solo.advance(ms(1999));
        assert!(solo.is_open(), "{text:?}");
        solo.advance(ms(1));
        assert_eq!(timed_out(&solo), Some((TOLERANCE, TOLERANCE)), "{text:?}");
    }
}

#[test]
fn half_a_frame_that_comes_slowly_is_no_silence() {
    let (mut solo, probe) = solo(HeartbeatConfig::expect());
    for _ in 0..20 {
        solo.advance(ms(1500));
        solo.feed("x");
    }
    assert_eq!((solo.is_open(), probe.notes().len()), (true, 0));
    solo.advance(TOLERANCE);
    assert!(timed_out(&solo).is_some());
}

#[test]
fn the_handlers_own_timers_are_told_and_the_heartbeats_is_not() {
    let (mut solo, probe) = solo(HeartbeatConfig::send());
    solo.feed("timer\n");
    solo.advance(secs(5));
    assert_eq!(probe.notes(), ["timer", "Tag(7)"]);
}

#[test]
fn silence_does_not_count_while_the_handler_pauses_reading() {
    let (mut solo, _) = solo(HeartbeatConfig::expect());
    solo.feed("pause\n");
    solo.advance(secs(60));
    assert!(solo.is_open());
    let id = solo.id();
    solo.reactor().conn(id).unwrap().resume();
    solo.settle();
    // Nobody looked since the last pulse at 60 s.
    solo.advance(ms(1999));
    assert!(solo.is_open());
    solo.advance(secs(2));
    assert!(timed_out(&solo).is_some());
}

#[test]
fn a_peer_whose_words_wait_behind_a_pause_is_not_dead_when_it_ends() {
    let (mut solo, probe) = solo(HeartbeatConfig::expect());
    solo.feed("pause\n");
    solo.advance(secs(1));
    let id = solo.id();
    // The pause ends in the very turn in which the tolerance does, which is the second one: the
    // first ended during the pause.
    solo.reactor().conn(id).unwrap().set_timer(Tag(7), secs(3));
    solo.feed("hello\n");
    solo.advance(secs(3));
    assert_eq!(probe.notes(), ["pause", "Tag(7)", "hello"]);
    solo.advance(ms(1900));
    assert!(solo.is_open());
}

#[test]
fn who_takes_output_lives_and_who_takes_none_does_not() {
    let probe = Probe::default();
    let config = ConnConfig::default().marks(1024, 4096);
    let mut solo = Solo::with_config(config, around(HeartbeatConfig::both(), &probe));
    solo.full(true);
    solo.feed("flood\n");
    solo.advance(ms(1900));
    solo.full(false);
    solo.advance(ms(1999));
    assert!(solo.is_open());
    let sent = solo.output();
    let beats = sent.iter().filter(|byte| **byte == b'B').count();
    assert_eq!(beats, 2, "none was added to the full queue after one second");

    solo.full(true);
    solo.feed("flood\n");
    solo.advance(secs(5));
    assert!(timed_out(&solo).is_some());
}

#[test]
fn nothing_is_expected_after_the_peers_end() {
    let (mut solo, probe) = solo(HeartbeatConfig::both());
    solo.finish();
    solo.advance(secs(10));
    assert_eq!((solo.is_open(), probe.notes()), (true, vec!["eof".to_owned()]));
    assert_eq!(solo.output(), b"BEAT\n".repeat(10), "beats go on");
}

#[test]
fn no_beat_is_sent_when_this_side_has_finished() {
    let (mut solo, _) = solo(HeartbeatConfig::both());
    solo.feed("done\nPING 1\n");
    for _ in 0..5 {
        solo.advance(secs(1));
        solo.feed("BEAT\nPING 2\n");
    }
    assert!(solo.is_open());
    assert_eq!((solo.output(), solo.saw_fin()), (Vec::new(), true));
}

#[test]
fn a_format_of_ones_own_fits_any_codec() {
    struct Empty;

    impl BeatFormat<LengthPrefix> for Empty {
        fn send(&mut self, conn: &mut FrameConn<'_, LengthPrefix>, _beat: Beat) -> Flow {
            Ok(conn.send("")?)
        }

        fn recognise(&self, frame: &&[u8]) -> Option<Beat> {
            frame.is_empty().then_some(Beat::Alive)
        }
    }

    let echo = |conn: &mut FrameConn<'_, LengthPrefix>, frame: &[u8]| Ok(conn.send(frame)?);
    let heartbeat = Heartbeat::new(quick(HeartbeatConfig::both()), Empty, echo);
    let mut solo = Solo::new(Framed::new(LengthPrefix::u16(), heartbeat));
    solo.feed(b"\0\0\0\x02hi\0\0");
    assert_eq!(solo.output(), b"\0\x02hi");
    solo.advance(secs(1));
    assert_eq!(solo.output(), b"\0\0");
}

/// A hub that beats and a device that expects it, each with the notes of its connections.
struct Pair {
    sim: Simulation,
    hub: Host,
    field: Host,
    hub_notes: Probe,
    field_notes: Probe,
}

impl Pair {
    fn new(hub_config: HeartbeatConfig, field_config: HeartbeatConfig) -> Self {
        let mut sim = Simulation::new(1);
        let (hub_notes, field_notes) = (Probe::default(), Probe::default());
        let probe = hub_notes.clone();
        let hub = sim.host("hub", move |boot| {
            let probe = probe.clone();
            let server = Server::new(move |_| around(hub_config, &probe));
            boot.serve(server, "0.0.0.0:9000").map(drop)
        });
        let probe = field_notes.clone();
        let field = sim.host("field", move |boot| {
            let probe = probe.clone();
            let client = Client::new(move || around(field_config, &probe));
            boot.connect(client, "hub:9000").map(drop)
        });
        let mut pair = Self { sim, hub, field, hub_notes, field_notes };
        pair.sim.link(hub, field, Link::new(Latency::Fixed(ms(10))));
        pair.sim.run_for(secs(10));
        assert_eq!((pair.hub_notes.notes(), pair.field_notes.notes()), (vec![], vec![]));
        pair
    }
}

#[test]
fn a_frozen_server_is_dropped_by_its_client_in_two_to_three_seconds() {
    let mut pair = Pair::new(HeartbeatConfig::send(), HeartbeatConfig::expect());
    pair.sim.freeze(pair.hub);
    pair.sim.run_for(ms(1000));
    assert_eq!(pair.field_notes.notes(), Vec::<String>::new());
    pair.sim.run_for(ms(2000));
    let notes = pair.field_notes.notes();
    assert_eq!(notes, ["closed: HeartbeatTimedOut { silence: 2s, tolerance: 2s }"]);
}

#[test]
fn whoever_stood_still_himself_does_not_blame_the_peer() {
    // A hub that expects nothing would wait for a client through any sleep.
    let mut pair = Pair::new(HeartbeatConfig::send(), HeartbeatConfig::expect());
    for stop in [ms(1900), ms(2100), secs(3), secs(60), secs(3600)] {
        pair.sim.freeze(pair.field);
        pair.sim.run_for(stop);
        pair.sim.thaw(pair.field);
        pair.sim.run_for(secs(20));
        assert_eq!(pair.field_notes.notes(), Vec::<String>::new(), "after {stop:?}");
    }
}

#[test]
fn a_leap_of_the_own_clock_is_not_the_peers_silence() {
    let mut pair = Pair::new(HeartbeatConfig::send(), HeartbeatConfig::expect());
    pair.sim.jump_clock(pair.field, secs(30));
    pair.sim.run_for(secs(20));
    assert_eq!(pair.field_notes.notes(), Vec::<String>::new());
}

#[test]
fn a_partition_is_noticed_on_both_sides() {
    let mut pair = Pair::new(HeartbeatConfig::both(), HeartbeatConfig::both());
    pair.sim.partition(pair.hub, pair.field);
    pair.sim.run_for(secs(3));
    for notes in [pair.hub_notes.notes(), pair.field_notes.notes()] {
        assert_eq!(notes, ["closed: HeartbeatTimedOut { silence: 2s, tolerance: 2s }"]);
    }
}

#[test]
fn a_ping_measures_the_way_there_and_back() {
    let trips = Rc::new(RefCell::new(Vec::<RoundTrip>::new()));
    let mut sim = Simulation::new(2);
    let hub = sim.host("hub", |boot| {
        let server = Server::new(|_| around(HeartbeatConfig::answer(), &Probe::default()));
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    let told = Rc::clone(&trips);
    let field = sim.host("field", move |boot| {
        let told = Rc::clone(&told);
        let client = Client::new(move || {
            let told = Rc::clone(&told);
            let config = quick(HeartbeatConfig::ping());
            let heartbeat = Heartbeat::new(config, TextBeats::new(), Probe::default());
            let heartbeat = heartbeat.on_round_trip(move |_probe, _conn, trip| {
                told.borrow_mut().push(trip);
                Ok(())
            });
            Framed::new(Lines::new(), heartbeat)
        });
        boot.connect(client, "hub:9000").map(drop)
    });
    sim.link(hub, field, Link::new(Latency::Fixed(ms(80))));
    sim.run_for(ms(5500));
    sim.link(hub, field, Link::new(Latency::Fixed(ms(40))));
    sim.run_for(ms(1000));
    let trips = trips.borrow();
    let taken: Vec<_> = trips.iter().map(|trip| (trip.last, trip.min, trip.smoothed)).collect();
    let (far, near) = (ms(160), ms(80));
    assert_eq!(taken[..taken.len() - 1], vec![(far, far, far); taken.len() - 1]);
    assert_eq!(taken.last(), Some(&(near, near, ms(150))));
    assert_eq!(taken.len(), 6);
}
