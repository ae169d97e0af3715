//! A reader that may block, read on worker threads one chunk ahead.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use bytes::Bytes;

use super::transfer::Next;
use crate::protocol::Conn;

type Reader = Box<dyn Read + Send>;

/// What a job brings back.
type Brought = io::Result<(Reader, Bytes)>;

/// Reads ahead: while one chunk is sent the next is read, and no more.
pub(super) struct ReadAhead {
    chunk_bytes: usize,
    /// Here until the first job takes it.
    reader: Option<Reader>,
    /// What the last job brought; shared with the job's end, which may come after the transfer's.
    brought: Rc<Cell<Option<Brought>>>,
}

impl ReadAhead {
    pub(super) fn new(reader: Reader, chunk_bytes: usize) -> Self {
        Self { chunk_bytes, reader: Some(reader), brought: Rc::default() }
    }

    pub(super) fn set_chunk_bytes(&mut self, bytes: usize) {
        self.chunk_bytes = bytes;
    }

    /// Returns the chunk that was read, and has the next one read.
    pub(super) fn next(&mut self, conn: &mut Conn<'_>) -> io::Result<Next> {
        if let Some(reader) = self.reader.take() {
            self.read(reader, conn)?;
        }
        match self.brought.take() {
            None => Ok(Next::Later),
            Some(Ok((_, chunk))) if chunk.is_empty() => Ok(Next::End),
            Some(Ok((reader, chunk))) => {
                self.read(reader, conn)?;
                Ok(Next::Chunk(chunk))
            }
            Some(Err(error)) => Err(error),
        }
    }

    /// Has a chunk read.
    fn read(&self, reader: Reader, conn: &mut Conn<'_>) -> io::Result<()> {
        let (chunk_bytes, brought, id) = (self.chunk_bytes, Rc::clone(&self.brought), conn.id());
        let work = move || read_chunk(reader, chunk_bytes);
        let started = conn.reactor().run_blocking_in_turn(work, move |reactor, result| {
            brought.set(Some(result.unwrap_or_else(|error| Err(io::Error::other(error)))));
            reactor.resume_producer(id);
        });
        started.map_err(io::Error::other)
    }
}

/// Reads once, as much as one call gives; nothing at the end.
fn read_chunk(mut reader: Reader, chunk_bytes: usize) -> Brought {
    let mut chunk = vec![0; chunk_bytes];
    let len = loop {
        match reader.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(len) => break len,
        }
    };
    chunk.truncate(len);
    Ok((reader, chunk.into()))
}
