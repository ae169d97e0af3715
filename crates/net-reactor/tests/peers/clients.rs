//! Their clients at our server.

use std::sync::mpsc::{self, Receiver, Sender};

use net_reactor::RunningServer;
use net_reactor::codec::AnyCodec;
use net_reactor::prelude::*;

use super::framing::{Framing, MANY, SIZES};
use super::program::{PATIENCE, Program, python};

/// How a connection of the server ended, and after how many frames.
type Ended = (usize, CloseReason);

struct Echo {
    count: usize,
    ended: Sender<Ended>,
}

impl FrameHandler<AnyCodec> for Echo {
    fn on_frame(&mut self, conn: &mut FrameConn<'_, AnyCodec>, frame: &[u8]) -> Flow {
        self.count += 1;
        Ok(conn.send(frame)?)
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, AnyCodec>, reason: CloseReason) {
        let _ = self.ended.send((self.count, reason));
    }
}

fn serve(framing: Framing) -> (RunningServer, Receiver<Ended>) {
    let (ended, endings) = mpsc::channel();
    let server = Server::new(move |_peer: &Peer| {
        Framed::new(framing.codec(), Echo { count: 0, ended: ended.clone() })
    });
    (server.spawn("127.0.0.1:0").expect("a port is free"), endings)
}

fn converse(library: &str) {
    let Some(python) = python() else { return };
    for framing in Framing::ALL {
        let (server, endings) = serve(framing);
        let port = server.local_address().port().expect("a server of IP").to_string();
        let client =
            Program::python(&python, library, &["client", framing.name(), "converse", &port]);
        let all = SIZES.len() + MANY;
        assert_eq!(client.line(), format!("{all} frames are back, then the end"), "{framing:?}");
        client.end();
        let (count, reason) = endings.recv_timeout(PATIENCE).expect("it has ended");
        assert_eq!(count, all);
        assert!(matches!(reason, CloseReason::PeerClosed), "{framing:?}: {reason}");
        server.handle().stop();
        assert_eq!(server.join().expect("the loop runs").aborted, 0);
    }
}

#[test]
fn twisteds_receivers_get_every_frame_back_and_then_the_end() {
    converse("twisted");
}

#[test]
fn tornados_streams_get_every_frame_back_and_then_the_end() {
    converse("tornado");
}

#[test]
fn asyncios_streams_get_every_frame_back_and_then_the_end() {
    converse("asyncio");
}

/// Each library resets in the middle of a frame; the server serves the next one.
fn reset(library: &str) {
    let Some(python) = python() else { return };
    for framing in Framing::ALL {
        let (server, endings) = serve(framing);
        let port = server.local_address().port().expect("a server of IP").to_string();
        for _ in 0..2 {
            let client =
                Program::python(&python, library, &["client", framing.name(), "reset", &port]);
            assert_eq!(client.line(), "reset", "{framing:?}");
            client.end();
            let (count, reason) = endings.recv_timeout(PATIENCE).expect("it has ended");
            assert_eq!(count, 1, "{framing:?}");
            assert!(matches!(reason, CloseReason::Reset { .. }), "{framing:?}: {reason}");
        }
        server.handle().stop();
        assert_eq!(server.join().expect("the loop runs").aborted, 0);
    }
}

#[test]
fn a_reset_by_twisted_is_a_reset() {
    reset("twisted");
}

#[test]
fn a_reset_by_tornado_is_a_reset() {
    reset("tornado");
}

#[test]
fn a_reset_by_asyncio_is_a_reset() {
    reset("asyncio");
}
