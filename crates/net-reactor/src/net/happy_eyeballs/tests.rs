//! The exact order and times of dials.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ordered(addresses: &[&str]) -> Vec<String> {
    interleave(addresses.iter().map(|text| ip(text))).iter().map(IpAddr::to_string).collect()
}

fn peers(count: u8) -> Vec<Address> {
    (1..=count).map(|last| SocketAddr::from(([192, 0, 2, last], 80)).into()).collect()
}

const fn ms(count: u64) -> Instant {
    Instant::from_nanos(count * 1_000_000)
}

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

fn seat(number: u32) -> Seat {
    Seat::Apart(Key { index: number, generation: 0 })
}

/// Dials whatever is to be dialled now, and returns the last bytes of the addresses, and until when
/// it waits.
fn dial_all(dials: &mut HappyEyeballs, now: Instant) -> (Vec<u8>, Option<Instant>) {
    let mut dialled = Vec::new();
    loop {
        match dials.step(now) {
            Step::Dial(peer) => {
                let Address::Ip(SocketAddr::V4(v4)) = peer else { panic!("{peer}") };
                let last = v4.ip().octets()[3];
                dialled.push(last);
                dials.started(seat(u32::from(last)), now);
            }
            Step::Wait(until) => return (dialled, until),
            Step::GiveUp(last) => panic!("gave up: {last:?}"),
        }
    }
}

#[test]
fn the_families_take_turns_beginning_with_that_of_the_first_address() {
    assert_eq!(
        ordered(&["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"]),
        ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"]
    );
    assert_eq!(
        ordered(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        ["192.0.2.1", "2001:db8::1", "192.0.2.2"]
    );
    assert_eq!(ordered(&["192.0.2.1", "192.0.2.1", "192.0.2.2"]), ["192.0.2.1", "192.0.2.2"]);
    assert!(ordered(&[]).is_empty());
}

#[test]
fn of_a_thousand_addresses_the_first_sixteen_are_tried_of_both_families() {
    let v6 = (0..1_000u128).map(|last| IpAddr::V6(((0x2001_0db8 << 96) + last).into()));
    let order = interleave(v6.chain([ip("192.0.2.1")]));
    assert_eq!(order.len(), ADDRESSES_MAX);
    assert_eq!(order[1], ip("192.0.2.1"));
    assert_eq!(order[15].to_string(), "2001:db8::e");
}

#[test]
fn each_address_has_its_quarter_of_a_second_before_the_next() {
    let mut dials = HappyEyeballs::new(peers(3), DIAL_DELAY);
    assert_eq!(dial_all(&mut dials, ms(0)), (vec![1], Some(ms(250))));
    assert_eq!(dial_all(&mut dials, ms(249)), (vec![], Some(ms(250))));
    assert_eq!(dial_all(&mut dials, ms(250)), (vec![2], Some(ms(500))));
    assert_eq!(dial_all(&mut dials, ms(500)), (vec![3], None));
    assert_eq!(dials.dialling().collect::<Vec<_>>(), [seat(1), seat(2), seat(3)]);
}

#[test]
fn a_failure_gives_the_next_address_its_turn_at_once_and_starts_the_delay_anew() {
    let mut dials = HappyEyeballs::new(peers(4), DIAL_DELAY);
    dial_all(&mut dials, ms(0));
    dials.failed(seat(1), refused(), ms(100));
    assert_eq!(dial_all(&mut dials, ms(100)), (vec![2], Some(ms(350))));
    assert_eq!(dial_all(&mut dials, ms(350)), (vec![3], Some(ms(600))));
    // Also while another one is still under way.
    dials.failed(seat(3), refused(), ms(400));
    assert_eq!(dial_all(&mut dials, ms(400)), (vec![4], None));
    assert_eq!(dials.dialling().collect::<Vec<_>>(), [seat(2), seat(4)]);
}

#[test]
fn what_fails_within_the_call_costs_no_time() {
    let mut dials = HappyEyeballs::new(peers(3), DIAL_DELAY);
    for _ in 0..2 {
        assert!(matches!(dials.step(ms(0)), Step::Dial(_)));
        dials.not_started(io::ErrorKind::NetworkUnreachable.into());
    }
    assert_eq!(dial_all(&mut dials, ms(0)), (vec![3], None));
}

#[test]
fn the_last_failure_is_told_when_nothing_is_left() {
    let mut dials = HappyEyeballs::new(peers(2), DIAL_DELAY);
    dial_all(&mut dials, ms(0));
    dial_all(&mut dials, ms(250));
    dials.failed(seat(2), refused(), ms(260));
    assert!(matches!(dials.step(ms(260)), Step::Wait(None)));
    dials.failed(seat(1), io::ErrorKind::HostUnreachable.into(), ms(300));
    let Step::GiveUp(Some((peer, error))) = dials.step(ms(300)) else { panic!() };
    assert_eq!((peer, error.kind()), (peers(1)[0].clone(), io::ErrorKind::HostUnreachable));
    assert!(matches!(HappyEyeballs::new([], DIAL_DELAY).step(ms(0)), Step::GiveUp(None)));
}

#[test]
fn without_a_socket_to_spare_an_address_waits_for_those_under_way() {
    let mut dials = HappyEyeballs::new(peers(2), DIAL_DELAY);
    let no_socket = || io::Error::from_raw_os_error(24);
    dial_all(&mut dials, ms(0));
    assert!(matches!(dials.step(ms(250)), Step::Dial(_)));
    dials.not_started(no_socket());
    assert!(matches!(dials.step(ms(9_000)), Step::Wait(None)), "and does not ask again and again");
    dials.failed(seat(1), refused(), ms(9_000));
    assert!(matches!(dials.step(ms(9_000)), Step::Dial(peer) if peer == peers(2)[1]));
    // With none under way there is nothing to wait for.
    dials.not_started(no_socket());
    let Step::GiveUp(Some((_, error))) = dials.step(ms(9_000)) else { panic!() };
    assert_eq!(error.raw_os_error(), Some(24));
}

#[test]
fn who_met_itself_tries_the_same_address_again_and_is_refused_at_the_third_time() {
    let mut dials = HappyEyeballs::new(peers(1), DIAL_DELAY);
    for _ in 0..SELF_CONNECTS_MAX {
        assert_eq!(dial_all(&mut dials, ms(0)).0, [1]);
        dials.met_itself(seat(1), ms(0));
    }
    let Step::GiveUp(Some((_, error))) = dials.step(ms(0)) else { panic!() };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn the_delay_is_kept_within_what_the_rfc_allows() {
    for (wanted, kept) in [(0, 10), (10, 10), (300, 300), (2_000, 2_000), (60_000, 2_000)] {
        let mut dials = HappyEyeballs::new(peers(2), Duration::from_millis(wanted));
        assert_eq!(dial_all(&mut dials, ms(0)), (vec![1], Some(ms(kept))));
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_are_kept(script in prop::collection::vec(any::<u8>(), 0..120)) {
        script::play(&script);
    }

    /// Whatever fails when: addresses are dialled in their order, each once, the next no later than
    /// the delay and no earlier than a failure or the delay, and it ends.
    #[test]
    fn addresses_are_dialled_in_order_and_in_time(
        lives in prop::collection::vec(prop::option::of(0..900u64), 0..=16),
    ) {
        // Whom nobody answers has no end; the others fail after so many milliseconds.
        let count = u8::try_from(lives.len()).unwrap();
        let mut dials = HappyEyeballs::new(peers(count), DIAL_DELAY);
        let (mut now, mut order, mut ends) = (ms(0), Vec::new(), Vec::new());
        let mut may_dial_at = ms(0);
        loop {
            match dials.step(now) {
                Step::Dial(peer) => {
                    prop_assert!(now == may_dial_at, "{now:?} {may_dial_at:?}");
                    let number = order.len();
                    prop_assert_eq!(&peer, &peers(count)[number]);
                    order.push(peer);
                    let its_seat = seat(u32::try_from(number).unwrap());
                    dials.started(its_seat, now);
                    may_dial_at = now + DIAL_DELAY;
                    ends.extend(lives[number].map(|life| (now + Duration::from_millis(life), its_seat)));
                }
                Step::Wait(until) => {
                    ends.sort_by_key(|(at, _)| *at);
                    let end = ends.first().copied().filter(|(at, _)| until.is_none_or(|until| *at <= until));
                    match (end, until) {
                        (Some((at, its_seat)), _) => {
                            ends.remove(0);
                            now = at;
                            dials.failed(its_seat, refused(), now);
                            may_dial_at = now;
                        }
                        (None, Some(until)) => now = until,
                        (None, None) => break,
                    }
                }
                Step::GiveUp(last) => {
                    prop_assert!(lives.iter().all(Option::is_some));
                    prop_assert_eq!(last.is_none(), lives.is_empty());
                    break;
                }
            }
        }
        prop_assert_eq!(order.len(), lives.len());
        let left = lives.iter().filter(|life| life.is_none()).count();
        prop_assert_eq!(dials.dialling().count(), left);
    }

    #[test]
    fn the_order_keeps_each_family_in_its_own(
        picks in prop::collection::vec((any::<bool>(), 0..20u8), 0..60),
    ) {
        let address = |&(v6, last): &(bool, u8)| if v6 {
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)])
        } else {
            IpAddr::from([192, 0, 2, last])
        };
        let given: Vec<IpAddr> = picks.iter().map(address).collect();
        let order = interleave(given.iter().copied());
        prop_assert!(order.len() <= ADDRESSES_MAX);
        prop_assert_eq!(order.first(), given.first());
        for v6 in [false, true] {
            let mut expected: Vec<IpAddr> = Vec::new();
            for each in given.iter().filter(|each| each.is_ipv6() == v6) {
                if !expected.contains(each) {
                    expected.push(*each);
                }
            }
            let kept: Vec<IpAddr> = order.iter().copied().filter(|each| each.is_ipv6() == v6).collect();
            prop_assert_eq!(&expected[..kept.len()], &kept[..]);
        }
        // Two neighbours of one family mean that the other is used up.
        let neighbours = order.windows(2).position(|pair| pair[0].is_ipv6() == pair[1].is_ipv6());
        if let Some(at) = neighbours {
            let family = order[at].is_ipv6();
            prop_assert!(order[at..].iter().all(|each| each.is_ipv6() == family));
        }
    }
}
