//! A producer: what feeds one connection at the pace at which its peer reads.

use std::io;

use super::{Conn, Reactor};
use crate::net::Pressure;

/// What feeds one connection, kept beside its handler.
pub(crate) trait Producer {
    /// The output has come down to the low mark, or the producer asked to be called
    /// ([`Reactor::resume_producer`]).
    fn produce(&mut self, conn: &mut Conn<'_>) -> Produced;

    /// The connection's output crossed a mark.
    fn on_pressure(&mut self, reactor: &mut Reactor<'_>, pressure: Pressure);

    /// It is over; told once, and before the connection's end is.
    fn on_end(&mut self, reactor: &mut Reactor<'_>, end: ProducerEnd);
}

/// What a producer did.
#[derive(Debug)]
pub(crate) enum Produced {
    /// It fed the connection, and is to be called again at the low mark.
    More,
    /// It has nothing now, and will ask to be called.
    Later,
    /// It is finished.
    End,
    /// It cannot go on.
    Failed(io::Error),
}

/// Why a producer is called no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProducerEnd {
    /// It said so.
    Finished,
    /// Its connection ended, be it for an error of its own.
    Stopped,
}
