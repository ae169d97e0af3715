//! The watch on Unix: a thread that waits for what signal-hook's handlers write to a pipe.

#[cfg(test)]
mod tests;

use std::io;
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

#[derive(Debug)]
pub(super) struct Watch {
    handle: Handle,
    /// Present until the watch is dropped.
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(mut on_signal: impl FnMut(i32) + Send + 'static) -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let watch = move || signals.forever().for_each(&mut on_signal);
        let thread = thread::Builder::new().name("net-reactor-signals".to_owned()).spawn(watch)?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
        let Some(thread) = self.thread.take() else { return };
        // A watch that its own callback drops cannot wait for the callback to return.
        if thread.thread().id() != thread::current().id() {
            // A panic in the callback has been reported by the hook; it ended the watch only.
            let _ = thread.join();
        }
    }
}
