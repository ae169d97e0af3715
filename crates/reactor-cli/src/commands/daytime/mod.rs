//! The daytime service (RFC 867): the time as a line of text, then the end.

mod civil;

use net_reactor::prelude::*;

use self::civil::Civil;
use super::serve;
use crate::args::ServeArgs;
use crate::clock;
use crate::failure::Failure;

/// Serves until a signal.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    serve::serve(args, |_peer| Daytime)
}

/// Sends the time and closes.
#[derive(Debug)]
struct Daytime;

impl Protocol for Daytime {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let now = Civil::from_unix_seconds(clock::since_1970().as_secs());
        conn.write(format!("{now}\r\n"))?;
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}
