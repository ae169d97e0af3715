//! A connection that is read in steps: each read says what it waits for and what comes next.
//!
//! `want` and `pending` are the pure part: what a read takes from the bytes that are there. `state`
//! joins reads and writes with the connection; `stream_conn` is what a user holds.

mod error;
#[cfg(feature = "regex")]
mod pattern;
mod pending;
mod state;
mod stream_conn;
mod want;
mod writes;

use std::fmt;

pub use self::error::{Amount, ReadError, ReadRefused, WriteRefused};
#[cfg(all(feature = "async", feature = "regex"))]
pub(crate) use self::pattern::Search;
#[cfg(feature = "regex")]
pub use self::pattern::{Pattern, PatternError};
use self::state::State;
#[cfg(feature = "async")]
pub(crate) use self::state::close_reason_of;
pub use self::stream_conn::StreamConn;
#[cfg(feature = "async")]
pub(crate) use self::want::{Look, Want};
#[cfg(feature = "async")]
pub(crate) use self::writes::{WRITES_MAX, Writes};
use super::{Conn, Eof, Failure, Flow, Message, Protocol, Reactor, Tag};
use crate::base::Input;
use crate::net::{CloseReason, ConnectError};

/// The message that tells a stream that the kernel took output.
#[derive(Debug)]
pub(crate) struct Sent;

/// The message by which a stream whose peer has finished has itself look at what it keeps.
#[derive(Debug)]
struct LookAgain;

type Start = Box<dyn FnOnce(&mut StreamConn<'_>) -> Flow>;
type OnConnectFailed = Box<dyn FnOnce(&mut Reactor<'_>, ConnectError)>;

/// A connection that is read in steps, as Tornado's `IOStream` is: a [`Protocol`] made of reads, each
/// with the function that goes on from there.
///
/// ```
/// use net_reactor::{Amount, prelude::*};
///
/// /// Serves one request after the other: a line with a length, then so many bytes.
/// fn serve(stream: &mut StreamConn<'_>) -> Flow {
///     stream.read_until(b"\n", 20, |stream, line| {
///         let length: usize = std::str::from_utf8(line?)?.trim().parse()?;
///         stream.read_bytes(length, Amount::Whole, |stream, body| {
///             stream.write(body?)?;
///             serve(stream)
///         })?;
///         Ok(())
///     })?;
///     Ok(())
/// }
///
/// let server = Server::new(|_peer| Stream::new(serve));
/// # let mut solo = net_reactor::sim::Solo::new(Stream::new(serve));
/// # solo.feed("5\nhello2\nya");
/// # assert_eq!(solo.output(), b"helloya");
/// ```
///
/// [`new`](Self::new) takes what is done when the connection is open. From there on, functions get the
/// [`StreamConn`] and say what is read next.
///
/// - There is one read at a time. It never completes within the call that starts it.
/// - While no read is pending the connection is paused, so that the peer is held back by TCP; a reset
///   is still noticed.
/// - In one callback as many reads are served as the functions ask for, from the receive buffer,
///   without copying. What is left stays for the next read, and at most
///   [`input_max`](crate::ConnConfig::input_max) (2 MiB by default) of it.
/// - An error that a function returns closes the stream with
///   [`HandlerFailed`](CloseReason::HandlerFailed). [`ReadError::Ended`], passed on with `?`, closes it
///   with [`PeerClosed`](CloseReason::PeerClosed): that peers finish is no failure.
/// - When the peer has finished, reads are served from what it left, and others are refused. Once a
///   function was told of the end and reads no further, the stream closes after what was written,
///   unless [`keep_open`](StreamConn::keep_open) was called.
/// - Whatever ends the connection, each read and each [`write_then`](StreamConn::write_then) is told
///   what became of it, exactly once, and the function of [`on_close`](StreamConn::on_close) comes last.
pub struct Stream {
    start: Option<Start>,
    on_connect_failed: Option<OnConnectFailed>,
    state: State,
}

impl Stream {
    /// Makes a stream that begins with `start` when the connection is open.
    pub fn new(start: impl FnOnce(&mut StreamConn<'_>) -> Flow + 'static) -> Self {
        let start: Option<Start> = Some(Box::new(start));
        Self { start, on_connect_failed: None, state: State::default() }
    }

    /// Sets what is called instead of the start when the connection cannot be opened.
    ///
    /// ```
    /// use net_reactor::{EventLoop, prelude::*};
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// let stream = Stream::new(|stream| Ok(stream.write("hello")?))
    ///     .on_connect_failed(|reactor, error| {
    ///         eprintln!("{error}");
    ///         reactor.stop();
    ///     });
    /// event_loop.reactor().connect("127.0.0.1:9", stream)?;
    /// event_loop.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on_connect_failed(
        mut self,
        call: impl FnOnce(&mut Reactor<'_>, ConnectError) + 'static,
    ) -> Self {
        self.on_connect_failed = Some(Box::new(call));
        self
    }
}

impl Protocol for Stream {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let Some(start) = self.start.take() else { return Ok(()) };
        self.state.call(conn, start)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.state.on_data(conn, input)
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.state.on_eof(conn, input)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.state.on_timer(conn, tag)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        if message.is::<Sent>() {
            self.state.on_sent(conn)
        } else if message.is::<LookAgain>() {
            self.state.on_look_again(conn)
        } else {
            self.state.on_message(conn, message)
        }
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.state.call(conn, |stream| {
            stream.close();
            Ok(())
        })
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.state.on_close(conn, &reason);
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        if let Some(call) = self.on_connect_failed.take() {
            call(reactor, error);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("state", &self.state).finish_non_exhaustive()
    }
}
