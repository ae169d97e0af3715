//! A connection that is awaited.

use std::borrow::Cow;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::pipe::{Pipe, Side};
use super::pipe_handler::{Open, PipeHandler};
use super::{AsyncLoop, Write};
use crate::base::{Address, ConnId};
use crate::net::CloseReason;
use crate::protocol::stream::Want;
use crate::protocol::{Amount, Flow, Protocol, ReadError};

/// A connection that is read in steps, for linear code: what [`Stream`](crate::Stream) is to
/// functions, with the same rules, as futures.
///
/// ```
/// use net_reactor::{Amount, AsyncStream, prelude::*};
///
/// /// Serves one request after the other: a line with a length, then so many bytes.
/// async fn serve(mut stream: AsyncStream) -> Flow {
///     loop {
///         let line = stream.read_until(b"\n", 20).await?;
///         let length: usize = std::str::from_utf8(&line)?.trim().parse()?;
///         let body = stream.read_bytes(length, Amount::Whole).await?;
///         stream.write(body).await?;
///     }
/// }
///
/// let server = Server::new(|_peer| AsyncStream::serve(serve));
/// # let mut solo = net_reactor::sim::Solo::new(AsyncStream::serve(serve));
/// # solo.feed("5\nhello2\nya");
/// # assert_eq!(solo.output(), b"helloya");
/// ```
///
/// - One read at a time: reads take `&mut self`. To write meanwhile, there is a
///   [`writer`](Self::writer).
/// - Reads can be dropped at any time, by a [timeout](AsyncLoop::timeout) or a `select` of another
///   crate: a dropped read has taken nothing, and the next one finds all bytes.
/// - While no read is awaited, the connection is paused; a reset is still noticed.
/// - Dropping the stream closes the connection gracefully. When the peer has finished, it stays open for
///   writing until then. A panic that drops the stream aborts it.
///
/// Each read copies its bytes into a buffer of their own. Where that matters, read
/// [into](Self::read_into) one, or use [`Stream`](crate::Stream).
#[derive(Debug)]
pub struct AsyncStream {
    pipe: Rc<Pipe>,
}

/// Writes to an [`AsyncStream`]'s connection, also while a read of it is awaited. It keeps nothing
/// open.
#[derive(Debug, Clone)]
pub struct AsyncWriter {
    pipe: Rc<Pipe>,
}

impl AsyncStream {
    /// Makes a handler that serves its connection with a future of its own.
    ///
    /// The future runs on the connection's loop. When it fails, the connection closes with that error
    /// as its reason, as for a callback; [`ReadError::Ended`], passed on with `?`, closes it with
    /// [`PeerClosed`](CloseReason::PeerClosed).
    pub fn serve<F>(serve: impl FnOnce(Self) -> F + 'static) -> impl Protocol
    where
        F: Future<Output = Flow> + 'static,
    {
        PipeHandler::new(Open::Serve(Box::new(|stream| Box::pin(serve(stream)))))
    }

    pub(super) fn new(pipe: Rc<Pipe>) -> Self {
        Self { pipe }
    }
}

/// Reads.
impl AsyncStream {
    /// Reads up to `delimiter` and with it; see [`StreamConn::read_until`](crate::StreamConn::read_until).
    ///
    /// # Errors
    ///
    /// [`ReadError`]. After [`TooLong`](ReadError::TooLong) the stream closes in the next turn; what is
    /// written at once still goes out.
    pub async fn read_until(
        &mut self,
        delimiter: impl Into<Cow<'static, [u8]>>,
        bytes_max: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let mut want = Want::Until { delimiter: delimiter.into(), bytes_max };
        self.read(|side| side.take(&mut want)).await
    }

    /// Reads up to a match of `pattern` and with it; see
    /// [`StreamConn::read_until_regex`](crate::StreamConn::read_until_regex).
    ///
    /// # Errors
    ///
    /// As for [`read_until`](Self::read_until).
    #[cfg(feature = "regex")]
    pub async fn read_until_regex(
        &mut self,
        pattern: &crate::protocol::Pattern,
        bytes_max: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let search = crate::protocol::stream::Search::new(pattern);
        let mut want = Want::Match { search, bytes_max };
        self.read(|side| side.take(&mut want)).await
    }

    /// Reads `count` bytes, or with [`Amount::Partial`] as many of them as there are once there is
    /// one.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. After a short [`Ended`](ReadError::Ended) the bytes can still be read. A whole
    /// that is more than a connection keeps ([`input_max`](crate::ConnConfig::input_max)) fails with
    /// [`BufferFull`](ReadError::BufferFull) when that much has come: see [`read_into`](Self::read_into).
    pub async fn read_bytes(&mut self, count: usize, amount: Amount) -> Result<Vec<u8>, ReadError> {
        let mut want = Want::Bytes { count, amount };
        self.read(|side| side.take(&mut want)).await
    }

    /// Reads `count` bytes behind those in `buffer`, or with [`Amount::Partial`] as many of them as
    /// there are once there is one. The bytes go there as they arrive, so `count` has no limit.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; `buffer` then holds what came, as it does when the read is dropped.
    pub async fn read_into(
        &mut self,
        buffer: &mut Vec<u8>,
        count: usize,
        amount: Amount,
    ) -> Result<(), ReadError> {
        let mut left = count;
        self.read(|side| {
            let taken = side.take_into(buffer, left);
            left -= taken;
            let is_enough = left == 0 || (amount == Amount::Partial && taken > 0);
            if is_enough { Some(Ok(())) } else { side.over().map(Err) }
        })
        .await
    }

    /// Reads everything until the connection ends, also when the peer resets it: then
    /// [`close_reason`](Self::close_reason) has the cause.
    ///
    /// # Errors
    ///
    /// [`ReadError::BufferFull`] when that is more than a connection keeps.
    pub async fn read_until_close(&mut self) -> Result<Vec<u8>, ReadError> {
        self.read(Side::take_rest).await
    }

    /// Waits until `take` finds what it wants.
    async fn read<T>(
        &mut self,
        mut take: impl FnMut(&mut Side) -> Option<Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        let pipe = &self.pipe;
        let _taken_back = Reading { pipe };
        let result = poll_fn(|context| {
            let taken = pipe.with(|side| {
                let taken = take(side);
                if taken.is_none() {
                    side.wait(context.waker());
                }
                taken
            });
            taken.map_or_else(
                || {
                    pipe.wish(|conn| conn.resume());
                    Poll::Pending
                },
                Poll::Ready,
            )
        })
        .await;
        if let Err(error @ (ReadError::TooLong { .. } | ReadError::BufferFull { .. })) = result {
            pipe.with(Side::note_failed);
            pipe.wish_close_for(error);
        }
        result
    }
}

/// A read that is awaited. Dropped, it is taken back.
struct Reading<'a> {
    pipe: &'a Pipe,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.pipe.with(Side::forget_reader);
    }
}

/// Everything else.
impl AsyncStream {
    /// Queues `bytes` at once; the future resolves when the kernel has taken them, and need not be
    /// awaited. Writes resolve in their order.
    ///
    /// The future fails with [`Full`](crate::WriteRefused::Full) when the write would have gone over
    /// the hard limit of queued output (16 MiB by default), or 65,536 writes wait: it was not queued,
    /// and the stream stays open. What is written without awaiting anything counts as queued. It fails
    /// with [`Closed`](crate::WriteRefused::Closed) when the connection ended before.
    pub fn write(&self, bytes: impl Into<Vec<u8>>) -> Write {
        write(&self.pipe, bytes.into())
    }

    /// Returns what writes while a read is awaited.
    #[must_use]
    pub fn writer(&self) -> AsyncWriter {
        AsyncWriter { pipe: Rc::clone(&self.pipe) }
    }

    /// Finishes our side after what is queued; reading goes on.
    pub fn shutdown_write(&self) {
        self.pipe.wish(|conn| {
            // Over already: there is nothing to finish.
            let _closed = conn.shutdown_write();
        });
    }

    /// Resets the connection: queued output is dropped, the peer gets RST.
    pub fn abort(&self) {
        self.pipe.wish(|conn| conn.abort());
    }

    /// Returns why the connection ended, once it has.
    #[must_use]
    pub fn close_reason(&self) -> Option<Rc<CloseReason>> {
        self.pipe.with(|side| side.reason())
    }

    /// Returns the connection's id.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.pipe.id
    }

    /// Returns the peer's address.
    #[must_use]
    pub fn peer_address(&self) -> Address {
        self.pipe.peer.clone()
    }

    /// Returns the stream's loop, to sleep, connect, or run other futures.
    #[must_use]
    pub fn async_loop(&self) -> AsyncLoop {
        AsyncLoop::new(self.pipe.wishes.clone())
    }
}

impl Drop for AsyncStream {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.abort();
        } else {
            self.pipe.wish_close();
        }
    }
}

impl AsyncWriter {
    /// Queues `bytes`; see [`AsyncStream::write`].
    pub fn write(&self, bytes: impl Into<Vec<u8>>) -> Write {
        write(&self.pipe, bytes.into())
    }
}

fn write(pipe: &Rc<Pipe>, bytes: Vec<u8>) -> Write {
    let (write, outcome) = Write::new();
    pipe.write(bytes, outcome);
    write
}
