//! A stream of bytes that is made as its peer takes it.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;

use super::pusher::{Pushed, Pusher};
use super::read_ahead::ReadAhead;
use crate::base::ConnId;
use crate::net::{Closed, Pressure};
use crate::protocol::{Conn, Produced, Producer, ProducerEnd, Reactor};

/// How much is read of a reader at once: 64 KiB.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

type OnEnd = Box<dyn FnOnce(&mut Reactor<'_>, TransferEnd)>;

/// Sends what is too much to be queued at once - a file, what a query finds - at the pace at which
/// the peer reads.
///
/// The source is asked for a chunk whenever the connection's output has come down to the low mark
/// (64 KiB), at most once a turn. So no more waits than the low mark and a chunk, and one chunk that
/// is read ahead.
///
/// - **Order.** Chunks go behind what was written before. What is written meanwhile goes between two
///   chunks.
/// - **Closing waits.** After [`close`](Conn::close), [`shutdown_write`](Conn::shutdown_write), or
///   the peer's end, the transfer goes on, and FIN follows its last byte. The patience of a close
///   ([`linger`](crate::ConnConfig::linger), 30 s) counts from the last chunk then: a peer that stops
///   reading is reset all the same.
/// - **The end** is told once, also when the connection ends first, and then before its
///   [`on_close`](crate::Protocol::on_close).
/// - **A source that fails** or panics resets the connection with
///   [`TransferFailed`](crate::CloseReason::TransferFailed).
///
/// ```
/// use net_reactor::{Transfer, prelude::*};
/// use std::fs::File;
///
/// /// Sends a file to whoever connects.
/// struct SendFile;
///
/// impl Protocol for SendFile {
///     fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
///         Transfer::read(File::open("/etc/motd")?).start(conn)?;
///         conn.close(); // after the file
///         Ok(())
///     }
///
///     fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
///         input.take_all();
///         Ok(())
///     }
/// }
/// ```
pub struct Transfer {
    source: Source,
    on_end: Option<OnEnd>,
}

enum Source {
    Pushed(Pushed),
    Chunks(Box<dyn Iterator<Item = Bytes>>),
    Reader(ReadAhead),
}

impl Transfer {
    /// Makes a transfer of what a reader gives until its end: a file, a pipe, a decompressor.
    ///
    /// It is read on the loop's worker threads, so it may block; one chunk is read ahead while the
    /// one before is sent. The threads and their queue (4 and 1,024 by default) are those of
    /// [`run_blocking`](Reactor::run_blocking); while the queue is full, a read waits for its turn.
    pub fn read(reader: impl Read + Send + 'static) -> Self {
        Self { source: Source::Reader(ReadAhead::new(Box::new(reader), CHUNK_BYTES)), on_end: None }
    }

    /// Makes a transfer of the chunks of an iterator, such as one made by
    /// [`from_fn`](std::iter::from_fn). It is called on the loop, and must not block.
    ///
    /// ```
    /// use net_reactor::{Conn, Flow, Transfer};
    ///
    /// fn count_up(conn: &mut Conn<'_>) -> Flow {
    ///     let lines = (1..=1_000_000).map(|number| format!("{number}\n"));
    ///     Ok(Transfer::chunks(lines).start(conn)?)
    /// }
    /// ```
    pub fn chunks<I>(chunks: I) -> Self
    where
        I: IntoIterator<Item: Into<Bytes> + 'static, IntoIter: 'static>,
    {
        let chunks = chunks.into_iter().map(Into::into);
        Self { source: Source::Chunks(Box::new(chunks)), on_end: None }
    }

    /// Makes a transfer that others push bytes into, at their own pace, with the [`Pusher`]: a timer,
    /// a message, another connection. `on_pressure` tells them to pause and to go on, when the
    /// output has crossed the high mark and the low one.
    ///
    /// ```
    /// use net_reactor::{Conn, Flow, Pressure, Transfer};
    /// use std::{cell::Cell, rc::Rc, time::Duration};
    ///
    /// /// Sends a reading a second, and leaves out those that would only wait.
    /// fn measure(conn: &mut Conn<'_>) -> Flow {
    ///     let paused = Rc::new(Cell::new(false));
    ///     let pauses = Rc::clone(&paused);
    ///     let (transfer, pusher) = Transfer::push(move |_reactor, pressure| {
    ///         pauses.set(pressure == Pressure::High);
    ///     });
    ///     transfer.start(conn)?;
    ///     let every = Duration::from_secs(1);
    ///     conn.reactor().call_every(every, move |reactor, _tick| {
    ///         if !paused.get() {
    ///             let _closed = pusher.write(reactor, "20.5\n");
    ///         }
    ///     });
    ///     Ok(())
    /// }
    /// ```
    ///
    /// What is pushed without regard to the pressure is subject to the connection's hard limit.
    pub fn push(on_pressure: impl FnMut(&mut Reactor<'_>, Pressure) + 'static) -> (Self, Pusher) {
        let (pushed, pusher) = Pushed::new(Box::new(on_pressure));
        (Self { source: Source::Pushed(pushed), on_end: None }, pusher)
    }

    /// Sets how many bytes of a reader are read at once, at least 1. The default is 64 KiB.
    ///
    /// With the low mark it must stay within [`output_max`](crate::ConnConfig::output_max).
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        if let Source::Reader(reader) = &mut self.source {
            reader.set_chunk_bytes(bytes.max(1));
        }
        self
    }

    /// Sets what is called at the end, once.
    #[must_use]
    pub fn on_end(mut self, call: impl FnOnce(&mut Reactor<'_>, TransferEnd) + 'static) -> Self {
        self.on_end = Some(Box::new(call));
        self
    }

    /// Starts the transfer on an open connection.
    ///
    /// # Errors
    ///
    /// [`TransferError::Closed`] when the connection is not open yet, or writing is over;
    /// [`TransferError::Busy`] while there is another transfer on it. The end is not told then.
    pub fn start(self, conn: &mut Conn<'_>) -> Result<(), TransferError> {
        let pushed = match &self.source {
            Source::Pushed(pushed) => Some(pushed.pusher()),
            Source::Chunks(_) | Source::Reader(_) => None,
        };
        let feeder = Feeder { conn: conn.id(), transfer: self, bytes: 0 };
        match conn.set_producer(Box::new(feeder)) {
            Ok(true) => {
                if let Some(pushed) = pushed {
                    pushed.open(conn.id());
                }
                Ok(())
            }
            Ok(false) => Err(TransferError::Busy),
            Err(Closed) => Err(TransferError::Closed),
        }
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::Pushed(_) => "Transfer::push",
            Source::Chunks(_) => "Transfer::chunks",
            Source::Reader(_) => "Transfer::read",
        })
    }
}

/// A transfer under way.
struct Feeder {
    conn: ConnId,
    transfer: Transfer,
    bytes: u64,
}

impl Feeder {
    /// Returns the next chunk, if it is here.
    fn next(&mut self, conn: &mut Conn<'_>) -> io::Result<Next> {
        match &mut self.transfer.source {
            Source::Chunks(chunks) => Ok(chunks.next().map_or(Next::End, Next::Chunk)),
            Source::Reader(reader) => reader.next(conn),
            Source::Pushed(pushed) => Ok(pushed.next()),
        }
    }
}

impl Producer for Feeder {
    fn produce(&mut self, conn: &mut Conn<'_>) -> Produced {
        match self.next(conn) {
            Ok(Next::Chunk(chunk)) => {
                self.bytes += chunk.len() as u64;
                // It was over the hard limit, or the connection is over: its end is on its way.
                let _its_end_is_told = conn.feed(chunk);
                Produced::More
            }
            Ok(Next::Later) => Produced::Later,
            Ok(Next::End) => Produced::End,
            Err(error) => Produced::Failed(error),
        }
    }

    fn on_pressure(&mut self, reactor: &mut Reactor<'_>, pressure: Pressure) {
        if let Source::Pushed(pushed) = &mut self.transfer.source {
            pushed.press(reactor, pressure);
        }
    }

    fn on_end(&mut self, reactor: &mut Reactor<'_>, end: ProducerEnd) {
        if let Source::Pushed(pushed) = &self.transfer.source {
            self.bytes = pushed.close();
        }
        if let Some(call) = self.transfer.on_end.take() {
            let outcome = match end {
                ProducerEnd::Finished => TransferOutcome::Complete,
                ProducerEnd::Stopped => TransferOutcome::CutShort,
            };
            call(reactor, TransferEnd { conn: self.conn, bytes: self.bytes, outcome });
        }
    }
}

/// What a source has for its connection.
#[derive(Debug)]
pub(super) enum Next {
    Chunk(Bytes),
    /// It is being read.
    Later,
    End,
}

/// The end of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferEnd {
    /// The connection that it was for.
    pub conn: ConnId,
    /// Bytes that were queued.
    pub bytes: u64,
    /// How it ended.
    pub outcome: TransferOutcome,
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a transfer comes to its end or does not")]
pub enum TransferOutcome {
    /// Everything is queued; what is still unsent is for the connection to deliver. Another transfer
    /// may be started.
    Complete,
    /// The connection ended before; its [`on_close`](crate::Protocol::on_close) tells why.
    CutShort,
}

/// Why a transfer was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferError {
    /// The connection is not open, or writing is over.
    Closed,
    /// There is a transfer on the connection.
    Busy,
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "nothing can be transferred on a connection that is not open",
            Self::Busy => "there is a transfer on the connection already",
        })
    }
}

impl Error for TransferError {}
