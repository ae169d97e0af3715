//! Peers that do exactly what a test says.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use crate::base::{Address, Key};
use crate::sys::memory::{Memory, Stream};
use crate::sys::{CloseHow, Sys, Token};

/// A kernel without a loop: a peer that does exactly what a test says.
pub(super) struct Bare {
    memory: Rc<RefCell<Memory>>,
    next: Cell<u32>,
}

impl Bare {
    pub(super) fn new(memory: Rc<RefCell<Memory>>) -> Self {
        Self { memory, next: Cell::new(0) }
    }

    fn key(&self) -> Key {
        self.next.set(self.next.get() + 1);
        Key { index: self.next.get(), generation: 0 }
    }

    pub(super) fn connect(&self, address: &str) -> BareStream {
        let token = Token::stream(self.key());
        let address = Address::Ip(address.parse().unwrap());
        let stream = self.memory.borrow_mut().connect(token, &address, None).unwrap();
        BareStream { memory: Rc::clone(&self.memory), stream }
    }
}

/// One end of a connection that no loop holds.
pub(super) struct BareStream {
    memory: Rc<RefCell<Memory>>,
    stream: Stream,
}

impl BareStream {
    /// Sends as much as the kernel takes.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.memory.borrow_mut().send(&mut self.stream, &[io::IoSlice::new(bytes)])
    }

    /// Receives everything that is there; `true` with it if the end was found.
    pub(super) fn receive(&mut self) -> io::Result<(Vec<u8>, bool)> {
        let mut all = Vec::new();
        let mut part = vec![0; 64 * 1024];
        loop {
            match self.memory.borrow_mut().receive(&mut self.stream, &mut part) {
                Ok(0) => return Ok((all, true)),
                Ok(len) => all.extend_from_slice(&part[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((all, false)),
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn finish(&self) {
        self.memory.borrow_mut().shutdown_write(&self.stream).unwrap();
    }

    pub(super) fn close(self) {
        self.memory.borrow_mut().close(self.stream, CloseHow::Fin);
    }

    pub(super) fn reset(self) {
        self.memory.borrow_mut().close(self.stream, CloseHow::Reset);
    }
}
