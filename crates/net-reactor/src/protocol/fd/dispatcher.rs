//! Dispatchers: handlers that are asked what they want to hear, as asyncore asks them.

use std::io;

use super::{Fd, FdHandler};
use crate::driver::Ready;
use crate::net::CloseReason;
use crate::protocol::{Failure, Flow, Reactor};
use crate::sys::{Descriptor, Interest};

#[cfg(unix)]
use super::accepting::Accepting;

/// What a dispatcher's descriptor is at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FdRole {
    /// It can be read or written: a pipe, a terminal, a connected socket.
    Open,
    /// A socket that is being connected, or is connected already. It is [`Open`](Self::Open) after
    /// [`on_connect`](FdDispatcher::on_connect).
    Connecting,
    /// A listening socket. Its peers come to [`on_accept`](FdDispatcher::on_accept).
    Listening,
}

/// A peer that a [listening](FdRole::Listening) dispatcher has accepted.
#[derive(Debug)]
#[non_exhaustive]
pub struct AcceptedFd {
    /// The connection. Dropping it closes it.
    pub descriptor: Descriptor,
    /// The peer's address, where it has one of IP.
    pub address: Option<std::net::SocketAddr>,
}

/// A handler that says what it wants to hear when it is asked: the dispatcher of Python's
/// asyncore.
///
/// [`readable`](Self::readable) and [`writable`](Self::writable) are asked after each of its
/// callbacks, and after [`Reactor::poke_fd`]; never in between. So an idle dispatcher costs no turn,
/// and whoever changes from outside what they look at pokes. Everything else is as for
/// [`FdHandler`]; in particular [`on_close`](Self::on_close) comes once, however it ends.
///
/// It is for sockets and descriptors that were made elsewhere. A TCP connection of the loop's own
/// has a [`Protocol`](crate::Protocol).
///
/// ```
/// # #[cfg(unix)] {
/// use net_reactor::{EventLoop, Fd, FdDispatcher, FdRole, Flow};
///
/// /// Sends its messages, one for each time that there is room, and ends.
/// struct Sender {
///     messages: Vec<&'static str>,
/// }
///
/// impl FdDispatcher for Sender {
///     fn readable(&self) -> bool {
///         false
///     }
///     fn writable(&self) -> bool {
///         !self.messages.is_empty()
///     }
///     fn on_writable(&mut self, fd: &mut Fd<'_>) -> Flow {
///         let message = self.messages.remove(0);
///         assert_eq!(fd.write(message.as_bytes())?, message.len());
///         if self.messages.is_empty() {
///             fd.close();
///             fd.reactor().stop();
///         }
///         Ok(())
///     }
/// }
///
/// let mut event_loop = EventLoop::new()?;
/// let (reader, writer) = std::io::pipe()?;
/// let sender = Sender { messages: vec!["one ", "two ", "three"] };
/// event_loop.reactor().add_dispatcher(writer, FdRole::Open, sender)?;
/// event_loop.run()?;
/// assert_eq!(std::io::read_to_string(reader)?, "one two three");
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(unused_variables, reason = "the names of the parameters are documentation")]
pub trait FdDispatcher: 'static {
    /// Whether it wants to read, or as a listener to accept. The default does.
    fn readable(&self) -> bool {
        true
    }

    /// Whether it wants to write. The default does not: a descriptor that has room nearly always
    /// has it, and would be told so in every turn.
    fn writable(&self) -> bool {
        false
    }

    /// The connection is established; see [`FdRole::Connecting`].
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_connect(&mut self, fd: &mut Fd<'_>) -> Flow {
        Ok(())
    }

    /// A peer connected; see [`FdRole::Listening`]. At most 64 come in one turn. The default closes
    /// it.
    ///
    /// # Errors
    ///
    /// An error closes the listening descriptor with that reason.
    fn on_accept(&mut self, fd: &mut Fd<'_>, peer: AcceptedFd) -> Flow {
        Ok(())
    }

    /// There is something to read, or the end, or an error that the read returns.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason. The default is one.
    fn on_readable(&mut self, fd: &mut Fd<'_>) -> Flow {
        Err(Failure::msg("the dispatcher is readable and has no on_readable"))
    }

    /// There is room to write.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason. The default is one.
    fn on_writable(&mut self, fd: &mut Fd<'_>) -> Flow {
        Err(Failure::msg("the dispatcher is writable and has no on_writable"))
    }

    /// The descriptor has an error that no read is going to return: it could not be connected, or
    /// broke while nothing is read.
    ///
    /// The default passes it on, and so does whoever cannot go on. A descriptor that could not be
    /// connected is closed in any case.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_error(&mut self, fd: &mut Fd<'_>, error: io::Error) -> Flow {
        Err(error.into())
    }

    /// [`Reactor::poke_fd`] asked for attention. The default does nothing; what the dispatcher wants
    /// is asked anew in any case.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_poke(&mut self, fd: &mut Fd<'_>) -> Flow {
        Ok(())
    }

    /// The loop is stopping gracefully; as [`FdHandler::on_stop`]. The default closes the
    /// descriptor.
    ///
    /// # Errors
    ///
    /// An error closes the descriptor with that reason.
    fn on_stop(&mut self, fd: &mut Fd<'_>) -> Flow {
        fd.close();
        Ok(())
    }

    /// The loop does not watch the descriptor any more. Always the last callback, exactly once.
    fn on_close(&mut self, reactor: &mut Reactor<'_>, reason: CloseReason) {}
}

/// A dispatcher, made a handler.
pub(crate) struct Dispatched<D> {
    dispatcher: D,
    role: FdRole,
    #[cfg(unix)]
    accepting: Accepting,
}

impl<D: FdDispatcher> Dispatched<D> {
    pub(crate) fn new(dispatcher: D, role: FdRole) -> Self {
        Self {
            dispatcher,
            role,
            #[cfg(unix)]
            accepting: Accepting::default(),
        }
    }

    /// What the dispatcher wants to hear now.
    fn interest(&self, rests: bool) -> Interest {
        let reads = || Interest::READ.when(self.dispatcher.readable());
        match self.role {
            FdRole::Open => reads() | Interest::WRITE.when(self.dispatcher.writable()),
            FdRole::Connecting => Interest::WRITE,
            FdRole::Listening if rests => Interest::NONE,
            FdRole::Listening => reads(),
        }
    }

    /// Asks what the dispatcher wants from now on, after a callback that went well.
    fn ask(&self, fd: &mut Fd<'_>) {
        if fd.is_open() {
            #[cfg(unix)]
            let rests = self.accepting.rests(fd.reactor().now());
            #[cfg(not(unix))]
            let rests = false;
            fd.set_interest(self.interest(rests));
        }
    }

    fn on_open_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow {
        if ready.is_readable() {
            self.dispatcher.on_readable(fd)?;
        }
        // The first callback may have changed what is wanted, and more.
        if ready.is_writable() && fd.is_open() && self.dispatcher.writable() {
            self.dispatcher.on_writable(fd)?;
        }
        // What is read brings an error in its place, behind the bytes that came before it.
        if ready.is_error() && !ready.is_readable() && fd.is_open() {
            let error = fd.failure();
            self.dispatcher.on_error(fd, error)?;
        }
        Ok(())
    }

    fn on_outcome(&mut self, fd: &mut Fd<'_>) -> Flow {
        if let Some(error) = fd.pending_error() {
            self.dispatcher.on_error(fd, error)?;
            fd.close();
        } else if fd.is_connected() {
            self.role = FdRole::Open;
            self.dispatcher.on_connect(fd)?;
        }
        Ok(())
    }
}

impl<D: FdDispatcher> FdHandler for Dispatched<D> {
    fn on_open(&mut self, fd: &mut Fd<'_>) -> Flow {
        self.ask(fd);
        Ok(())
    }

    fn on_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow {
        match self.role {
            FdRole::Open => self.on_open_ready(fd, ready)?,
            FdRole::Connecting => self.on_outcome(fd)?,
            #[cfg(unix)]
            FdRole::Listening => self.accepting.accept_batch(fd, &mut self.dispatcher)?,
            #[cfg(not(unix))]
            FdRole::Listening => {}
        }
        self.ask(fd);
        Ok(())
    }

    fn on_poke(&mut self, fd: &mut Fd<'_>) -> Flow {
        self.dispatcher.on_poke(fd)?;
        self.ask(fd);
        Ok(())
    }

    fn on_stop(&mut self, fd: &mut Fd<'_>) -> Flow {
        self.dispatcher.on_stop(fd)?;
        self.ask(fd);
        Ok(())
    }

    fn on_close(&mut self, reactor: &mut Reactor<'_>, reason: CloseReason) {
        #[cfg(unix)]
        self.accepting.end(reactor);
        self.dispatcher.on_close(reactor, reason);
    }
}
