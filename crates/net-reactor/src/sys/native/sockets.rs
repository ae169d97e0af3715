//! Making and tuning sockets.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::sys::{ListenOptions, SocketOption};

pub(super) fn listen(address: SocketAddr, options: &ListenOptions) -> io::Result<TcpListener> {
    let socket = stream_socket(address)?;
    if address.is_ipv6() {
        socket.set_only_v6(options.only_v6)?;
    }
    // On Windows the option would let another process steal the port.
    #[cfg(unix)]
    socket.set_reuse_address(options.reuse_address)?;
    #[cfg(unix)]
    socket.set_reuse_port(options.reuse_port)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.into()))
}

pub(super) fn connect(peer: SocketAddr, bind: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = stream_socket(peer)?;
    if let Some(local) = bind {
        // A fixed port may still be in `TIME_WAIT` from the last connection.
        #[cfg(unix)]
        socket.set_reuse_address(local.port() != 0)?;
        socket.bind(&local.into())?;
    }
    match socket.connect(&peer.into()) {
        Ok(()) => {}
        Err(error) if in_progress(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn stream_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(IN_PROGRESS) {
        return true;
    }
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// `EINPROGRESS` of connect(2). It has no stable [`io::ErrorKind`].
#[cfg(any(target_os = "linux", target_os = "android"))]
const IN_PROGRESS: i32 = 115;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const IN_PROGRESS: i32 = 36;

pub(super) fn set_option(stream: &TcpStream, option: SocketOption) -> io::Result<()> {
    match option {
        SocketOption::NoDelay(on) => stream.set_nodelay(on),
        SocketOption::KeepAlive(None) => SockRef::from(stream).set_keepalive(false),
        SocketOption::KeepAlive(Some(keep_alive)) => {
            let times = TcpKeepalive::new()
                .with_time(whole_seconds(keep_alive.idle))
                .with_interval(whole_seconds(keep_alive.interval))
                .with_retries(keep_alive.probes);
            SockRef::from(stream).set_tcp_keepalive(&times)
        }
        SocketOption::ReceiveBuffer(bytes) => SockRef::from(stream).set_recv_buffer_size(bytes),
        SocketOption::SendBuffer(bytes) => SockRef::from(stream).set_send_buffer_size(bytes),
    }
}

/// The kernel counts in seconds and refuses zero.
fn whole_seconds(time: Duration) -> Duration {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    Duration::from_secs(seconds.max(1))
}

pub(super) fn reset_on_close(stream: &TcpStream) {
    // With a linger time of zero close(2) sends RST; see SO_LINGER in socket(7). It fails only on
    // a socket that is dead already.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
