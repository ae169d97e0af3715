//! C1b: one client with 100 connections waits for all of them, plays to 10,000, and closes.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;

use net_reactor::prelude::*;
use net_reactor::{Balance, BoundServer, Client};

use crate::background::{Background, PATIENCE};

const CONNECTIONS: usize = 100;
const MESSAGES: usize = 10_000;
const MESSAGE: &[u8] = b"hello world";

/// How the client is closed when the last message has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClosedBy {
    /// Every connection is closed inside the callback; the last one to end stops the loop.
    ClosingEachInTheCallback,
    /// The loop is stopped inside the callback.
    StoppingInTheCallback,
    /// Another thread stops the loop.
    AnotherThread,
}

/// What the test sees of one run.
struct Game {
    closed_by: ClosedBy,
    players: Cell<Vec<ConnId>>,
    opened: Cell<usize>,
    received: Cell<usize>,
    done: Cell<usize>,
    ended: Cell<usize>,
    unclean: Cell<usize>,
}

struct Player {
    game: Rc<Game>,
}

impl Player {
    fn finish(&self, conn: &mut Conn<'_>) {
        add(&self.game.done, 1);
        match self.game.closed_by {
            ClosedBy::StoppingInTheCallback => conn.reactor().stop(),
            ClosedBy::AnotherThread => {
                let handle = conn.reactor().handle();
                thread::spawn(move || handle.stop());
            }
            ClosedBy::ClosingEachInTheCallback => {
                for player in self.game.players.take() {
                    assert!(conn.reactor().close(player));
                }
            }
        }
    }
}

fn add(counter: &Cell<usize>, more: usize) {
    counter.set(counter.get() + more);
}

impl Protocol for Player {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let mut players = self.game.players.take();
        players.push(conn.id());
        add(&self.game.opened, 1);
        if players.len() == CONNECTIONS {
            for player in &players {
                conn.reactor().write(*player, MESSAGE)?;
            }
        }
        self.game.players.set(players);
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        assert_eq!(self.game.opened.get(), CONNECTIONS, "the game began too early");
        while let Some(message) = input.take(MESSAGE.len()) {
            assert_eq!(message, MESSAGE);
            add(&self.game.received, 1);
            if self.game.received.get() == MESSAGES {
                self.finish(conn);
            }
            // As in the seed, also after the close: refused then, which changes nothing more.
            conn.write(message)?;
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        add(&self.game.ended, 1);
        add(&self.game.unclean, usize::from(!reason.is_clean()));
        if self.game.ended.get() == CONNECTIONS {
            conn.reactor().stop();
        }
    }
}

/// Plays one game against a server, and checks all that the case asks for.
fn play(closed_by: ClosedBy, bind: fn() -> Result<BoundServer, Error>) -> Result<(), Error> {
    let server = Background::start(bind)?;
    let game = Rc::new(Game {
        closed_by,
        players: Cell::default(),
        opened: Cell::default(),
        received: Cell::default(),
        done: Cell::default(),
        ended: Cell::default(),
        unclean: Cell::default(),
    });
    let mut event_loop = EventLoop::new()?;
    let mut reactor = event_loop.reactor();
    let mut client = Client::new(|| Player { game: Rc::clone(&game) });
    for _ in 0..CONNECTIONS {
        client.connect_on(&mut reactor, server.address)?;
    }
    reactor.call_later(PATIENCE, |reactor| reactor.stop_now());
    let stopped = event_loop.run()?;

    assert_eq!(game.done.get(), 1, "done is said once");
    assert!(game.received.get() >= MESSAGES);
    assert_eq!((game.ended.get(), game.unclean.get()), (CONNECTIONS, 0));
    assert_eq!(stopped.aborted, 0);
    let stats = event_loop.stats();
    assert_eq!(stats.connections, 0, "no connection is left");
    assert_eq!(stats.spins, 0);
    assert!(stats.idle_turns <= stats.turns / 10, "it waits instead of spinning: {stats:?}");
    assert_eq!(event_loop.handle().connections(), 0);
    assert_eq!(server.stop().aborted, 0);
    Ok(())
}

fn echo() -> Server<impl FnMut(&Peer) -> net_reactor::OnData<EchoFn> + Clone + Send> {
    Server::on_data(echo_back as EchoFn)
}

type EchoFn = fn(&mut Conn<'_>, &mut Input<'_>) -> Flow;

fn echo_back(conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
    conn.write(input.take_all())?;
    Ok(())
}

#[test]
fn the_client_stops_its_loop_inside_the_callback() -> Result<(), Error> {
    play(ClosedBy::StoppingInTheCallback, || echo().listen("127.0.0.1:0"))
}

#[test]
fn the_client_closes_every_connection_inside_the_callback() -> Result<(), Error> {
    play(ClosedBy::ClosingEachInTheCallback, || echo().listen("127.0.0.1:0"))
}

#[test]
fn another_thread_stops_the_client() -> Result<(), Error> {
    play(ClosedBy::AnotherThread, || echo().listen("127.0.0.1:0"))
}

#[test]
fn a_server_with_two_loops_that_share_the_port_plays_as_well() -> Result<(), Error> {
    play(ClosedBy::StoppingInTheCallback, || echo().loops(2).listen("127.0.0.1:0"))
}

#[test]
fn a_server_with_two_loops_and_one_acceptor_plays_as_well() -> Result<(), Error> {
    play(ClosedBy::ClosingEachInTheCallback, || {
        echo().loops(2).balance(Balance::LeastLoaded).listen("127.0.0.1:0")
    })
}
