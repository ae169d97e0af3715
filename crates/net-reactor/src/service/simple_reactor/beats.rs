//! Heartbeats on SimpleReactor's wire.

use bytes::Bytes;

use crate::codec::{Kind, SimpleReactor, TypedFrame};
use crate::protocol::{Flow, FrameConn};
use crate::service::{Beat, BeatFormat};

/// The beats of `SimpleReactor`: frames of [`Kind::HEARTBEAT`] with any data. They are not answered, so
/// that a ping is a beat like another.
#[derive(Debug, Clone)]
pub struct TypedBeats {
    payload: Bytes,
}

impl Default for TypedBeats {
    fn default() -> Self {
        Self::new()
    }
}

impl TypedBeats {
    /// Beats with the data `beat`.
    #[must_use]
    pub fn new() -> Self {
        Self { payload: Bytes::from_static(b"beat") }
    }

    /// Sets the data, which nobody looks at; it must not be empty. A server in Python sends its name
    /// for the connection.
    #[must_use]
    pub fn payload(mut self, data: impl Into<Bytes>) -> Self {
        self.payload = data.into();
        self
    }
}

impl BeatFormat<SimpleReactor> for TypedBeats {
    fn send(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, _beat: Beat) -> Flow {
        Ok(conn.send(&TypedFrame::new(Kind::HEARTBEAT, &self.payload))?)
    }

    fn recognise(&self, frame: &TypedFrame<'_>) -> Option<Beat> {
        (frame.kind() == Kind::HEARTBEAT).then_some(Beat::Alive)
    }
}
