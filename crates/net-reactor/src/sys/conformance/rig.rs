//! A kernel under test, with the bookkeeping that a loop would do.

use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use super::paths::Paths;
use crate::base::{Address, Key};
use crate::sys::{CloseHow, Descriptor, ListenOptions, Readiness, StreamAddresses, Sys, Token};

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many rounds it waits at most, for a kernel whose clock stands still.
const ROUNDS_MAX: usize = 100_000;

/// A kernel, and what it has reported so far.
pub(super) struct Rig<S: Sys> {
    pub(super) sys: S,
    /// Lets simulated time pass, between two rounds.
    idle: Box<dyn FnMut()>,
    plumber: Plumber,
    unix_paths: Option<Paths>,
    /// Reports by token, merged since they were last taken.
    pub(super) seen: Vec<Readiness>,
    tokens_made: u32,
}

/// Makes descriptors for the kernel under test.
pub(super) type Plumber = Box<dyn FnMut(Plumbing) -> (Descriptor, Descriptor)>;

/// What it makes.
#[derive(Clone, Copy)]
pub(super) enum Plumbing {
    Pipe,
    Pair,
}

/// A registered stream.
pub(super) struct End<S: Sys> {
    pub(super) token: Token,
    pub(super) stream: S::Stream,
}

/// A listening socket.
pub(super) struct Door<S: Sys> {
    pub(super) token: Token,
    pub(super) listener: S::Listener,
    pub(super) address: Address,
}

impl<S: Sys> Rig<S> {
    pub(super) fn new(sys: S, plumber: Plumber, idle: impl FnMut() + 'static) -> Self {
        Self {
            sys,
            idle: Box::new(idle),
            plumber,
            unix_paths: None,
            seen: Vec::new(),
            tokens_made: 0,
        }
    }

    /// Makes a pipe: its reading and its writing end.
    pub(super) fn make_pipe(&mut self) -> (Descriptor, Descriptor) {
        (self.plumber)(Plumbing::Pipe)
    }

    /// Makes two ends that both read what the other writes.
    pub(super) fn make_pair(&mut self) -> (Descriptor, Descriptor) {
        (self.plumber)(Plumbing::Pair)
    }

    pub(super) fn key(&mut self) -> Key {
        self.tokens_made += 1;
        Key { index: self.tokens_made, generation: 3 }
    }

    /// One short wait.
    pub(super) fn round(&mut self) {
        (self.idle)();
        let mut reports = Vec::new();
        self.sys.wait(Some(Duration::from_millis(10)), &mut reports).unwrap();
        for report in reports {
            match self.seen.iter_mut().find(|seen| seen.token == report.token) {
                Some(seen) => {
                    seen.readable |= report.readable;
                    seen.writable |= report.writable;
                    seen.hang_up |= report.hang_up;
                    seen.failed |= report.failed;
                    seen.over |= report.over;
                }
                None => self.seen.push(report),
            }
        }
    }

    /// Waits until `look` finds something.
    #[track_caller]
    pub(super) fn until<T>(&mut self, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let start = self.sys.now();
        for _ in 0..ROUNDS_MAX {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(self.sys.now() - start < PATIENCE, "it did not happen in {PATIENCE:?}");
            self.round();
        }
        panic!("it did not happen in {ROUNDS_MAX} rounds");
    }

    /// Waits for a report with the flag, and forgets that flag.
    #[track_caller]
    pub(super) fn report(&mut self, token: Token, flag: fn(&mut Readiness) -> &mut bool) {
        self.until(|rig| rig.take_report(token, flag).then_some(()));
    }

    pub(super) fn take_report(
        &mut self,
        token: Token,
        flag: fn(&mut Readiness) -> &mut bool,
    ) -> bool {
        let seen = self.seen.iter_mut().find(|seen| seen.token == token);
        seen.is_some_and(|seen| std::mem::take(flag(seen)))
    }

    /// Retries a call each time the flag is reported, until it does not block.
    ///
    /// This is what makes a test of edges of every test: nothing is tried without a report.
    #[track_caller]
    pub(super) fn patiently<T>(
        &mut self,
        token: Token,
        flag: fn(&mut Readiness) -> &mut bool,
        mut call: impl FnMut(&mut S) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match call(&mut self.sys) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.report(token, flag),
                result => return result,
            }
        }
    }

    pub(super) fn listen(&mut self) -> Door<S> {
        let address = match &self.unix_paths {
            None => Address::Ip(SocketAddr::from(([127, 0, 0, 1], 0))),
            Some(paths) => Address::Unix(paths.next()),
        };
        self.listen_at(&address, &ListenOptions::default()).unwrap()
    }

    /// Lets [`listen`](Self::listen) make Unix sockets.
    pub(super) fn over_unix_sockets(mut self) -> Self {
        self.unix_paths = Some(Paths::new());
        self
    }

    pub(super) fn listen_on(
        &mut self,
        address: &str,
        options: &ListenOptions,
    ) -> io::Result<Door<S>> {
        self.listen_at(&Address::Ip(address.parse().unwrap()), options)
    }

    pub(super) fn listen_at(
        &mut self,
        address: &Address,
        options: &ListenOptions,
    ) -> io::Result<Door<S>> {
        let token = Token::listener(self.key());
        let (listener, address) = self.sys.listen(token, address, options)?;
        Ok(Door { token, listener, address })
    }

    /// Connects, and returns the outcome.
    #[track_caller]
    pub(super) fn connect(
        &mut self,
        peer: &Address,
        bind: Option<SocketAddr>,
    ) -> io::Result<(End<S>, StreamAddresses)> {
        let token = Token::stream(self.key());
        let stream = self.sys.connect(token, peer, bind)?;
        loop {
            self.report(token, writable);
            match self.sys.connected(&stream) {
                Ok(addresses) => return Ok((End { token, stream }, addresses)),
                Err(error) if error.kind() == ErrorKind::NotConnected => {}
                Err(error) => {
                    self.sys.close(stream, CloseHow::Fin);
                    return Err(error);
                }
            }
        }
    }

    /// Expects connecting to an address where nobody listens any more to be refused.
    #[track_caller]
    pub(super) fn refused(&mut self, address: &Address) {
        // A test beside this one may be given the port meanwhile, but not for ever.
        let error = self.until(|rig| rig.connect(address, None).err());
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }

    /// Waits for a pending peer, takes it and registers it.
    #[track_caller]
    pub(super) fn accept(&mut self, door: &Door<S>) -> (End<S>, Address) {
        let token = Token::stream(self.key());
        let accepted = self.patiently(door.token, readable, |sys| sys.accept(&door.listener));
        let (mut stream, peer) = accepted.unwrap();
        self.sys.register(token, &mut stream).unwrap();
        (End { token, stream }, peer)
    }

    /// Makes a connection; returns the side that connected first.
    #[track_caller]
    pub(super) fn pair(&mut self) -> (End<S>, End<S>) {
        let door = self.listen();
        let (client, _) = self.connect(&door.address, None).unwrap();
        let (server, _) = self.accept(&door);
        self.sys.close_listener(door.listener);
        (client, server)
    }

    #[track_caller]
    pub(super) fn send(&mut self, end: &mut End<S>, bytes: &[u8]) -> io::Result<usize> {
        let End { token, stream } = end;
        self.patiently(*token, writable, |sys| sys.send(stream, &[IoSlice::new(bytes)]))
    }

    #[track_caller]
    pub(super) fn send_all(&mut self, end: &mut End<S>, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let sent = self.send(end, bytes).unwrap();
            bytes = &bytes[sent..];
        }
    }

    #[track_caller]
    pub(super) fn receive(&mut self, end: &mut End<S>) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 4096];
        let End { token, stream } = end;
        let len = self.patiently(*token, readable, |sys| sys.receive(stream, &mut buffer))?;
        Ok(buffer[..len].to_vec())
    }

    /// Receives until the end, and returns everything before it.
    #[track_caller]
    pub(super) fn receive_all(&mut self, end: &mut End<S>) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            match self.receive(end)? {
                bytes if bytes.is_empty() => return Ok(all),
                bytes => all.extend(bytes),
            }
        }
    }

    /// Receives until an error, and returns it with everything before it.
    #[track_caller]
    pub(super) fn receive_until_error(&mut self, end: &mut End<S>) -> (Vec<u8>, ErrorKind) {
        let mut all = Vec::new();
        loop {
            match self.receive(end) {
                Ok(bytes) if bytes.is_empty() => panic!("the end came instead of an error"),
                Ok(bytes) => all.extend(bytes),
                Err(error) => return (all, error.kind()),
            }
        }
    }

    /// Sends until the kernel is full; returns how much that was.
    pub(super) fn fill(&mut self, end: &mut End<S>) -> usize {
        let chunk = [7; 16 * 1024];
        let mut sent = 0;
        loop {
            match self.sys.send(&mut end.stream, &[IoSlice::new(&chunk)]) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits for the first bytes to be there, without reading them.
    pub(super) fn arrival(&mut self, end: &End<S>) {
        self.report(end.token, readable);
    }
}

pub(super) fn readable(report: &mut Readiness) -> &mut bool {
    &mut report.readable
}

pub(super) fn writable(report: &mut Readiness) -> &mut bool {
    &mut report.writable
}

pub(super) fn hang_up(report: &mut Readiness) -> &mut bool {
    &mut report.hang_up
}

pub(super) fn failed(report: &mut Readiness) -> &mut bool {
    &mut report.failed
}

pub(super) fn over(report: &mut Readiness) -> &mut bool {
    &mut report.over
}
