//! Raw peers: sockets without a loop, driven as far as the script wants.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};

use super::cast::Cast;
use super::verbs::PeerVerb;
use crate::sys::{CloseHow, SocketOption, Sys};

/// How many calls of one kind a peer makes in one pass.
const CALLS_PER_PASS: usize = 64;

/// The kernel's buffers of a peer that was told to have small ones, in bytes.
const SMALL_BUFFER_BYTES: usize = 64 * 1024;

/// What follows the last queued byte.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Fin,
    HangUp,
}

/// A socket on the seam to the kernel.
///
/// It tries again in every pass whatever the kernel has reported: here the loops are under test,
/// and not the reports. It reads nothing unless told to.
pub(super) struct Peer<S: Sys> {
    name: String,
    stream: Option<S::Stream>,
    connecting: bool,
    out: VecDeque<u8>,
    ending: Option<Ending>,
    finished: bool,
    wanted: usize,
    wants_end: bool,
    /// What it reads is not told.
    swallows: bool,
    received: usize,
    /// The end of the input was read.
    ended: bool,
}

impl<S: Sys> Peer<S> {
    pub(super) fn new(name: &str, stream: S::Stream, connecting: bool) -> Self {
        Self {
            name: name.to_owned(),
            stream: Some(stream),
            connecting,
            out: VecDeque::new(),
            ending: None,
            finished: false,
            wanted: 0,
            wants_end: false,
            swallows: false,
            received: 0,
            ended: false,
        }
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.connecting
    }

    pub(super) fn has_sent(&self) -> bool {
        self.out.is_empty()
    }

    pub(super) fn take_stream(&mut self) -> Option<S::Stream> {
        self.stream.take()
    }

    /// Begins what the script says, and does as much of it as can be done at once.
    pub(super) fn begin(&mut self, sys: &mut S, cast: &Cast, verb: &PeerVerb) {
        match verb {
            PeerVerb::Send(payload) => {
                let (bytes, pattern) = cast.payload(&self.name, payload);
                cast.sent(&self.name, pattern);
                self.out.extend(bytes);
            }
            // Once: what a second shutdown(2) says is of no interest here.
            PeerVerb::Fin if self.finished => {}
            PeerVerb::Fin => (self.ending, self.finished) = (Some(Ending::Fin), true),
            PeerVerb::HangUp => self.ending = Some(Ending::HangUp),
            PeerVerb::Reset => {
                if let Some(stream) = self.stream.take() {
                    sys.close(stream, CloseHow::Reset);
                }
            }
            PeerVerb::Read(bytes) => self.wanted += bytes,
            PeerVerb::ReadEnd => self.wants_end = true,
            PeerVerb::Swallow => (self.wants_end, self.swallows) = (true, true),
            PeerVerb::SmallBuffers => {
                if let Some(stream) = &self.stream {
                    for option in [SocketOption::SendBuffer, SocketOption::ReceiveBuffer] {
                        sys.set_option(stream, option(SMALL_BUFFER_BYTES)).unwrap();
                    }
                }
            }
        }
        self.pump(sys, cast);
    }

    /// Goes on with what was begun; returns whether anything came of it.
    pub(super) fn pump(&mut self, sys: &mut S, cast: &Cast) -> bool {
        let before = (self.out.len(), self.received, self.is_at_rest());
        if self.connecting {
            self.finish_connecting(sys, cast);
        }
        if !self.connecting {
            self.send(sys, cast);
            self.end(sys, cast);
            self.receive(sys, cast);
        }
        before != (self.out.len(), self.received, self.is_at_rest())
    }

    fn is_at_rest(&self) -> (bool, bool, bool, bool) {
        (self.connecting, self.stream.is_none(), self.ending.is_none(), self.ended)
    }

    fn finish_connecting(&mut self, sys: &mut S, cast: &Cast) {
        let Some(stream) = &self.stream else { return };
        match sys.connected(stream) {
            Ok(_) => self.connecting = false,
            Err(error) if error.kind() == ErrorKind::NotConnected => {}
            Err(error) => {
                self.connecting = false;
                self.break_off(sys, cast, error.kind());
            }
        }
    }

    fn send(&mut self, sys: &mut S, cast: &Cast) {
        for _ in 0..CALLS_PER_PASS {
            let Some(stream) = self.stream.as_mut().filter(|_| !self.out.is_empty()) else {
                return;
            };
            let (front, back) = self.out.as_slices();
            match sys.send(stream, &[IoSlice::new(front), IoSlice::new(back)]) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.break_off(sys, cast, error.kind()),
            }
        }
    }

    fn end(&mut self, sys: &mut S, cast: &Cast) {
        if !self.out.is_empty() || self.stream.is_none() {
            return;
        }
        match self.ending.take() {
            Some(Ending::Fin) => {
                let done = self.stream.as_ref().map(|stream| sys.shutdown_write(stream));
                if let Some(Err(error)) = done {
                    self.break_off(sys, cast, error.kind());
                }
            }
            Some(Ending::HangUp) => {
                if let Some(stream) = self.stream.take() {
                    sys.close(stream, CloseHow::Fin);
                }
            }
            None => {}
        }
    }

    fn receive(&mut self, sys: &mut S, cast: &Cast) {
        let mut buffer = vec![0; 64 * 1024];
        for _ in 0..CALLS_PER_PASS {
            let room = if self.wants_end { buffer.len() } else { self.wanted.min(buffer.len()) };
            let Some(stream) = self.stream.as_mut().filter(|_| room > 0 && !self.ended) else {
                return;
            };
            match sys.receive(stream, &mut buffer[..room]) {
                Ok(0) => {
                    self.ended = true;
                    cast.line(&self.name, "end");
                }
                Ok(len) => {
                    if !self.swallows {
                        cast.bytes(&self.name, &buffer[..len]);
                    }
                    self.received += len;
                    self.wanted = self.wanted.saturating_sub(len);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.break_off(sys, cast, error.kind()),
            }
        }
    }

    /// The socket carries an error. Which call learns of it first is up to the kernel.
    fn break_off(&mut self, sys: &mut S, cast: &Cast, kind: ErrorKind) {
        cast.line(
            &self.name,
            match kind {
                ErrorKind::ConnectionReset
                | ErrorKind::BrokenPipe
                | ErrorKind::ConnectionAborted
                | ErrorKind::NotConnected => "reset".to_owned(),
                ErrorKind::ConnectionRefused => "refused".to_owned(),
                other => format!("broken {other:?}"),
            },
        );
        self.out.clear();
        if let Some(stream) = self.stream.take() {
            sys.close(stream, CloseHow::Fin);
        }
    }
}
