//! A chat with net-reactor, written the way its README shows.

use std::io;
use std::net::TcpListener;

use net_reactor::codec::{Encoder, Lines};
use net_reactor::{Flow, FrameConn, FrameHandler, Framed, Server};

use super::ours::serve;

struct Chat;

impl FrameHandler<Lines> for Chat {
    fn on_frame(&mut self, conn: &mut FrameConn<'_, Lines>, line: &[u8]) -> Flow {
        let line = conn.codec().to_bytes(line)?; // encoded once, one buffer for all
        conn.reactor().broadcast(line);
        Ok(())
    }
}

/// Sends every line to everybody.
pub(super) fn chat(listener: TcpListener) -> io::Result<()> {
    serve(Server::new(|_peer| Framed::new(Lines::new(), Chat)).adopt(listener))
}
