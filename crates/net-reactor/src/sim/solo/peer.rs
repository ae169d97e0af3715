//! The other end: a socket that does what a test says.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

use crate::base::Key;
use crate::sys::memory::{Memory, Stream};
use crate::sys::{CloseHow, Sys, Token};

/// How much one receive takes: 64 KiB.
const PART_BYTES: usize = 64 * 1024;

/// A peer without a loop.
pub(super) struct Peer {
    kernel: Memory,
    /// Absent when the peer is gone, or knows that the connection is.
    stream: Option<Stream>,
    /// What there was no room for yet.
    unsent: Vec<u8>,
    received: Vec<u8>,
    /// What one receive call fills.
    part: Box<[u8]>,
    output: Output,
    is_full: bool,
    saw_fin: bool,
    was_reset: bool,
}

/// How far the peer's own output has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Open,
    /// FIN follows what is unsent.
    Finishing,
    Finished,
}

impl Peer {
    /// Starts to connect.
    pub(super) fn connect(mut kernel: Memory, address: SocketAddr) -> Self {
        let token = Token::stream(Key { index: 0, generation: 0 });
        let stream = kernel.connect(token, &address.into(), None);
        Self {
            kernel,
            stream: Some(stream.expect("invariant: an empty world has room")),
            unsent: Vec::new(),
            received: Vec::new(),
            part: vec![0; PART_BYTES].into(),
            output: Output::Open,
            is_full: false,
            saw_fin: false,
            was_reset: false,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.stream.is_some() && self.output == Output::Open {
            self.unsent.extend_from_slice(bytes);
        }
    }

    pub(super) fn finish(&mut self) {
        if self.output == Output::Open {
            self.output = Output::Finishing;
        }
    }

    pub(super) fn reset(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.kernel.close(stream, CloseHow::Reset);
        }
    }

    pub(super) fn full(&mut self, is_full: bool) {
        self.is_full = is_full;
        if let Some(stream) = &self.stream {
            self.kernel.plug(stream, is_full);
        }
    }

    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Sends and receives what is possible; returns whether that was anything.
    pub(super) fn move_bytes(&mut self) -> bool {
        // What it would report is tried anyway.
        let waited = self.kernel.wait(None, &mut Vec::new());
        waited.expect("invariant: this kernel never refuses to wait");
        match self.send().and_then(|sent| Ok(self.receive()? || sent)) {
            Ok(moved) => moved,
            Err(_) => {
                self.was_reset = true;
                self.reset();
                true
            }
        }
    }

    fn send(&mut self) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        let mut moved = false;
        while !self.unsent.is_empty() {
            match self.kernel.send(stream, &[IoSlice::new(&self.unsent)]) {
                Ok(sent) => {
                    self.unsent.drain(..sent);
                    moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(moved),
                Err(error) => return Err(error),
            }
        }
        if self.output == Output::Finishing {
            self.kernel.shutdown_write(stream)?;
            self.output = Output::Finished;
            moved = true;
        }
        Ok(moved)
    }

    fn receive(&mut self) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        let mut moved = false;
        while !self.is_full && !self.saw_fin {
            match self.kernel.receive(stream, &mut self.part) {
                Ok(0) => self.saw_fin = true,
                Ok(len) => self.received.extend_from_slice(&self.part[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(moved),
                Err(error) => return Err(error),
            }
            moved = true;
        }
        Ok(moved)
    }

    pub(super) fn saw_fin(&self) -> bool {
        self.saw_fin
    }

    pub(super) fn was_reset(&self) -> bool {
        self.was_reset
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("unsent_bytes", &self.unsent.len())
            .field("is_full", &self.is_full)
            .field("saw_fin", &self.saw_fin)
            .field("was_reset", &self.was_reset)
            .finish_non_exhaustive()
    }
}
