//! Buffered input and output over a descriptor, as asynchat has it.

use std::io::IoSlice;
use std::time::Duration;

use super::buffered_fd::{BufferedFd, Output};
use super::{Fd, FdHandler};
use crate::base::{Inbound, Input, Instant, ScanMark, TimerId};
use crate::driver::{Ready, SEND_BYTES_PER_FLUSH};
use crate::net::CloseReason;
use crate::protocol::{Eof, Failure, Flow, Reactor};
use crate::sys::Interest;

/// How much is read in one call: 16 KiB, on the stack, so that idle descriptors own no buffer.
const READ_BYTES: usize = 16 * 1024;

/// How often a descriptor is read in one turn, so that a busy one leaves the others their share.
const READS_PER_TURN: usize = 4;

/// While more output than this waits nothing is read: 64 KiB.
const OUTPUT_MARK_BYTES: usize = 64 * 1024;

/// Output above this ends the descriptor: 16 MiB.
const OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Unconsumed input above this ends the descriptor: 2 MiB.
const INPUT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How long output may take to leave after the last of it: 30 s.
const LINGER: Duration = Duration::from_secs(30);

/// How many slices one write names.
const SLICES_PER_WRITE: usize = 16;

/// The handler of a [`Buffered`] descriptor: bytes come as [`Input`], as on a connection, and
/// output is queued.
///
/// It is what asyncore's `dispatcher_with_send` and asynchat are for. A line, a number of bytes, or
/// what comes before a terminator is taken by the methods of [`Input`]; what is not consumed comes
/// again with the next bytes.
#[expect(unused_variables, reason = "the names of the parameters are documentation")]
pub trait BufferedHandler: 'static {
    /// The loop watches the descriptor now.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_open(&mut self, fd: &mut BufferedFd<'_, '_>) -> Flow {
        Ok(())
    }

    /// Bytes arrived; `input` holds them after what earlier calls left.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason; what was pushed before is not written.
    fn on_data(&mut self, fd: &mut BufferedFd<'_, '_>, input: &mut Input<'_>) -> Flow;

    /// There is nothing more to read. `input` holds what `on_data` never consumed.
    ///
    /// The default lets what is queued be written, and then closes with
    /// [`CloseReason::PeerClosed`].
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_eof(
        &mut self,
        fd: &mut BufferedFd<'_, '_>,
        input: &mut Input<'_>,
    ) -> Result<Eof, Failure> {
        Ok(Eof::Close)
    }

    /// Everything that was pushed was written. Time to push more, for whoever makes it as it goes.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_drained(&mut self, fd: &mut BufferedFd<'_, '_>) -> Flow {
        Ok(())
    }

    /// [`Reactor::poke_fd`] asked for attention.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_poke(&mut self, fd: &mut BufferedFd<'_, '_>) -> Flow {
        Ok(())
    }

    /// The loop is stopping gracefully. The default lets what is queued be written, and then closes.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_stop(&mut self, fd: &mut BufferedFd<'_, '_>) -> Flow {
        fd.close_when_done();
        Ok(())
    }

    /// The loop does not watch the descriptor any more. Always the last callback, exactly once.
    fn on_close(&mut self, reactor: &mut Reactor<'_>, reason: CloseReason) {}
}

/// A [`BufferedHandler`], made an [`FdHandler`] for [`Reactor::add_fd`].
///
/// | limit | default | what happens there |
/// |---|---|---|
/// | queued output, soft | 64 KiB | nothing is read until less waits |
/// | queued output | 16 MiB | closed with [`CloseReason::SlowConsumer`] |
/// | unconsumed input | 2 MiB | closed with [`CloseReason::InputOverflow`] |
/// | time to write the rest when closing | 30 s | closed with [`CloseReason::LingerExpired`] |
/// | read in one turn | 64 KiB | the rest in the next turn |
///
/// ```
/// # #[cfg(unix)] {
/// use net_reactor::{Buffered, BufferedFd, BufferedHandler, EventLoop, Flow, Input, Interest};
/// use std::io::{BufRead, BufReader, Write};
/// use std::os::unix::net::UnixStream;
///
/// struct Shout;
///
/// impl BufferedHandler for Shout {
///     fn on_data(&mut self, fd: &mut BufferedFd<'_, '_>, input: &mut Input<'_>) -> Flow {
///         while let Some(line) = input.line(1024)? {
///             fd.push(line.to_ascii_uppercase())?;
///             fd.push("\n")?;
///             fd.reactor().stop(); // which lets what was pushed be written
///         }
///         Ok(())
///     }
/// }
///
/// let mut event_loop = EventLoop::new()?;
/// let (own, mut peer) = UnixStream::pair()?;
/// event_loop.reactor().add_fd(own, Interest::READ, Buffered::new(Shout))?;
/// peer.write_all(b"hello\n")?;
/// event_loop.run()?;
/// let mut line = String::new();
/// BufReader::new(peer).read_line(&mut line)?;
/// assert_eq!(line, "HELLO\n");
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Buffered<H> {
    handler: H,
    output: Output,
    input: Inbound,
    input_bytes_max: usize,
    linger: Duration,
    /// When the time to write the rest ends, and the timer that says so.
    deadline: Option<(Instant, TimerId)>,
    /// The end was read.
    saw_eof: bool,
    /// Everything was written, and the handler was not told.
    owes_drained: bool,
}

impl<H: BufferedHandler> Buffered<H> {
    /// Makes a handler with default limits.
    pub fn new(handler: H) -> Self {
        Self {
            handler,
            output: Output::new(OUTPUT_BYTES_MAX),
            input: Inbound::default(),
            input_bytes_max: INPUT_BYTES_MAX,
            linger: LINGER,
            deadline: None,
            saw_eof: false,
            owes_drained: false,
        }
    }

    /// Sets how much output may wait.
    #[must_use]
    pub fn output_bytes_max(mut self, bytes: usize) -> Self {
        self.output.bytes_max = bytes;
        self
    }

    /// Sets how much input may be left unconsumed.
    #[must_use]
    pub fn input_bytes_max(mut self, bytes: usize) -> Self {
        self.input_bytes_max = bytes;
        self
    }

    /// Sets how long output may take to leave after the last of it.
    #[must_use]
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    fn is_reading(&self) -> bool {
        !self.saw_eof
            && self.output.closing.is_none()
            && self.output.queue.len() <= OUTPUT_MARK_BYTES
    }

    /// Reads its share of a turn.
    fn read(&mut self, fd: &mut Fd<'_>) -> Flow {
        let mut bytes = [0; READ_BYTES];
        for _ in 0..READS_PER_TURN {
            if !self.is_reading() || !fd.is_open() {
                break;
            }
            match fd.read(&mut bytes)? {
                None => break,
                Some(0) => {
                    self.saw_eof = true;
                    return self.tell_eof(fd);
                }
                Some(len) => self.take_in(fd, &bytes[..len])?,
            }
        }
        Ok(())
    }

    /// Delivers fresh bytes behind those that were kept.
    fn take_in(&mut self, fd: &mut Fd<'_>, fresh: &[u8]) -> Flow {
        let Self { handler, output, input: kept, .. } = self;
        let mut lent = BufferedFd::new(fd, output);
        if kept.unread().is_empty() {
            let mut input = Input::new(fresh, ScanMark::default());
            handler.on_data(&mut lent, &mut input)?;
            let left = input.len();
            kept.mark = input.mark();
            if left > 0 {
                kept.append(&fresh[fresh.len() - left..]);
            }
        } else {
            kept.append(fresh);
            let mut input = Input::new(kept.unread(), kept.mark);
            handler.on_data(&mut lent, &mut input)?;
            let (left, mark) = (input.len(), input.mark());
            kept.consume(kept.unread().len() - left);
            kept.mark = mark;
        }
        let unconsumed_bytes = self.input.unread().len();
        if unconsumed_bytes == 0 {
            self.input = Inbound::default();
        } else if unconsumed_bytes > self.input_bytes_max {
            let limit_bytes = self.input_bytes_max;
            fd.close_as(CloseReason::InputOverflow { unconsumed_bytes, limit_bytes });
        }
        Ok(())
    }

    fn tell_eof(&mut self, fd: &mut Fd<'_>) -> Flow {
        let kept = std::mem::take(&mut self.input);
        let mut input = Input::new(kept.unread(), kept.mark);
        let mut lent = BufferedFd::new(fd, &mut self.output);
        if self.handler.on_eof(&mut lent, &mut input)? == Eof::Close {
            self.output.close_with(CloseReason::PeerClosed);
        }
        Ok(())
    }

    /// Writes what there is room for, at most the share of a turn.
    fn flush(&mut self, fd: &mut Fd<'_>) -> Flow {
        let queue = &mut self.output.queue;
        let mut share = SEND_BYTES_PER_FLUSH;
        while !queue.is_empty() && share > 0 && fd.is_open() {
            let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
            let used = queue.gather(&mut slices, usize::MAX);
            let written = fd.write_slices(&slices[..used])?;
            if written == 0 {
                return Ok(());
            }
            queue.advance(written);
            share = share.saturating_sub(written);
            self.owes_drained = queue.is_empty();
        }
        Ok(())
    }

    /// After each callback: writes, ends what is done, and says what is wanted next.
    fn settle(&mut self, fd: &mut Fd<'_>) -> Flow {
        self.flush(fd)?;
        if self.output.closing.is_none() && fd.is_open() && self.owes_drained {
            // Once: if what it pushes is written at once as well, it hears of that in the next turn.
            self.owes_drained = false;
            self.handler.on_drained(&mut BufferedFd::new(fd, &mut self.output))?;
            self.flush(fd)?;
        }
        if !fd.is_open() {
            return Ok(());
        }
        if self.output.closing.is_some() && self.output.queue.is_empty() {
            let reason = self.output.closing.take().unwrap_or(CloseReason::Closed);
            fd.close_as(reason);
            return Ok(());
        }
        if self.output.closing.is_some() && self.deadline.is_none() {
            let (id, until) = (fd.id(), fd.reactor().now() + self.linger);
            let timer = fd.reactor().call_at(until, move |reactor| {
                reactor.poke_fd(id);
            });
            self.deadline = Some((until, timer));
        }
        let reads = Interest::READ.when(self.is_reading());
        let writes = Interest::WRITE.when(!self.output.queue.is_empty() || self.owes_drained);
        fd.set_interest(reads | writes);
        Ok(())
    }
}

impl<H: BufferedHandler> FdHandler for Buffered<H> {
    fn on_open(&mut self, fd: &mut Fd<'_>) -> Flow {
        self.handler.on_open(&mut BufferedFd::new(fd, &mut self.output))?;
        self.settle(fd)
    }

    fn on_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow {
        if ready.is_readable() {
            self.read(fd)?;
        } else if ready.is_error() && fd.is_open() {
            // Nothing is read that would bring it.
            return Err(fd.failure().into());
        }
        self.settle(fd)
    }

    fn on_poke(&mut self, fd: &mut Fd<'_>) -> Flow {
        let now = fd.reactor().now();
        if self.deadline.take_if(|(until, _)| *until <= now).is_some() {
            fd.close_as(CloseReason::LingerExpired { unsent_bytes: self.output.queue.len() });
            return Ok(());
        }
        self.handler.on_poke(&mut BufferedFd::new(fd, &mut self.output))?;
        self.settle(fd)
    }

    fn on_stop(&mut self, fd: &mut Fd<'_>) -> Flow {
        self.handler.on_stop(&mut BufferedFd::new(fd, &mut self.output))?;
        self.settle(fd)
    }

    fn on_close(&mut self, reactor: &mut Reactor<'_>, reason: CloseReason) {
        if let Some((_, timer)) = self.deadline.take() {
            reactor.cancel(timer);
        }
        self.handler.on_close(reactor, reason);
    }
}
