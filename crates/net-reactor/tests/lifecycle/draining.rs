//! A graceful stop: what is delivered, who is told, and where patience ends.

use std::cell::Cell;
use std::io::Read;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use net_reactor::LoopConfig;
use net_reactor::prelude::*;

use crate::support::{
    Log, PATIENCE, Script, Told, echo, give_up, listen, peer, std_listener, turn_until, wait_for,
    witness,
};

/// A loop whose graceful stop waits for ever.
fn patient_loop() -> EventLoop {
    EventLoop::with_config(LoopConfig::default().drain(Duration::MAX)).unwrap()
}

#[test]
fn a_graceful_stop_delivers_what_is_queued_to_a_slow_reader() {
    const BYTES: usize = 8 << 20;
    let mut event_loop = patient_loop();
    let log = Log::default();
    let noted = log.clone();
    let (_, address) = listen(&mut event_loop, move |_| {
        let (stopped, closed) = (noted.clone(), noted.clone());
        Script::new()
            .on_open(|conn| {
                conn.write(vec![7; BYTES])?;
                conn.reactor().stop();
                Ok(())
            })
            .on_stop(move |conn| {
                stopped.note("told");
                conn.close();
                Ok(())
            })
            .on_close(move |_, reason| closed.note(reason))
    });
    let client = std::thread::spawn(move || {
        let mut stream = peer(address);
        let (mut total, mut piece) = (0, vec![0; 4096]);
        loop {
            match stream.read(&mut piece).unwrap() {
                0 => return total,
                len => total += len,
            }
            std::thread::yield_now();
        }
    });
    let stopped = event_loop.run().unwrap();
    assert_eq!(client.join().unwrap(), BYTES);
    assert_eq!(stopped.aborted, 0);
    assert_eq!(log.lines(), ["told", "closed by this side"]);
}

#[test]
fn the_end_of_patience_aborts_the_rest_and_counts_it() {
    let config = LoopConfig::default().drain(Duration::from_millis(50));
    let mut event_loop = EventLoop::with_config(config).unwrap();
    let log = Log::default();
    let noted = log.clone();
    let (_, address) = listen(&mut event_loop, move |_| {
        let closed = noted.clone();
        // Neither finishes when it is told, nor is it read.
        Script::new()
            .on_open(|conn| Ok(conn.write(vec![7; 8 << 20])?))
            .on_stop(|_| Ok(()))
            .on_close(move |_, reason| closed.note(reason))
    });
    let peers: Vec<_> = (0..3).map(|_| peer(address)).collect();
    while event_loop.stats().accepted < 3 {
        event_loop.turn(Some(PATIENCE)).unwrap();
    }
    event_loop.handle().stop();
    let before = event_loop.reactor().now();
    let stopped = event_loop.run().unwrap();
    assert!(event_loop.reactor().now() - before >= Duration::from_millis(50));
    assert_eq!(stopped.aborted, 3);
    assert_eq!(log.lines(), ["the loop stopped"; 3]);
    assert_eq!(event_loop.stats().connections, 0);
    drop(peers);
}

#[test]
fn a_handler_that_is_told_may_finish_its_work_first() {
    let mut event_loop = patient_loop();
    let (_, address) = listen(&mut event_loop, |_| {
        Script::new()
            .on_open(|conn| {
                conn.reactor().stop();
                Ok(())
            })
            .on_stop(|conn| {
                conn.set_timer(Tag(1), Duration::from_millis(5));
                Ok(())
            })
            .on_timer(|conn, _| {
                conn.write("finished")?;
                conn.close();
                Ok(())
            })
    });
    let client = std::thread::spawn(move || {
        let mut text = String::new();
        peer(address).read_to_string(&mut text).map(|_| text)
    });
    assert_eq!(event_loop.run().unwrap().aborted, 0);
    assert_eq!(client.join().unwrap().unwrap(), "finished");
}

#[test]
fn a_handler_that_fails_or_panics_when_told_does_not_hold_the_stop_up() {
    let mut event_loop = patient_loop();
    let log = Log::default();
    let noted = log.clone();
    let mut calls = 0;
    let (_, address) = listen(&mut event_loop, move |_| {
        calls += 1;
        let (number, closed) = (calls, noted.clone());
        echo()
            .on_stop(move |conn| {
                // One of them ends another one that is still to be told.
                let own = conn.id();
                let others = conn.reactor().accepted();
                match number {
                    1 => Err(Failure::msg("told")),
                    2 => panic!("told"),
                    _ => {
                        for id in others.into_iter().filter(|id| *id != own) {
                            conn.reactor().abort(id);
                        }
                        conn.abort();
                        Ok(())
                    }
                }
            })
            .on_close(move |_, reason| closed.note(reason))
    });
    let peers: Vec<_> = (0..5).map(|_| peer(address)).collect();
    let closer = std::thread::spawn(move || {
        for mut stream in peers {
            // Ends with the server's own end, so that each goodbye has its answer.
            let _ = stream.read(&mut [0; 1]);
        }
    });
    while event_loop.stats().accepted < 5 {
        event_loop.turn(Some(PATIENCE)).unwrap();
    }
    event_loop.handle().stop();
    event_loop.run().unwrap();
    closer.join().unwrap();
    assert_eq!(log.len(), 5, "{:?}", log.lines());
    assert!(log.has("the handler panicked: told"));
}

#[test]
fn what_a_thread_sent_before_it_stopped_the_loop_is_delivered() {
    // More than one turn of the loop takes.
    const SENDS: usize = 20_000;
    let mut event_loop = patient_loop();
    let (report, connected) = mpsc::channel();
    let (_, address) = listen(&mut event_loop, move |_| {
        let report = report.clone();
        Script::new().on_open(move |conn| Ok(report.send(conn.handle())?))
    });
    let client = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        peer(address).read_to_end(&mut bytes).map(|_| bytes)
    });
    while event_loop.stats().accepted < 1 {
        event_loop.turn(Some(PATIENCE)).unwrap();
    }
    let conn = wait_for(&connected, "the connection");
    for number in 0..SENDS {
        let number = u32::try_from(number).unwrap();
        conn.send(number.to_be_bytes().to_vec()).unwrap();
    }
    event_loop.handle().stop();
    assert_eq!(event_loop.run().unwrap().aborted, 0);
    let bytes = client.join().unwrap().unwrap();
    assert_eq!(bytes.len(), 4 * SENDS);
    assert!(bytes.chunks(4).is_sorted());
}

#[test]
fn a_send_and_a_stop_from_another_thread_keep_their_order() {
    for _ in 0..200 {
        let mut event_loop = patient_loop();
        let (report, connected) = mpsc::channel();
        let (_, address) = listen(&mut event_loop, move |_| {
            let report = report.clone();
            Script::new().on_open(move |conn| {
                // Keeps the loop in the stages where the two can come between.
                conn.reactor().call_every(Duration::from_millis(1), |_, _| {});
                Ok(report.send(conn.handle())?)
            })
        });
        let client = std::thread::spawn(move || {
            let mut text = String::new();
            let mut stream = peer(address);
            let conn: ConnHandle = wait_for(&connected, "the connection");
            conn.send("farewell").unwrap();
            conn.event_loop().stop();
            stream.read_to_string(&mut text).map(|_| text)
        });
        assert_eq!(event_loop.run().unwrap().aborted, 0);
        assert_eq!(client.join().unwrap().unwrap(), "farewell");
    }
}

#[test]
fn a_handler_that_always_reconnects_does_not_keep_a_stopping_loop() {
    fn dial(reactor: &mut Reactor<'_>, address: SocketAddr, log: Log) {
        let (closed, failed) = (log.clone(), log.clone());
        let script = Script::new()
            .on_open(move |_| {
                log.note("opened");
                Ok(())
            })
            .on_close(move |conn, _| {
                closed.note("closed");
                dial(conn.reactor(), address, closed.clone());
            })
            .on_failed(move |reactor, error| {
                failed.note(&error);
                dial(reactor, address, failed.clone());
            });
        reactor.connect(address, script).unwrap();
    }

    let (listener, address) = std_listener();
    let accepting = std::thread::spawn(move || {
        // Holds each connection until its peer ends it.
        for stream in listener.incoming().take(1) {
            let _ = stream.unwrap().read(&mut [0; 1]);
        }
        listener
    });
    let mut event_loop = patient_loop();
    let log = Log::default();
    dial(&mut event_loop.reactor(), address, log.clone());
    turn_until(&mut event_loop, "opened", || log.has("opened"));
    event_loop.handle().stop();
    let gave_up = give_up(&mut event_loop.reactor());
    event_loop.run().unwrap();
    assert!(!gave_up.get(), "the loop does not stop: {:?}", log.lines());
    assert_eq!(log.lines()[..2], ["opened", "closed"]);
    drop(accepting.join());
}

#[test]
fn an_attempt_that_is_started_while_the_loop_stops_is_cancelled() {
    let (_listener, address) = std_listener();
    let mut event_loop = patient_loop();
    let (script, told) = witness();
    let script = Rc::new(Cell::new(Some(script)));
    let (_, own) = listen(&mut event_loop, move |_| {
        let script = Rc::clone(&script);
        Script::new()
            .on_open(|conn| {
                conn.reactor().stop();
                Ok(())
            })
            .on_stop(move |conn| {
                conn.reactor().connect(address, script.take().unwrap())?;
                conn.close();
                Ok(())
            })
    });
    let client = std::thread::spawn(move || peer(own).read(&mut [0; 1]));
    let gave_up = give_up(&mut event_loop.reactor());
    assert_eq!(event_loop.run().unwrap().aborted, 0);
    assert!(!gave_up.get(), "the loop does not stop: {told:?}");
    client.join().unwrap().unwrap();
    let told = told.borrow();
    assert!(matches!(told[..], [Told::Failed(ConnectError::Cancelled)]), "{told:?}");
}
