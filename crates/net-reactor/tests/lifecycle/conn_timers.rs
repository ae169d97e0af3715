//! The timers of a connection: named by tags, replaced by them, and gone with the connection.

use std::time::Duration;

use net_reactor::prelude::*;

use crate::support::{Log, PATIENCE, Script, listen, peer, std_listener, turn_on, turn_until};

const MS: Duration = Duration::from_millis(1);

/// Serves one peer with `script` and returns what is noted, once `lines` have been.
fn serve(script: impl Fn(Log) -> Script + 'static, lines: usize) -> Vec<String> {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let noted = log.clone();
    let (_, address) = listen(&mut event_loop, move |_| script(noted.clone()));
    let client = peer(address);
    turn_until(&mut event_loop, "the lines", || log.len() >= lines);
    for _ in 0..3 {
        turn_on(&mut event_loop);
    }
    drop(client);
    log.lines()
}

#[test]
fn tags_tell_the_timers_of_a_connection_apart() {
    let script = |log: Log| {
        Script::new()
            .on_open(|conn| {
                conn.set_timer(Tag(1), 9 * MS);
                conn.set_timer(Tag(2), 3 * MS);
                conn.set_timer(Tag(3), 6 * MS);
                Ok(())
            })
            .on_timer(move |_, tag| {
                log.note(tag.0);
                Ok(())
            })
    };
    assert_eq!(serve(script, 3), ["2", "3", "1"]);
}

#[test]
fn setting_a_tag_again_replaces_its_timer() {
    let script = |log: Log| {
        Script::new()
            .on_open(|conn| {
                conn.set_timer(Tag(1), MS);
                conn.set_timer(Tag(1), PATIENCE);
                conn.set_timer(Tag(2), PATIENCE);
                conn.set_timer(Tag(2), MS);
                assert_eq!(conn.reactor().accepted().len(), 1);
                Ok(())
            })
            .on_timer(move |_, tag| {
                log.note(tag.0);
                Ok(())
            })
    };
    assert_eq!(serve(script, 1), ["2"]);
}

#[test]
fn a_cancelled_timer_does_not_run_even_when_it_is_due_in_this_turn() {
    let script = |log: Log| {
        Script::new()
            .on_open(|conn| {
                // Equal deadlines: both are due in the same turn, the first one first.
                conn.set_timer(Tag(1), MS);
                conn.set_timer(Tag(2), MS);
                conn.set_timer(Tag(3), MS);
                assert!(conn.cancel_timer(Tag(3)));
                assert!(!conn.cancel_timer(Tag(3)));
                assert!(!conn.cancel_timer(Tag(4)));
                Ok(())
            })
            .on_timer(move |conn, tag| {
                log.note(tag.0);
                assert!(!conn.cancel_timer(tag), "it is running");
                assert!(conn.cancel_timer(Tag(2)));
                Ok(())
            })
    };
    assert_eq!(serve(script, 1), ["1"]);
}

#[test]
fn a_timer_may_set_itself_again() {
    let script = |log: Log| {
        Script::new()
            .on_open(|conn| {
                conn.set_timer(Tag(7), Duration::ZERO);
                Ok(())
            })
            .on_timer(move |conn, tag| {
                log.note(log.len());
                if log.len() < 5 {
                    conn.set_timer(tag, Duration::ZERO);
                }
                Ok(())
            })
    };
    assert_eq!(serve(script, 5), ["0", "1", "2", "3", "4"]);
}

#[test]
fn timers_die_with_their_connection() {
    type End = fn(&mut Conn<'_>) -> Flow;
    let ends: [(&str, End); 4] = [
        ("close", |conn| {
            conn.close();
            Ok(())
        }),
        ("abort", |conn| {
            conn.abort();
            Ok(())
        }),
        ("error", |_| Err(Failure::msg("given up"))),
        ("panic", |_| panic!("the handler panics")),
    ];
    for (way, end) in ends {
        let mut event_loop = EventLoop::new().unwrap();
        let log = Log::default();
        let noted = log.clone();
        let (_, address) = listen(&mut event_loop, move |_| {
            let (timer, close) = (noted.clone(), noted.clone());
            Script::new()
                .on_open(move |conn| {
                    for tag in 0..20 {
                        conn.set_timer(Tag(tag), MS);
                    }
                    conn.set_timer(Tag(20), PATIENCE * 100);
                    end(conn)
                })
                .on_timer(move |_, tag| {
                    timer.note(format_args!("timer {}", tag.0));
                    Ok(())
                })
                .on_close(move |conn, _| {
                    close.note("closed");
                    conn.set_timer(Tag(1), Duration::ZERO);
                })
        });
        drop(peer(address));
        turn_until(&mut event_loop, way, || log.has("closed"));
        turn_on(&mut event_loop);
        assert_eq!(log.lines(), ["closed"], "{way}");
        assert_eq!(event_loop.stats().timers, 0, "{way}");
    }
}

#[test]
fn a_failing_timer_closes_its_connection_with_the_cause() {
    let script = |log: Log| {
        Script::new()
            .on_open(|conn| {
                conn.set_timer(Tag(1), Duration::ZERO);
                conn.set_timer(Tag(2), Duration::ZERO);
                Ok(())
            })
            .on_timer(|_, _| Err(Failure::msg("too late")))
            .on_close(move |_, reason| log.note(format_args!("{reason:?}")))
    };
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let noted = log.clone();
    let (_, address) = listen(&mut event_loop, move |_| script(noted.clone()));
    let client = std::thread::spawn(move || {
        // Leaves when the server does.
        std::io::Read::read(&mut peer(address), &mut [0; 1])
    });
    turn_until(&mut event_loop, "closed", || log.len() == 1);
    client.join().unwrap().unwrap();
    assert_eq!(log.lines(), ["HandlerFailed { source: \"too late\" }"]);
}

#[test]
fn a_timer_set_before_the_connection_is_open_runs_after_on_open() {
    let (_listener, address) = std_listener();
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let (open, timer) = (log.clone(), log.clone());
    let script = Script::new()
        .on_open(move |_| {
            open.note("open");
            Ok(())
        })
        .on_timer(move |_, tag| {
            timer.note(tag.0);
            Ok(())
        });
    let id = event_loop.reactor().connect(address, script).unwrap();
    event_loop.reactor().conn(id).unwrap().set_timer(Tag(5), 20 * MS);
    turn_until(&mut event_loop, "both", || log.len() == 2);
    assert_eq!(log.lines(), ["open", "5"]);
}

#[test]
fn closing_another_connection_takes_the_timers_that_it_has_due_in_this_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let noted = log.clone();
    let (_, address) = listen(&mut event_loop, move |_| {
        let (timer, close) = (noted.clone(), noted.clone());
        Script::new()
            .on_timer(move |conn, _| {
                timer.note("timer");
                let own = conn.id();
                for id in conn.reactor().accepted() {
                    if id != own {
                        conn.reactor().abort(id);
                    }
                }
                Ok(())
            })
            .on_close(move |_, reason| close.note(reason))
    });
    let peers = [peer(address), peer(address)];
    while event_loop.stats().accepted < 2 {
        event_loop.turn(Some(PATIENCE)).unwrap();
    }
    // Set at one reading of the clock, so both are due in one turn.
    let mut reactor = event_loop.reactor();
    for id in reactor.accepted() {
        reactor.conn(id).unwrap().set_timer(Tag(1), Duration::ZERO);
    }
    turn_until(&mut event_loop, "one is aborted", || log.len() >= 2);
    turn_on(&mut event_loop);
    assert_eq!(log.lines(), ["timer", "aborted by this side"]);
    drop(peers);
}
