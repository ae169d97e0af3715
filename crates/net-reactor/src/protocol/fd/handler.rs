//! The user's side of a descriptor.

use super::Fd;
use crate::driver::Ready;
use crate::net::CloseReason;
use crate::protocol::{Flow, Reactor};

/// The handler of one descriptor that the user brought: plain callbacks with `&mut self`.
///
/// Guaranteed, in a simulation too:
///
/// - [`on_open`](Self::on_open) comes first and once, unless the descriptor is removed before;
///   [`on_close`](Self::on_close) comes last and once, whichever way it ends.
/// - [`on_ready`](Self::on_ready) is level-triggered: what is not read, or room that is not used, is
///   told again in the next turn as long as the interest asks for it. It comes at most once a turn,
///   so that a busy descriptor does not hold up the others.
/// - A change of the interest and a removal hold at once, also for what was reported before them in
///   the same turn.
/// - What the interest does not ask for costs no turn.
/// - An `Err` or a panic ends this descriptor and nothing else.
///
/// ```
/// # #[cfg(unix)] {
/// use net_reactor::{EventLoop, Fd, FdHandler, Flow, Interest, Ready};
/// use std::io::Write;
///
/// struct Printer;
///
/// impl FdHandler for Printer {
///     fn on_ready(&mut self, fd: &mut Fd<'_>, _ready: Ready) -> Flow {
///         let mut bytes = [0; 1024];
///         match fd.read(&mut bytes)? {
///             None => {} // nothing after all
///             Some(0) => fd.reactor().stop(),
///             Some(len) => println!("{}", String::from_utf8_lossy(&bytes[..len])),
///         }
///         Ok(())
///     }
/// }
///
/// let mut event_loop = EventLoop::new()?;
/// let (reader, mut writer) = std::io::pipe()?;
/// event_loop.reactor().add_fd(reader, Interest::READ, Printer)?;
/// writer.write_all(b"hello")?;
/// drop(writer);
/// event_loop.run()?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(unused_variables, reason = "the names of the parameters are documentation")]
pub trait FdHandler: 'static {
    /// The loop watches the descriptor now.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_open(&mut self, fd: &mut Fd<'_>) -> Flow {
        Ok(())
    }

    /// The descriptor is ready for what the interest asks for, or it hung up, or has an error.
    ///
    /// Errors and hang-ups are told once each time the kernel reports them, and again with whatever
    /// else is told while they last.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor: with [`CloseReason::Reset`] or [`CloseReason::Broken`] if it
    /// is the one that a call on the descriptor has returned, else with
    /// [`CloseReason::HandlerFailed`].
    fn on_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow;

    /// [`Reactor::poke_fd`] asked for attention: something that the handler shares with others has
    /// changed.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_poke(&mut self, fd: &mut Fd<'_>) -> Flow {
        Ok(())
    }

    /// The loop is stopping gracefully and waits for this descriptor to finish.
    ///
    /// The default closes it. A handler that has work to finish may go on and close later; at the
    /// end of the loop's patience it is closed with [`CloseReason::LoopStopped`].
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_stop(&mut self, fd: &mut Fd<'_>) -> Flow {
        fd.close();
        Ok(())
    }

    /// The loop does not watch the descriptor any more. Always the last callback, exactly once.
    ///
    /// Unless it was taken back, the descriptor is closed by now. `reason` is
    /// [`CloseReason::Closed`] also when it was taken back.
    fn on_close(&mut self, reactor: &mut Reactor<'_>, reason: CloseReason) {}
}

impl<H: FdHandler + ?Sized> FdHandler for Box<H> {
    fn on_open(&mut self, fd: &mut Fd<'_>) -> Flow {
        (**self).on_open(fd)
    }

    fn on_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow {
        (**self).on_ready(fd, ready)
    }

    fn on_poke(&mut self, fd: &mut Fd<'_>) -> Flow {
        (**self).on_poke(fd)
    }

    fn on_stop(&mut self, fd: &mut Fd<'_>) -> Flow {
        (**self).on_stop(fd)
    }

    fn on_close(&mut self, reactor: &mut Reactor<'_>, reason: CloseReason) {
        (**self).on_close(reactor, reason);
    }
}

/// A closure as a handler.
pub(crate) struct Closure<F>(pub(crate) F);

impl<F: FnMut(&mut Fd<'_>, Ready) -> Flow + 'static> FdHandler for Closure<F> {
    fn on_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow {
        (self.0)(fd, ready)
    }
}
