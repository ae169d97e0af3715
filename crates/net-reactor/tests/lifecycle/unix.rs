//! Unix sockets: names and their files, permissions, credentials, and the same contract as for TCP
//! where the kernel lets it hold.

use std::cell::Cell;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use net_reactor::prelude::*;
use net_reactor::{Address, ConnConfig, ListenError, ListenOptions, UnixAddress};

use super::support::{Log, PATIENCE, Script, echo, turn_until};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("reactor-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("x.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn address(path: &Path) -> Address {
    UnixAddress::path(path).unwrap().into()
}

fn listen(event_loop: &mut EventLoop, path: &Path) -> Result<net_reactor::ListenerId, ListenError> {
    let options = ListenOptions::default();
    let config = ConnConfig::default();
    event_loop.reactor().listen(address(path), &options, config, |_: &Peer| echo())
}

fn peer(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn a_server_and_a_client_meet_at_a_path() {
    let folder = Folder::new();
    let target = format!("unix:{}?mode=600", folder.socket().display());
    let server = Server::new(|_: &Peer| echo()).spawn(target.clone()).unwrap();
    assert_eq!(server.local_address(), address(&folder.socket()));
    let file = fs::metadata(folder.socket()).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let answer = Rc::new(Cell::new(false));
    let told = Rc::clone(&answer);
    let name = server.local_address();
    let client = Client::new(move || {
        let (told, name) = (Rc::clone(&told), name.clone());
        Script::new()
            .on_open(move |conn| {
                assert_eq!(conn.peer_address(), name);
                assert!(conn.local_address()?.unix().unwrap().is_unnamed());
                Ok(conn.write(b"hello")?)
            })
            .on_data(move |conn, bytes| {
                told.set(bytes == b"hello");
                conn.close();
                Ok(())
            })
    });
    client.connect(target.as_str()).unwrap().run().unwrap();
    assert!(answer.get());
    server.handle().stop();
    server.join().unwrap();
    assert!(!folder.socket().exists(), "the file goes with the listener");
}

#[test]
fn a_file_that_nobody_listens_on_is_replaced() {
    let folder = Folder::new();
    drop(UnixListener::bind(folder.socket()).unwrap());
    assert!(folder.socket().exists(), "std leaves the file");
    let mut event_loop = EventLoop::new().unwrap();
    listen(&mut event_loop, &folder.socket()).unwrap();
    let stream = peer(&folder.socket());
    turn_until(&mut event_loop, "the peer is in", || stream.peer_addr().is_ok());
}

#[test]
fn a_socket_that_somebody_listens_on_stays_theirs() {
    let folder = Folder::new();
    let theirs = UnixListener::bind(folder.socket()).unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    let error = listen(&mut event_loop, &folder.socket()).unwrap_err();
    assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("unix:{} is in use", folder.socket().display()));
    // The probe; then a peer of theirs.
    theirs.accept().unwrap();
    let _peer = peer(&folder.socket());
    theirs.accept().unwrap();
}

#[test]
fn a_file_that_is_no_socket_is_never_removed() {
    let folder = Folder::new();
    fs::write(folder.socket(), "precious").unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    let error = listen(&mut event_loop, &folder.socket()).unwrap_err();
    assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
    assert_eq!(fs::read(folder.socket()).unwrap(), b"precious");
    // Neither is what a link leads to.
    let link = folder.0.join("link");
    std::os::unix::fs::symlink(folder.socket(), &link).unwrap();
    assert!(listen(&mut event_loop, &link).is_err());
    assert!(folder.socket().exists() && link.is_symlink());
}

#[test]
fn a_file_that_is_another_sockets_by_now_is_not_removed() {
    let folder = Folder::new();
    let mut event_loop = EventLoop::new().unwrap();
    let listener = listen(&mut event_loop, &folder.socket()).unwrap();
    fs::rename(folder.socket(), folder.0.join("moved")).unwrap();
    let _theirs = UnixListener::bind(folder.socket()).unwrap();
    let inode = fs::metadata(folder.socket()).unwrap().ino();
    assert!(event_loop.reactor().unlisten(listener));
    assert_eq!(fs::metadata(folder.socket()).unwrap().ino(), inode);
}

#[test]
fn an_adopted_socket_serves_and_its_file_stays() {
    let folder = Folder::new();
    let made_elsewhere = UnixListener::bind(folder.socket()).unwrap();
    let bound = Server::new(|_: &Peer| echo()).adopt(made_elsewhere).unwrap();
    assert_eq!(bound.local_address(), address(&folder.socket()));
    let handle = bound.handle();
    let path = folder.socket();
    let asking = std::thread::spawn(move || {
        let mut stream = peer(&path);
        stream.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        handle.stop();
        answer
    });
    bound.run().unwrap();
    assert_eq!(&asking.join().unwrap(), b"hello");
    assert!(folder.socket().exists(), "it belongs to whoever made it");
}

#[test]
fn several_loops_share_a_path() {
    let folder = Folder::new();
    let target = UnixAddress::path(folder.socket()).unwrap();
    let server = Server::new(|_: &Peer| echo()).loops(3).spawn(target).unwrap();
    let mut peers: Vec<UnixStream> = (0..9).map(|_| peer(&folder.socket())).collect();
    for stream in &mut peers {
        stream.write_all(b"?").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    let each: Vec<usize> = server.handle().loops().iter().map(LoopHandle::connections).collect();
    assert_eq!(each, [3, 3, 3]);
    drop(peers);
    server.handle().stop();
    server.join().unwrap();
}

#[test]
fn nobody_at_a_path_is_a_refusal_that_names_it() {
    let folder = Folder::new();
    let stale = folder.0.join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    for path in [folder.socket(), stale] {
        let target = format!("unix:{}", path.display());
        let client = Client::new(Script::new).connect(target.as_str()).unwrap();
        let Err(Error::Connect(error @ ConnectError::Refused { .. })) = client.run() else {
            panic!("{target}")
        };
        assert_eq!(error.to_string(), format!("{target} refused the connection"));
    }
}

#[test]
fn a_full_backlog_is_a_refusal_at_once() {
    let folder = Folder::new();
    let mut deaf = EventLoop::new().unwrap();
    let options = ListenOptions::default().backlog(0);
    let config = ConnConfig::default();
    deaf.reactor().listen(address(&folder.socket()), &options, config, |_| echo()).unwrap();
    let _first = peer(&folder.socket());
    let target = UnixAddress::path(folder.socket()).unwrap();
    let client = Client::new(Script::new).connect(target).unwrap();
    let error = client.run().unwrap_err();
    assert!(matches!(error, Error::Connect(ConnectError::Refused { .. })), "{error:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_kernel_vouches_for_the_peer() {
    let folder = Folder::new();
    let uid = fs::metadata(&folder.0).unwrap().uid();
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let noted = log.clone();
    let factory = move |_: &Peer| {
        let noted = noted.clone();
        Script::new().on_open(move |conn| {
            let peer = conn.peer_credentials()?;
            assert_eq!((peer.uid, peer.pid), (uid, std::process::id()));
            noted.note("vouched");
            Ok(())
        })
    };
    let (options, config) = (ListenOptions::default(), ConnConfig::default());
    event_loop.reactor().listen(address(&folder.socket()), &options, config, factory).unwrap();
    let _peer = peer(&folder.socket());
    turn_until(&mut event_loop, "vouched", || log.has("vouched"));
}

#[test]
fn a_half_closed_peer_gets_all_of_its_echo() {
    const BYTES: usize = 10_000_000;
    let folder = Folder::new();
    let target = UnixAddress::path(folder.socket()).unwrap();
    let server = Server::new(|_: &Peer| echo()).spawn(target).unwrap();
    let mut stream = peer(&folder.socket());
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        writer.write_all(&vec![7; BYTES]).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert!(received.len() == BYTES && received.iter().all(|byte| *byte == 7));
    writing.join().unwrap();
    server.handle().stop();
    server.join().unwrap();
}

/// An answer goes out before the question was read to its end: over TCP a close with unread input
/// would reset, and so it would here. The drain of a graceful close is for both.
#[test]
fn a_close_with_unread_input_loses_nothing_of_the_answer() {
    let folder = Folder::new();
    let target = UnixAddress::path(folder.socket()).unwrap();
    let factory = |_: &Peer| {
        Script::new().on_data(|conn, _| {
            conn.write(b"enough")?;
            conn.close();
            Ok(())
        })
    };
    let server = Server::new(factory).spawn(target).unwrap();
    let mut stream = peer(&folder.socket());
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        // The server may be gone before the last byte.
        let _ = writer.write_all(&vec![7; 1_000_000]);
        let _ = writer.shutdown(Shutdown::Write);
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"enough");
    writing.join().unwrap();
    server.handle().stop();
    server.join().unwrap();
}

#[test]
fn an_abort_is_an_end_and_a_reset_if_input_was_left() {
    let folder = Folder::new();
    let mut event_loop = EventLoop::new().unwrap();
    let factory = |_: &Peer| {
        Script::new().on_open(|conn| {
            conn.pause();
            Ok(())
        })
    };
    let (options, config) = (ListenOptions::default(), ConnConfig::default());
    let mut reactor = event_loop.reactor();
    reactor.listen(address(&folder.socket()), &options, config, factory).unwrap();
    let (mut quiet, mut unread) = (peer(&folder.socket()), peer(&folder.socket()));
    unread.write_all(b"?").unwrap();
    while event_loop.stats().connections < 2 {
        event_loop.turn(None).unwrap();
    }
    event_loop.handle().stop_now();
    event_loop.run().unwrap();
    assert_eq!(quiet.read(&mut [0]).unwrap(), 0);
    let error = unread.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
