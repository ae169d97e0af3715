//! The clocks of hosts, and the list of loops that have something to do.

use std::time::UNIX_EPOCH;

use super::*;

fn at(millis: u64) -> Instant {
    Instant::ORIGIN + ms(millis)
}

#[test]
fn a_clock_runs_at_its_rate_and_can_stand_still() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let host = a.host();
    host.set_clock_rate(1_500_000);
    world.advance(ms(1_000));
    assert_eq!((a.now(), b.now(), world.now()), (at(1_500), at(1_000), at(1_000)));
    host.set_clock_rate(0);
    world.advance(ms(1_000));
    assert_eq!(a.now(), at(1_500));
    assert_eq!(host.world_time(at(1_501)), None);
    assert!(host.world_time(at(1_500)).is_some_and(|time| time <= world.now()));
    host.set_clock_rate(999_999);
    world.advance(ms(1_000_000));
    assert_eq!(a.now(), at(1_500 + 999_999));
}

#[test]
fn the_time_of_the_world_for_a_deadline_is_the_first_at_which_it_has_passed() {
    let mut chance = crate::base::Rng::new(3);
    let world = World::new(1);
    let a = world.host("a");
    let host = a.host();
    for _ in 0..500 {
        host.set_clock_rate(1 + chance.below(3_000_000));
        host.jump_clock(Duration::from_nanos(chance.below(1_000)));
        let deadline = a.now() + Duration::from_nanos(1 + chance.below(10_000_000));
        let time = host.world_time(deadline).unwrap();
        world.advance(time - world.now() - Duration::from_nanos(1));
        assert!(a.now() < deadline);
        world.advance(Duration::from_nanos(1));
        assert!(a.now() >= deadline);
    }
    assert_eq!(host.world_time(Instant::FAR_FUTURE).map(|time| time > world.now()), Some(true));
}

#[test]
fn the_wall_clock_jumps_both_ways_and_the_monotonic_one_only_forward() {
    let world = World::new(1);
    let a = world.host("a");
    let host = a.host();
    let epoch = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    assert_eq!(a.wall(), epoch);
    world.advance(ms(10));
    assert_eq!(a.wall(), epoch + ms(10));
    host.set_back_wall(ms(1_000));
    assert_eq!((a.wall(), a.now()), (epoch - ms(990), at(10)));
    host.advance_wall(ms(4_000));
    host.jump_clock(ms(500));
    assert_eq!((a.wall(), a.now()), (epoch + ms(3_010), at(510)));
    world.advance(ms(1));
    assert_eq!((a.wall(), a.now()), (epoch + ms(3_011), at(511)));
    host.set_back_wall(Duration::MAX);
    assert_eq!(a.wall(), UNIX_EPOCH);
}

#[test]
fn loops_are_listed_in_the_order_in_which_they_got_something_to_do() {
    let world = World::new(1);
    let (mut a, mut b, mut c) = (world.host("a"), world.host("b"), world.host("c"));
    assert_eq!((a.index(), b.index(), c.index()), (0, 1, 2));
    assert!(world.take_woken().is_empty());
    c.waker().wake();
    assert!(b.offload(Box::new(|| {})).is_ok());
    c.waker().wake();
    a.resolve(Key { index: 0, generation: 0 }, "b");
    assert_eq!(world.take_woken(), [2, 1, 0]);
    assert!(world.take_woken().is_empty(), "each once");
    assert!(!world.is_quiet());
    c.waker().wake();
    assert_eq!(world.take_woken(), [2]);
    for kernel in [&mut a, &mut b, &mut c] {
        reports(kernel);
    }
    b.waker().wake();
    reports(&mut b);
    assert!(world.take_woken().is_empty(), "it had its wait");
}

#[test]
fn a_loop_with_more_reports_than_one_wait_takes_is_listed_again() {
    let world = World::new(1);
    let mut a = world.host("a");
    let nowhere = SocketAddr::new(a.host().ip(), 9);
    for index in 0..1_500 {
        a.connect(token(index), &nowhere.into(), None).unwrap();
    }
    assert_eq!(world.take_woken(), [0]);
    assert_eq!(reports(&mut a).len(), 1_024);
    assert_eq!(world.take_woken(), [0]);
    assert_eq!(reports(&mut a).len(), 476);
    assert!(world.take_woken().is_empty());
}

#[test]
fn a_host_without_power_has_nothing_to_do() {
    let world = World::new(1);
    let mut a = world.host("a");
    let waker = a.waker();
    assert!(a.offload(Box::new(|| {})).is_ok());
    world.power_off("a");
    waker.wake();
    assert!(world.is_quiet() && world.take_woken().is_empty());
    assert!(a.offload(Box::new(|| {})).is_err());
    assert!(reports(&mut a).is_empty());
}
