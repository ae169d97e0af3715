//! What happens in the room, on stdout.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use net_reactor::Error;

use crate::failure::Failure;

/// Lines that may wait for whoever reads stdout; more are left out.
const WAITING_LINES_MAX: usize = 1024;

/// How long the end waits for the last lines to be printed: 1 s.
const LAST_LINES_WAIT: Duration = Duration::from_secs(1);

/// Where the room tells what happens. A clone tells the same one; no loop ever waits for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// Nobody listens without it.
    printer: Option<Lines>,
}

#[derive(Debug, Clone)]
struct Lines {
    lines: SyncSender<String>,
    left_out: Arc<AtomicU64>,
}

impl Log {
    /// Tells a line, which must be fit to be shown.
    pub(super) fn line(&self, line: String) {
        let Some(printer) = &self.printer else { return };
        if printer.lines.try_send(line).is_err() {
            printer.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Prints what the room tells, on a thread of its own: a stdout that nobody reads would stop a loop.
#[derive(Debug)]
pub(super) struct Printer {
    log: Log,
    /// Its other end goes with the thread.
    ended: Receiver<()>,
}

impl Printer {
    pub(super) fn start() -> Result<Self, Failure> {
        let (lines, waiting) = mpsc::sync_channel(WAITING_LINES_MAX);
        let left_out = Arc::new(AtomicU64::new(0));
        let log = Log { printer: Some(Lines { lines, left_out: Arc::clone(&left_out) }) };
        let (end, ended) = mpsc::channel();
        let body = move || {
            print(&waiting, &left_out);
            drop(end);
        };
        thread::Builder::new().name("log".to_owned()).spawn(body).map_err(Error::Thread)?;
        Ok(Self { log, ended })
    }

    pub(super) fn log(&self) -> Log {
        self.log.clone()
    }

    /// Waits until all is printed, but not for ever: perhaps nobody reads it. Everybody else must have
    /// given the log back.
    pub(super) fn end(self) {
        drop(self.log);
        let _ = self.ended.recv_timeout(LAST_LINES_WAIT);
    }
}

fn print(waiting: &Receiver<String>, left_out: &AtomicU64) {
    // Not locked for long: the rest of the program prints too.
    let mut stdout = io::stdout();
    while let Ok(line) = waiting.recv() {
        let missing = left_out.swap(0, Ordering::Relaxed);
        // A stdout that is closed is no reason to close the room.
        if missing > 0 {
            let _ = writeln!(stdout, "({missing} lines are left out: nobody read them in time)");
        }
        let _ = writeln!(stdout, "{line}");
    }
}
