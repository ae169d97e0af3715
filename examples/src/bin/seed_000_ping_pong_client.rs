//! Both ends: one client with 100 connections, which waits for all of them, plays, and hangs up.
//!
//! Follows the client of seed 000 (SimpleReactor). There the main thread spins until every
//! connection is open; here the last one to open starts the game.
//!
//! ```sh
//! cargo run --release -p examples --bin seed_000_ping_pong_client
//! ```
//!
//! expect: 100 connections are open
//! expect: done <seconds>
//! expect: the client's loop has ended, 0 connections had to be aborted

use net_reactor::{Client, Instant, Shared, prelude::*};

const CONNECTIONS: usize = 100;
const MESSAGES: usize = 10_000;
const MESSAGE: &str = "hello world";

/// One handler for all connections: what it holds is what they share.
#[derive(Default)]
struct Game {
    players: Vec<ConnId>,
    started: Instant,
    received: usize,
}

impl Protocol for Game {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.players.push(conn.id());
        if self.players.len() == CONNECTIONS {
            println!("{CONNECTIONS} connections are open");
            self.started = conn.reactor().now();
            for player in &self.players {
                conn.reactor().write(*player, MESSAGE)?;
            }
        }
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(message) = input.take(MESSAGE.len()) {
            conn.write(message)?;
            self.received += 1;
            if self.received == MESSAGES {
                let time = conn.reactor().now() - self.started;
                println!("done {:.3}", time.as_secs_f64());
                conn.reactor().stop();
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Error> {
    let echo = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
    let server = echo.spawn("127.0.0.1:0")?;

    let game = Shared::new(Game::default());
    let client = Client::new(|| game.clone()).connections(CONNECTIONS);
    let ended = client.connect(server.local_address())?.run()?;
    println!("the client's loop has ended, {} connections had to be aborted", ended.aborted);

    server.handle().stop();
    server.join()?;
    Ok(())
}
