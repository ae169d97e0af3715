//! Who waits for which answer, and what is remembered.

use super::*;

const fn secs(count: u64) -> Instant {
    Instant::from_nanos(count * 1_000_000_000)
}

const fn conn(number: u32) -> Key {
    Key { index: number, generation: 0 }
}

fn ip(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

/// Looks a name up that is not known, and returns its ticket and question.
#[track_caller]
fn ask(names: &mut Names, host: &str, by: u32, now: Instant) -> (u64, Key) {
    match names.look_up(host, conn(by), now) {
        Look::Ask { ticket, query } => (ticket, query),
        other => panic!("{host}: {other:?}"),
    }
}

#[track_caller]
fn wait(names: &mut Names, host: &str, by: u32, now: Instant) -> u64 {
    match names.look_up(host, conn(by), now) {
        Look::Waits(ticket) => ticket,
        other => panic!("{host}: {other:?}"),
    }
}

fn answer(names: &mut Names, query: Key, last: u8, now: Instant) {
    names.on_answer(Resolution { query, outcome: Ok(vec![ip(last)]) }, now);
}

/// Takes everybody whose wait is over.
fn answered(names: &mut Names) -> Vec<u32> {
    std::iter::from_fn(|| names.take_answered()).map(|(conn, _)| conn.index).collect()
}

fn is_known(names: &mut Names, host: &str, now: Instant) -> bool {
    matches!(names.look_up(host, conn(99), now), Look::Known(_))
}

#[test]
fn one_question_is_asked_for_all_who_want_a_name() {
    let mut names = Names::default();
    let (_, query) = ask(&mut names, "hub", 1, secs(0));
    let left = wait(&mut names, "HUB", 2, secs(1));
    wait(&mut names, "hub", 3, secs(2));
    ask(&mut names, "other", 4, secs(2));
    names.leave("Hub", left);
    answer(&mut names, query, 1, secs(3));
    assert_eq!(answered(&mut names), [1, 3], "in the order of coming");
    answer(&mut names, query, 2, secs(3));
    assert_eq!(answered(&mut names), [0; 0], "a second answer finds nobody");
}

#[test]
fn an_answer_is_used_again_until_it_expires() {
    let mut names = Names::default();
    let (_, query) = ask(&mut names, "hub", 1, secs(0));
    answer(&mut names, query, 1, secs(5));
    assert!(
        matches!(names.look_up("hub", conn(2), secs(14)), Look::Known(known) if *known == [ip(1)])
    );
    ask(&mut names, "hub", 3, secs(15));
}

#[test]
fn without_a_cache_each_connection_asks() {
    let mut names = Names::new(NameOptions { cache: Duration::ZERO, ..NameOptions::default() });
    for by in 0..3 {
        let (_, query) = ask(&mut names, "hub", by, secs(0));
        answer(&mut names, query, 1, secs(0));
        assert_eq!(answered(&mut names), [by]);
    }
}

#[test]
fn addresses_that_led_nowhere_are_not_used_again() {
    let mut names = Names::default();
    let (_, query) = ask(&mut names, "hub", 1, secs(0));
    answer(&mut names, query, 1, secs(0));
    names.distrust("hub", secs(0));
    assert!(is_known(&mut names, "hub", secs(0)), "an answer that fresh is no better now");
    names.distrust("hub", secs(1));
    assert!(!is_known(&mut names, "hub", secs(1)));
}

#[test]
fn a_failure_is_not_remembered() {
    let mut names = Names::default();
    let failures =
        [Ok(Vec::new()), Err(io::ErrorKind::NotFound.into()), Err(io::Error::other("a bad day"))];
    for outcome in failures {
        let kind = outcome.as_ref().map_or_else(io::Error::kind, |_| io::ErrorKind::NotFound);
        let (_, query) = ask(&mut names, "hub", 1, secs(0));
        names.on_answer(Resolution { query, outcome }, secs(0));
        let (_, addresses) = names.take_answered().unwrap();
        assert_eq!(addresses.unwrap_err().kind(), kind);
    }
    ask(&mut names, "hub", 1, secs(0));
}

#[test]
fn a_question_without_an_answer_is_asked_anew_when_somebody_else_wants_to_know() {
    let mut names = Names::default();
    let (_, old) = ask(&mut names, "hub", 1, secs(0));
    wait(&mut names, "hub", 2, secs(9));
    let (_, new) = ask(&mut names, "hub", 3, secs(10));
    // Who is slower than that is heard all the same, or nobody who is asked often would be.
    answer(&mut names, old, 1, secs(11));
    assert_eq!(answered(&mut names), [1, 2, 3]);
    answer(&mut names, new, 2, secs(12));
    assert_eq!(answered(&mut names), [0; 0]);
    assert!(is_known(&mut names, "hub", secs(13)));
}

#[test]
fn a_name_that_hangs_is_asked_for_less_and_less_often() {
    let mut names = Names::default();
    let times = (0..=3_600).filter(|at| match names.look_up("hole", conn(1), secs(*at)) {
        Look::Ask { .. } => true,
        Look::Waits(_) => false,
        other => panic!("{other:?}"),
    });
    assert_eq!(times.collect::<Vec<_>>(), [0, 10, 30, 70, 150, 310, 630, 1270, 2550]);
}

#[test]
fn a_question_outlives_those_who_asked() {
    let mut names = Names::default();
    let (ticket, query) = ask(&mut names, "hub", 1, secs(0));
    names.leave("hub", ticket);
    wait(&mut names, "hub", 2, secs(1));
    answer(&mut names, query, 1, secs(2));
    assert_eq!(answered(&mut names), [2]);
}

#[test]
fn the_257th_name_takes_the_place_of_the_oldest() {
    let mut names = Names::default();
    for number in 0..=NAMES_KEPT_MAX {
        let at = Instant::from_nanos(number as u64);
        let (_, query) = ask(&mut names, &format!("host-{number}"), 1, at);
        answer(&mut names, query, 1, at);
    }
    assert_eq!(names.known.len(), NAMES_KEPT_MAX);
    assert!(!is_known(&mut names, "host-0", secs(1)) && is_known(&mut names, "host-1", secs(1)));
}

#[test]
fn more_names_than_1024_under_way_are_refused_and_known_ones_are_not() {
    let mut names = Names::default();
    let (_, query) = ask(&mut names, "hub", 1, secs(0));
    answer(&mut names, query, 1, secs(0));
    for number in 0..NAMES_ASKED_MAX {
        ask(&mut names, &format!("host-{number}"), 1, secs(0));
    }
    assert!(matches!(names.look_up("one-more", conn(1), secs(0)), Look::Full));
    assert!(is_known(&mut names, "hub", secs(0)));
    // Nor is one of them asked for anew.
    wait(&mut names, "host-7", 1, secs(60));
}

#[test]
fn addresses_come_in_the_order_in_which_they_are_tried() {
    let mut names = Names::default();
    let (_, query) = ask(&mut names, "hub", 1, secs(0));
    let v6: IpAddr = "2001:db8::1".parse().unwrap();
    let outcome = Ok(vec![ip(1), ip(2), v6]);
    names.on_answer(Resolution { query, outcome }, secs(0));
    let (_, addresses) = names.take_answered().unwrap();
    assert_eq!(*addresses.unwrap(), [ip(1), v6, ip(2)]);
}
