//! What faults hold back or stir up: reports, wake-ups, jobs, names.

use std::cell::Cell;
use std::sync::Mutex;

use super::faults::{off, only};
use super::*;

/// Moves the clock to the next event, which comes within `max`.
#[track_caller]
fn to_next_event(world: &World, max: Duration) {
    let at = world.next_event().expect("something was held back");
    assert!(at > world.now() && at <= world.now() + max, "{at:?}");
    world.advance(at - world.now());
}

/// A sender, and a kernel with several streams, each of which has just become readable, in order.
fn busy(world: &World, streams: u32) -> (Memory, Memory) {
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let mut clients = Vec::new();
    for index in 1..=streams {
        clients.push(a.connect(token(index), &address.into(), None).unwrap());
        let (mut server, _) = b.accept(&listener).unwrap();
        b.register(token(index), &mut server).unwrap();
    }
    reports(&mut b);
    b.close_listener(listener);
    for client in &mut clients {
        send(&mut a, client, b"x").unwrap();
    }
    reports(&mut a);
    (a, b)
}

fn indices(reports: &[Readiness]) -> Vec<u32> {
    reports.iter().map(|report| report.token.key.index).collect()
}

pub(super) fn try_reports(world: &World, fault: Fault) {
    match fault {
        Fault::ReportLate | Fault::ReportMerged => late(world, fault),
        Fault::ReportSplit => split(world, fault),
        Fault::ReportAlone => {
            let (_a, mut b) = busy(world, 3);
            only(world, fault);
            let alone = [(); 3].map(|()| indices(&reports(&mut b)));
            assert_eq!(alone, [[1], [2], [3]]);
        }
        Fault::ReportShuffled => {
            let (_a, mut b) = busy(world, 9);
            only(world, fault);
            let mut order = indices(&reports(&mut b));
            assert!(!order.is_sorted(), "{order:?}");
            order.sort_unstable();
            assert!(order.into_iter().eq(1..=9));
        }
        Fault::ReportTwice => {
            let (_a, mut b) = busy(world, 1);
            only(world, fault);
            assert_eq!(indices(&reports(&mut b)), [1, 1]);
            assert!(reports(&mut b).is_empty());
        }
        Fault::ReportSpurious => {
            let Pair { mut a, b: _b, .. } = pair(world);
            only(world, fault);
            let report = reports(&mut a)[0];
            assert!((report.readable || report.writable) && !report.hang_up && !report.failed);
        }
        Fault::WaitInterrupted => {
            let (_a, mut b) = busy(world, 2);
            only(world, fault);
            assert!(reports(&mut b).is_empty() && !world.is_quiet());
            off(world);
            assert_eq!(indices(&reports(&mut b)), [1, 2]);
        }
        Fault::WakeLate => wake_late(world, fault),
        _ => wake_spurious(world, fault),
    }
}

/// Reports are kept back, but a world that jumps to its next event finds them.
fn late(world: &World, fault: Fault) {
    let (_a, mut b) = busy(world, 2);
    only(world, fault);
    assert!(reports(&mut b).is_empty() && world.is_quiet());
    let mut came = Vec::new();
    while came.len() < 2 {
        to_next_event(world, ms(5));
        assert!(!world.is_quiet());
        let together = indices(&reports(&mut b));
        assert!(fault == Fault::ReportLate || together.len() == 2, "{together:?}");
        came.extend(together);
    }
    came.sort_unstable();
    assert_eq!(came, [1, 2]);
    assert_eq!(world.next_event(), None);
}

fn split(world: &World, fault: Fault) {
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let mut client = a.connect(token(1), &address.into(), None).unwrap();
    send(&mut a, &mut client, b"early").unwrap();
    a.shutdown_write(&client).unwrap();
    reports(&mut a);
    let (mut server, _) = b.accept(&listener).unwrap();
    b.register(token(2), &mut server).unwrap();
    only(world, fault);
    let mut parts = Vec::new();
    for _ in 0..2 {
        assert!(!world.is_quiet());
        let all = reports(&mut b);
        parts.extend(all.into_iter().filter(|report| report.token == token(2)));
    }
    parts.sort_by_key(|report| report.writable);
    let facts = |part: &Readiness| [part.readable, part.hang_up, part.writable, part.failed];
    assert_eq!(parts.len(), 2);
    assert_eq!(facts(&parts[0]), [true, true, false, false]);
    assert_eq!(facts(&parts[1]), [false, false, true, false]);
    assert!(world.is_quiet());
}

fn wake_late(world: &World, fault: Fault) {
    let a = world.host("a");
    only(world, fault);
    a.waker().wake();
    assert!(!a.was_woken() && world.is_quiet());
    to_next_event(world, ms(5));
    assert!(a.was_woken() && !world.is_quiet());
}

fn wake_spurious(world: &World, fault: Fault) {
    let mut a = world.host("a");
    only(world, fault);
    a.waker().wake();
    reports(&mut a);
    assert!(!a.was_woken() && world.is_quiet());
    to_next_event(world, ms(5));
    assert!(a.was_woken() && !world.is_quiet());
    reports(&mut a);
    // It does not go on for ever by itself.
    assert!(world.is_quiet());
    assert_eq!(world.next_event(), None);
}

/// Jobs that note their number when they run.
fn numbered(count: u64, ran: &Arc<Mutex<Vec<u64>>>) -> Vec<Job> {
    let job = |number| {
        let ran = Arc::clone(ran);
        Box::new(move || ran.lock().unwrap().push(number)) as Job
    };
    (0..count).map(job).collect()
}

pub(super) fn try_jobs(world: &World, fault: Fault) {
    let mut a = world.host("a");
    let ran = Arc::default();
    only(world, fault);
    for job in numbered(9, &ran) {
        assert_eq!(a.offload(job).is_ok(), fault != Fault::JobRefused);
    }
    reports(&mut a);
    match fault {
        Fault::JobRefused => assert!(ran.lock().unwrap().is_empty()),
        Fault::JobSlow => {
            assert!(ran.lock().unwrap().is_empty() && world.is_quiet());
            while world.next_event().is_some() {
                to_next_event(world, ms(200));
                reports(&mut a);
            }
        }
        _ => assert!(!ran.lock().unwrap().is_sorted()),
    }
    let mut ran = ran.lock().unwrap().clone();
    ran.sort_unstable();
    assert!(fault == Fault::JobRefused || ran.into_iter().eq(0..9));
}

pub(super) fn try_names(world: &World, fault: Fault) {
    let mut a = world.host("a");
    let true_ones: Vec<IpAddr> = (1..=9).map(|n| IpAddr::from([10, 0, 0, n])).collect();
    world.name("server", true_ones.clone());
    only(world, fault);
    for index in 0..8 {
        a.resolve(Key { index, generation: 0 }, "server");
    }
    reports(&mut a);
    let slow = fault == Fault::NameSlow;
    assert_eq!(world.next_event().is_some(), slow);
    while world.next_event().is_some() {
        to_next_event(world, ms(4_000));
    }
    reports(&mut a);
    let answers: Vec<_> = std::iter::from_fn(|| a.resolved()).map(|each| each.outcome).collect();
    assert_eq!(answers.len(), if fault == Fault::NameHangs { 0 } else { 8 });
    let failures = Cell::new(0);
    for answer in answers {
        let Ok(mut addresses) = answer else {
            failures.set(failures.get() + 1);
            continue;
        };
        match fault {
            Fault::NameMany => {
                assert_eq!(addresses.len(), 1_000);
                let (first, host) = (addresses[0], a.host());
                assert!(first != host.ip() || addresses[1] != true_ones[1]);
                addresses.retain(|ip| true_ones.contains(ip));
            }
            Fault::NameStale => assert!(!true_ones.contains(&addresses.remove(0))),
            Fault::NameShuffled => {
                assert!(!addresses.is_sorted(), "{addresses:?}");
                addresses.sort_unstable();
            }
            _ => {}
        }
        assert_eq!(addresses, true_ones, "{fault}");
    }
    assert_eq!(failures.get(), if fault == Fault::NameFails { 8 } else { 0 });
    // A number is its own answer, whatever the name servers do.
    a.resolve(Key { index: 9, generation: 0 }, "10.0.0.7");
    reports(&mut a);
    assert_eq!(a.resolved().unwrap().outcome.unwrap(), [IpAddr::from([10, 0, 0, 7])]);
}

#[test]
fn what_is_held_back_from_a_loop_goes_with_it() {
    let world = World::new(1);
    let mut a = world.host("a");
    let witness: Arc<Mutex<Vec<u64>>> = Arc::default();
    let waker = a.waker();
    world.faults(
        &FaultRates::none().with(Fault::JobSlow, 1_000_000).with(Fault::WakeLate, 1_000_000),
    );
    for job in numbered(1, &witness) {
        assert!(a.offload(job).is_ok());
    }
    waker.wake();
    assert!(world.is_quiet() && world.next_event().is_some());
    drop(a);
    assert_eq!(Arc::strong_count(&witness), 1, "the job is dropped with its loop");
    world.advance(ms(1_000));
    waker.wake();
    assert!(world.is_quiet(), "nobody is there to be woken");
}

#[test]
fn a_report_that_is_held_back_does_not_outlive_its_socket() {
    let world = World::new(1);
    let Pair { mut a, mut b, mut client, server } = pair(&world);
    only(&world, Fault::ReportLate);
    send(&mut a, &mut client, b"x").unwrap();
    assert!(reports(&mut b).is_empty());
    b.close(server, CloseHow::Fin);
    world.advance(ms(5));
    off(&world);
    assert!(reports(&mut b).is_empty());
}
