//! SimpleReactor's servers and clients: between each other, with a peer of bytes alone, and with
//! programs that were written from the description of the wire.

mod handle;
mod heartbeat;
mod log;
mod python;
mod wire;

use std::cell::RefCell;
use std::rc::Rc;

use net_reactor::codec::{Decoder, Encoder, Kind, SimpleReactor, TypedFrame};
use net_reactor::prelude::*;

/// Notes what it is told, and may echo the application's messages. Clones share the notes.
#[derive(Clone, Default)]
struct Ear {
    echoes: bool,
    notes: Rc<RefCell<Vec<String>>>,
    id: Rc<RefCell<Option<ConnId>>>,
}

impl Ear {
    fn echoing() -> Self {
        Self { echoes: true, ..Self::default() }
    }

    fn note(&self, text: impl Into<String>) {
        self.notes.borrow_mut().push(text.into());
    }

    fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }

    fn id(&self) -> ConnId {
        self.id.borrow().expect("a connection was opened")
    }
}

impl FrameHandler<SimpleReactor> for Ear {
    fn on_open(&mut self, conn: &mut FrameConn<'_, SimpleReactor>) -> Flow {
        *self.id.borrow_mut() = Some(conn.id());
        self.note("open");
        Ok(())
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, frame: TypedFrame<'_>) -> Flow {
        let data = String::from_utf8_lossy(frame.data());
        self.note(format!("{}: {data}", frame.kind()));
        if self.echoes && frame.kind() == Kind::Application {
            conn.send(frame.data())?;
        }
        Ok(())
    }

    fn on_message(&mut self, _conn: &mut FrameConn<'_, SimpleReactor>, message: Message) -> Flow {
        self.note(format!("message: {:?}", message.downcast_ref::<u32>()));
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, SimpleReactor>, reason: CloseReason) {
        self.note(format!("closed: {reason:?}"));
    }

    fn on_connect_failed(&mut self, _reactor: &mut Reactor<'_>, error: ConnectError) {
        self.note(format!("failed: {error}"));
    }
}

/// Returns the bytes of frames, as the other side writes them.
fn bytes_of(codec: &mut SimpleReactor, frames: &[(Kind, &str)]) -> Vec<u8> {
    let mut encode = |(kind, data): &(Kind, &str)| codec.to_bytes(&TypedFrame::new(*kind, *data));
    frames.iter().flat_map(|frame| encode(frame).expect("it is a frame")).collect()
}

/// Returns the frames of bytes; there is nothing else in them.
fn frames_of(codec: &mut SimpleReactor, bytes: &[u8]) -> Vec<(Kind, String)> {
    let (mut input, mut frames) = (Input::from_bytes(bytes), Vec::new());
    while let Some(frame) = codec.decode(&mut input).expect("they are frames") {
        frames.push((frame.kind(), String::from_utf8_lossy(frame.data()).into_owned()));
    }
    assert!(input.is_empty(), "{} bytes are no whole frame", input.len());
    frames
}

fn app(data: &str) -> (Kind, String) {
    (Kind::Application, data.to_owned())
}
