//! Both ends: one client with 100 connections, which waits for all of them, plays, and hangs up.
//!
//! Follows the client of seed 000 (SimpleReactor). There the main thread spins until every
//! connection is open; here the last one to open starts the game.
//!
//! ```sh
//! cargo run --release -p examples --bin 05_ping_pong_client
//! ```
//!
//! expect: 100 connections are open
//! expect: done <seconds>
//! expect: the client's loop has ended, 0 connections had to be aborted

use std::{cell::Cell, rc::Rc, thread};

use net_reactor::{Client, Instant, prelude::*};

const CONNECTIONS: usize = 100;
const MESSAGES: usize = 10_000;
const MESSAGE: &str = "hello world";

/// What the players share. They all live on one loop, so this needs no lock.
#[derive(Default)]
struct Game {
    players: Cell<Vec<ConnId>>,
    started: Cell<Option<Instant>>,
    received: Cell<usize>,
}

struct Player(Rc<Game>);

impl Protocol for Player {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let mut players = self.0.players.take();
        players.push(conn.id());
        if players.len() == CONNECTIONS {
            println!("{CONNECTIONS} connections are open");
            self.0.started.set(Some(conn.reactor().now()));
            for player in &players {
                conn.reactor().write(*player, MESSAGE)?;
            }
        }
        self.0.players.set(players);
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(message) = input.take(MESSAGE.len()) {
            conn.write(message)?;
            self.0.received.set(self.0.received.get() + 1);
            if self.0.received.get() == MESSAGES {
                let now = conn.reactor().now();
                let time = now - self.0.started.get().unwrap_or(now);
                println!("done {:.3}", time.as_secs_f64());
                conn.reactor().stop();
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Error> {
    let server = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
    let server = server.listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    let client = thread::spawn(move || {
        let game = Rc::new(Game::default());
        let client = Client::new(|| Player(Rc::clone(&game))).connections(CONNECTIONS);
        let ended = client.connect(address).and_then(|client| client.run());
        handle.stop();
        ended
    });
    server.run()?;
    let ended = client.join().expect("the loop keeps panics of handlers to itself")?;
    println!("the client's loop has ended, {} connections had to be aborted", ended.aborted);
    Ok(())
}
