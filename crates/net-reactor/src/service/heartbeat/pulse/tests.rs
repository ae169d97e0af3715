use super::*;

const INTERVAL: Duration = Duration::from_secs(1);
const TOLERANCE: Duration = Duration::from_secs(2);

fn at(ms: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(ms)
}

/// A peer of which bytes last arrived then, on a loop with nobody else.
fn heard_at(ms: u64) -> Signs {
    Signs { received_at: at(ms), bytes_out: 0, is_paused: false, connections: 1 }
}

fn started() -> Pulse {
    let mut pulse = Pulse::new(Some(INTERVAL), Some(TOLERANCE));
    pulse.start(at(0));
    pulse
}

fn expecting() -> Pulse {
    let mut pulse = Pulse::new(None, Some(TOLERANCE));
    pulse.start(at(0));
    pulse
}

fn dead(silence_ms: u64) -> Verdict {
    Verdict::Dead { silence: Duration::from_millis(silence_ms), tolerance: TOLERANCE }
}

#[test]
fn beats_stay_on_their_grid_and_missed_ones_are_not_made_up_for() {
    let mut pulse = started();
    assert!(!pulse.takes_beat(at(999)));
    assert!(pulse.takes_beat(at(1000)) && !pulse.takes_beat(at(1000)));
    assert!(pulse.takes_beat(at(2300)), "a late one");
    assert!(!pulse.takes_beat(at(2999)) && pulse.takes_beat(at(3000)), "the grid is kept");
    assert!(pulse.takes_beat(at(9400)) && !pulse.takes_beat(at(9400)), "one for many");
    assert_eq!(pulse.next_beat, at(10_400));
}

#[test]
fn who_expects_nothing_and_sends_nothing_needs_no_timer() {
    let mut pulse = Pulse::new(None, None);
    pulse.start(at(0));
    assert_eq!(pulse.next(), None);
    assert_eq!(pulse.judge(at(1_000_000), heard_at(0)), Verdict::Alive);
}

#[test]
fn silence_is_judged_in_the_turn_after_the_tolerance() {
    let mut pulse = expecting();
    assert_eq!(pulse.next(), Some(at(2000)));
    assert_eq!(pulse.judge(at(1999), heard_at(0)), Verdict::Alive);
    assert_eq!(pulse.judge(at(2000), heard_at(0)), Verdict::Alive, "the kernel is asked again");
    assert_eq!(pulse.next(), Some(at(2000)), "at once");
    assert_eq!(pulse.judge(at(2000), heard_at(0)), dead(2000));
}

#[test]
fn the_tolerance_counts_from_the_last_bytes() {
    let mut pulse = expecting();
    assert_eq!(pulse.judge(at(2000), heard_at(1500)), Verdict::Alive);
    assert_eq!(pulse.next(), Some(at(3500)), "the one timer moves to where it belongs");
    assert_eq!(pulse.judge(at(3500), heard_at(1500)), Verdict::Alive);
    assert_eq!(pulse.judge(at(3500), heard_at(1500)), dead(2000));
}

#[test]
fn bytes_that_are_found_at_the_last_look_clear_the_suspicion() {
    let mut pulse = expecting();
    assert_eq!(pulse.judge(at(2000), heard_at(0)), Verdict::Alive);
    assert_eq!(pulse.judge(at(2001), heard_at(2001)), Verdict::Alive);
    assert_eq!(pulse.next(), Some(at(4001)));
    assert_eq!(pulse.judge(at(4001), heard_at(2001)), Verdict::Alive, "it is a new suspicion");
    assert_eq!(pulse.judge(at(4001), heard_at(2001)), dead(2000));
}

#[test]
fn what_this_side_was_late_is_given_to_the_peer_up_to_the_tolerance() {
    let mut pulse = expecting();
    assert_eq!(pulse.judge(at(2700), heard_at(0)), Verdict::Alive);
    assert_eq!(pulse.next(), Some(at(3400)));
    assert_eq!(pulse.judge(at(3400), heard_at(0)), dead(3400));

    let mut pulse = expecting();
    assert_eq!(pulse.judge(at(60_000), heard_at(0)), Verdict::Alive);
    assert_eq!(pulse.next(), Some(at(62_000)), "no more than once more");
    assert_eq!(pulse.judge(at(62_000), heard_at(61_000)), Verdict::Alive);
    assert_eq!(pulse.next(), Some(at(63_000)));
}

#[test]
fn a_loop_with_many_connections_looks_more_than_once() {
    let mut pulse = expecting();
    let crowded = Signs { connections: 3000, ..heard_at(0) };
    for look in 0..3 {
        assert_eq!(pulse.judge(at(2000), crowded), Verdict::Alive, "{look}");
    }
    assert_eq!(pulse.judge(at(2000), crowded), dead(2000));
}

#[test]
fn a_pause_of_the_handler_does_not_count() {
    let mut pulse = expecting();
    let paused = Signs { is_paused: true, ..heard_at(0) };
    assert_eq!(pulse.judge(at(2000), paused), Verdict::Alive);
    assert_eq!(pulse.judge(at(4000), paused), Verdict::Alive);
    assert_eq!(pulse.next(), Some(at(6000)));
    assert_eq!(pulse.judge(at(6000), heard_at(0)), Verdict::Alive);
    assert_eq!(pulse.judge(at(6000), heard_at(0)), dead(2000));
}

#[test]
fn above_the_high_mark_output_that_is_taken_counts_and_no_beat_is_added() {
    let mut pulse = started();
    pulse.on_pressure(Pressure::High, at(500), 100);
    assert!(!pulse.takes_beat(at(1000)));
    let taken = |bytes_out| Signs { bytes_out, ..heard_at(0) };
    assert_eq!(pulse.judge(at(2000), taken(150)), Verdict::Alive);
    assert_eq!(pulse.judge(at(4000), taken(150)), Verdict::Alive);
    assert_eq!(pulse.judge(at(4000), taken(150)), dead(2000));

    pulse.on_pressure(Pressure::Low, at(4000), 200);
    assert!(pulse.takes_beat(at(4000)));
    assert_eq!(pulse.judge(at(4000), taken(200)), Verdict::Alive);
    assert_eq!(pulse.due, at(6000), "who took it was alive");
}

#[test]
fn output_below_the_mark_is_no_sign_of_life() {
    let mut pulse = expecting();
    let taken = |bytes_out| Signs { bytes_out, ..heard_at(0) };
    assert_eq!(pulse.judge(at(2000), taken(100)), Verdict::Alive);
    assert_eq!(pulse.judge(at(2000), taken(200)), dead(2000));
}

#[test]
fn after_the_peers_end_only_beats_are_left() {
    let mut pulse = started();
    pulse.expect_no_more();
    assert_eq!(pulse.judge(at(9000), heard_at(0)), Verdict::Alive);
    assert_eq!(pulse.next(), Some(at(1000)));
}
