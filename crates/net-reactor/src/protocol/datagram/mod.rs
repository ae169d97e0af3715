//! Datagrams: handlers for sockets without connections.
//!
//! [`Datagram`] is to a socket what [`Protocol`](super::Protocol) is to a connection, and
//! [`DatagramSocket`] what [`Conn`](super::Conn) is; the loop treats both alike.

mod calling;
mod handle;
mod handler;
mod socket;

pub use self::handle::DatagramHandle;
pub use self::handler::Datagram;
pub use self::socket::DatagramSocket;
