//! Unix sockets: a hub for the programs of one machine, which knows who they are.
//!
//! A server listens at a path as it does on a port: the same verbs, the same handlers. Who may
//! write to the file may connect, and the kernel vouches for the user, group and process of each
//! peer, so that nobody needs a password.
//!
//! The file of a program that was killed stays behind. Here one lies in the way: nobody listens on
//! it any more, so it is replaced. It goes when the listener does.
//!
//! ```sh
//! cargo run -p examples --bin 19_unix
//! ```
//!
//! expect: serving in the place of one that died
//! expect: who are you? you are me
//! expect: the file is gone

use std::os::unix::net::UnixListener;

use net_reactor::prelude::*;
use net_reactor::{ConnectOptions, UnixAddress};

/// Lets in the user who runs it, and nobody else.
struct Doorkeeper;

impl Protocol for Doorkeeper {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let peer = conn.peer_credentials()?;
        if peer.pid == std::process::id() {
            conn.write(b"who are you? you are me")?;
        }
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

/// Prints what it is told, and stops the loop.
struct Caller;

impl Protocol for Caller {
    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        println!("{}", String::from_utf8_lossy(input.take_all()));
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
        conn.reactor().stop();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("hub-{}.sock", std::process::id()));
    // The standard library leaves the file where it is, as a killed program does.
    drop(UnixListener::bind(&path)?);

    // In a configuration file this would be `unix:/run/hub.sock?mode=600`.
    let target = format!("{}?mode=600", UnixAddress::path(&path)?);
    let mut server = Server::new(|_peer| Doorkeeper).listen(&target)?;
    println!("serving in the place of one that died");

    server.reactor().connect_with(&*target, ConnectOptions::default(), Caller)?;
    server.run()?;
    println!("the file is {}", if path.exists() { "still there" } else { "gone" });
    Ok(())
}
