//! Our client at their servers.

use std::rc::Rc;
use std::sync::mpsc::{self, Sender};

use net_reactor::codec::AnyCodec;
use net_reactor::prelude::*;
use net_reactor::{Client, Stopped};

use super::framing::{Framing, MANY, SIZES, frames};
use super::program::{PATIENCE, Program, address, python};

/// When our client says that it has sent everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// At once, behind its last frame: the answers are still to come.
    AtOnce,
    /// When every answer is there.
    Afterwards,
}

/// Sends the large frames one by one, then all others at once, and compares what comes back.
struct Caller {
    frames: Rc<[Vec<u8>]>,
    finish: Finish,
    back: usize,
    ended: Sender<(usize, CloseReason)>,
}

impl Caller {
    /// Sends what is due when so many frames are back.
    fn go_on(&self, conn: &mut FrameConn<'_, AnyCodec>) -> Flow {
        if self.back < SIZES.len() {
            conn.send(&self.frames[self.back])?;
        } else if self.back == SIZES.len() {
            for frame in &self.frames[self.back..] {
                conn.send(frame)?;
            }
            if self.finish == Finish::AtOnce {
                conn.shutdown_write()?;
            }
        } else if self.back == self.frames.len() && self.finish == Finish::Afterwards {
            conn.shutdown_write()?;
        }
        Ok(())
    }
}

impl FrameHandler<AnyCodec> for Caller {
    fn on_open(&mut self, conn: &mut FrameConn<'_, AnyCodec>) -> Flow {
        self.go_on(conn)
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, AnyCodec>, frame: &[u8]) -> Flow {
        let wanted = self.frames.get(self.back).expect("nobody sends more than was sent");
        assert!(frame == wanted.as_slice(), "frame {}: {} bytes came back", self.back, frame.len());
        self.back += 1;
        self.go_on(conn)
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, AnyCodec>, reason: CloseReason) {
        let _ = self.ended.send((self.back, reason));
    }
}

/// Calls a server, and returns how many frames came back and how the connection ended.
fn call(port: u16, framing: Framing, finish: Finish) -> (usize, CloseReason) {
    let (ended, ending) = mpsc::channel();
    let frames: Rc<[Vec<u8>]> = frames().collect();
    let make = move || {
        let (frames, ended) = (Rc::clone(&frames), ended.clone());
        Framed::new(framing.codec(), Caller { frames, finish, back: 0, ended })
    };
    let mut client = Client::new(make).connect(address(port)).expect("it is a target");
    client.reactor().call_later(PATIENCE, |reactor| reactor.stop_now());
    let Stopped { aborted, .. } = client.run().expect("it is connected");
    assert_eq!(aborted, 0);
    ending.recv().expect("a connection that was open is closed")
}

fn converse(library: &str, finish: Finish) {
    let Some(python) = python() else { return };
    for framing in Framing::ALL {
        let server = Program::python(&python, library, &["server", framing.name(), "echo"]);
        let port = server.port();
        let all = SIZES.len() + MANY;
        let (back, reason) = call(port, framing, finish);
        assert_eq!(back, all, "{framing:?}: {reason}");
        assert!(matches!(reason, CloseReason::PeerClosed), "{framing:?}: {reason}");
        assert_eq!(server.line(), format!("{all} frames, then the end"), "{framing:?}");
    }
}

#[test]
fn twisteds_receivers_answer_after_our_half_close_what_was_sent_before() {
    converse("twisted", Finish::AtOnce);
}

#[test]
fn asyncios_streams_answer_after_our_half_close_what_was_sent_before() {
    converse("asyncio", Finish::AtOnce);
}

/// An `IOStream` that meets the end drops what it has not sent.
#[test]
fn tornados_streams_answer_every_frame_and_then_see_our_half_close() {
    converse("tornado", Finish::Afterwards);
}

fn reset(library: &str) {
    let Some(python) = python() else { return };
    for framing in Framing::ALL {
        let server = Program::python(&python, library, &["server", framing.name(), "reset"]);
        let (back, reason) = call(server.port(), framing, Finish::Afterwards);
        assert_eq!(back, 1, "{framing:?}");
        assert!(matches!(reason, CloseReason::Reset { .. }), "{framing:?}: {reason}");
        assert_eq!(server.line(), "reset", "{framing:?}");
    }
}

#[test]
fn a_twisted_server_that_resets_is_told_as_a_reset() {
    reset("twisted");
}

#[test]
fn a_tornado_server_that_resets_is_told_as_a_reset() {
    reset("tornado");
}

#[test]
fn an_asyncio_server_that_resets_is_told_as_a_reset() {
    reset("asyncio");
}
