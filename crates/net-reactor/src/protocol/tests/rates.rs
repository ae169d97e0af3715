//! Rates: what passes in any time, that nothing is lost, and that nobody is blamed for waiting.

use std::time::Duration;

use super::bare::BareStream;
use super::rig::{Rig, ms, secs};
use super::teller::{Log, Teller};
use crate::base::ConnId;
use crate::net::{ConnConfig, OnHighMark, RateLimit, Timeouts};

/// 1,000 bytes a second, 500 at once.
fn rate() -> RateLimit {
    RateLimit::bytes_per_second(1000).burst(500)
}

/// A loop that serves one peer.
struct Metered {
    rig: Rig,
    peer: BareStream,
    id: ConnId,
}

impl Metered {
    fn new(config: ConnConfig) -> Self {
        Self::with(config, |log| Teller::new(log, "conn"))
    }

    fn with(config: ConnConfig, teller: impl Fn(&Log) -> Teller + 'static) -> Self {
        let (rig, peer, id) = Rig::serving_one(config, teller);
        Self { rig, peer, id }
    }

    /// What the loop has read so far.
    fn read(&self) -> u64 {
        self.rig.stats(0).bytes_in
    }

    fn sent(&self) -> u64 {
        self.rig.stats(0).bytes_out
    }

    fn write(&mut self, count: usize) {
        self.rig.reactor(0).write(self.id, vec![7; count]).unwrap();
        self.rig.settle();
    }
}

#[test]
fn input_passes_at_its_rate_and_burst_and_nothing_is_lost() {
    let mut metered = Metered::new(ConnConfig::default().read_rate(rate()));
    assert_eq!(metered.peer.send(&[1; 3500]).unwrap(), 3500);
    metered.rig.settle();
    assert_eq!(metered.read(), 500, "the burst");
    metered.rig.advance(ms(100));
    assert_eq!(metered.read(), 600);
    metered.rig.advance(ms(2900));
    assert_eq!(metered.read(), 3500);
    // What was not used is saved, up to the burst.
    metered.rig.advance(secs(60));
    assert_eq!(metered.peer.send(&[1; 700]).unwrap(), 700);
    metered.rig.settle();
    assert_eq!(metered.read(), 4000);
    metered.rig.advance(ms(200));
    assert_eq!(metered.read(), 4200);
    metered.rig.advance(ms(20));
    assert_eq!(metered.rig.stats(0).timers, 0, "nobody waits for more");
}

#[test]
fn output_passes_at_its_rate_and_burst_however_it_was_written() {
    let config = ConnConfig::default().write_rate(rate());
    for (pieces, size) in [(1, 3500), (3500, 1), (7, 500)] {
        let mut metered = Metered::new(config.clone());
        for _ in 0..pieces {
            metered.rig.reactor(0).write(metered.id, vec![7; size]).unwrap();
        }
        metered.rig.settle();
        assert_eq!(metered.sent(), 500, "{pieces} of {size}");
        metered.rig.advance(ms(100));
        assert_eq!(metered.sent(), 600, "{pieces} of {size}");
        metered.rig.advance(ms(2900));
        assert_eq!(metered.sent(), 3500, "{pieces} of {size}");
        let (bytes, ended) = metered.peer.receive().unwrap();
        assert!(bytes == [7; 3500] && !ended);
    }
}

#[test]
fn a_large_write_and_a_shared_one_wait_as_any_other() {
    let mut metered = Metered::new(ConnConfig::default().write_rate(rate()));
    metered.write(20_000);
    assert_eq!(metered.sent(), 500);
    let shared = bytes::Bytes::from(vec![8; 1000]);
    metered.rig.reactor(0).conn(metered.id).unwrap().write_shared(shared).unwrap();
    metered.rig.advance(ms(500));
    assert_eq!(metered.sent(), 1000);
    metered.rig.advance(secs(19));
    assert_eq!(metered.sent(), 20_000);
    metered.rig.advance(secs(1));
    assert_eq!(metered.sent(), 21_000);
}

#[test]
fn what_waits_for_tokens_wakes_the_loop_no_more_than_it_must() {
    let mut metered = Metered::new(ConnConfig::default().write_rate(rate()));
    metered.write(10_000);
    let before = metered.rig.stats(0).turns;
    metered.rig.advance(secs(5));
    let turns = metered.rig.stats(0).turns - before;
    assert!((200..=1100).contains(&turns), "{turns} turns in 5 s");
}

#[test]
fn the_marks_count_what_waits_for_tokens() {
    let config = ConnConfig::default().write_rate(rate()).marks(1_000, 2_000).output_max(5_000);
    let mut metered = Metered::new(config);
    metered.write(3_000);
    metered.rig.advance(ms(1_000));
    assert_eq!(metered.rig.log.take().last().unwrap(), "0ns conn High");
    metered.rig.advance(ms(500));
    assert_eq!(metered.rig.log.take().last().unwrap(), "1.5s conn Low");
    metered.rig.reactor(0).write(metered.id, [7; 4_500]).unwrap_err();
    metered.rig.settle();
    let last = metered.rig.log.take().pop().unwrap();
    assert!(last.contains("reads too slowly"), "{last}");
}

#[test]
fn a_close_flushes_at_the_rate_and_reads_on_without_one() {
    let config = ConnConfig::default().read_rate(rate()).write_rate(rate());
    let mut metered = Metered::new(config);
    assert_eq!(metered.peer.send(&[1; 30_000]).unwrap(), 30_000);
    metered.rig.settle();
    assert_eq!(metered.read(), 500);
    metered.write(2_500);
    metered.rig.reactor(0).close(metered.id);
    metered.rig.settle();
    assert_eq!(metered.read(), 30_000, "what is thrown away need not be slow");
    metered.rig.advance(ms(1_999));
    let (bytes, ended) = metered.peer.receive().unwrap();
    assert!(bytes.len() < 2_500 && !ended);
    metered.rig.advance(ms(1));
    let (rest, ended) = metered.peer.receive().unwrap();
    assert_eq!((bytes.len() + rest.len(), ended), (2_500, true));
    metered.peer.close();
    metered.rig.settle();
    metered.rig.assert_clean(&"closed");
}

#[test]
fn a_rate_too_slow_for_the_linger_time_ends_with_it() {
    let config = ConnConfig::default().write_rate(rate()).linger(secs(2));
    let mut metered = Metered::new(config);
    metered.write(10_000);
    metered.rig.reactor(0).close(metered.id);
    metered.rig.advance(secs(2));
    let last = metered.rig.log.take().pop().unwrap();
    assert!(last.contains("the close took too long: 75"), "{last}");
    metered.peer.close();
    metered.rig.assert_clean(&"aborted");
}

#[test]
fn an_abort_leaves_no_timer() {
    let mut metered = Metered::new(ConnConfig::default().read_rate(rate()).write_rate(rate()));
    assert_eq!(metered.peer.send(&[1; 5_000]).unwrap(), 5_000);
    metered.write(5_000);
    assert!(metered.rig.stats(0).timers > 0);
    metered.rig.reactor(0).abort(metered.id);
    metered.rig.settle();
    assert_eq!(metered.rig.stats(0).timers, 0);
    metered.peer.close();
    metered.rig.assert_clean(&"aborted");
}

#[test]
fn a_pause_and_a_rate_hold_independently() {
    let mut metered = Metered::new(ConnConfig::default().read_rate(rate()));
    let pause = |metered: &mut Metered, paused: bool| {
        let mut reactor = metered.rig.reactor(0);
        let mut conn = reactor.conn(metered.id).unwrap();
        if paused { conn.pause() } else { conn.resume() }
    };
    assert_eq!(metered.peer.send(&[1; 2_000]).unwrap(), 2_000);
    metered.rig.settle();
    pause(&mut metered, true);
    metered.rig.advance(secs(10));
    assert_eq!(metered.read(), 500, "tokens do not end a pause");
    pause(&mut metered, false);
    metered.rig.settle();
    assert_eq!(metered.read(), 1_000, "a pause saves tokens, and no more than the burst");
    pause(&mut metered, true);
    pause(&mut metered, false);
    metered.rig.settle();
    assert_eq!(metered.read(), 1_000, "a resume brings no tokens");
    metered.rig.advance(secs(1));
    assert_eq!(metered.read(), 2_000);
}

#[test]
fn the_end_of_input_comes_behind_what_the_rate_holds_back() {
    let mut metered = Metered::new(ConnConfig::default().read_rate(rate()));
    assert_eq!(metered.peer.send(&[1; 1_500]).unwrap(), 1_500);
    metered.peer.finish();
    metered.rig.advance(ms(999));
    assert!(!metered.rig.log.take().iter().any(|line| line.contains("eof")));
    metered.rig.advance(ms(100));
    assert_eq!(metered.read(), 1_500);
    assert!(metered.rig.log.take().iter().any(|line| line.contains("eof")));
}

#[test]
fn a_reset_is_noticed_while_the_rate_holds_reading() {
    let mut metered = Metered::new(ConnConfig::default().read_rate(rate()));
    assert_eq!(metered.peer.send(&[1; 5_000]).unwrap(), 5_000);
    metered.rig.settle();
    metered.peer.reset();
    metered.rig.settle();
    let last = metered.rig.log.take().pop().unwrap();
    assert!(last.contains("closed: reset"), "{last}");
}

#[test]
fn nobody_is_blamed_for_waiting_for_tokens() {
    // 20 s worth of bytes wait in the kernel, and each second a few may pass.
    let timeouts = Timeouts::never().read(ms(900)).idle(ms(900)).write(ms(900));
    let slow = RateLimit::bytes_per_second(1).burst(1);
    let config = ConnConfig::default().timeouts(timeouts).read_rate(slow).write_rate(slow);
    let mut metered = Metered::new(config.on_high_mark(OnHighMark::Tell));
    assert_eq!(metered.peer.send(&[1; 20]).unwrap(), 20);
    metered.write(20);
    metered.rig.advance(secs(19));
    assert_eq!((metered.read(), metered.sent()), (20, 20), "{:?}", metered.rig.log.take());
    metered.rig.advance(secs(10));
    let last = metered.rig.log.take().pop().unwrap();
    assert!(last.contains("timed out: nothing was received"), "then it is: {last}");
}

#[test]
fn every_split_and_every_rate_moves_every_byte_within_its_bounds() {
    for seed in 0..40 {
        let mut rng = crate::base::Rng::new(seed);
        let mut below = |bound| rng.below(bound) + 1;
        let (read, write) = (below(100_000), below(100_000));
        let (read_burst, write_burst) = (below(30_000), below(30_000));
        let config = ConnConfig::default()
            .read_rate(RateLimit::bytes_per_second(read).burst(read_burst))
            .write_rate(RateLimit::bytes_per_second(write).burst(write_burst))
            .output_max(1 << 30);
        let mut metered = Metered::with(config, |log| {
            Teller::new(log, "conn").on_data(|conn, input| Ok(conn.write(input.take_all())?))
        });
        let total = usize::try_from(below(30_000)).unwrap();
        let bytes: Vec<u8> = (0..251).cycle().take(total).collect();
        assert_eq!(metered.peer.send(&bytes).unwrap(), total);
        let mut echoed = Vec::new();
        for second in 0u64.. {
            let (came, _) = metered.peer.receive().unwrap();
            echoed.extend(came);
            assert!(metered.read() <= second * read + read_burst, "seed {seed}");
            assert!(metered.sent() <= second * write + write_burst, "seed {seed}");
            if echoed.len() == total {
                break;
            }
            assert!(second < 200_000, "seed {seed} is stuck at {} of {total}", echoed.len());
            metered.rig.advance(Duration::from_secs(1));
        }
        assert_eq!(echoed, bytes, "seed {seed}");
    }
}
