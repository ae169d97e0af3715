//! What the bytes of a connection pass through between its handler and its socket.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::base::{Inbound, Key, SideTable};

/// What all bytes of a connection pass through on their way between the handler and the socket.
///
/// It belongs to the connection, and is the same whoever writes: the handler, another one, a
/// broadcast, another thread. The handler reads and writes plain bytes and need not know of it.
/// [`ConnConfig::layer`](crate::ConnConfig::layer) puts one on every connection with that
/// configuration; the peer must have the same.
#[cfg_attr(
    feature = "zlib",
    doc = "
Made from a [`Compression`](crate::codec::Compression), the stream of each direction is packed as a
whole:

```
use net_reactor::prelude::*;
use net_reactor::{ConnConfig, codec::Compression};

let packed = ConnConfig::default().layer(Compression::zlib());
let server = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?)).connections(packed);
```
"
)]
///
/// What was written in a turn can be read by the peer when it has arrived: the layer is flushed once
/// at the turn's end. Limits and counters of output count what is queued for the socket, those of
/// unconsumed input what the handler was given. It is given at most 256 KiB at once, however many the
/// received bytes become; others have their turn in between, and the connection is not read until
/// all of them are delivered.
///
/// A stream that breaks the layer's rules, or ends before its end mark, closes the connection with
/// [`Malformed`](crate::CloseReason::Malformed) and the layer's error, after what came before.
#[derive(Clone)]
pub struct Layer {
    make: Arc<dyn Fn() -> Box<dyn Transform> + Send + Sync>,
}

impl Layer {
    #[cfg_attr(
        not(any(feature = "lz4", feature = "zlib", feature = "zstd")),
        expect(dead_code, reason = "without features there is none")
    )]
    pub(crate) fn new<T: Transform + 'static>(
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        Self { make: Arc::new(move || Box::new(make())) }
    }

    /// Makes the layer of one connection.
    pub(super) fn make(&self) -> Layered {
        Layered { transform: (self.make)(), waiting: Inbound::default(), reads_on: false }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").finish_non_exhaustive()
    }
}

/// Why received bytes cannot have passed through the peer's layer.
pub(crate) type LayerError = Box<dyn Error + Send + Sync>;

/// Turns plain bytes into those on the wire and back, for one connection. It performs no I/O and
/// knows no clock.
pub(crate) trait Transform: fmt::Debug {
    /// Takes plain bytes, and appends what of them is ready for the wire. The rest is kept back, in
    /// memory with a bound.
    fn write(&mut self, plain: &[u8], wire: &mut Vec<u8>);

    /// Appends what was kept back, so that the peer can read all that was written.
    fn flush(&mut self, wire: &mut Vec<u8>);

    /// Appends what was kept back, and the end. Nothing is written afterwards.
    fn finish(&mut self, wire: &mut Vec<u8>);

    /// Takes bytes from the front of `wire`, which is advanced, and overwrites `plain` with at most
    /// `bytes_max` of what they become.
    fn read(&mut self, wire: &mut &[u8], plain: &mut Vec<u8>, bytes_max: usize) -> Read;

    /// The peer has finished: says whether its bytes are whole.
    fn read_end(&self) -> Result<(), LayerError>;
}

/// What came of received bytes.
#[derive(Debug)]
pub(crate) struct Read {
    /// How many plain bytes there are. `plain` may be longer.
    pub(crate) bytes: usize,
    pub(crate) then: Then,
}

/// How reading goes on.
#[derive(Debug)]
#[cfg_attr(
    not(any(feature = "lz4", feature = "zlib", feature = "zstd")),
    expect(dead_code, reason = "without features no layer says so")
)]
pub(crate) enum Then {
    /// When more is received.
    Receive,
    /// With what is there already: the limit was reached.
    ReadOn,
    /// Not at all.
    Fail(LayerError),
}

/// The layer of one connection.
#[derive(Debug)]
pub(crate) struct Layered {
    pub(super) transform: Box<dyn Transform>,
    /// Received bytes whose turn has not come.
    pub(super) waiting: Inbound,
    /// There is more for the handler, which waits for its next share; the socket is not read.
    pub(super) reads_on: bool,
}

impl SideTable<Layered> {
    /// Whether a connection has a layer that has more for its handler.
    pub(super) fn reads_on(&self, key: Key) -> bool {
        self.get(key).is_some_and(|layered| layered.reads_on)
    }
}
