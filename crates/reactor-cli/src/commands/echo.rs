//! The echo service (RFC 862): what arrives goes back, byte by byte or frame by frame.

use net_reactor::codec::{SimpleReactor, TypedFrame};
use net_reactor::prelude::*;
use net_reactor::simple_reactor::{TypedHandler, TypedServer};

use super::serve;
use crate::args::EchoArgs;
use crate::failure::Failure as CliFailure;
use crate::framing::{Framing, Plain, Typed};

/// Serves until a signal.
pub(crate) fn run(args: &EchoArgs) -> Result<(), CliFailure> {
    match args.framing.framing()? {
        Framing::Raw => serve::serve(&args.serve, |_peer| Echo),
        Framing::Plain(plain) => serve::serve(&args.serve, move |_peer| echo_frames(plain)),
        Framing::Typed(typed) => serve::run(&args.serve, echo_typed(typed)),
    }
}

/// Makes a handler that sends back each frame.
///
/// Bytes that are no frame close their connection; the reason is among the events.
pub(super) fn echo_frames(plain: Plain) -> impl Protocol {
    Framed::on_frame(plain.codec(), |conn, frame| Ok(conn.send(frame)?))
}

/// Makes a server that sends back the data of the application.
pub(super) fn echo_typed(
    typed: Typed,
) -> Server<impl FnMut(&Peer) -> TypedHandler<TypedEcho> + Clone + Send> {
    let server = TypedServer::new(typed.wire(), |_peer: &Peer| TypedEcho);
    if typed.beats { server.heartbeats() } else { server }.server()
}

/// Sends back the data of the application.
#[derive(Debug)]
pub(super) struct TypedEcho;

impl FrameHandler<SimpleReactor> for TypedEcho {
    fn on_frame(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, frame: TypedFrame<'_>) -> Flow {
        Ok(conn.send(frame.data())?)
    }
}

/// Sends back what arrives.
///
/// A peer that sends and does not read is held back: above 256 KiB of unread echo, reading from it
/// pauses. After its end of input it still gets all of its echo.
#[derive(Debug)]
pub(crate) struct Echo;

impl Protocol for Echo {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        conn.write(input.take_all())?;
        Ok(())
    }
}
