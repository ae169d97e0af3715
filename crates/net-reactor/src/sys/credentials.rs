//! Who is at the other end of a Unix socket.

/// The user, group and process at the other end of a Unix socket, as the kernel vouches for them.
///
/// They are of the moment when the peer connected, or began to listen: a process that gave up its
/// rights later, or passed the socket on, still shows by them.
///
/// ```
/// # use net_reactor::Credentials;
/// fn may_enter(peer: Credentials, own_uid: u32) -> bool {
///     peer.uid == 0 || peer.uid == own_uid
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
    /// The process id; 0 for one in a PID namespace that this process cannot see. It can belong to
    /// another process by now.
    pub pid: u32,
}
