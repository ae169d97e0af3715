//! Passing on: a relay between a client and a server, with backpressure and both ends.
//!
//! Follows muduo's relay example, on which seed 002 (Poller, Channel and EventLoop by hand) builds:
//! while one side cannot take more, the other is not read. Four megabytes go out before the client
//! reads any of them back; the relay holds a few hundred kilobytes at most.
//!
//! ```sh
//! cargo run -p examples --bin 11_relay
//! ```
//!
//! expect: 4194304 bytes went through the relay and came back the same
//! expect: after our end: nothing more, and no error
//! expect: to a server that is not there: reset

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use net_reactor::prelude::*;
use net_reactor::{ConnConfig, OnHighMark, Relay};

const BYTES: usize = 4 << 20;

/// Sends a lot, finishes, and reads all of it back.
fn talk(relay: &Address) -> io::Result<()> {
    let mut stream = TcpStream::connect(relay)?;
    let (mut sender, sent) = (stream.try_clone()?, vec![7; BYTES]);
    let sending = thread::spawn(move || {
        sender.write_all(&sent)?;
        sender.shutdown(Shutdown::Write)
    });
    let mut got = vec![0; BYTES];
    stream.read_exact(&mut got)?;
    let same = if got.iter().all(|byte| *byte == 7) { "the same" } else { "changed" };
    println!("{BYTES} bytes went through the relay and came back {same}");
    let rest = stream.read(&mut got)?;
    let rest = if rest == 0 { "nothing more, and no error" } else { "more" };
    println!("after our end: {rest}");
    sending.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

/// Asks for a server that is not there.
fn knock(relay: &Address) -> io::Result<()> {
    let answer = TcpStream::connect(relay)?.read(&mut [0]);
    let reset = answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset);
    println!("to a server that is not there: {}", if reset { "reset" } else { "an orderly end" });
    Ok(())
}

/// Serves `relay` while `visit` is there.
fn serve(relay: Relay, visit: fn(&Address) -> io::Result<()>) -> Result<(), Error> {
    let server = Server::new(move |_peer| relay.clone()).listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    thread::spawn(move || {
        visit(&address).unwrap_or_else(|error| println!("no visit: {error}"));
        handle.stop();
    });
    server.run()?;
    Ok(())
}

fn main() -> Result<(), Error> {
    // An echo whose client reads late must itself read on.
    let config = ConnConfig::default().on_high_mark(OnHighMark::Tell);
    let echo = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
    let echo = echo.connections(config).spawn("127.0.0.1:0")?;
    let relay = Relay::to(echo.local_address())?;
    serve(relay.clone(), talk)?;
    echo.handle().stop();
    echo.join()?;
    serve(relay, knock)
}
