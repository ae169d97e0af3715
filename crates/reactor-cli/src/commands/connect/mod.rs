//! Connects: lines of a person at a terminal, or stdin and stdout passed through.
//!
//! ```text
//!   stdin --> thread, or editor --- Told::Chunk ---> Session --> connection
//!                  ^------------ emptied buffers -------'
//!   stdout <-- thread, or printer <---- buffers ---- Session <-- connection
//!                  `------------- Told::Emptied --------^
//! ```
//!
//! Files and pipes block, and so does a person; each has a thread. A fixed number of buffers goes
//! round in each direction. While none is empty nobody reads from that side, so that the memory does
//! not depend on how much is passed through, or on how slowly.

mod ended;
mod passage;
mod pipes;
mod session;
mod terminal;

use std::io::{self, IsTerminal, Write};
use std::rc::Rc;
use std::time::Duration;

use net_reactor::{ConnConfig, ConnectOptions, EventLoop, OnHighMark, Timeouts};

use self::ended::Ended;
use self::passage::Ends;
use self::session::Session;
use self::terminal::Terminal;
use crate::args::ConnectArgs;
use crate::failure::Failure;

/// How long queued output may take after the peer has finished: a day. What was piped in is to
/// arrive, however slowly the peer reads.
const LINGER: Duration = Duration::from_secs(24 * 3600);

/// Talks until the peer has closed.
pub(crate) fn run(args: &ConnectArgs) -> Result<(), Failure> {
    match Terminal::open(args.crlf) {
        Some((ends, terminal)) => {
            let ended = talk(args, ends);
            terminal.close();
            if ended.is_ok() {
                // A stderr that is closed too hears nothing.
                let _ = writeln!(io::stderr(), "closed by the peer");
            }
            ended
        }
        None => talk(args, pipes::ends(io::stdin().is_terminal())?),
    }
}

fn talk(args: &ConnectArgs, ends: Ends) -> Result<(), Failure> {
    let mut event_loop = EventLoop::new()?;
    event_loop.stop_on_signals().map_err(net_reactor::Error::Signals)?;
    let ended = Rc::new(Ended::default());
    let session = Session::new(ends, &ended);
    // What comes in and what goes out are two streams: neither waits for the other.
    // A peer that stands still may go on: the person, or a timeout of the shell, decides.
    let config = ConnConfig::default()
        .on_high_mark(OnHighMark::Tell)
        .linger(LINGER)
        .timeouts(Timeouts::never());
    let options = ConnectOptions::default().deadline(args.connect_deadline).config(config);
    event_loop
        .reactor()
        .connect_with(args.target.clone(), options, session)
        .map_err(net_reactor::Error::Target)?;
    event_loop.run()?;
    ended.verdict()
}
