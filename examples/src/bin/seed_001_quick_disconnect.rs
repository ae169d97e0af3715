//! The life of a connection: opened, closed, or never opened - and the callback for each.
//!
//! Follows the second program of seed 001 (Twisted's `ClientFactory`): connect by name, print the
//! peer, hang up. Then twice where nobody answers. A name is looked up without blocking the loop.
//!
//! ```sh
//! cargo run -p examples --bin seed_001_quick_disconnect
//! ```
//!
//! expect: Connected to 127.0.0.1.
//! expect: Lost connection: Connection was closed cleanly.
//! expect: Connection failed: 127.0.0.1:<port> refused the connection.
//! expect: Connection failed: cannot resolve the name "nobody.invalid".
//! expect: The loop ticked <n> times meanwhile, <n> late.

use std::{cell::Cell, rc::Rc, time::Duration};

use net_reactor::prelude::*;

struct QuickDisconnect;

impl Protocol for QuickDisconnect {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        if let Address::Ip(peer) = conn.peer_address() {
            println!("Connected to {}.", peer.ip());
        }
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        if reason.is_clean() {
            println!("Lost connection: Connection was closed cleanly.");
        } else {
            println!("Lost connection: {reason}.");
        }
        conn.reactor().stop();
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        println!("Connection failed: {error}.");
        reactor.stop();
    }
}

fn main() -> Result<(), Error> {
    let mut host = Server::on_data(|_conn, _input| Ok(())).listen("127.0.0.1:0")?;
    let port = host.local_address().port().unwrap_or_default();
    let target = format!("localhost:{port}");
    host.reactor().connect(target.as_str(), QuickDisconnect)?;
    host.run()?;

    // The host has stopped with its loop: nobody listens on its port any more.
    let mut event_loop = EventLoop::new()?;
    event_loop.reactor().connect(target, QuickDisconnect)?;
    event_loop.run()?;

    let ticks = Rc::new(Cell::new((0, 0)));
    let count = Rc::clone(&ticks);
    let mut reactor = event_loop.reactor();
    reactor.call_every(Duration::from_millis(1), move |_reactor, tick| {
        let (on_time, late) = count.get();
        count.set((on_time + 1, late + tick.missed));
    });
    reactor.connect("nobody.invalid:80", QuickDisconnect)?;
    event_loop.run()?;
    println!("The loop ticked {} times meanwhile, {} late.", ticks.get().0, ticks.get().1);
    Ok(())
}
