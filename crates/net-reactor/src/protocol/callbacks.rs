//! The user's side of a connection.

use std::any::Any;

use super::{Conn, Failure, Flow, Reactor};
use crate::base::Input;
use crate::net::{CloseReason, ConnectError, Pressure};

/// What [`Protocol::on_message`] receives: any value, sent by another connection or thread.
pub type Message = Box<dyn Any + Send>;

/// What happens to a connection after the peer has finished sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a connection stays open or does not")]
pub enum Eof {
    /// Send what is queued, then close. Nothing that was written is lost.
    Close,
    /// Keep the connection open for writing; close it later.
    KeepOpen,
}

/// The name of one of a connection's own timers. A handler chooses its tags freely below
/// [`RESERVED_MIN`](Self::RESERVED_MIN).
///
/// ```
/// use net_reactor::Tag;
/// const IDLE: Tag = Tag(1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a tag is its number")]
pub struct Tag(pub u32);

impl Tag {
    /// From here on tags belong to the library: a service around a handler, such as a
    /// [`Heartbeat`](crate::Heartbeat), keeps its own timers for itself.
    pub const RESERVED_MIN: Self = Self(0xffff_ff00);
}

/// The timer of a heartbeat.
pub(crate) const HEARTBEAT: Tag = Tag::RESERVED_MIN;

/// The handler of one connection: plain callbacks with `&mut self`.
///
/// Guaranteed, on every engine:
///
/// - [`on_open`](Self::on_open) comes first, [`on_close`](Self::on_close) last, each once. A
///   connection that could not be opened gets [`on_connect_failed`](Self::on_connect_failed)
///   alone.
/// - Callbacks never nest. What a callback does to this or another connection shows after it has
///   returned.
/// - After [`Conn::close`], [`Conn::abort`], an `Err`, or a panic, the only callback that still
///   comes is `on_close`.
/// - An `Err` closes this connection gracefully, a panic aborts it; the loop and all other
///   connections go on.
///
/// ```
/// use net_reactor::prelude::*;
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
///         conn.write(input.take_all())?;
///         Ok(())
///     }
/// }
/// ```
#[expect(unused_variables, reason = "the names of the parameters are documentation")]
pub trait Protocol: 'static {
    /// The connection is open.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        Ok(())
    }

    /// Bytes arrived; `input` holds them after what earlier calls left.
    ///
    /// What is not consumed comes back with the next bytes. At most 256 KiB are received from one
    /// connection in one turn of the loop.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow;

    /// The peer has finished sending. `input` holds what `on_data` never consumed.
    ///
    /// The default finishes our side as well: what is queued is sent, then the connection closes
    /// with [`CloseReason::PeerClosed`]. A handler whose answer is still being made elsewhere, such
    /// as on another thread, returns [`Eof::KeepOpen`] and closes when it has sent it.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        Ok(Eof::Close)
    }

    /// Queued output crossed the high or the low mark. The two strictly alternate.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        Ok(())
    }

    /// A timer that this connection set with [`Conn::set_timer`] is due.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        Ok(())
    }

    /// Another connection or thread sent a message.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        Ok(())
    }

    /// The loop is stopping gracefully and waits for this connection to finish.
    ///
    /// The default closes it. A handler that has work to finish may go on and close later; at the
    /// end of the loop's patience it is aborted. A stop that does not wait, such as
    /// [`LoopHandle::stop_now`](crate::LoopHandle::stop_now), does not ask: only `on_close` comes.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.close();
        Ok(())
    }

    /// The connection is over. Always the last callback, exactly once after `on_open`.
    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {}

    /// The connection could not be opened. Comes instead of all other callbacks.
    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {}
}

impl<P: Protocol + ?Sized> Protocol for Box<P> {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        (**self).on_open(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        (**self).on_data(conn, input)
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        (**self).on_eof(conn, input)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        (**self).on_pressure(conn, pressure)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        (**self).on_timer(conn, tag)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        (**self).on_message(conn, message)
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        (**self).on_stop(conn)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        (**self).on_close(conn, reason);
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        (**self).on_connect_failed(reactor, error);
    }
}
