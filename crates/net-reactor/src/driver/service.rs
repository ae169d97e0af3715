//! Serving one socket: the call that is due, and what it teaches about the socket.

use std::io;

use super::slots::{ListenerSlot, StreamSlot, StreamState};
use super::{Event, Lease, READ_BYTES_PER_TURN};
use crate::base::{Bug, Key, planted};
use crate::sys::{StreamAddresses, Sys};

/// Room before the received bytes, for what a connection had left over.
const FRONT_BYTES: usize = 64 * 1024;

/// The engine's one receive buffer, on loan.
#[derive(Debug)]
pub(crate) struct HotBuffer {
    buffer: Box<[u8]>,
    len: usize,
}

impl HotBuffer {
    /// Takes the buffer, or makes it at its first use.
    pub(super) fn take(buffer: &mut Option<Box<[u8]>>) -> Self {
        let make = || vec![0; FRONT_BYTES + READ_BYTES_PER_TURN].into_boxed_slice();
        Self { buffer: buffer.take().unwrap_or_else(make), len: 0 }
    }

    /// Returns the place for what is received.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[FRONT_BYTES..]
    }

    /// So many bytes were received.
    pub(super) fn filled(self, len: usize) -> Self {
        Self { len, ..self }
    }

    pub(super) fn into_inner(self) -> Box<[u8]> {
        self.buffer
    }
}

impl Lease for HotBuffer {
    fn bytes(&self) -> &[u8] {
        &self.buffer[FRONT_BYTES..FRONT_BYTES + self.len]
    }

    fn with_front(&mut self, front: &[u8]) -> Option<&[u8]> {
        let start = FRONT_BYTES.checked_sub(front.len())?;
        self.buffer[start..FRONT_BYTES].copy_from_slice(front);
        Some(&self.buffer[start..FRONT_BYTES + self.len])
    }
}

/// Where a socket stands in the ready list after it was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the front: there is more to do in this turn.
    Front,
    /// At the back: its share of this turn is used up.
    Back,
    /// Nowhere: there is nothing to do until the kernel reports something.
    Gone,
}

pub(super) type Served<S> = (Option<Event<<S as Sys>::Stream, HotBuffer>>, Place);

/// Makes the one call that is due on a stream; a receive takes at most `room` bytes.
pub(super) fn serve_stream<S: Sys>(
    sys: &mut S,
    buffer: &mut Option<Box<[u8]>>,
    room: usize,
    key: Key,
    slot: &mut StreamSlot<S::Stream>,
) -> Served<S> {
    let state = slot.state;
    let event = if state.has(StreamState::CONNECTING) {
        finish_connect(sys, slot).map(|outcome| match outcome {
            Ok(addresses) => Event::Connected { slot: key, addresses },
            Err(error) => Event::Failed { slot: key, error },
        })
    } else if state.has(StreamState::BLOCKED) && state.has(StreamState::WRITABLE) {
        slot.state.set(StreamState::BLOCKED, false);
        Some(Event::Writable { slot: key })
    } else if state.wants_receive() {
        receive(sys, buffer, room, key, slot)
    } else if state.has(StreamState::FAILED) {
        report_failure(sys, key, slot)
    } else {
        None
    };
    let share_used = match &event {
        None => true,
        // A receive that filled the buffer was the share of this turn.
        Some(Event::Data { lease, .. }) => {
            lease.len == READ_BYTES_PER_TURN && !planted(Bug::ReadsWithoutShare)
        }
        Some(_) => false,
    };
    let place = match (slot.state.wants_service(), share_used) {
        (false, _) => Place::Gone,
        (true, true) => Place::Back,
        (true, false) => Place::Front,
    };
    slot.state.set(StreamState::QUEUED, place != Place::Gone);
    (event, place)
}

/// Takes the outcome of a dial, if there is one by now.
///
/// The dial leaves the ready list whatever it is: one that is promoted gets in line anew, by its
/// new name.
pub(super) fn serve_dial<S: Sys>(
    sys: &mut S,
    key: Key,
    slot: &mut StreamSlot<S::Stream>,
) -> Option<Event<S::Stream, HotBuffer>> {
    slot.state.set(StreamState::QUEUED, false);
    let outcome = slot.state.has(StreamState::CONNECTING).then(|| finish_connect(sys, slot));
    outcome.flatten().map(|outcome| match outcome {
        Ok(addresses) => Event::Dialled { dial: key, addresses },
        Err(error) => Event::DialFailed { dial: key, error },
    })
}

/// Takes the outcome of connecting, if there is one by now.
fn finish_connect<S: Sys>(
    sys: &mut S,
    slot: &mut StreamSlot<S::Stream>,
) -> Option<io::Result<StreamAddresses>> {
    if !slot.state.has(StreamState::WRITABLE) {
        return None;
    }
    match sys.connected(&slot.stream) {
        Ok(addresses) => {
            slot.state.set(StreamState::CONNECTING, false);
            Some(Ok(addresses))
        }
        Err(error)
            if error.kind() == io::ErrorKind::NotConnected
                && !slot.state.has(StreamState::FAILED)
                && !planted(Bug::SpuriousConnectFails) =>
        {
            slot.state.set(StreamState::WRITABLE, false);
            None
        }
        Err(error) => {
            slot.state.set(StreamState::ENDED, true);
            slot.state.set(StreamState::CONNECTING, false);
            Some(Err(error))
        }
    }
}

fn receive<S: Sys>(
    sys: &mut S,
    buffer: &mut Option<Box<[u8]>>,
    room: usize,
    key: Key,
    slot: &mut StreamSlot<S::Stream>,
) -> Option<Event<S::Stream, HotBuffer>> {
    let mut hot = HotBuffer::take(buffer);
    let received = sys.receive(&mut slot.stream, &mut hot.room()[..room]);
    let state = &mut slot.state;
    let event = match received {
        Ok(len @ 1..) => {
            // A full buffer may have left bytes behind; a hang-up has no edge of its own.
            state.set(
                StreamState::READABLE,
                (len == room && !planted(Bug::LostReadEdge))
                    || (state.has(StreamState::HANG_UP) && !planted(Bug::LostHangUp)),
            );
            return Some(Event::Data { slot: key, lease: hot.filled(len) });
        }
        Ok(0) => {
            state.set(StreamState::ENDED, true);
            state.set(StreamState::READABLE, false);
            Some(Event::Eof { slot: key })
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && planted(Bug::SpuriousIsEnd) => {
            state.set(StreamState::ENDED, true);
            Some(Event::Eof { slot: key })
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            state.set(StreamState::READABLE, false);
            None
        }
        Err(error) => {
            state.set(StreamState::ENDED, true);
            state.set(StreamState::FAILED, false);
            Some(Event::Failed { slot: key, error })
        }
    };
    *buffer = Some(hot.into_inner());
    event
}

/// Tells of an error on a socket that nobody reads from.
fn report_failure<S: Sys>(
    sys: &mut S,
    key: Key,
    slot: &mut StreamSlot<S::Stream>,
) -> Option<Event<S::Stream, HotBuffer>> {
    slot.state.set(StreamState::FAILED, false);
    if planted(Bug::ResetAfterEndIgnored) && slot.state.has(StreamState::ENDED) {
        return None;
    }
    if planted(Bug::ResetWhilePausedIgnored) && slot.state.has(StreamState::PAUSED) {
        return None;
    }
    match sys.take_error(&slot.stream) {
        Ok(None) => None,
        Ok(Some(error)) | Err(error) => {
            slot.state.set(StreamState::ENDED, true);
            Some(Event::Failed { slot: key, error })
        }
    }
}

/// Accepts one peer, if the listener has any left of its share of this turn.
pub(super) fn serve_listener<S: Sys>(
    sys: &mut S,
    share: usize,
    key: Key,
    slot: &mut ListenerSlot<S::Listener>,
) -> Served<S> {
    let event = if (share == 0 && !planted(Bug::AcceptsWithoutShare)) || slot.resting {
        None
    } else {
        match sys.accept(&slot.listener) {
            Ok((socket, peer)) => {
                if planted(Bug::AcceptBatchOfOne) {
                    slot.ready = false;
                }
                Some(Event::Accepted { listener: key, socket, peer })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                slot.ready = false;
                None
            }
            Err(error) => {
                if planted(Bug::AcceptErrorLosesEdge) {
                    slot.ready = false;
                }
                Some(Event::AcceptFailed { listener: key, error })
            }
        }
    };
    let place = match (slot.ready && !slot.resting, event.is_some()) {
        (false, _) => Place::Gone,
        (true, false) => Place::Back,
        (true, true) => Place::Front,
    };
    slot.queued = place != Place::Gone;
    (event, place)
}
