//! net-reactor, written the way its README shows.

use std::io;
use std::net::TcpListener;

use net_reactor::codec::LengthPrefix;
use net_reactor::{Conn, Flow, FrameConn, FrameHandler, Framed, Input, Protocol, Server};

use super::raw_frames::{FRAME_BYTES_MAX, PREFIX_BYTES, prefix};

struct Echo;

impl Protocol for Echo {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        conn.write(input.take_all())?;
        Ok(())
    }
}

/// Sends every byte back.
pub(super) fn echo(listener: TcpListener) -> io::Result<()> {
    serve(Server::new(|_peer| Echo).adopt(listener))
}

struct Frames;

impl Protocol for Frames {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some((head, _)) = input.bytes().split_first_chunk::<PREFIX_BYTES>() {
            let length = u32::from_be_bytes(*head) as usize;
            if length > FRAME_BYTES_MAX {
                return Err(net_reactor::Failure::msg("a frame is over the limit"));
            }
            let Some(whole) = input.take(PREFIX_BYTES + length) else { break };
            let frame = &whole[PREFIX_BYTES..];
            conn.write(prefix(frame))?;
            conn.write(frame)?;
        }
        Ok(())
    }
}

/// Sends every frame back, cut by hand. The library joins what is written; nothing is joined by hand here.
pub(super) fn frames(listener: TcpListener) -> io::Result<()> {
    serve(Server::new(|_peer| Frames).adopt(listener))
}

struct FrameEcho;

impl FrameHandler<LengthPrefix> for FrameEcho {
    fn on_frame(&mut self, conn: &mut FrameConn<'_, LengthPrefix>, frame: &[u8]) -> Flow {
        conn.send(frame)?;
        Ok(())
    }
}

/// Sends every frame back, with the library's own codec.
pub(super) fn framed(listener: TcpListener) -> io::Result<()> {
    serve(Server::new(|_peer| Framed::new(LengthPrefix::u32(), FrameEcho)).adopt(listener))
}

pub(super) fn serve(bound: Result<net_reactor::BoundServer, net_reactor::Error>) -> io::Result<()> {
    bound.and_then(net_reactor::BoundServer::run).map_err(io::Error::other)?;
    Ok(())
}
