//! Whatever a handler does, in whichever callback: it is the end of nobody else.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use net_reactor::{CloseReason, Conn, ConnId, Failure, Flow, Tag};

use crate::peer::Peer;
use crate::probe::{Plan, Seen, Step, Watch, command};
use crate::support::{Bystander, KIB, ON_PURPOSE, Served, pattern, small_buffers};

/// The callbacks of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callback {
    Open,
    Data,
    Eof,
    Pressure,
    Timer,
    Message,
    Stop,
    Close,
}

const CALLBACKS: [Callback; 8] = [
    Callback::Open,
    Callback::Data,
    Callback::Eof,
    Callback::Pressure,
    Callback::Timer,
    Callback::Message,
    Callback::Stop,
    Callback::Close,
];

impl Callback {
    fn of(step: Step<'_>) -> Self {
        match step {
            Step::Open => Self::Open,
            Step::Data(_) => Self::Data,
            Step::Eof => Self::Eof,
            Step::Pressure(_) => Self::Pressure,
            Step::Timer(_) => Self::Timer,
            Step::Message => Self::Message,
            Step::Stop => Self::Stop,
            Step::Close => Self::Close,
        }
    }

    fn saw(self, seen: &Seen) -> bool {
        let same = match seen {
            Seen::Open(_) => Self::Open,
            Seen::Data(_) => Self::Data,
            Seen::Eof => Self::Eof,
            Seen::Pressure(_) => Self::Pressure,
            Seen::Timer => Self::Timer,
            Seen::Message => Self::Message,
            Seen::Stop => Self::Stop,
            Seen::Close(_) => Self::Close,
            Seen::Dropped => return false,
        };
        self == same
    }
}

type Act = fn(&mut Conn<'_>, other: ConnId) -> Flow;

/// One connection that acts within one callback, and a bystander on the same loop.
struct Scene {
    callback: Callback,
    served: Served,
    bystander: Bystander,
    watch: Watch,
    peer: Peer,
}

impl Scene {
    /// Lets a connection run `act` in `callback`, and brings that callback about.
    fn play(callback: Callback, act: Act) -> Self {
        let other = Arc::new(OnceLock::new());
        let known = Arc::clone(&other);
        let (plan, watch) = Plan::new(move |conn, step| {
            if step == Step::Open {
                // For all that wait in vain: the linger time ends them.
                conn.set_timer(Tag(1), Duration::ZERO);
            }
            if Callback::of(step) == callback {
                return act(conn, *known.get().unwrap());
            }
            if step == Step::Stop {
                conn.close();
            }
            Ok(())
        });
        let config = small_buffers().linger(Duration::from_secs(60));
        let served = Served::with(config, move || plan.probe());
        let bystander = served.bystander();
        other.set(bystander.handle.id()).unwrap();
        let mut peer = Peer::connect(&served.address);
        let handle = watch.opened();
        match callback {
            Callback::Open | Callback::Timer => {}
            Callback::Data => peer.send("x"),
            Callback::Eof => peer.finish(),
            Callback::Pressure => command(&handle, |conn| Ok(conn.write(pattern(600 * KIB))?)),
            Callback::Message => handle.message(()).unwrap(),
            Callback::Stop => served.handle.stop(),
            Callback::Close => handle.close().unwrap(),
        }
        Self { callback, served, bystander, watch, peer }
    }

    /// Waits for the end of the acting connection; returns the reason.
    ///
    /// Checks that nothing came between the callback that acted and `on_close`.
    fn end(&mut self) -> CloseReason {
        self.peer.read_until_over();
        let _ = self.peer.stream.shutdown(std::net::Shutdown::Both);
        let (story, reason) = self.watch.story();
        if !matches!(self.callback, Callback::Open | Callback::Close) {
            let after = story.iter().skip_while(|seen| !self.callback.saw(seen)).count();
            assert_eq!(after, 1, "{:?}: callbacks after the last: {story:?}", self.callback);
        }
        reason
    }

    /// Checks that the bystander is well, unless the loop was stopped.
    fn check_bystander(&mut self) {
        if self.callback != Callback::Stop {
            self.bystander.check();
        }
    }
}

/// Plays an act that ends its own connection, in every callback.
fn ends_itself(act: Act, expected: fn(&CloseReason) -> bool) {
    for callback in CALLBACKS {
        let mut scene = Scene::play(callback, act);
        let reason = scene.end();
        if callback != Callback::Close {
            assert!(expected(&reason), "{callback:?}: {reason:?}");
        }
        scene.check_bystander();
        scene.served.finish();
    }
}

#[test]
fn a_close_in_every_callback_ends_that_connection_only() {
    ends_itself(
        |conn, _| {
            conn.close();
            Ok(())
        },
        |reason| matches!(reason, CloseReason::Closed),
    );
}

#[test]
fn an_abort_in_every_callback_ends_that_connection_only() {
    ends_itself(
        |conn, _| {
            conn.abort();
            Ok(())
        },
        |reason| matches!(reason, CloseReason::Aborted),
    );
}

#[test]
fn an_error_in_every_callback_ends_that_connection_only() {
    ends_itself(
        |_, _| Err(Failure::msg(ON_PURPOSE)),
        |reason| {
            let CloseReason::HandlerFailed { source } = reason else { return false };
            source.to_string() == ON_PURPOSE
        },
    );
}

#[test]
fn a_panic_in_every_callback_ends_that_connection_only() {
    ends_itself(
        |_, _| std::panic::panic_any(ON_PURPOSE),
        |reason| {
            let CloseReason::HandlerPanicked { message } = reason else { return false };
            message == ON_PURPOSE
        },
    );
}

#[test]
fn a_panic_after_a_close_in_every_callback_is_the_cause() {
    ends_itself(
        |conn, _| {
            conn.close();
            std::panic::panic_any(ON_PURPOSE)
        },
        |reason| matches!(reason, CloseReason::HandlerPanicked { .. }),
    );
}

#[test]
fn everything_at_once_in_every_callback_ends_once() {
    ends_itself(
        |conn, other| {
            let own = conn.id();
            let _ = conn.write("x");
            conn.pause();
            conn.resume();
            let _ = conn.shutdown_write();
            conn.close();
            conn.abort();
            conn.close();
            conn.set_timer(Tag(9), Duration::ZERO);
            conn.cancel_timer(Tag(9));
            let reactor = conn.reactor();
            reactor.close(own);
            reactor.abort(own);
            let _ = reactor.message(own, ());
            let _ = reactor.write(own, "x");
            reactor.defer(move |reactor| {
                reactor.abort(own);
                assert!(reactor.write(own, "x").is_err());
            });
            assert!(reactor.conn(other).is_some());
            Err(Failure::msg(ON_PURPOSE))
        },
        |reason| matches!(reason, CloseReason::Aborted),
    );
}

#[test]
fn closing_another_connection_in_every_callback_ends_that_one() {
    for callback in CALLBACKS {
        let mut scene = Scene::play(callback, |conn, other| {
            let _ = conn.reactor().write(other, "good");
            conn.reactor().close(other);
            let _ = conn.reactor().write(other, "bye");
            Ok(())
        });
        // A stopping loop has told the bystander before, and that one is closing already.
        let expected = if callback == Callback::Stop { &b""[..] } else { b"good" };
        assert_eq!(scene.bystander.peer.read_to_end(), expected, "{callback:?}");
        drop(scene.peer);
        scene.watch.story();
    }
}

#[test]
fn aborting_another_connection_in_every_callback_ends_that_one() {
    for callback in CALLBACKS {
        let mut scene = Scene::play(callback, |conn, other| {
            conn.reactor().abort(other);
            assert!(conn.reactor().conn(other).is_none());
            Ok(())
        });
        scene.bystander.peer.read_until_reset();
        drop(scene.peer);
        scene.watch.story();
    }
}

#[test]
fn writing_to_another_connection_in_every_callback_arrives() {
    // In on_stop there is nobody left to write to.
    for callback in CALLBACKS.into_iter().filter(|callback| *callback != Callback::Stop) {
        let mut scene = Scene::play(callback, |conn, other| {
            conn.reactor().write(other, "greetings")?;
            Ok(())
        });
        assert_eq!(scene.bystander.peer.receive(9), b"greetings", "{callback:?}");
        scene.check_bystander();
    }
}

#[test]
fn stopping_the_loop_in_every_callback_stops_it_with_one_on_close_each() {
    for now in [false, true] {
        for callback in CALLBACKS {
            let graceful: Act = |conn, _| {
                conn.reactor().stop();
                Ok(())
            };
            let at_once: Act = |conn, _| {
                conn.reactor().stop_now();
                Ok(())
            };
            let mut scene = Scene::play(callback, if now { at_once } else { graceful });
            if !matches!(callback, Callback::Open | Callback::Close) {
                // Or the peer's end might come first.
                scene.watch.until(|seen| callback.saw(seen));
            }
            drop(scene.peer);
            scene.bystander.peer.read_until_over();
            drop(scene.bystander);
            scene.watch.story();
            scene.served.join();
        }
    }
}
