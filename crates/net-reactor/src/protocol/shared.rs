//! One handler for many connections.

use std::fmt;
use std::rc::Rc;

use super::{Conn, Eof, Failure, Flow, Message, Protocol, Reactor, Tag};
use crate::base::{Input, Lendable};
use crate::net::{CloseReason, ConnectError, Pressure};

/// One handler that serves many connections of a loop, such as a room, a game or a client with a
/// hundred connections.
///
/// Each clone is a handler that calls the one inside, so its `&mut self` is the state that the
/// connections share. No borrow can fail: callbacks never nest, so the handler is never in two of
/// them at once. [`Conn::id`] tells the connections apart.
///
/// ```
/// use net_reactor::{Shared, prelude::*};
///
/// #[derive(Default)]
/// struct Room {
///     members: Vec<ConnId>,
/// }
///
/// impl Protocol for Room {
///     fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
///         self.members.push(conn.id());
///         Ok(())
///     }
///
///     fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
///         let bytes = input.take_all();
///         for member in &self.members {
///             let _gone = conn.reactor().write(*member, bytes);
///         }
///         Ok(())
///     }
///
///     fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
///         self.members.retain(|member| *member != conn.id());
///     }
/// }
///
/// let room = Shared::new(Room::default());
/// let server = Server::new(move |_peer| room.clone());
/// ```
///
/// It stays on its loop; several loops need one each, and messages between them.
pub struct Shared<P> {
    /// Taken out for the length of a callback.
    place: Rc<Lendable<Box<P>>>,
}

impl<P> Shared<P> {
    /// Shares a handler.
    pub fn new(handler: P) -> Self {
        Self { place: Rc::new(Lendable::new(Box::new(handler))) }
    }

    /// Looks at the handler or changes it, between callbacks: before the loop runs, or after.
    ///
    /// Returns `None` within a callback of the handler itself, which has it as `self`.
    pub fn with<R>(&self, look: impl FnOnce(&mut P) -> R) -> Option<R> {
        self.place.lend(|handler| look(handler))
    }
}

impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self { place: Rc::clone(&self.place) }
    }
}

impl<P> fmt::Debug for Shared<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("clones", &Rc::strong_count(&self.place)).finish()
    }
}

impl<P: Protocol> Protocol for Shared<P> {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.with(|handler| handler.on_open(conn)).unwrap_or(Ok(()))
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.with(|handler| handler.on_data(conn, input)).unwrap_or(Ok(()))
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.with(|handler| handler.on_eof(conn, input)).unwrap_or(Ok(Eof::Close))
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.with(|handler| handler.on_pressure(conn, pressure)).unwrap_or(Ok(()))
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.with(|handler| handler.on_timer(conn, tag)).unwrap_or(Ok(()))
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        self.with(|handler| handler.on_message(conn, message)).unwrap_or(Ok(()))
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.with(|handler| handler.on_stop(conn)).unwrap_or(Ok(()))
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.with(|handler| handler.on_close(conn, reason));
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.with(|handler| handler.on_connect_failed(reactor, error));
    }
}
