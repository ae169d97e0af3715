//! What nearly every program uses: `use net_reactor::prelude::*;`.

pub use crate::{
    Address, Client, CloseReason, Conn, ConnHandle, ConnId, ConnectError, Eof, Error, EventLoop,
    Failure, Flow, FrameConn, FrameHandler, Framed, Input, LoopHandle, Message, Peer, Pressure,
    Protocol, Reactor, Server, Stream, StreamConn, Tag,
};
