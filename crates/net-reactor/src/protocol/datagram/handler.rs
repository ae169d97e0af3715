//! The user's side of a socket of datagrams.

use std::net::SocketAddr;

use super::DatagramSocket;
use crate::net::{CloseReason, DatagramError, Pressure};
use crate::protocol::{Flow, Message, Tag};

/// The handler of one socket of datagrams: plain callbacks with `&mut self`.
///
/// Guaranteed, in a simulation too:
///
/// - [`on_open`](Self::on_open) comes first, unless the socket is closed before;
///   [`on_close`](Self::on_close) comes last and once.
/// - Callbacks never nest. After [`close`](DatagramSocket::close), an `Err`, or a panic, the only
///   callback that still comes is `on_close`.
/// - A datagram is delivered whole and once for each time it arrives. What the network does to it -
///   lose it, repeat it, let others overtake it - is the handler's business.
/// - At most 64 datagrams, or 256 KiB, are received from one socket in one turn; then others have
///   their share.
/// - An `Err` closes this socket gracefully, a panic at once; nothing else is disturbed.
///
/// ```
/// use net_reactor::{Datagram, DatagramOptions, DatagramSocket, EventLoop, Flow};
/// use std::net::{SocketAddr, UdpSocket};
///
/// struct Echo;
///
/// impl Datagram for Echo {
///     fn on_datagram(
///         &mut self,
///         socket: &mut DatagramSocket<'_>,
///         from: SocketAddr,
///         bytes: &[u8],
///     ) -> Flow {
///         socket.send_to(from, bytes)?;
///         socket.reactor().stop();
///         Ok(())
///     }
/// }
///
/// let mut event_loop = EventLoop::new()?;
/// let mut reactor = event_loop.reactor();
/// let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
/// let id = reactor.bind_datagram(any_port, &DatagramOptions::default(), Echo)?;
/// let address = reactor.datagram(id).expect("it was just made").local_address();
///
/// let peer = UdpSocket::bind("127.0.0.1:0")?;
/// peer.send_to(b"hello", address)?;
/// event_loop.run()?;
/// let mut answer = [0; 16];
/// let (len, _) = peer.recv_from(&mut answer)?;
/// assert_eq!(&answer[..len], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(unused_variables, reason = "the names of the parameters are documentation")]
pub trait Datagram: 'static {
    /// The socket is open.
    ///
    /// # Errors
    ///
    /// An error closes the socket with that reason.
    fn on_open(&mut self, socket: &mut DatagramSocket<'_>) -> Flow {
        Ok(())
    }

    /// A datagram arrived. `bytes` lies in the loop's receive buffer, and is lent for this call.
    ///
    /// # Errors
    ///
    /// An error closes the socket with that reason. Anybody can send anything here: a datagram that
    /// makes no sense is rather ignored.
    fn on_datagram(
        &mut self,
        socket: &mut DatagramSocket<'_>,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Flow;

    /// More than half of the queue is in use ([`Pressure::High`]), or it is empty again
    /// ([`Pressure::Low`]). The two strictly alternate. Receiving goes on meanwhile.
    ///
    /// # Errors
    ///
    /// An error closes the socket with that reason.
    fn on_pressure(&mut self, socket: &mut DatagramSocket<'_>, pressure: Pressure) -> Flow {
        Ok(())
    }

    /// A timer that this socket set with [`DatagramSocket::set_timer`] is due.
    ///
    /// # Errors
    ///
    /// An error closes the socket with that reason.
    fn on_timer(&mut self, socket: &mut DatagramSocket<'_>, tag: Tag) -> Flow {
        Ok(())
    }

    /// Somebody sent a message, by a [`DatagramHandle`](crate::DatagramHandle).
    ///
    /// # Errors
    ///
    /// An error closes the socket with that reason.
    fn on_message(&mut self, socket: &mut DatagramSocket<'_>, message: Message) -> Flow {
        Ok(())
    }

    /// A datagram was refused, dropped, or not sent. The socket goes on; the default writes a line
    /// to the log.
    ///
    /// # Errors
    ///
    /// An error closes the socket with that reason.
    fn on_error(&mut self, socket: &mut DatagramSocket<'_>, error: DatagramError) -> Flow {
        tracing::debug!(id = %socket.id(), %error, "datagram");
        Ok(())
    }

    /// The loop is stopping gracefully and waits for this socket to finish.
    ///
    /// The default closes it. A handler that has work to finish may go on and close later; at the
    /// end of the loop's patience it is closed with [`CloseReason::LoopStopped`].
    ///
    /// # Errors
    ///
    /// An error closes the socket with that reason.
    fn on_stop(&mut self, socket: &mut DatagramSocket<'_>) -> Flow {
        socket.close();
        Ok(())
    }

    /// The socket is closed. Always the last callback, exactly once.
    fn on_close(&mut self, socket: &mut DatagramSocket<'_>, reason: CloseReason) {}
}

impl<D: Datagram + ?Sized> Datagram for Box<D> {
    fn on_open(&mut self, socket: &mut DatagramSocket<'_>) -> Flow {
        (**self).on_open(socket)
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramSocket<'_>,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Flow {
        (**self).on_datagram(socket, from, bytes)
    }

    fn on_pressure(&mut self, socket: &mut DatagramSocket<'_>, pressure: Pressure) -> Flow {
        (**self).on_pressure(socket, pressure)
    }

    fn on_timer(&mut self, socket: &mut DatagramSocket<'_>, tag: Tag) -> Flow {
        (**self).on_timer(socket, tag)
    }

    fn on_message(&mut self, socket: &mut DatagramSocket<'_>, message: Message) -> Flow {
        (**self).on_message(socket, message)
    }

    fn on_error(&mut self, socket: &mut DatagramSocket<'_>, error: DatagramError) -> Flow {
        (**self).on_error(socket, error)
    }

    fn on_stop(&mut self, socket: &mut DatagramSocket<'_>) -> Flow {
        (**self).on_stop(socket)
    }

    fn on_close(&mut self, socket: &mut DatagramSocket<'_>, reason: CloseReason) {
        (**self).on_close(socket, reason);
    }
}
