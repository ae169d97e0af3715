//! Descriptors of all kinds: eventfd, timerfd, a terminal.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{Fd, Interest, Ready};
use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::support::{turn_on, turn_until};

#[test]
fn an_eventfd_counts_what_other_threads_add() {
    let mut event_loop = EventLoop::new().unwrap();
    let event = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let adders = [event.try_clone().unwrap(), event.try_clone().unwrap()];
    let sum = Rc::new(Cell::new(0));
    let total = Rc::clone(&sum);
    event_loop
        .reactor()
        .watch_fd(event, Interest::READ, move |fd, _| {
            let mut count = [0; 8];
            if fd.read(&mut count)?.is_some() {
                total.set(total.get() + u64::from_ne_bytes(count));
            }
            Ok(())
        })
        .unwrap();
    let threads = adders.map(|event| {
        std::thread::spawn(move || {
            for _ in 0..1_000 {
                rustix::io::write(&event, &1_u64.to_ne_bytes()).unwrap();
            }
        })
    });
    turn_until(&mut event_loop, "all of them", || sum.get() == 2_000);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_timerfd_ticks_on_the_loop() {
    let mut event_loop = EventLoop::new().unwrap();
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).unwrap();
    let period = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    let every = Itimerspec { it_interval: period, it_value: period };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every).unwrap();
    let ticks = Rc::new(Cell::new(0));
    let count = Rc::clone(&ticks);
    event_loop
        .reactor()
        .watch_fd(timer, Interest::READ, move |fd, _| {
            let mut expired = [0; 8];
            assert_eq!(fd.read(&mut expired)?, Some(8));
            count.set(count.get() + u64::from_ne_bytes(expired));
            assert_eq!(fd.read(&mut expired)?, None, "it was made non-blocking");
            Ok(())
        })
        .unwrap();
    turn_until(&mut event_loop, "five ticks", || ticks.get() >= 5);
}

/// What a program sees that reads its standard input from a terminal.
#[test]
fn a_terminal_is_read_line_by_line_and_keeps_its_mode() {
    use rustix::fs::{Mode, OFlags, fcntl_getfl, open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let stdin = open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let stdout = stdin.try_clone().unwrap();
    let mut keyboard = std::fs::File::from(master);

    let mut event_loop = EventLoop::new().unwrap();
    let lines = Rc::new(RefCell::new(Vec::new()));
    let typed = Rc::clone(&lines);
    let on_ready = move |fd: &mut Fd<'_>, ready: Ready| {
        assert!(ready.is_readable());
        let mut bytes = [0; 256];
        // A second read would block, and is not made.
        while let Some(len) = fd.read(&mut bytes)? {
            typed.borrow_mut().push(String::from_utf8_lossy(&bytes[..len]).into_owned());
        }
        Ok(())
    };
    event_loop.reactor().watch_fd(stdin, Interest::READ, on_ready).unwrap();
    turn_on(&mut event_loop);
    keyboard.write_all(b"half a ").unwrap();
    turn_on(&mut event_loop);
    assert!(lines.borrow().is_empty(), "a terminal gives whole lines");
    keyboard.write_all(b"line\nand another\n").unwrap();
    turn_until(&mut event_loop, "both lines", || lines.borrow().len() == 2);
    assert_eq!(*lines.borrow(), ["half a line\n", "and another\n"]);
    assert!(!fcntl_getfl(&stdout).unwrap().contains(OFlags::NONBLOCK));
    event_loop.turn(Some(Duration::ZERO)).unwrap();
}
