//! Timeouts: a server that does not wait for ever for strangers who give nothing.
//!
//! Points beyond the seeds, whose servers keep a silent peer until it leaves; Twisted has the
//! `TimeoutMixin`, muduo an idle wheel. Here a connection has one timer, and no message moves it.
//!
//! ```sh
//! cargo run -p examples --bin 15_timeouts
//! ```
//!
//! expect: one is gone: timed out: no first byte came for 50ms
//! expect: one is gone: timed out: a message came too slowly for 150ms
//! expect: one is gone: timed out: nothing was received or sent for 300ms
//! expect: nobody is left

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{ConnConfig, Timeouts};

/// Echoes lines. What is not a line yet is left in the input, and so is known to be unfinished.
struct Lines;

impl Protocol for Lines {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(line) = input.line(1024)? {
            conn.write([line, b"\n"].concat())?;
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        println!("one is gone: {reason}");
        if conn.reactor().accepted().is_empty() {
            println!("nobody is left");
            conn.reactor().stop();
        }
    }
}

/// A guest who says nothing, or one line, or one that never ends.
enum Guest {
    Silent,
    Idle,
    Dripping,
}

impl Protocol for Guest {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        match self {
            Self::Silent => Ok(()),
            Self::Idle => Ok(conn.write("good evening\n")?),
            Self::Dripping => self.on_timer(conn, Tag(0)),
        }
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        conn.set_timer(tag, Duration::from_millis(10));
        Ok(conn.write("x")?)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }
}

fn main() -> Result<(), Error> {
    // `Timeouts::strangers()` has values for the open network; these are short for a demonstration.
    let timeouts = Timeouts::strangers()
        .first_byte(Duration::from_millis(50))
        .minimum_rate(1024, Duration::from_millis(150))
        .idle(Duration::from_millis(300));
    let config = ConnConfig::default().timeouts(timeouts);
    let mut server = Server::new(|_peer| Lines).connections(config).listen("127.0.0.1:0")?;
    let address = server.local_address();
    for guest in [Guest::Silent, Guest::Idle, Guest::Dripping] {
        server.reactor().connect(&address, guest)?;
    }
    server.run()?;
    Ok(())
}
