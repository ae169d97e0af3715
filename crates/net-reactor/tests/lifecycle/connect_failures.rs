//! Connecting, when it fails: exactly one typed outcome, whatever the reason.

use std::cell::Cell;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{ConnectOptions, Target};

use crate::support::{
    Log, Script, Told, closed_port, deaf, loopback, std_listener, turn_on, turn_until, witness,
};

/// Connects and returns everything that the handler was told, also after its first news.
fn outcomes(target: impl Into<Target>, options: ConnectOptions) -> Vec<Told> {
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    event_loop.reactor().connect_with(target.into(), options, script).unwrap();
    assert!(told.borrow().is_empty(), "told from within the call");
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    turn_on(&mut event_loop);
    let stats = event_loop.stats();
    assert_eq!((stats.connections, stats.timers), (0, 0), "something was left behind");
    drop(event_loop);
    Rc::try_unwrap(told).unwrap().into_inner()
}

#[test]
fn a_closed_port_is_refused_and_keeps_its_error_number() {
    let address = closed_port();
    let told = outcomes(address, ConnectOptions::default());
    let [Told::Failed(error @ ConnectError::Refused { peer, source })] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(*peer, address);
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
    assert!(source.raw_os_error().is_some(), "{source:?}");
    assert!(error.source().is_some());
}

#[test]
fn a_peer_that_does_not_answer_times_out() {
    let deaf = deaf(loopback(0));
    let patience = Duration::from_millis(100);
    let told = outcomes(deaf.address, ConnectOptions::default().deadline(patience));
    let [Told::Failed(ConnectError::TimedOut { after })] = told[..] else { panic!("{told:?}") };
    assert_eq!(after, patience);
}

#[test]
fn a_connect_is_not_given_up_before_its_deadline() {
    let deaf = deaf(loopback(0));
    let patience = Duration::from_millis(150);
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    let start = event_loop.reactor().now();
    let options = ConnectOptions::default().deadline(patience);
    event_loop.reactor().connect_with(deaf.address, options, script).unwrap();
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    assert!(event_loop.reactor().now() - start >= patience);
}

#[test]
fn an_endless_deadline_is_no_deadline() {
    let (_listener, address) = std_listener();
    let options = ConnectOptions::default().deadline(Duration::MAX);
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    event_loop.reactor().connect_with(address, options, script).unwrap();
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    assert!(matches!(told.borrow()[..], [Told::Opened]), "{told:?}");
}

#[test]
fn a_deadline_of_nothing_still_has_one_outcome() {
    let (_listener, address) = std_listener();
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    let options = ConnectOptions::default().deadline(Duration::ZERO);
    event_loop.reactor().connect_with(address, options, script).unwrap();
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    turn_on(&mut event_loop);
    let told = told.borrow();
    let fine = matches!(told[..], [Told::Opened | Told::Failed(ConnectError::TimedOut { .. })]);
    assert!(fine, "{told:?}");
}

#[test]
fn an_address_without_a_route_is_unreachable() {
    // No stream can go to a broadcast address; the kernel says so without asking the network.
    for target in [[127, 255, 255, 255], [255, 255, 255, 255]] {
        let address = SocketAddr::from((target, 9));
        let told = outcomes(address, ConnectOptions::default());
        let [Told::Failed(ConnectError::Unreachable { peer, source })] = &told[..] else {
            panic!("{target:?}: {told:?}");
        };
        assert_eq!(*peer, address);
        assert!(source.raw_os_error().is_some());
    }
}

#[test]
fn a_name_that_does_not_exist_is_one_typed_failure() {
    // RFC 6761, section 6.4: names under .invalid never resolve. Without a name server the system
    // cannot tell that there is none.
    let target: Target = "name.invalid:80".parse().unwrap();
    let told = outcomes(target, ConnectOptions::default());
    let [
        Told::Failed(
            error @ (ConnectError::NameNotFound { host, .. }
            | ConnectError::NameFailed { host, .. }),
        ),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(host, "name.invalid");
    assert!(error.source().is_some());
}

#[test]
fn a_name_with_a_zero_byte_is_not_found() {
    let target = Target::Host("local\0host".to_owned(), 80);
    let told = outcomes(target, ConnectOptions::default());
    assert!(matches!(told[..], [Told::Failed(ConnectError::NameNotFound { .. })]), "{told:?}");
}

#[test]
fn a_foreign_local_address_cannot_be_bound() {
    // RFC 5737: 198.51.100.0/24 is for documents, so no host has it.
    let local = SocketAddr::from(([198, 51, 100, 7], 0));
    let (_listener, address) = std_listener();
    let told = outcomes(address, ConnectOptions::default().bind(local));
    let [Told::Failed(ConnectError::CannotBind { source })] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(source.kind(), io::ErrorKind::AddrNotAvailable);
}

#[test]
fn a_local_port_in_use_cannot_be_bound() {
    let (_taken, local) = std_listener();
    let (_listener, address) = std_listener();
    let told = outcomes(address, ConnectOptions::default().bind(local));
    assert!(matches!(told[..], [Told::Failed(ConnectError::CannotBind { .. })]), "{told:?}");
}

#[test]
fn an_attempt_is_cancelled_by_its_id_in_any_way() {
    type Cancel = fn(&mut EventLoop, ConnId);
    let ways: [(&str, Cancel); 5] = [
        ("close", |event_loop, id| assert!(event_loop.reactor().close(id))),
        ("abort", |event_loop, id| assert!(event_loop.reactor().abort(id))),
        ("handle close", |event_loop, id| {
            event_loop.reactor().conn_handle(id).close().unwrap();
        }),
        ("handle abort", |event_loop, id| {
            event_loop.reactor().conn_handle(id).abort().unwrap();
        }),
        ("twice", |event_loop, id| {
            assert!(event_loop.reactor().abort(id));
            assert!(!event_loop.reactor().abort(id), "it was cancelled already");
            assert!(!event_loop.reactor().close(id));
        }),
    ];
    let deaf = deaf(loopback(0));
    for (way, cancel) in ways {
        let mut event_loop = EventLoop::new().unwrap();
        let (script, told) = witness();
        let id = event_loop.reactor().connect(deaf.address, script).unwrap();
        turn_on(&mut event_loop);
        cancel(&mut event_loop, id);
        assert!(told.borrow().is_empty(), "{way}: told from within the call");
        turn_until(&mut event_loop, way, || !told.borrow().is_empty());
        turn_on(&mut event_loop);
        let told = told.borrow();
        assert!(matches!(told[..], [Told::Failed(ConnectError::Cancelled)]), "{way}: {told:?}");
        assert!(event_loop.reactor().conn(id).is_none());
        assert_eq!(event_loop.stats().timers, 0, "{way}: the deadline was left behind");
    }
}

#[test]
fn an_attempt_is_cancelled_while_its_name_is_resolved() {
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    let id = event_loop.reactor().connect("name.invalid:80", script).unwrap();
    assert!(event_loop.reactor().close(id));
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    // The resolver's late answer finds nobody.
    turn_on(&mut event_loop);
    assert!(matches!(told.borrow()[..], [Told::Failed(ConnectError::Cancelled)]), "{told:?}");
}

#[test]
fn a_stopping_loop_cancels_its_attempts() {
    let deaf = deaf(loopback(0));
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    event_loop.reactor().connect(deaf.address, script).unwrap();
    event_loop.reactor().stop();
    let stopped = event_loop.run().unwrap();
    assert_eq!(stopped.aborted, 0, "what never opened cannot be aborted");
    assert!(matches!(told.borrow()[..], [Told::Failed(ConnectError::Cancelled)]), "{told:?}");
    assert_eq!(event_loop.stats().connections, 0);
}

#[test]
fn retrying_at_once_from_on_connect_failed_starves_nobody() {
    // This failure is known within the call, so a retry makes the next one at once.
    fn dial(reactor: &mut Reactor<'_>, tries: Rc<Cell<u32>>) {
        let target = SocketAddr::from(([127, 255, 255, 255], 9));
        tries.set(tries.get() + 1);
        // A turn that does not end must not hang the test as well.
        assert!(tries.get() < 1_000_000, "the loop does nothing else");
        let script = Script::new().on_failed(move |reactor, _| dial(reactor, Rc::clone(&tries)));
        reactor.connect(target, script).unwrap();
    }
    let tries = Rc::new(Cell::new(0));
    let mut event_loop = EventLoop::new().unwrap();
    dial(&mut event_loop.reactor(), Rc::clone(&tries));
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert!(tries.get() < 1000, "{} attempts in one turn", tries.get());
    event_loop.handle().stop();
    event_loop.run().unwrap();
}

#[test]
fn a_panic_in_on_connect_failed_does_no_harm() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a handler's destructor panics");
        }
    }
    let address = closed_port();
    let mut event_loop = EventLoop::new().unwrap();
    let bomb = Bomb;
    let drops = Script::new().on_failed(move |_, _| {
        let _held = &bomb;
    });
    let panics = Script::new().on_failed(|_, _| panic!("the callback panics"));
    event_loop.reactor().connect(address, drops).unwrap();
    event_loop.reactor().connect(address, panics).unwrap();
    let log = Log::default();
    let noted = log.clone();
    let last = Script::new().on_failed(move |_, _| noted.note("failed"));
    event_loop.reactor().connect(address, last).unwrap();
    turn_until(&mut event_loop, "the last outcome", || log.has("failed"));
    turn_on(&mut event_loop);
    assert_eq!(event_loop.stats().connections, 0);
}
