//! A successor: a new version of a server takes the place of the old one, and no peer is refused.
//!
//! Both serve the same socket for a moment, and its backlog is one queue: who connects while they
//! change places waits there. The new one is started with the socket as its standard input, and says
//! when it serves; then the old one stops, and lets its peers finish. A service manager that keeps the
//! socket open does the same with `net_reactor::passed_sockets`.
//!
//! ```sh
//! cargo run -p examples --bin 22_successor
//! ```
//!
//! expect: a guest hears: the old one
//! expect: the old one has stopped
//! expect: the next guest hears: the new one

use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::thread;

use net_reactor::ListeningSocket;
use net_reactor::prelude::*;

/// What tells the program that it is the new one.
const SUCCESSOR: &str = "successor";

/// Says who it is, and closes.
struct Greeter {
    name: &'static str,
    /// The program ends with this guest.
    is_last: bool,
}

impl Protocol for Greeter {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write(self.name)?;
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
        if self.is_last {
            conn.reactor().stop();
        }
    }
}

/// The new one: it finds the socket at its standard input, and serves one guest.
fn succeed() -> Result<(), Box<dyn std::error::Error>> {
    let socket = ListeningSocket::try_from(io::stdin().as_fd().try_clone_to_owned()?)?;
    let server = Server::new(|_peer| Greeter { name: "the new one", is_last: true });
    let server = server.adopt(socket)?;
    println!("ready");
    server.run()?;
    Ok(())
}

/// Starts the new one, and waits until it serves.
fn start_successor(socket: TcpListener) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    let command = command.arg(SUCCESSOR).stdin(OwnedFd::from(socket)).stdout(Stdio::piped());
    let mut successor = command.spawn()?;
    if let Some(says) = successor.stdout.take() {
        BufReader::new(says).read_line(&mut String::new())?;
    }
    Ok(successor)
}

fn visit(address: SocketAddr) -> io::Result<String> {
    io::read_to_string(TcpStream::connect(address)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some(SUCCESSOR) {
        return succeed();
    }
    let socket = TcpListener::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    let server = Server::new(|_peer| Greeter { name: "the old one", is_last: false });
    // It serves a duplicate, and keeps the socket for the new one.
    let server = server.adopt(socket.try_clone()?)?;
    let handle = server.handle();
    let change = thread::spawn(move || -> io::Result<Child> {
        println!("a guest hears: {}", visit(address)?);
        let successor = start_successor(socket);
        handle.stop();
        successor
    });
    server.run()?;
    println!("the old one has stopped");
    let mut successor = change.join().map_err(|_| "the change failed")??;
    println!("the next guest hears: {}", visit(address)?);
    successor.wait()?;
    Ok(())
}
