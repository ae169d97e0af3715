//! What the tests of this target share: scripted handlers, capped waits, peers.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{ConnConfig, ListenOptions, Server, ServerHandle, Stopped};

/// The longest that any test waits for anything. It is only reached by a failing test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long one turn of an embedded loop may sleep while a test looks at its condition.
const TURN: Duration = Duration::from_millis(5);

/// A handler made of closures; what is left out behaves as [`Protocol`]'s defaults do.
#[derive(Default)]
pub(crate) struct Script {
    open: Option<OnOpen>,
    data: Option<OnData>,
    eof: Option<OnEof>,
    timer: Option<OnTimer>,
    message: Option<OnMessage>,
    stop: Option<OnOpen>,
    close: Option<OnClose>,
    failed: Option<OnFailed>,
}

type OnOpen = Box<dyn FnMut(&mut Conn<'_>) -> Flow>;
type OnData = Box<dyn FnMut(&mut Conn<'_>, &[u8]) -> Flow>;
type OnEof = Box<dyn FnMut(&mut Conn<'_>) -> Eof>;
type OnTimer = Box<dyn FnMut(&mut Conn<'_>, Tag) -> Flow>;
type OnMessage = Box<dyn FnMut(&mut Conn<'_>, Message) -> Flow>;
type OnClose = Box<dyn FnMut(&mut Conn<'_>, CloseReason)>;
type OnFailed = Box<dyn FnMut(&mut Reactor<'_>, ConnectError)>;

impl Script {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn on_open(mut self, call: impl FnMut(&mut Conn<'_>) -> Flow + 'static) -> Self {
        self.open = Some(Box::new(call));
        self
    }

    pub(crate) fn on_data(
        mut self,
        call: impl FnMut(&mut Conn<'_>, &[u8]) -> Flow + 'static,
    ) -> Self {
        self.data = Some(Box::new(call));
        self
    }

    pub(crate) fn on_eof(mut self, call: impl FnMut(&mut Conn<'_>) -> Eof + 'static) -> Self {
        self.eof = Some(Box::new(call));
        self
    }

    pub(crate) fn on_timer(
        mut self,
        call: impl FnMut(&mut Conn<'_>, Tag) -> Flow + 'static,
    ) -> Self {
        self.timer = Some(Box::new(call));
        self
    }

    pub(crate) fn on_message(
        mut self,
        call: impl FnMut(&mut Conn<'_>, Message) -> Flow + 'static,
    ) -> Self {
        self.message = Some(Box::new(call));
        self
    }

    pub(crate) fn on_stop(mut self, call: impl FnMut(&mut Conn<'_>) -> Flow + 'static) -> Self {
        self.stop = Some(Box::new(call));
        self
    }

    pub(crate) fn on_close(
        mut self,
        call: impl FnMut(&mut Conn<'_>, CloseReason) + 'static,
    ) -> Self {
        self.close = Some(Box::new(call));
        self
    }

    pub(crate) fn on_failed(
        mut self,
        call: impl FnMut(&mut Reactor<'_>, ConnectError) + 'static,
    ) -> Self {
        self.failed = Some(Box::new(call));
        self
    }
}

impl Protocol for Script {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.open.as_mut().map_or(Ok(()), |call| call(conn))
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let bytes = input.take_all();
        self.data.as_mut().map_or(Ok(()), |call| call(conn, bytes))
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Result<Eof, Failure> {
        Ok(self.eof.as_mut().map_or(Eof::Close, |call| call(conn)))
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.timer.as_mut().map_or(Ok(()), |call| call(conn, tag))
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        self.message.as_mut().map_or(Ok(()), |call| call(conn, message))
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        match self.stop.as_mut() {
            Some(call) => call(conn),
            None => {
                conn.close();
                Ok(())
            }
        }
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        if let Some(call) = self.close.as_mut() {
            call(conn, reason);
        }
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        if let Some(call) = self.failed.as_mut() {
            call(reactor, error);
        }
    }
}

/// A handler that returns what it gets.
pub(crate) fn echo() -> Script {
    Script::new().on_data(|conn, bytes| Ok(conn.write(bytes)?))
}

/// Lines in the order in which they were noted, from any thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, line: impl fmt::Display) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_string());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.lines().len()
    }

    pub(crate) fn has(&self, line: &str) -> bool {
        self.lines().iter().any(|known| known == line)
    }
}

/// What a connecting handler was told.
#[derive(Debug)]
#[expect(dead_code, reason = "a failing test prints what is in it")]
pub(crate) enum Told {
    Opened,
    Failed(ConnectError),
    Closed(CloseReason),
}

/// A handler that writes down what it is told, and where it does.
pub(crate) fn witness() -> (Script, Rc<RefCell<Vec<Told>>>) {
    let told = Rc::new(RefCell::new(Vec::new()));
    let (opened, closed, failed) = (Rc::clone(&told), Rc::clone(&told), Rc::clone(&told));
    let script = Script::new()
        .on_open(move |_| {
            opened.borrow_mut().push(Told::Opened);
            Ok(())
        })
        .on_close(move |_, reason| closed.borrow_mut().push(Told::Closed(reason)))
        .on_failed(move |_, error| failed.borrow_mut().push(Told::Failed(error)));
    (script, told)
}

/// Turns the loop until `done`; panics when that takes longer than [`PATIENCE`].
pub(crate) fn turn_until(event_loop: &mut EventLoop, what: &str, mut done: impl FnMut() -> bool) {
    let start = event_loop.reactor().now();
    while !done() {
        event_loop.turn(Some(TURN)).expect("the loop turns");
        assert!(event_loop.reactor().now() - start < PATIENCE, "gave up waiting: {what}");
    }
}

/// Looks again and again at something that another thread brings about, up to [`PATIENCE`].
pub(crate) fn poll_until(what: &str, mut done: impl FnMut() -> bool) {
    // A loop with nothing else to do tells the time and lets the others run.
    turn_until(&mut EventLoop::new().expect("a loop"), what, &mut done);
}

/// Ends a run that does not end by itself, after [`PATIENCE`]; the cell tells whether it had to.
pub(crate) fn give_up(reactor: &mut Reactor<'_>) -> Rc<Cell<bool>> {
    let gave_up = Rc::new(Cell::new(false));
    let noted = Rc::clone(&gave_up);
    reactor.call_later(PATIENCE, move |reactor| {
        noted.set(true);
        reactor.stop_now();
    });
    gave_up
}

/// Turns the loop a few times more, so that what must not happen had its chance.
pub(crate) fn turn_on(event_loop: &mut EventLoop) {
    for _ in 0..10 {
        event_loop.turn(Some(Duration::from_millis(1))).expect("the loop turns");
    }
}

/// Listens on an address of its own.
pub(crate) fn listen<H: net_reactor::IntoHandler>(
    event_loop: &mut EventLoop,
    factory: impl FnMut(&Peer) -> H + 'static,
) -> (net_reactor::ListenerId, SocketAddr) {
    let mut reactor = event_loop.reactor();
    let config = ConnConfig::default();
    let listener = reactor
        .listen(own_address(), &ListenOptions::default(), config, factory)
        .expect("a free port can be listened on");
    (
        listener,
        reactor.listener_address(listener).and_then(|own| own.ip()).expect("a listener of IP"),
    )
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Returns an address of the loopback network that no other call returns, with port 0.
///
/// A port that one test gave up can be given to another one at once. On an address of its own, a
/// test can rely on nobody answering there. Linux alone has all of 127.0.0.0/8.
pub(crate) fn own_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(256);
    if cfg!(target_os = "linux") {
        let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        SocketAddr::from(([127, 1, high, low], 0))
    } else {
        loopback(0)
    }
}

/// A listener that nobody serves, whose backlog is full: whoever comes next gets no answer.
pub(crate) struct Deaf {
    pub(crate) address: SocketAddr,
    /// Never turned.
    _event_loop: EventLoop,
    _pending: Vec<TcpStream>,
}

pub(crate) fn deaf(address: SocketAddr) -> Deaf {
    let mut event_loop = EventLoop::new().unwrap();
    let mut reactor = event_loop.reactor();
    let options = ListenOptions::default().backlog(0);
    let config = ConnConfig::default();
    let listener = reactor.listen(address, &options, config, |_| Script::new()).unwrap();
    let address = reactor.listener_address(listener).unwrap().ip().unwrap();
    let wait = Duration::from_millis(200);
    let pending: Vec<_> =
        std::iter::from_fn(|| TcpStream::connect_timeout(&address, wait).ok()).take(16).collect();
    assert!(pending.len() < 16, "this kernel has no limit of its backlog");
    Deaf { address, _event_loop: event_loop, _pending: pending }
}

/// A standard listener on a port that the kernel chooses.
pub(crate) fn std_listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(own_address()).expect("a free port can be listened on");
    let address = listener.local_addr().expect("a listener has an address");
    (listener, address)
}

/// An address of the loopback network that nobody listens on.
pub(crate) fn closed_port() -> SocketAddr {
    std_listener().1
}

/// A blocking peer whose reads end with an error after [`PATIENCE`].
pub(crate) fn peer(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    stream
}

/// Sends a word and waits for it to come back.
pub(crate) fn expect_echo(stream: &mut TcpStream, word: &[u8]) {
    stream.write_all(word).expect("the server reads");
    let mut back = vec![0; word.len()];
    stream.read_exact(&mut back).expect("the server answers");
    assert_eq!(back, word);
}

/// Receives with the cap of every wait.
pub(crate) fn wait_for<T>(receiver: &mpsc::Receiver<T>, what: &str) -> T {
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// A server on a thread of its own.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    ended: mpsc::Receiver<Result<Stopped, Error>>,
}

impl Running {
    /// Runs what `make` makes; it is made on its thread, because a loop cannot be sent there.
    pub(crate) fn start(
        make: impl FnOnce() -> Result<net_reactor::BoundServer, Error> + Send + 'static,
    ) -> Self {
        let (report, reported) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let bound = make().expect("the server starts");
            let address = bound.local_address().ip().expect("a server of IP");
            let _ = report.send((address, bound.handle()));
            let _ = end.send(bound.run());
        });
        let (address, handle) = wait_for(&reported, "the server is bound");
        Self { address, handle, ended }
    }

    pub(crate) fn start_echo() -> Self {
        Self::start(|| Server::new(|_: &Peer| echo()).listen("127.0.0.1:0"))
    }

    /// Waits for the end of the run.
    pub(crate) fn wait(&self) -> Stopped {
        wait_for(&self.ended, "the server ends").expect("the server ends well")
    }

    pub(crate) fn stop(&self) -> Stopped {
        self.handle.stop();
        self.wait()
    }
}

/// The role of a test that runs a part of itself in a process of its own.
const CHILD: &str = "NET_REACTOR_LIFECYCLE_CHILD";

/// Whether this process was made by [`child`].
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Prepares to run one test of this target in a process of its own, behind `prefix` (a program
/// and its arguments that end by executing what follows).
pub(crate) fn child(test: &str, prefix: &[&str]) -> Command {
    let this = std::env::current_exe().expect("a process knows its program");
    let mut command = match prefix {
        [] => Command::new(this),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(this);
            command
        }
    };
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    command
}

/// Held for writing while a process is made, for reading by who relies on a close to free a port.
static FORKING: RwLock<()> = RwLock::new(());

/// Starts a process. Between its fork and its exec it holds a copy of every descriptor, so that a
/// socket which another test closes meanwhile lives on for a moment; see [`no_fork`].
pub(crate) fn spawn(command: &mut Command) -> Child {
    let _forking = FORKING.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn().expect("a process starts")
}

/// Keeps processes from being made until it is dropped.
pub(crate) fn no_fork() -> RwLockReadGuard<'static, ()> {
    FORKING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one test of this target in a process of its own, which must succeed.
pub(crate) fn run_child(test: &str, prefix: &[&str]) {
    let mut command = child(test, prefix);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = spawn(&mut command).wait_with_output().expect("a process ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
