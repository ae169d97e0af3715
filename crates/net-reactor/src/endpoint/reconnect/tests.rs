use proptest::prelude::any;
use proptest::{prop_assert, proptest};

use super::*;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The delays after 1, 2, 3.. failures.
fn delays(policy: &Reconnect, count: u32) -> Vec<Duration> {
    let mut rng = Rng::new(1);
    (1..=count).map_while(|failures| policy.delay(failures, &mut rng)).collect()
}

#[test]
fn delays_grow_to_the_cap() {
    let policy = Reconnect::muduo();
    let expected = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].map(ms);
    assert_eq!(delays(&policy, 8), expected);
    assert_eq!(policy.delay(u32::MAX - 1, &mut Rng::new(1)), Some(ms(30_000)), "without overflow");
}

#[test]
fn a_fixed_delay_stays() {
    assert_eq!(delays(&Reconnect::fixed(ms(5000)), 4), [ms(5000); 4]);
}

#[test]
fn a_loss_waits_as_after_the_first_failure() {
    assert_eq!(Reconnect::muduo().delay(0, &mut Rng::new(1)), Some(ms(500)));
}

#[test]
fn a_client_gives_up_after_so_many_failures() {
    let policy = Reconnect::muduo().attempts_max(3);
    assert_eq!(delays(&policy, 10).len(), 2, "the third failure is the last");
    assert_eq!(delays(&policy.attempts_max(0), 10), [], "one attempt there is");
}

/// The mean and the extremes of many draws, in seconds.
fn drawn(policy: &Reconnect, failures: u32) -> (f64, f64, f64) {
    let mut rng = Rng::new(7);
    let mut draw = || policy.delay(failures, &mut rng).unwrap().as_secs_f64();
    let draws: Vec<f64> = (0..10_000).map(|_| draw()).collect();
    let mean = draws.iter().sum::<f64>() / 10_000.0;
    let least = draws.iter().copied().fold(f64::INFINITY, f64::min);
    (mean, least, draws.into_iter().fold(0.0, f64::max))
}

#[test]
fn full_jitter_draws_evenly_from_zero() {
    let (mean, least, most) = drawn(&Reconnect::default(), 3);
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
    assert!(least < 0.01 && most > 1.99 && most <= 2.0, "{least} {most}");
}

#[test]
fn twisteds_delays_are_its_own() {
    let (mean, least, most) = drawn(&Reconnect::twisted_factory(), 1);
    assert!((mean - 1.0).abs() < 0.01 && least > 0.4 && most < 1.6, "{mean} {least} {most}");
    let (_, _, most) = drawn(&Reconnect::twisted_factory(), 50);
    assert!(most <= 3600.0, "the cap comes after the jitter: {most}");
    let (mean, least, most) = drawn(&Reconnect::twisted_service(), 2);
    assert!((mean - 2.0).abs() < 0.02 && least >= 1.5 && most <= 2.5, "{mean} {least} {most}");
}

proptest! {
    #[test]
    fn no_setting_gives_more_than_the_cap_and_the_jitter(
        initial in any::<u64>(),
        factor in any::<f64>(),
        cap in any::<u64>(),
        added in any::<u64>(),
        deviation in any::<f64>(),
        failures in 0..u32::MAX - 1,
        seed in any::<u64>(),
    ) {
        let [initial, cap, added] = [initial, cap, added].map(Duration::from_nanos);
        let policy = Reconnect::default().initial(initial).factor(factor).cap(cap);
        for jitter in [Jitter::None, Jitter::Full, Jitter::Added(added), Jitter::Normal(deviation)] {
            let delay = policy.clone().jitter(jitter).delay(failures, &mut Rng::new(seed)).unwrap();
            let added = if matches!(jitter, Jitter::Added(_)) { added } else { Duration::ZERO };
            prop_assert!(delay <= cap + added, "{jitter:?} {delay:?}");
        }
    }
}
