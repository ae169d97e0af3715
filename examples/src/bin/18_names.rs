//! Names: a resolver of one's own, a name with several addresses, and three ways to fail.
//!
//! The addresses of a name are tried 250 ms apart, or at once when one has failed, and the first
//! that answers wins (RFC 8305). Without `resolver` the system is asked, on threads of the library's.
//! A resolver may answer at once, later and from any thread, or not at all.
//!
//! ```sh
//! cargo run -p examples --bin 18_names
//! ```
//!
//! expect: hub answers at 127.0.0.1
//! expect: printer: cannot resolve the name "printer" (the name is not known)
//! expect: cellar: cannot resolve the name "cellar" (the line is dead)
//! expect: moon: no answer within 300ms

use std::error::Error as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{Answer, ConnectOptions, LoopConfig};

/// An address for documents, at which nobody is (RFC 5737).
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Tells how it went, then lets the next name be tried.
struct Try {
    names: Vec<&'static str>,
    port: u16,
}

impl Try {
    fn next(mut self, reactor: &mut Reactor<'_>) {
        self.names.remove(0);
        self.start(reactor);
    }

    fn start(self, reactor: &mut Reactor<'_>) {
        let Some(name) = self.names.first() else { return reactor.stop() };
        // Only the moon is that far: the others have their outcome long before.
        let patience = Duration::from_millis(if *name == "moon" { 300 } else { 30_000 });
        let options = ConnectOptions::default().deadline(patience);
        if let Err(error) = reactor.connect_with(format!("{name}:{}", self.port), options, self) {
            println!("{error}");
        }
    }
}

impl Protocol for Try {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        if let Address::Ip(peer) = conn.peer_address() {
            println!("{} answers at {}", self.names[0], peer.ip());
        }
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
        let names = std::mem::take(&mut self.names);
        Self { names, port: self.port }.next(conn.reactor());
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
        println!("{}: {error}{cause}", self.names[0]);
        let names = std::mem::take(&mut self.names);
        Self { names, port: self.port }.next(reactor);
    }
}

fn main() -> Result<(), Error> {
    let unanswered = Mutex::new(Vec::new());
    let resolver = move |host: &str, answer: Answer| match host {
        "hub" => answer.found([NOBODY, Ipv4Addr::LOCALHOST.into()]),
        "printer" => drop(thread::spawn(|| answer.not_found())),
        "cellar" => answer.failed("the line is dead"),
        _ => unanswered.lock().expect("nobody panics with it").push(answer),
    };
    let mut host = Server::on_data(|_conn, _input| Ok(()))
        .loop_config(LoopConfig::default().resolver(resolver))
        .listen("127.0.0.1:0")?;
    let port = host.local_address().port().unwrap_or_default();
    let names = vec!["hub", "printer", "cellar", "moon"];
    Try { names, port }.start(&mut host.reactor());
    host.run()?;
    Ok(())
}
