//! The echo service (RFC 862): what arrives goes back, byte by byte or frame by frame.

use net_reactor::prelude::*;

use super::serve;
use crate::args::EchoArgs;
use crate::failure::Failure as CliFailure;
use crate::framing::Framing;

/// Serves until a signal.
pub(crate) fn run(args: &EchoArgs) -> Result<(), CliFailure> {
    let framing = args.framing;
    match framing {
        Framing::Raw => serve::serve(&args.serve, |_peer| Echo),
        _ => serve::serve(&args.serve, move |_peer| echo_frames(framing)),
    }
}

/// Makes a handler that sends back each frame.
///
/// Bytes that are no frame close their connection; the reason is among the events.
pub(super) fn echo_frames(framing: Framing) -> impl Protocol {
    Framed::on_frame(framing.codec(), |conn, frame| Ok(conn.send(frame)?))
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
