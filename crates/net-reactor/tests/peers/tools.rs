//! socat and nc at either end: bytes, and both half-closes.

use std::process::{Command, Stdio};
use std::sync::mpsc;

use net_reactor::prelude::*;
use net_reactor::{Client, RunningServer};

use super::framing::frame;
use super::program::{PATIENCE, Program, address, has};

/// More than all buffers on the way hold.
const SIZES: [usize; 4] = [0, 1, 65_535, 8 * 1024 * 1024];

/// How OpenBSD's nc is told to pass the end of its input on; others have no such option.
const PASSES_THE_END_ON: &str = "-N";

fn socat(args: &[&str]) -> Command {
    // Without -t it waits half a second for the other direction, when one has ended.
    piped("socat", &[&["-d", "-d", "-t", "100"], args].concat())
}

fn piped(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped());
    command
}

fn echo_server() -> RunningServer {
    let echo = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
    echo.spawn("127.0.0.1:0").expect("a port is free")
}

/// Feeds a client of theirs, whose half-close follows, and compares what it puts out.
fn is_echoed(mut client: Program, size: usize) {
    let put_out = client.feed(frame(size)).recv_timeout(PATIENCE).expect("it ends in time");
    assert!(put_out == frame(size), "{} bytes of {size} came out", put_out.len());
    client.end();
}

#[test]
fn what_socat_sends_comes_back_after_its_half_close() {
    if has("socat", "socat") {
        let server = echo_server();
        let target = format!("TCP4:{}", server.local_address());
        for size in SIZES {
            is_echoed(Program::talking_aside(&mut socat(&["-", &target])), size);
        }
        server.handle().stop();
        assert_eq!(server.join().expect("the loop runs").aborted, 0);
    }
}

#[test]
fn what_nc_sends_comes_back_after_its_half_close() {
    if has("nc", PASSES_THE_END_ON) {
        let server = echo_server();
        let port = server.local_address().port().expect("a server of IP").to_string();
        for size in SIZES {
            let mut nc = piped("nc", &["-N", "127.0.0.1", &port]);
            is_echoed(Program::talking_aside(&mut nc), size);
        }
        server.handle().stop();
        assert_eq!(server.join().expect("the loop runs").aborted, 0);
    }
}

/// When our client says that it has sent everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// At once: most of what the other side sends is still to come.
    AtOnce,
    /// When so many bytes have come.
    After(usize),
}

/// Sends bytes and its end, and keeps what comes.
struct Caller {
    sends: Vec<u8>,
    finish: Finish,
    got: Vec<u8>,
    ended: mpsc::Sender<(Vec<u8>, CloseReason)>,
}

impl Caller {
    fn finish(&self, conn: &mut Conn<'_>) -> Flow {
        let is_due = self.finish == Finish::After(self.got.len());
        if is_due {
            conn.shutdown_write()?;
        }
        Ok(())
    }
}

impl Protocol for Caller {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write(&self.sends)?;
        if self.finish == Finish::AtOnce {
            conn.shutdown_write()?;
        }
        self.finish(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.got.extend_from_slice(input.take_all());
        self.finish(conn)
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        let _ = self.ended.send((std::mem::take(&mut self.got), reason));
    }
}

/// Calls a server of theirs, and returns what came by the end.
fn call(port: u16, sends: Vec<u8>, finish: Finish) -> Vec<u8> {
    let (ended, ending) = mpsc::channel();
    let make = move || {
        let (sends, ended) = (sends.clone(), ended.clone());
        Caller { sends, finish, got: Vec::new(), ended }
    };
    let mut client = Client::new(make).connect(address(port)).expect("it is a target");
    client.reactor().call_later(PATIENCE, |reactor| reactor.stop_now());
    client.run().expect("it is connected");
    let (got, reason) = ending.recv().expect("a connection that was open is closed");
    assert!(matches!(reason, CloseReason::PeerClosed), "{reason}");
    got
}

/// Both sides send each other everything, and their ends.
fn exchange(mut server: Program, size: usize, finish: Finish) {
    let port = server.port();
    let put_out = server.feed(frame(size));
    let got = call(port, frame(size + 1), finish);
    assert!(got == frame(size), "{} bytes of {size} came", got.len());
    let put_out = put_out.recv_timeout(PATIENCE).expect("it ends in time");
    assert!(put_out == frame(size + 1), "{} bytes of {} were put out", put_out.len(), size + 1);
    server.end();
}

#[test]
fn socat_and_our_client_exchange_everything_also_after_our_half_close() {
    if has("socat", "socat") {
        for size in SIZES {
            let mut socat = socat(&["TCP4-LISTEN:0,bind=127.0.0.1", "-"]);
            exchange(Program::talking_aside(&mut socat), size, Finish::AtOnce);
        }
    }
}

/// A listening nc ends at the peer's end, whatever it still has to send.
#[test]
fn nc_and_our_client_exchange_everything_before_our_half_close() {
    if has("nc", PASSES_THE_END_ON) {
        for size in SIZES {
            let mut nc = piped("nc", &["-N", "-l", "-v", "127.0.0.1", "0"]);
            exchange(Program::talking_aside(&mut nc), size, Finish::After(size));
        }
    }
}
