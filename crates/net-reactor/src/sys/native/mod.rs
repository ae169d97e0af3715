//! The real kernel, over `mio` (readiness, wake-up) and `socket2` (socket options).

/// Makes the same call on the socket of either family.
macro_rules! either {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self {
            Self::Tcp($socket) => $call,
            #[cfg(unix)]
            Self::Unix($socket, ..) => $call,
        }
    };
}

mod datagrams;
mod fds;
mod listener;
mod reserve;
mod resolver;
mod sockets;
mod stream;
#[cfg(unix)]
mod unix;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::listener::Listener;
use self::reserve::Reserve;
use self::resolver::Resolver;
use self::stream::Stream;
use super::{
    CloseHow, Credentials, Job, ListenOptions, ListeningSocket, Readiness, Resolution,
    SocketOption, StreamAddresses, Sys, Token, Wake, Workers, WorkersLimits,
};
use crate::base::{Address, Instant, Key};

/// How many readiness reports one wait takes from the kernel.
const EVENTS_PER_WAIT_MAX: usize = 1024;

/// The word that marks a wake-up. No socket can have it: its slot index would be out of range.
const WAKE_WORD: usize = usize::MAX;

/// The kernel of this machine.
#[derive(Debug)]
pub(crate) struct Native {
    poll: mio::Poll,
    events: mio::Events,
    waker: Arc<NativeWaker>,
    origin: std::time::Instant,
    reserve: Reserve,
    workers: Workers,
    resolver: Resolver,
}

impl Native {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), mio::Token(WAKE_WORD))?;
        let waker = Arc::new(NativeWaker(waker));
        Ok(Self {
            poll,
            events: mio::Events::with_capacity(EVENTS_PER_WAIT_MAX),
            resolver: Resolver::new(Arc::clone(&waker)),
            waker,
            origin: clock(),
            reserve: Reserve::take(),
            workers: Workers::default(),
        })
    }
}

impl Native {
    fn add_listener(
        &mut self,
        token: Token,
        mut listener: Listener,
    ) -> io::Result<(Listener, Address)> {
        let bound = listener.local_address()?;
        let readable = mio::Interest::READABLE;
        self.poll.registry().register(listener.source(), kernel_word(token), readable)?;
        Ok((listener, bound))
    }
}

/// Reads the machine's monotonic clock. Nothing else in the library does.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

#[derive(Debug)]
struct NativeWaker(mio::Waker);

impl Wake for NativeWaker {
    fn wake(&self) {
        // The eventfd can only fail when the loop's descriptors are gone, and then nobody sleeps.
        if let Err(error) = self.0.wake() {
            tracing::warn!(%error, "cannot wake the loop");
        }
    }
}

fn interests() -> mio::Interest {
    mio::Interest::READABLE | mio::Interest::WRITABLE
}

#[expect(clippy::cast_possible_truncation, reason = "usize has 64 bits; token.rs asserts it")]
fn kernel_word(token: Token) -> mio::Token {
    mio::Token(token.to_word() as usize)
}

/// Repeats a system call that a signal interrupted.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl Sys for Native {
    type Listener = Listener;
    type Stream = Stream;

    fn now(&self) -> Instant {
        Instant::ORIGIN + clock().duration_since(self.origin)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn seed(&self) -> u64 {
        // The standard library keys each hasher from the system's own source of chance.
        RandomState::new().build_hasher().finish()
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            // The loop works out a new timeout from a new reading of the clock.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            if event.token() == mio::Token(WAKE_WORD) {
                continue;
            }
            ready.push(Readiness {
                token: Token::from_word(event.token().0 as u64),
                readable: event.is_readable(),
                writable: event.is_writable(),
                hang_up: event.is_read_closed(),
                failed: event.is_error(),
                // EPOLLHUP counts as both; EPOLLRDHUP, a FIN, does not.
                over: event.is_read_closed() && event.is_write_closed(),
            });
        }
        Ok(())
    }

    fn listen(
        &mut self,
        token: Token,
        address: &Address,
        options: &ListenOptions,
    ) -> io::Result<(Listener, Address)> {
        self.add_listener(token, Listener::open(address, options)?)
    }

    fn adopt_listener(
        &mut self,
        token: Token,
        listener: ListeningSocket,
    ) -> io::Result<(Listener, Address)> {
        self.add_listener(token, Listener::adopt(listener)?)
    }

    fn accept(&mut self, listener: &Listener) -> io::Result<(Stream, Address)> {
        retry(|| listener.accept())
    }

    fn turn_away(&mut self, listener: &Listener) -> io::Result<bool> {
        self.reserve.lend(|| match retry(|| listener.accept()) {
            Ok(_closed_at_once) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn close_listener(&mut self, mut listener: Listener) {
        // A failure means that the registration is gone, which is what was asked for.
        let _ = self.poll.registry().deregister(listener.source());
    }

    fn connect(
        &mut self,
        token: Token,
        peer: &Address,
        bind: Option<SocketAddr>,
    ) -> io::Result<Stream> {
        let mut stream = Stream::connect(peer, bind)?;
        self.register(token, &mut stream)?;
        Ok(stream)
    }

    fn connected(&mut self, stream: &Stream) -> io::Result<StreamAddresses> {
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        Ok(StreamAddresses { peer: stream.peer_address()?, local: stream.local_address()? })
    }

    fn register(&mut self, token: Token, stream: &mut Stream) -> io::Result<()> {
        self.poll.registry().register(stream.source(), kernel_word(token), interests())
    }

    fn rename(&mut self, token: Token, stream: &mut Stream) -> io::Result<()> {
        self.poll.registry().reregister(stream.source(), kernel_word(token), interests())
    }

    fn receive(&mut self, stream: &mut Stream, into: &mut [u8]) -> io::Result<usize> {
        retry(|| stream.receive(into))
    }

    fn send(&mut self, stream: &mut Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| stream.send(slices))
    }

    fn take_error(&mut self, stream: &Stream) -> io::Result<Option<io::Error>> {
        stream.take_error()
    }

    fn shutdown_write(&mut self, stream: &Stream) -> io::Result<()> {
        stream.shutdown_write()
    }

    fn set_option(&mut self, stream: &Stream, option: SocketOption) -> io::Result<()> {
        stream.set_option(option)
    }

    fn local_address(&self, stream: &Stream) -> io::Result<Address> {
        stream.local_address()
    }

    fn peer_credentials(&self, stream: &Stream) -> io::Result<Credentials> {
        stream.peer_credentials()
    }

    fn close(&mut self, mut stream: Stream, how: CloseHow) {
        if how == CloseHow::Reset {
            stream.reset_on_close();
        }
        // Deregistered first: a descriptor that a child process inherited keeps its registration
        // alive beyond the close. A failure means that it was never registered.
        let _ = self.poll.registry().deregister(stream.source());
    }

    fn resolve(&mut self, query: Key, host: &str) {
        self.resolver.start(query, host);
    }

    fn resolved(&mut self) -> Option<Resolution> {
        self.resolver.take_answer()
    }

    fn limit_workers(&mut self, limits: WorkersLimits) {
        self.workers = Workers::new(limits);
    }

    fn offload(&mut self, job: Job) -> Result<(), Job> {
        self.workers.submit(job)
    }
}
