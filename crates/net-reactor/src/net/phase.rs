//! The phases of a connection.

/// Where a connection stands in its life.
///
/// ```text
///   Connecting --> Open --> Closing --> Closed
///        |           `--- abort, error ---^
///        `-- cancelled, failed -----------^
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The outcome of connecting is awaited.
    Connecting,
    /// Bytes flow to and from the handler.
    Open,
    /// A graceful close is under way: output is flushed, FIN sent, the peer's end awaited. The
    /// handler hears nothing but the end.
    Closing,
    /// The socket is gone; the handler is about to be told.
    Closed,
}
