//! Programs in Python, written from the description of the wire and nothing else, at the other end.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use net_reactor::codec::{SimpleReactor, TypedFrame};
use net_reactor::prelude::*;
use net_reactor::simple_reactor::{TypedClient, TypedServer};
use net_reactor::{Client, HeartbeatConfig};

type Wire = fn() -> SimpleReactor;

/// The wires that Python is tried with, and their names there.
const WIRES: &[(&str, Wire)] = &[
    ("plain", SimpleReactor::plain),
    #[cfg(feature = "zlib")]
    ("packed", SimpleReactor::zlib),
];

/// Starts one of the scripts beside this file, or says loudly that it cannot.
fn python(script: &str, args: &[&str]) -> Option<Child> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/services/simple_reactor");
    let mut command = Command::new("python3");
    command.arg(folder.join(script)).args(args).stdin(Stdio::null()).stdout(Stdio::piped());
    match command.spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            // Not by a macro, whose output the test harness keeps to itself.
            let mut stderr = std::io::stderr();
            let _ = writeln!(stderr, "NOT TESTED with Python: python3 cannot be started: {error}");
            None
        }
    }
}

/// Reads what the script still says, and checks that it ended well.
#[track_caller]
fn ending(mut child: Child) -> String {
    let mut text = String::new();
    let output = child.stdout.as_mut().expect("its output is piped");
    output.read_to_string(&mut text).expect("it writes text");
    let status = child.wait().expect("it can be waited for");
    assert!(status.success(), "{status}, after {text:?}");
    text
}

#[test]
fn a_client_in_python_exchanges_messages_and_hears_heartbeats() {
    for (form, wire) in WIRES {
        let server = TypedServer::on_data(*wire, |conn, data| Ok(conn.send(data)?));
        let beats = HeartbeatConfig::send().interval(Duration::from_millis(50));
        let server = server.heartbeat(beats).server().spawn("127.0.0.1:0").unwrap();
        let port = server.local_address().port().unwrap().to_string();
        if let Some(client) = python("client.py", &["127.0.0.1", &port, form, "50", "10"]) {
            assert_eq!(ending(client), "messages 50, beats at least 10\n", "{form}");
        }
        server.handle().stop();
        server.join().unwrap();
    }
}

const WAIT: Tag = Tag(1);

/// Says a message, is silent for longer than the tolerance, and says the rest one after the other.
struct Visitor {
    left: u32,
    reason: mpsc::Sender<CloseReason>,
}

impl FrameHandler<SimpleReactor> for Visitor {
    fn on_open(&mut self, conn: &mut FrameConn<'_, SimpleReactor>) -> Flow {
        Ok(conn.send("the first")?)
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, frame: TypedFrame<'_>) -> Flow {
        self.left -= 1;
        match frame.data() {
            b"the first" => conn.set_timer(WAIT, TOLERANCE + TOLERANCE / 4),
            echoed => {
                assert_eq!(echoed, format!("message {}", self.left + 1).as_bytes());
                if self.left > 0 {
                    conn.send(&format!("message {}", self.left))?;
                }
            }
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, _tag: Tag) -> Flow {
        Ok(conn.send(&format!("message {}", self.left))?)
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, SimpleReactor>, reason: CloseReason) {
        self.reason.send(reason).expect("the test waits for it");
    }
}

const TOLERANCE: Duration = Duration::from_millis(1500);

#[test]
fn a_server_in_python_keeps_our_client_with_beats_and_loses_it_when_it_stands_still() {
    for (form, wire) in WIRES {
        let Some(mut server) = python("server.py", &[form, "0.1", "20"]) else { return };
        let mut port = String::new();
        let output = server.stdout.take().expect("its output is piped");
        let mut output = BufReader::new(output);
        output.read_line(&mut port).unwrap();
        let (reason, reasons) = mpsc::channel();
        let make = move || Visitor { left: 20, reason: reason.clone() };
        let config = HeartbeatConfig::expect().tolerance(TOLERANCE);
        let client: Client<_> = TypedClient::new(*wire, make).heartbeat(config).client();
        client.connect(format!("127.0.0.1:{}", port.trim()).as_str()).unwrap().run().unwrap();
        let reason = reasons.recv().unwrap();
        assert!(matches!(reason, CloseReason::HeartbeatTimedOut { .. }), "{form}: {reason:?}");
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "reset\n", "{form}");
        assert!(server.wait().unwrap().success());
    }
}
