//! Each kind of fault: that it happens, does what it says, and is counted.

use super::super::trace::errno;
use super::*;
use crate::sys::memory::{UnknownFault, stream};

/// A rate that hits every time.
const ALWAYS: u32 = 1_000_000;

pub(super) fn only(world: &World, fault: Fault) {
    world.faults(&FaultRates::none().with(fault, ALWAYS));
}

pub(super) fn off(world: &World) {
    world.faults(&FaultRates::none());
}

#[track_caller]
fn failed<T>(result: io::Result<T>) -> u32 {
    errno(&result.map(drop).unwrap_err())
}

const WOULD_BLOCK: u32 = 11;
const RESET: u32 = 104;

#[test]
fn every_kind_does_what_it_says_and_is_counted() {
    for fault in Fault::ALL {
        let world = World::new(1);
        try_out(&world, *fault);
        for (other, count) in world.fired() {
            assert_eq!(count > 0, other == *fault, "{other} happened {count} times in {fault}");
        }
        // Off means off.
        let fired = world.fired();
        off(&world);
        let pair = pair(&world);
        drop(pair);
        assert_eq!(world.fired(), fired, "{fault}");
    }
}

/// Makes a kind happen. A new kind does not compile before it is tried here.
#[expect(clippy::too_many_lines, reason = "one line for each kind")]
fn try_out(world: &World, fault: Fault) {
    match fault {
        Fault::AcceptProcessFiles => accept_fails(world, fault, 24, true),
        Fault::AcceptSystemFiles => accept_fails(world, fault, 23, true),
        Fault::AcceptNoBuffers => accept_fails(world, fault, 105, true),
        Fault::AcceptNoMemory => accept_fails(world, fault, 12, true),
        Fault::AcceptAborted => accept_fails(world, fault, 103, false),
        Fault::AcceptProtocolError => accept_fails(world, fault, 71, false),
        Fault::AcceptNotPermitted => accept_fails(world, fault, 1, false),
        Fault::AcceptNetworkDown => accept_fails(world, fault, 100, false),
        Fault::AcceptNotReady => accept_fails(world, fault, WOULD_BLOCK, true),
        Fault::AcceptReset => accept_reset(world, fault),
        Fault::ListenAddressInUse => listen_fails(world, fault),
        Fault::SmallBacklog => small_backlog(world, fault),
        Fault::ConnectRefused => connect_fails(world, fault, 111),
        Fault::ConnectNetworkUnreachable => connect_fails(world, fault, 101),
        Fault::ConnectNoBuffers => connect_fails(world, fault, 105),
        Fault::ConnectNoPort => connect_fails(world, fault, 99),
        Fault::ConnectTimesOut => connect_fails_later(world, fault, 110),
        Fault::ConnectHostUnreachable => connect_fails_later(world, fault, 113),
        Fault::RegisterNoMemory => register_fails(world, fault, 12),
        Fault::RegisterNoSpace => register_fails(world, fault, 28),
        Fault::SmallBuffers => small_buffers(world, fault),
        Fault::ReceiveReset => receive_dies(world, fault, RESET),
        Fault::ReceiveTimedOut => receive_dies(world, fault, 110),
        Fault::ReceiveHostUnreachable => receive_dies(world, fault, 113),
        Fault::ReceiveNotReady => not_ready(world, fault),
        Fault::ReceiveShort | Fault::SendShort => cut(world, fault, 2),
        Fault::ReceiveOneByte | Fault::SendOneByte => cut(world, fault, 1),
        Fault::SendBrokenPipe => send_dies(world, fault, 32),
        Fault::SendReset => send_dies(world, fault, RESET),
        Fault::SendNoBuffers => no_buffers(world, fault),
        Fault::SendNotReady => not_ready(world, fault),
        Fault::ShutdownNotConnected => shutdown_dies(world, fault),
        Fault::ResetOvertakes => reset_overtakes(world, fault),
        Fault::OptionInvalid | Fault::LocalAddressFails => small_calls_fail(world, fault),
        Fault::DatagramLost | Fault::DatagramTwice | Fault::DatagramLate => {
            datagrams::try_datagrams(world, fault);
        }
        Fault::ReportSpurious
        | Fault::ReportLate
        | Fault::ReportSplit
        | Fault::ReportMerged
        | Fault::ReportShuffled
        | Fault::ReportAlone
        | Fault::ReportTwice
        | Fault::WaitInterrupted
        | Fault::WakeLate
        | Fault::WakeSpurious => held::try_reports(world, fault),
        Fault::JobSlow | Fault::JobRefused | Fault::JobsShuffled => held::try_jobs(world, fault),
        Fault::NameFails
        | Fault::NameSlow
        | Fault::NameHangs
        | Fault::NameMany
        | Fault::NameStale
        | Fault::NameShuffled => held::try_names(world, fault),
        Fault::Partition
        | Fault::PartitionOneWay
        | Fault::Clog
        | Fault::LinkReset
        | Fault::LatencySpike
        | Fault::SlowLink
        | Fault::PowerCut
        | Fault::ProcessKill
        | Fault::HostFreeze
        | Fault::LoopStall
        | Fault::ClockSkew
        | Fault::ClockJump
        | Fault::ClockFreeze
        | Fault::WallJump
        | Fault::DescriptorLimit
        | Fault::FewPorts
        | Fault::HandlerPanic
        | Fault::InboxFull
        | Fault::TurnOrder
        | Fault::UserPoint => {
            // The kernel leaves these to the simulation, whatever the rate says.
            only(world, fault);
            drop(pair(world));
            assert!(world.fired().iter().all(|(_, count)| *count == 0));
            world.count(fault);
        }
    }
}

/// A client that waits to be accepted.
fn waiting(world: &World) -> (Memory, Memory, Listener, Stream) {
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let client = a.connect(token(1), &address.into(), None).unwrap();
    reports(&mut b);
    (a, b, listener, client)
}

fn accept_fails(world: &World, fault: Fault, expected: u32, keeps_the_peer: bool) {
    let (mut a, mut b, listener, mut client) = waiting(world);
    only(world, fault);
    assert_eq!(failed(b.accept(&listener)), expected, "{fault}");
    off(world);
    if keeps_the_peer {
        assert_eq!(reports(&mut b).len(), usize::from(expected == WOULD_BLOCK), "{fault}");
        assert!(b.accept(&listener).is_ok(), "{fault}");
    } else {
        assert_eq!(failed(b.accept(&listener)), WOULD_BLOCK, "{fault}");
        assert_eq!(failed(receive(&mut a, &mut client)), RESET, "{fault}");
    }
}

fn accept_reset(world: &World, fault: Fault) {
    let (mut a, mut b, listener, mut client) = waiting(world);
    only(world, fault);
    let (mut server, _) = b.accept(&listener).unwrap();
    b.register(token(2), &mut server).unwrap();
    let report = reports(&mut b)[0];
    assert!(report.failed && report.hang_up);
    assert_eq!(failed(receive(&mut b, &mut server)), RESET);
    assert_eq!(failed(b.connected(&server)), 107);
    assert_eq!(failed(receive(&mut a, &mut client)), RESET);
}

fn listen_fails(world: &World, fault: Fault) {
    let mut b = world.host("b");
    only(world, fault);
    let address = SocketAddr::new(b.host().ip(), 80);
    assert_eq!(failed(b.listen(token(0), &address.into(), &ListenOptions::default())), 98);
    // Any port that is free is not one that is in use.
    listen(&mut b, 0, &ListenOptions::default());
}

fn small_backlog(world: &World, fault: Fault) {
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    only(world, fault);
    let (_listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let clients =
        [1, 2, 3, 4, 5].map(|index| a.connect(token(index), &address.into(), None).unwrap());
    let open = clients.iter().filter(|client| a.connected(client).is_ok()).count();
    assert!((1..5).contains(&open), "{open}");
}

fn connect_fails(world: &World, fault: Fault, expected: u32) {
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    only(world, fault);
    assert_eq!(failed(a.connect(token(1), &address.into(), None)), expected, "{fault}");
    off(world);
    assert_eq!((a.host().open_descriptors(), failed(b.accept(&listener))), (1, WOULD_BLOCK));
}

fn connect_fails_later(world: &World, fault: Fault, expected: u32) {
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    only(world, fault);
    let client = a.connect(token(1), &address.into(), None).unwrap();
    assert_eq!(failed(a.connected(&client)), 107, "{fault}");
    let at = world.next_event().unwrap();
    assert!(at > world.now() && at <= world.now() + ms(3_000));
    world.advance(at - world.now());
    let report = reports(&mut a)[0];
    assert!(report.writable && report.failed, "{fault}");
    assert_eq!(failed(a.connected(&client)), expected, "{fault}");
    assert_eq!(failed(b.accept(&listener)), WOULD_BLOCK, "{fault}");
    a.close(client, CloseHow::Fin);
    assert_eq!(world.sockets_len(), 0);
}

fn register_fails(world: &World, fault: Fault, expected: u32) {
    let (_a, mut b, listener, _client) = waiting(world);
    let (mut server, _) = b.accept(&listener).unwrap();
    only(world, fault);
    assert_eq!(failed(b.register(token(2), &mut server)), expected);
    off(world);
    assert!(b.register(token(2), &mut server).is_ok());
}

fn small_buffers(world: &World, fault: Fault) {
    only(world, fault);
    let Pair { mut a, mut b, mut client, mut server } = pair(world);
    for (kernel, end) in [(&mut a, &mut client), (&mut b, &mut server)] {
        let mut sent = 0;
        while let Ok(len) = send(kernel, end, &[1; 10_000]) {
            sent += len;
        }
        assert!((2..=2_920).contains(&sent), "{sent}");
    }
}

fn receive_dies(world: &World, fault: Fault, expected: u32) {
    let Pair { mut a, mut b, mut client, mut server } = pair(world);
    send(&mut a, &mut client, b"last words").unwrap();
    only(world, fault);
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"last words");
    assert_eq!(failed(receive(&mut b, &mut server)), expected, "{fault}");
    stays_dead(&mut b, &mut server);
    // The peer sees a reset. It is dead by then, and nothing more can befall it.
    assert_eq!(failed(receive(&mut a, &mut client)), RESET, "{fault}");
    b.close(server, CloseHow::Fin);
    a.close(client, CloseHow::Fin);
    assert_eq!(world.sockets_len(), 0);
}

/// Every call on a connection that has died agrees that it has, and so do the reports.
fn stays_dead(kernel: &mut Memory, stream: &mut Stream) {
    assert_eq!(receive(kernel, stream).unwrap(), b"");
    assert_eq!(failed(send(kernel, stream, b"x")), 32);
    assert_eq!(failed(kernel.shutdown_write(stream)), 107);
    assert!(reports(kernel).iter().any(|report| report.failed));
}

fn send_dies(world: &World, fault: Fault, expected: u32) {
    let Pair { mut a, mut b, mut client, mut server } = pair(world);
    only(world, fault);
    assert_eq!(failed(send(&mut a, &mut client, b"x")), expected, "{fault}");
    stays_dead(&mut a, &mut client);
    assert_eq!(failed(receive(&mut b, &mut server)), RESET, "{fault}");
}

fn shutdown_dies(world: &World, fault: Fault) {
    let Pair { mut a, mut b, mut client, mut server } = pair(world);
    only(world, fault);
    assert_eq!(failed(a.shutdown_write(&client)), 107);
    assert_eq!(failed(receive(&mut a, &mut client)), RESET);
    stays_dead(&mut a, &mut client);
    assert_eq!(failed(receive(&mut b, &mut server)), RESET);
}

fn reset_overtakes(world: &World, fault: Fault) {
    let Pair { mut a, mut b, mut client, mut server } = pair(world);
    let Pair { a: mut c, b: mut d, client: idle, server: mut idle_end } = pair(world);
    world.latency(ms(10));
    only(world, fault);
    // There is nothing that a reset could overtake.
    c.close(idle, CloseHow::Reset);
    world.advance(ms(9));
    assert_eq!(failed(receive(&mut d, &mut idle_end)), WOULD_BLOCK);
    world.advance(ms(1));
    assert_eq!(failed(receive(&mut d, &mut idle_end)), RESET);
    assert!(world.fired().iter().all(|(_, count)| *count == 0));

    send(&mut a, &mut client, b"kept").unwrap();
    world.advance(ms(10));
    send(&mut a, &mut client, b"overtaken").unwrap();
    world.advance(ms(2));
    a.close(client, CloseHow::Reset);
    world.advance(ms(4));
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"kept");
    assert_eq!(failed(receive(&mut b, &mut server)), RESET);
    world.advance(ms(100));
    stays_dead(&mut b, &mut server);
    b.close(server, CloseHow::Fin);
    d.close(idle_end, CloseHow::Fin);
    assert_eq!(world.sockets_len(), 0);
}

fn no_buffers(world: &World, fault: Fault) {
    let Pair { mut a, mut b, mut client, mut server } = pair(world);
    only(world, fault);
    assert_eq!(failed(send(&mut a, &mut client, b"x")), 105);
    off(world);
    send(&mut a, &mut client, b"y").unwrap();
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"y");
}

/// A call says "not now", and a report follows.
fn not_ready(world: &World, fault: Fault) {
    let Pair { mut a, mut b, mut client, mut server } = pair(world);
    if fault == Fault::SendNotReady {
        only(world, fault);
        assert_eq!(failed(send(&mut a, &mut client, b"x")), WOULD_BLOCK);
        off(world);
        assert!(reports(&mut a)[0].writable);
        return assert_eq!(send(&mut a, &mut client, b"x").unwrap(), 1);
    }
    send(&mut a, &mut client, b"x").unwrap();
    reports(&mut b);
    only(world, fault);
    assert_eq!(failed(receive(&mut b, &mut server)), WOULD_BLOCK);
    off(world);
    assert!(reports(&mut b)[0].readable);
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"x");
}

/// A call moves between one byte and all, the next would block, and a report follows.
fn cut(world: &World, fault: Fault, bound: usize) {
    const SENT: &[u8] = b"0123456789";
    let Pair { mut a, mut b, mut client, mut server } = pair(world);
    let fits = |len: usize| if bound == 1 { len == 1 } else { (1..SENT.len()).contains(&len) };
    if matches!(fault, Fault::SendShort | Fault::SendOneByte) {
        only(world, fault);
        assert!(fits(send(&mut a, &mut client, SENT).unwrap()), "{fault}");
        assert_eq!(failed(send(&mut a, &mut client, SENT)), WOULD_BLOCK);
        off(world);
        assert!(reports(&mut a)[0].writable);
        return assert_eq!(send(&mut a, &mut client, SENT).unwrap(), SENT.len());
    }
    send(&mut a, &mut client, SENT).unwrap();
    reports(&mut b);
    only(world, fault);
    let mut got = receive(&mut b, &mut server).unwrap();
    assert!(fits(got.len()), "{fault}");
    assert_eq!(failed(receive(&mut b, &mut server)), WOULD_BLOCK);
    off(world);
    assert!(reports(&mut b)[0].readable);
    got.extend(receive(&mut b, &mut server).unwrap());
    assert_eq!(got, SENT);
}

fn small_calls_fail(world: &World, fault: Fault) {
    let Pair { mut a, client, .. } = pair(world);
    only(world, fault);
    let option = SocketOption::NoDelay(true);
    if fault == Fault::OptionInvalid {
        assert_eq!(failed(a.set_option(&client, option)), 22);
    } else {
        assert_eq!(failed(a.local_address(&client)), 105);
    }
    off(world);
    assert!(a.set_option(&client, option).is_ok() && a.local_address(&client).is_ok());
}

#[test]
fn a_rate_is_about_how_often_a_kind_happens() {
    let world = World::new(5);
    let Pair { mut a, client, .. } = pair(&world);
    world.faults(&FaultRates::none().with(Fault::OptionInvalid, 250_000));
    for _ in 0..4_000 {
        let _ = a.set_option(&client, SocketOption::NoDelay(true));
    }
    let fired = world.fired().iter().map(|(_, count)| count).sum::<u64>();
    assert!((900..1_100).contains(&fired), "{fired}");
}

#[test]
fn a_kind_that_is_switched_off_shifts_no_other() {
    // Which of many calls fail, with and without other kinds that draw on the same calls.
    let failures = |rates: &FaultRates| {
        let world = World::new(9);
        let (_a, mut b, listener, _client) = waiting(&world);
        world.faults(rates);
        let calls = (0..2_000).map(|_| match b.accept(&listener) {
            Ok(_) => 0,
            Err(error) => errno(&error),
        });
        calls.collect::<Vec<u32>>()
    };
    let one = FaultRates::none().with(Fault::AcceptProcessFiles, 100_000);
    let both = one.clone().with(Fault::ReportLate, 500_000).with(Fault::AcceptNoMemory, 100_000);
    let (alone, together) = (failures(&one), failures(&both));
    let hits = |all: &[u32]| all.iter().map(|errno| *errno == 24).collect::<Vec<bool>>();
    assert_eq!(hits(&alone), hits(&together));
    assert!(together.contains(&12) && !alone.contains(&12));
    assert_eq!(failures(&both.without(Fault::AcceptNoMemory)), alone);
}

#[test]
fn a_stream_of_numbers_depends_on_its_seed_and_its_name() {
    let first = |seed, name| stream(seed, name).next_u64();
    assert_eq!(first(1, "net"), first(1, "net"));
    assert_ne!(first(1, "net"), first(2, "net"));
    assert_ne!(first(1, "net"), first(1, "app"));
}

#[test]
fn a_table_of_rates_tells_what_it_was_told() {
    let rates = FaultRates::harmless(20).with(Fault::NameHangs, 7_000_000);
    assert_eq!((rates.get(Fault::ReportLate), rates.get(Fault::NameHangs)), (20, ALWAYS));
    assert_eq!(rates.get(Fault::SendReset), 0);
    let unknown: Result<Fault, UnknownFault> = "accept".parse();
    assert!(unknown.is_err());
}
