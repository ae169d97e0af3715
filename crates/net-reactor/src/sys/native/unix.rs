//! Unix sockets: names, files, credentials.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use mio::net::{UnixListener, UnixStream};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::base::{Address, UnixAddress};
use crate::sys::{Credentials, ListenOptions, SocketOption};

/// The file of a listening socket. Dropping it removes the file, if it is still that socket's.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Takes charge of the file that `bind` has made.
    fn new(path: &Path) -> io::Result<Self> {
        let file = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: file.dev(), inode: file.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode));
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket's file");
        }
    }
}

/// Binds and listens; a file that nobody listens on is replaced.
pub(super) fn listen(
    address: &UnixAddress,
    options: &ListenOptions,
) -> io::Result<(UnixListener, Option<SocketFile>)> {
    let name = name(address)?;
    let socket = stream_socket()?;
    let path = address.as_path();
    match (socket.bind(&name), path) {
        (Err(error), Some(path)) if error.kind() == io::ErrorKind::AddrInUse => {
            if !is_stale(path, &name) {
                return Err(error);
            }
            // Another process may have put a live socket here since. Linux has no call that would
            // remove a file only if nobody listens on it.
            fs::remove_file(path)?;
            tracing::info!(%address, "replaced the file of a socket that nobody listened on");
            socket.bind(&name)?;
        }
        (bound, _) => bound?,
    }
    // From here on a failure removes the file again.
    let file = path.map(SocketFile::new).transpose()?;
    // Nobody can connect before `listen`, so that nobody gets in by the bits of the umask.
    if let (Some(path), Some(mode)) = (path, options.mode) {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok((UnixListener::from_std(socket.into()), file))
}

/// Whether a path is the file of a stream socket that nobody listens on.
fn is_stale(path: &Path, name: &SockAddr) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    // Anything but a refusal says that somebody is there, or cannot tell.
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && stream_socket().is_ok_and(|probe| probe.connect(name).is_err_and(|e| refused(&e)))
}

/// Connects; the outcome is known at once.
pub(super) fn connect(peer: &UnixAddress) -> io::Result<UnixStream> {
    let socket = stream_socket()?;
    match socket.connect(&name(peer)?) {
        Ok(()) => Ok(UnixStream::from_std(socket.into())),
        // unix(7): EAGAIN. Unlike TCP nothing is under way then, and nothing will be reported.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the backlog is full"))
        }
        Err(error) => Err(error),
    }
}

fn stream_socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn name(address: &UnixAddress) -> io::Result<SockAddr> {
    match (address.as_path(), address.as_abstract_name()) {
        (Some(path), _) => SockAddr::unix(path),
        (None, Some(name)) if cfg!(target_os = "linux") => {
            SockAddr::unix(OsString::from_vec([b"\0", name].concat()))
        }
        (None, Some(_)) => Err(io::ErrorKind::Unsupported.into()),
        (None, None) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "a Unix socket without a name"))
        }
    }
}

/// Returns the address that a system call gave. A name that we would not take counts as none.
pub(super) fn address(name: &SocketAddr) -> Address {
    let known = name.as_pathname().and_then(|path| UnixAddress::path(path).ok());
    #[cfg(target_os = "linux")]
    let known = known.or_else(|| UnixAddress::abstract_name(name.as_abstract_name()?).ok());
    Address::Unix(known.unwrap_or(UnixAddress::UNNAMED))
}

pub(super) fn set_option(stream: &UnixStream, option: SocketOption) -> io::Result<()> {
    match option {
        // Nothing is held back here, and a peer that dies is known to be dead at once.
        SocketOption::NoDelay(_) | SocketOption::KeepAlive(_) => Ok(()),
        SocketOption::ReceiveBuffer(bytes) => SockRef::from(stream).set_recv_buffer_size(bytes),
        SocketOption::SendBuffer(bytes) => SockRef::from(stream).set_send_buffer_size(bytes),
    }
}

/// Asks for `SO_PEERCRED`.
#[cfg(target_os = "linux")]
pub(super) fn peer_credentials(stream: &UnixStream) -> io::Result<Credentials> {
    let peer = nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::PeerCredentials)?;
    // A process that this one cannot see, in another namespace, shows as 0.
    let pid = u32::try_from(peer.pid()).unwrap_or(0);
    Ok(Credentials { uid: peer.uid(), gid: peer.gid(), pid })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn peer_credentials(_stream: &UnixStream) -> io::Result<Credentials> {
    Err(io::ErrorKind::Unsupported.into())
}
