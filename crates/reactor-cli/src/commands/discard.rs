//! The discard service (RFC 863): what arrives is thrown away.

use net_reactor::prelude::*;

use super::serve;
use crate::args::ServeArgs;
use crate::failure::Failure;

/// Serves until a signal.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    serve::serve(args, |_peer| Discard)
}

/// Reads and forgets.
#[derive(Debug)]
struct Discard;

impl Protocol for Discard {
    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }
}
