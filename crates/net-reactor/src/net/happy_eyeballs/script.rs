//! Any order of events, played against the rules: for a test, and for the fuzzer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::{
    ADDRESSES_MAX, DIAL_DELAY_MAX, DIAL_DELAY_MIN, HappyEyeballs, SELF_CONNECTS_MAX, Seat, Step,
};
use crate::base::{Address, Instant, Key};

/// `EMFILE`: no socket to spare.
const SHORTAGE: i32 = 24;

/// One step of a script's times and delays.
const TICK: Duration = Duration::from_millis(10);

/// Plays a script: how many addresses, which delay, and then a byte for each thing that happens.
/// Behind its end each dial fails, the first one first.
///
/// # Panics
///
/// When a rule is broken: an address is dialled in its order, no earlier and no more often than it
/// may be; the dials under way are those that were started and have not ended; it waits only for
/// what will come; and it gives up when nothing is left, with the failure that was the last.
#[cfg_attr(
    not(feature = "_fuzz"),
    expect(unreachable_pub, reason = "with that feature the fuzzer reaches it")
)]
pub fn play(script: &[u8]) {
    let mut script = script.iter().copied();
    let count = usize::from(script.next().unwrap_or(0)) % (ADDRESSES_MAX + 1);
    let delay = TICK * u32::from(script.next().unwrap_or(0));
    Play::new(count, delay).run(&mut script);
}

/// How far an address has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Untried,
    Dialling(Seat),
    Over,
}

/// What the rules say of the same dials.
struct Play {
    dials: HappyEyeballs,
    delay: Duration,
    now: Instant,
    addresses: Vec<Turn>,
    next_at: Instant,
    short_of_sockets: bool,
    asked: usize,
    self_connects: u32,
    last_failed: Option<usize>,
}

impl Play {
    fn new(count: usize, delay: Duration) -> Self {
        Self {
            dials: HappyEyeballs::new((0..count).map(peer), delay),
            delay: delay.clamp(DIAL_DELAY_MIN, DIAL_DELAY_MAX),
            now: Instant::ORIGIN,
            addresses: vec![Turn::Untried; count],
            next_at: Instant::ORIGIN,
            short_of_sockets: false,
            asked: 0,
            self_connects: 0,
            last_failed: None,
        }
    }

    fn run(mut self, script: &mut impl Iterator<Item = u8>) {
        loop {
            match self.dials.step(self.now) {
                Step::Dial(address) => self.dial(&address, script.next().unwrap_or(0)),
                Step::Wait(until) => {
                    self.check_wait(until);
                    let event = script.next();
                    if event.is_some_and(|event| event & 7 == 7) {
                        // One is connected, and the connector closes the others.
                        return;
                    }
                    self.happen(event, until);
                }
                Step::GiveUp(last) => {
                    assert!(self.addresses.iter().all(|each| *each == Turn::Over));
                    let last = last.map(|(address, _)| address);
                    assert_eq!(last, self.last_failed.map(peer));
                    return;
                }
            }
            assert!(self.dials.dialling().eq(self.dialling()), "others are under way");
        }
    }

    fn dial(&mut self, address: &Address, event: u8) {
        self.asked += 1;
        let most = 2 * (self.addresses.len() + SELF_CONNECTS_MAX as usize);
        assert!(self.asked <= most, "it dials for ever");
        let untried = self.addresses.iter().position(|each| *each == Turn::Untried);
        let next = untried.expect("every address was tried");
        assert_eq!(*address, peer(next));
        let is_alone = self.dialling().next().is_none();
        let may_dial = self.now >= self.next_at && !self.short_of_sockets;
        assert!(is_alone || may_dial, "too early");
        match event % 4 {
            2 => {
                self.dials.not_started(io::ErrorKind::NetworkUnreachable.into());
                self.fail(next);
            }
            3 => {
                self.dials.not_started(io::Error::from_raw_os_error(SHORTAGE));
                if is_alone {
                    self.fail(next);
                } else {
                    self.short_of_sockets = true;
                }
            }
            _ => {
                let index = u32::try_from(self.asked).expect("few");
                let seat = Seat::Apart(Key { index, generation: 0 });
                self.dials.started(seat, self.now);
                self.addresses[next] = Turn::Dialling(seat);
                self.next_at = self.now + self.delay;
            }
        }
    }

    fn check_wait(&self, until: Option<Instant>) {
        assert!(self.dialling().next().is_some(), "nothing would ever come");
        let has_untried = self.addresses.contains(&Turn::Untried);
        let expected = (has_untried && !self.short_of_sockets).then_some(self.next_at);
        assert_eq!(until, expected);
        assert!(until.is_none_or(|until| until > self.now), "it is time");
    }

    fn happen(&mut self, event: Option<u8>, until: Option<Instant>) {
        // Without an event the first dial fails.
        let event = event.unwrap_or(3);
        let choice = usize::from(event >> 3);
        let under_way = self.dialling().count();
        let seat = self.dialling().nth(choice % under_way).expect("one of those under way");
        match event & 7 {
            0 => self.now = until.unwrap_or(self.now),
            1 => self.now += TICK * u32::from(event >> 3),
            2 => {
                self.dials.forget_untried();
                let untried = self.addresses.iter_mut().filter(|each| **each == Turn::Untried);
                untried.for_each(|each| *each = Turn::Over);
            }
            3 | 4 => {
                self.dials.failed(seat, io::ErrorKind::ConnectionRefused.into(), self.now);
                self.end(seat, Turn::Over);
            }
            _ => {
                self.dials.met_itself(seat, self.now);
                self.self_connects += 1;
                let is_over = self.self_connects >= SELF_CONNECTS_MAX;
                self.end(seat, if is_over { Turn::Over } else { Turn::Untried });
            }
        }
    }

    /// A dial under way has ended: the next address has its turn.
    fn end(&mut self, seat: Seat, then: Turn) {
        let is_it = |each: &Turn| *each == Turn::Dialling(seat);
        let number = self.addresses.iter().position(is_it).expect("it was under way");
        self.next_at = self.now;
        self.short_of_sockets = false;
        if then == Turn::Over {
            self.fail(number);
        }
        self.addresses[number] = then;
    }

    fn fail(&mut self, number: usize) {
        self.addresses[number] = Turn::Over;
        self.last_failed = Some(number);
    }

    fn dialling(&self) -> impl Iterator<Item = Seat> {
        self.addresses.iter().filter_map(|each| match each {
            Turn::Dialling(seat) => Some(*seat),
            Turn::Untried | Turn::Over => None,
        })
    }
}

fn peer(number: usize) -> Address {
    let last = u8::try_from(number).expect("there are few addresses");
    SocketAddr::from(([192, 0, 2, last], 80)).into()
}
