//! Handles: which threads may hold what, and what a handle of something gone says.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{LoopThread, PostRefused, ServerHandle};

use crate::support::{
    Log, Running, Script, echo, expect_echo, listen, peer, turn_on, turn_until, wait_for,
};

#[test]
fn handles_may_cross_threads_and_be_cloned() {
    fn crosses<T: Send + Sync + Clone + 'static>() {}
    crosses::<LoopHandle>();
    crosses::<ConnHandle>();
    crosses::<ServerHandle>();
    fn is_a_value<T: Send + Sync + Copy + std::hash::Hash + Ord>() {}
    is_a_value::<ConnId>();
    is_a_value::<net_reactor::ListenerId>();
    is_a_value::<net_reactor::TimerId>();
}

#[test]
fn a_loop_stays_on_its_thread() {
    // Two candidates for a type that is `Send` make the call below ambiguous, so it compiles only
    // for one that is not.
    trait OneIfNotSend<Marker> {
        fn probe() {}
    }
    struct IsSend;
    impl<T: ?Sized> OneIfNotSend<()> for T {}
    impl<T: ?Sized + Send> OneIfNotSend<IsSend> for T {}
    <EventLoop as OneIfNotSend<_>>::probe();
    <Conn<'_> as OneIfNotSend<_>>::probe();
    <Reactor<'_> as OneIfNotSend<_>>::probe();
}

#[test]
fn a_handle_knows_whether_it_is_on_its_loop() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    assert!(!handle.is_in_loop(), "it is not running");
    let (inside, elsewhere) = (handle.clone(), handle.clone());
    let checked = Rc::new(Cell::new(false));
    let noted = Rc::clone(&checked);
    event_loop.reactor().defer(move |_| {
        assert!(inside.is_in_loop());
        noted.set(true);
    });
    event_loop.turn(None).unwrap();
    assert!(checked.get());
    assert!(!handle.is_in_loop());
    let (report, reported) = mpsc::channel();
    handle.run_in_loop(move |_| report.send(elsewhere.is_in_loop()).unwrap()).unwrap();
    let runner = event_loop.handle();
    assert!(!std::thread::spawn(move || runner.is_in_loop()).join().unwrap());
    event_loop.turn(None).unwrap();
    assert!(wait_for(&reported, "the answer"));
}

#[test]
fn a_posted_call_never_runs_within_the_call() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let noted = log.clone();
    event_loop.reactor().defer(move |reactor| {
        let inner = noted.clone();
        reactor.handle().run_in_loop(move |_| inner.note("posted")).unwrap();
        noted.note("posting");
    });
    turn_until(&mut event_loop, "both", || log.len() == 2);
    assert_eq!(log.lines(), ["posting", "posted"]);
}

#[test]
fn what_a_connection_is_sent_from_a_thread_arrives_in_order() {
    let server = Running::start(|| {
        Server::new(|_: &Peer| {
            Script::new()
                .on_open(|conn| {
                    let handle = conn.handle();
                    std::thread::spawn(move || {
                        for number in 0..1000_u32 {
                            handle.send(number.to_be_bytes().to_vec()).unwrap();
                        }
                        handle.message("done").unwrap();
                        handle.close().unwrap();
                        handle.send("too late").unwrap();
                    });
                    Ok(())
                })
                .on_message(|conn, message| {
                    conn.write(message.downcast::<&str>().unwrap().as_bytes())?;
                    Ok(())
                })
        })
        .listen("127.0.0.1:0")
    });
    let mut bytes = Vec::new();
    peer(server.address).read_to_end(&mut bytes).unwrap();
    let expected: Vec<u8> = (0..1000_u32).flat_map(u32::to_be_bytes).collect();
    assert!(bytes.starts_with(&expected));
    assert_eq!(&bytes[expected.len()..], b"done");
    server.stop();
}

#[test]
fn a_handle_of_a_closed_connection_does_nothing() {
    let mut event_loop = EventLoop::new().unwrap();
    let stale = Rc::new(Cell::new(None));
    let kept = Rc::clone(&stale);
    let (_, address) = listen(&mut event_loop, move |_| {
        let kept = Rc::clone(&kept);
        echo().on_open(move |conn| {
            if let Some(old) = kept.take() {
                kept.set(Some(old));
            } else {
                kept.set(Some(conn.handle()));
                conn.abort();
            }
            Ok(())
        })
    });
    drop(peer(address));
    while event_loop.stats().closed < 1 {
        event_loop.turn(Some(crate::support::PATIENCE)).unwrap();
    }
    // The next connection takes the slot of the old one.
    let client = std::thread::spawn(move || {
        let mut stream = peer(address);
        for _ in 0..10 {
            expect_echo(&mut stream, b"mine alone");
        }
    });
    while event_loop.stats().accepted < 2 {
        event_loop.turn(Some(crate::support::PATIENCE)).unwrap();
    }
    let handle: ConnHandle = stale.take().unwrap();
    handle.send("not for you").unwrap();
    handle.message("not for you").unwrap();
    handle.close().unwrap();
    handle.abort().unwrap();
    assert!(!event_loop.reactor().close(handle.id()));
    assert!(event_loop.reactor().conn(handle.id()).is_none());
    turn_until(&mut event_loop, "the echoes", || client.is_finished());
    client.join().unwrap();
}

#[test]
fn handles_of_a_loop_that_is_gone_give_the_value_back() {
    let mut event_loop = EventLoop::new().unwrap();
    let script = Script::new();
    let id = event_loop.reactor().connect(crate::support::closed_port(), script).unwrap();
    let conn = event_loop.reactor().conn_handle(id);
    let handle = event_loop.handle();
    drop(event_loop);

    let (answer, answered) = mpsc::channel();
    let refused = handle.run_in_loop(move |_| answer.send(()).unwrap()).unwrap_err();
    assert_eq!(refused.reason, PostRefused::LoopGone);
    // The call itself comes back, to be run on another loop.
    let mut other = EventLoop::new().unwrap();
    let call = refused.value;
    other.reactor().defer(call);
    other.turn(None).unwrap();
    wait_for(&answered, "the call runs elsewhere");

    assert_eq!(conn.send("bytes").unwrap_err().value, "bytes");
    assert_eq!(handle.broadcast("bytes").unwrap_err().value, "bytes");
    let message = conn.message(17_u8).unwrap_err();
    assert_eq!(message.value.downcast_ref::<u8>(), Some(&17));
    assert_eq!(message.to_string(), "the loop is gone");
    assert!(conn.close().is_err() && conn.abort().is_err());
}

#[test]
fn dropping_a_loop_drops_all_that_waits_in_it() {
    let canary = std::sync::Arc::new(());
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let held = || std::sync::Arc::clone(&canary);
    let (own, task, timer, every, posted) = (held(), held(), held(), held(), held());
    let (_, address) = listen(&mut event_loop, move |_| {
        let own = std::sync::Arc::clone(&own);
        Script::new().on_data(move |_, _| {
            let _own = &own;
            Ok(())
        })
    });
    let mut client = peer(address);
    while event_loop.stats().accepted < 1 {
        event_loop.turn(Some(crate::support::PATIENCE)).unwrap();
    }
    let connecting = held();
    let script = Script::new().on_failed(move |_, _| drop(connecting.clone()));
    event_loop.reactor().connect("name.invalid:80", script).unwrap();
    let mut reactor = event_loop.reactor();
    reactor.defer(move |_| drop(task));
    reactor.call_later(Duration::MAX, move |_| drop(timer));
    reactor.call_every(Duration::from_secs(1), move |_, _| drop(every.clone()));
    handle.run_in_loop(move |_| drop(posted)).unwrap();
    let (release, released) = mpsc::channel::<()>();
    let then = held();
    reactor.run_blocking(move || released.recv(), move |_, _| drop(then)).unwrap();
    drop(event_loop);
    assert_eq!(std::sync::Arc::strong_count(&canary), 1);
    let seen = client.read(&mut [0; 1]);
    assert!(!matches!(seen, Ok(1..)), "{seen:?}");
    // The job ends after its loop, and its result finds nobody.
    drop(release);
    assert!(handle.run_in_loop(|_| {}).is_err());
}

#[test]
fn a_loop_thread_runs_what_it_is_sent_and_ends_when_it_is_stopped() {
    let (report, reported) = mpsc::channel();
    let thread = LoopThread::spawn("lifecycle", net_reactor::LoopConfig::default(), move |made| {
        let name = std::thread::current().name().map(str::to_owned);
        made.reactor().defer(move |_| report.send(name).unwrap());
        Ok(())
    })
    .unwrap();
    assert_eq!(wait_for(&reported, "the first task").as_deref(), Some("lifecycle"));
    let (answer, answered) = mpsc::channel();
    let handle = thread.handle().clone();
    thread.handle().run_in_loop(move |_| answer.send(handle.is_in_loop()).unwrap()).unwrap();
    assert!(wait_for(&answered, "the posted task"));
    thread.handle().stop();
    assert_eq!(thread.join().unwrap().aborted, 0);
}

#[test]
fn a_loop_thread_that_cannot_be_set_up_is_an_error() {
    let config = net_reactor::LoopConfig::default;
    let refused = LoopThread::spawn("lifecycle", config(), |_| {
        Err(Error::Thread(std::io::Error::other("no")))
    });
    assert!(matches!(refused, Err(Error::Thread(_))));
    let panics = LoopThread::spawn("lifecycle", config(), |_| panic!("the set-up panics"));
    assert!(matches!(panics, Err(Error::Thread(_))));
}

#[test]
fn a_handle_sees_how_many_connections_there_are() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (_, address) = listen(&mut event_loop, |_| echo());
    let peers = [peer(address), peer(address), peer(address)];
    turn_until(&mut event_loop, "three", || handle.connections() == 3);
    drop(peers);
    turn_until(&mut event_loop, "none", || handle.connections() == 0);
    turn_on(&mut event_loop);
    assert_eq!(handle.connections(), 0);
}
