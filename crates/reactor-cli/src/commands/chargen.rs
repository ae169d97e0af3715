//! The character generator (RFC 864): lines of characters, as fast as the peer reads them.

use bytes::Bytes;
use net_reactor::prelude::*;
use net_reactor::{ConnConfig, Server};

use super::serve;
use crate::args::ServeArgs;
use crate::failure::Failure;

/// Characters in a line, without its end (RFC 864).
const LINE_CHARS: u8 = 72;
/// The printing characters of ASCII, space included.
const FIRST_CHAR: u8 = b' ';
const CHARS: u8 = b'~' - FIRST_CHAR + 1;
/// How often the pattern repeats in a block, which makes it about 70 KB.
const CYCLES: usize = 10;

/// Queued output above which the generator rests, and at or below which it goes on. With a block on
/// top, this is all the memory that a peer that does not read can hold.
const HIGH_MARK_BYTES: usize = 128 * 1024;
const LOW_MARK_BYTES: usize = 64 * 1024;

/// Serves until a signal.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let config = ConnConfig::default().marks(LOW_MARK_BYTES, HIGH_MARK_BYTES);
    let block = block();
    let server = Server::new(move |_peer: &Peer| Generator {
        block: block.clone(),
        rests: false,
        goes_on: false,
    });
    serve::run(args, server.connections(config))
}

/// Makes a number of whole cycles of the pattern, so that blocks can follow each other.
fn block() -> Bytes {
    let mut lines = Vec::new();
    for first in 0..CHARS {
        lines.extend((0..LINE_CHARS).map(|column| FIRST_CHAR + (first + column) % CHARS));
        lines.extend(b"\r\n");
    }
    lines.repeat(CYCLES).into()
}

/// Sends a block a turn, and rests while the peer has not read the earlier ones.
///
/// Between two blocks the other connections get their share.
#[derive(Debug)]
struct Generator {
    block: Bytes,
    /// Queued output is between the high mark and the low one.
    rests: bool,
    /// A [`GoOn`] is on its way; there is never more than one.
    goes_on: bool,
}

/// What the generator sends itself, to write another block in the next turn.
#[derive(Debug)]
struct GoOn;

impl Generator {
    fn generate(&mut self, conn: &mut Conn<'_>) -> Flow {
        if self.rests || self.goes_on {
            return Ok(());
        }
        conn.write_shared(self.block.clone())?;
        let id = conn.id();
        conn.reactor().message(id, GoOn)?;
        self.goes_on = true;
        Ok(())
    }
}

impl Protocol for Generator {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.generate(conn)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, _go_on: Message) -> Flow {
        self.goes_on = false;
        self.generate(conn)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.rests = pressure == Pressure::High;
        self.generate(conn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_rotate_through_the_printing_characters() {
        let block = block();
        let lines: Vec<_> = block.split(|byte| *byte == b'\n').collect();
        assert_eq!(lines[0].len(), 73);
        assert!(lines[0].starts_with(b" !\"#$%&'()*+,-./0123456789:;<=>?@ABC"));
        assert!(lines[1].starts_with(b"!\"#$%&'()*+,-./0123456789:;<=>?@ABCD"));
        assert!(lines[94].starts_with(b"~ !\"#"));
        assert_eq!(lines[95], lines[0]);
        assert!(block.ends_with(b"\r\n"));
    }
}
