//! The echo service (RFC 862): what arrives goes back.

use net_reactor::prelude::*;

use super::serve;
use crate::args::ServeArgs;
use crate::failure::Failure;

/// Serves until a signal.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    serve::serve(args, |_peer| Echo)
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
