//! Names over real sockets: resolvers on other threads, and several addresses at once.

use std::thread;

use net_reactor::prelude::*;
use net_reactor::{Answer, LoopConfig, Resolve};

#[cfg(target_os = "linux")]
use crate::support::deaf;
use crate::support::{Script, Told, echo, listen, turn_on, turn_until, witness};

fn loop_with(resolver: impl Resolve) -> EventLoop {
    EventLoop::with_config(LoopConfig::default().resolver(resolver)).unwrap()
}

/// Connects to `hub` and returns everything that the handler was told.
fn outcomes(event_loop: &mut EventLoop, port: u16) -> Vec<Told> {
    let (script, told) = witness();
    event_loop.reactor().connect(format!("hub:{port}"), script).unwrap();
    assert!(told.borrow().is_empty(), "told from within the call");
    turn_until(event_loop, "the outcome", || !told.borrow().is_empty());
    turn_on(event_loop);
    std::mem::take(&mut *told.borrow_mut())
}

#[test]
fn an_answer_from_another_thread_wakes_the_loop() {
    let mut server = EventLoop::new().unwrap();
    let (_, address) = listen(&mut server, |_| Script::new());
    let mut event_loop = loop_with(move |host: &str, answer: Answer| {
        assert_eq!(host, "hub");
        thread::spawn(move || answer.found([address.ip()]));
    });
    let told = outcomes(&mut event_loop, address.port());
    assert!(matches!(told[..], [Told::Opened]), "{told:?}");
}

#[test]
fn a_resolver_s_thread_that_dies_is_a_failure() {
    let mut event_loop = loop_with(|_: &str, answer: Answer| {
        thread::spawn(move || {
            let _never_given = answer;
        });
    });
    let told = outcomes(&mut event_loop, 1);
    assert!(matches!(told[..], [Told::Failed(ConnectError::NameFailed { .. })]), "{told:?}");
}

/// The socket that wins was connected beside another one, and carries bytes both ways.
#[cfg(target_os = "linux")]
#[test]
fn an_address_that_never_answers_does_not_hold_up_the_next() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, good) = listen(&mut event_loop, |_| echo());
    let hole = deaf(std::net::SocketAddr::from(([127, 0, 0, 2], good.port())));
    assert_eq!(hole.address.port(), good.port());
    let addresses = [hole.address.ip(), good.ip()];
    let mut client = loop_with(move |_: &str, answer: Answer| answer.found(addresses));
    let (told, told_back) = std::sync::mpsc::channel();
    let script = Script::new().on_open(|conn| Ok(conn.write("by the second address")?)).on_data(
        move |conn, bytes| {
            told.send((conn.peer_address(), bytes.to_vec())).unwrap();
            conn.close();
            Ok(())
        },
    );
    client.reactor().connect(format!("hub:{}", good.port()), script).unwrap();
    let mut heard = None;
    turn_until(&mut client, "the echo", || {
        event_loop.turn(Some(std::time::Duration::ZERO)).unwrap();
        heard = told_back.try_recv().ok();
        heard.is_some()
    });
    assert_eq!(heard, Some((good.into(), b"by the second address".to_vec())));
    turn_until(&mut client, "the end", || {
        event_loop.turn(Some(std::time::Duration::ZERO)).unwrap();
        event_loop.stats().closed == 1
    });
    turn_on(&mut client);
    let stats = client.stats();
    assert_eq!((stats.connections, stats.connected, stats.timers), (0, 1, 0));
}
