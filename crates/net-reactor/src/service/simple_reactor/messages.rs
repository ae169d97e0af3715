//! What stands between a connection of SimpleReactor's wire and the user's handler.

use std::sync::Arc;

use super::{Outgoing, TypedBeats, TypedHandle};
use crate::codec::{DecodeError, Kind, SimpleReactor, TypedFrame};
use crate::net::{CloseReason, ConnectError, Pressure};
use crate::protocol::{
    Eof, Failure, Flow, FrameConn, FrameHandler, Framed, Message, Reactor, SendError, Tag,
};
use crate::service::{Heartbeat, HeartbeatConfig};

/// How much of a frame that nobody wants is shown in the log.
const SHOWN_BYTES: usize = 32;

/// What the connections of a typed server or client have in common.
#[derive(Debug, Clone)]
pub(super) struct Settings<W> {
    /// Makes the codec of each connection.
    pub(super) wire: W,
    pub(super) heartbeat: HeartbeatConfig,
    pub(super) beats: TypedBeats,
    /// Numbers of kinds that the handler is given beside the application's.
    pub(super) kinds: Arc<Vec<u32>>,
    pub(super) handle: TypedHandle,
}

impl<W: Fn() -> SimpleReactor> Settings<W> {
    pub(super) fn new(wire: W) -> Self {
        Self {
            wire,
            heartbeat: HeartbeatConfig::answer(),
            beats: TypedBeats::new(),
            kinds: Arc::default(),
            handle: TypedHandle::default(),
        }
    }

    pub(super) fn add_kind(&mut self, number: u32) {
        Arc::make_mut(&mut self.kinds).push(number);
    }

    /// Puts everything around a handler that belongs around it.
    pub(super) fn around<H: FrameHandler<SimpleReactor>>(&self, handler: H) -> TypedHandler<H> {
        let messages = TypedMessages {
            handler,
            kinds: Arc::clone(&self.kinds),
            handle: self.handle.clone(),
            passed_over: 0,
        };
        let heartbeat = Heartbeat::new(self.heartbeat, self.beats.clone(), messages);
        Framed::new((self.wire)(), heartbeat)
    }
}

/// The handler of each connection of a typed server or client: a codec, heartbeats, and the user's
/// handler of messages.
pub type TypedHandler<H> =
    Framed<SimpleReactor, Heartbeat<SimpleReactor, TypedBeats, TypedMessages<H>>>;

/// Gives the handler the frames that are meant for it, and the connection what handles send.
#[derive(Debug)]
pub struct TypedMessages<H> {
    handler: H,
    kinds: Arc<Vec<u32>>,
    handle: TypedHandle,
    /// Frames that nobody wanted.
    passed_over: u64,
}

impl<H: FrameHandler<SimpleReactor>> TypedMessages<H> {
    /// Passes a frame over. Each time their number has doubled there is a line in the log.
    #[cold]
    fn pass_over(&mut self, conn: &FrameConn<'_, SimpleReactor>, frame: &TypedFrame<'_>) {
        self.passed_over += 1;
        if self.passed_over.is_power_of_two() {
            let data = frame.data();
            let shown = data[..data.len().min(SHOWN_BYTES)].escape_ascii();
            tracing::info!(
                id = %conn.id(),
                peer = %conn.peer_address(),
                kind = %frame.kind(),
                bytes = data.len(),
                data = %shown,
                so_far = self.passed_over,
                "passed over a frame that nobody waits for",
            );
        }
    }

    fn send(&self, conn: &mut FrameConn<'_, SimpleReactor>, outgoing: &Outgoing) {
        match conn.send(&TypedFrame::new(outgoing.kind, &outgoing.data)) {
            // Its sender may have known no better, and its handler will be told of the end.
            Ok(()) | Err(SendError::Closed) => {}
            Err(SendError::Refused { source }) => {
                tracing::warn!(id = %conn.id(), kind = %outgoing.kind, %source, "cannot send");
            }
        }
    }
}

impl<H: FrameHandler<SimpleReactor>> FrameHandler<SimpleReactor> for TypedMessages<H> {
    fn on_open(&mut self, conn: &mut FrameConn<'_, SimpleReactor>) -> Flow {
        self.handle.enter(conn.handle());
        self.handler.on_open(conn)
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, frame: TypedFrame<'_>) -> Flow {
        match frame.kind() {
            Kind::Application => self.handler.on_frame(conn, frame),
            Kind::System(number) if self.kinds.contains(&number) => {
                self.handler.on_frame(conn, frame)
            }
            Kind::System(_) | Kind::Short => {
                self.pass_over(conn, &frame);
                Ok(())
            }
        }
    }

    fn on_malformed(
        &mut self,
        conn: &mut FrameConn<'_, SimpleReactor>,
        error: &DecodeError,
    ) -> Flow {
        self.handler.on_malformed(conn, error)
    }

    fn on_eof(
        &mut self,
        conn: &mut FrameConn<'_, SimpleReactor>,
        rest: &[u8],
    ) -> Result<Eof, Failure> {
        self.handler.on_eof(conn, rest)
    }

    fn on_pressure(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, pressure: Pressure) -> Flow {
        self.handler.on_pressure(conn, pressure)
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, tag: Tag) -> Flow {
        self.handler.on_timer(conn, tag)
    }

    fn on_message(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, message: Message) -> Flow {
        match message.downcast::<Outgoing>() {
            Ok(outgoing) => {
                self.send(conn, &outgoing);
                Ok(())
            }
            Err(message) => self.handler.on_message(conn, message),
        }
    }

    fn on_stop(&mut self, conn: &mut FrameConn<'_, SimpleReactor>) -> Flow {
        self.handler.on_stop(conn)
    }

    fn on_close(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, reason: CloseReason) {
        self.handle.leave(conn.id());
        self.handler.on_close(conn, reason);
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.handler.on_connect_failed(reactor, error);
    }
}
