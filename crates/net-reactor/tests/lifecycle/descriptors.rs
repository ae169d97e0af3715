//! A process that runs out of descriptors: it keeps serving, waits quietly, and recovers.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{ChildStderr, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{
    AcceptedFd, ConnConfig, Fd, FdDispatcher, FdRole, Instant, ListenError, ListenOptions,
    LoopError, LoopStats,
};

use crate::support::{
    PATIENCE, Told, child, closed_port, echo, expect_echo, is_child, loopback, peer, run_child,
    spawn, std_listener, turn_until, witness,
};

/// Runs what follows with a table of 64 descriptors.
const WITH_64: [&str; 4] = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"];

/// `EMFILE` of accept(2): the process has no descriptor left.
const TOO_MANY_OPEN: i32 = 24;

/// How long the starved server is watched.
const WINDOW: Duration = Duration::from_millis(1500);

/// Counts warnings, which is what an operator would see.
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Returns the processor time of this process, in the kernel's ticks of 10 ms.
fn cpu_ticks() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    // The fields after the name of the program, which may hold anything: proc(5), 14 and 15.
    let fields: Vec<_> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// Turns as long as it takes, without more turns than there is to do. A test that fails must not
/// leave this process behind, so there is a cap.
fn turn_while(event_loop: &mut EventLoop, more: impl Fn(LoopStats) -> bool) {
    let end = event_loop.reactor().now() + PATIENCE;
    while more(event_loop.stats()) {
        event_loop.turn(Some(PATIENCE)).unwrap();
        assert!(event_loop.reactor().now() < end, "gave up waiting");
    }
}

/// The starved server. It says on its standard error what the test asks about.
fn serve_starved() {
    let warnings = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::set_global_default(Warnings(Arc::clone(&warnings))).unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    // Held back, so that looking at the processor time needs no descriptor that is not there.
    let mut spare = Some(File::open("/dev/null").unwrap());
    let closed_at: Rc<Cell<Option<Instant>>> = Rc::default();
    let factory = move |_: &Peer| {
        let (opened, closed) = (Rc::clone(&closed_at), Rc::clone(&closed_at));
        echo()
            .on_open(move |conn| {
                if let Some(closed) = opened.take() {
                    let after = conn.reactor().now() - closed;
                    eprintln!("reopened {}", after.as_millis());
                }
                Ok(())
            })
            .on_close(move |conn, _| closed.set(Some(conn.reactor().now())))
    };
    let (options, config) = (ListenOptions::default(), ConnConfig::default());
    let mut reactor = event_loop.reactor();
    let listener = reactor.listen(loopback(0), &options, config, factory).unwrap();
    eprintln!("port {}", reactor.listener_address(listener).unwrap().ip().unwrap().port());
    turn_while(&mut event_loop, |stats| stats.accept_errors == 0);
    let stats = event_loop.stats();
    eprintln!("served {}", stats.connections);
    drop(spare.take());
    let cpu = cpu_ticks();
    spare = Some(File::open("/dev/null").unwrap());
    let start = event_loop.reactor().now();
    while event_loop.reactor().now() - start < WINDOW {
        event_loop.turn(Some(WINDOW)).unwrap();
    }
    drop(spare);
    let cpu = cpu_ticks() - cpu;
    let attempts = event_loop.stats().accept_errors - stats.accept_errors;
    eprintln!("measured {cpu} {attempts}");
    turn_while(&mut event_loop, |stats| stats.connections > 0);
    let away = event_loop.stats().turned_away;
    eprintln!("end {} {away}", warnings.load(Ordering::Relaxed));
}

/// Returns the numbers on the next line that begins with `key`.
fn numbers(lines: &mut BufReader<ChildStderr>, key: &str) -> Vec<u64> {
    let mut said = String::new();
    for line in lines.lines().map_while(Result::ok) {
        if let Some(rest) = line.strip_prefix(key) {
            return rest.split_whitespace().map(|number| number.parse().unwrap()).collect();
        }
        said.push_str(&line);
        said.push('\n');
    }
    panic!("the process ended without {key:?}: {said}");
}

#[test]
fn a_server_without_descriptors_serves_whom_it_has_waits_quietly_and_recovers() {
    if is_child() {
        return serve_starved();
    }
    if !fs::exists("/proc/self/stat").unwrap() {
        return;
    }
    let test = "descriptors::\
        a_server_without_descriptors_serves_whom_it_has_waits_quietly_and_recovers";
    let mut command = child(test, &WITH_64);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = spawn(&mut command);
    let mut lines = BufReader::new(process.stderr.take().unwrap());
    let port = u16::try_from(numbers(&mut lines, "port ")[0]).unwrap();
    let mut clients: Vec<TcpStream> = (0..200).map(|_| peer(loopback(port))).collect();
    let served = usize::try_from(numbers(&mut lines, "served ")[0]).unwrap();
    assert!((20..64).contains(&served), "{served} of 200 are served");

    let [ticks, attempts] = numbers(&mut lines, "measured ")[..] else { panic!("two numbers") };
    // 5% of a core, in ticks of 10 ms, and one tick for the counter's own coarseness.
    assert!(ticks <= 8, "{ticks}0 ms of processor time in {WINDOW:?}");
    assert!((1..=30).contains(&attempts), "{attempts} attempts to accept in {WINDOW:?}");

    // The first ones in the backlog are the ones that are served.
    for client in &mut clients[..served] {
        expect_echo(client, b"still served");
    }
    for client in clients.drain(..5) {
        drop(client);
        let after = numbers(&mut lines, "reopened ")[0];
        assert!(after < 500, "accepts again only after {after} ms");
    }
    for client in &mut clients[..served - 5] {
        expect_echo(client, b"still served");
    }
    drop(clients);
    let [warnings, turned_away] = numbers(&mut lines, "end ")[..] else { panic!("two numbers") };
    assert_eq!(warnings, 1, "one line in the log for one episode");
    assert!(turned_away >= 1, "a peer that cannot be served learns it at once");
    assert!(process.wait().unwrap().success());
}

#[test]
fn a_full_descriptor_table_is_a_typed_error_everywhere() {
    if !is_child() {
        let test = "descriptors::a_full_descriptor_table_is_a_typed_error_everywhere";
        return run_child(test, &WITH_64);
    }
    let address = closed_port();
    let mut event_loop = EventLoop::new().unwrap();
    let files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(files.len() < 64);

    let LoopError::Start { source } = EventLoop::new().unwrap_err() else { panic!("a start") };
    assert_eq!(source.raw_os_error(), Some(TOO_MANY_OPEN));
    let (options, config) = (ListenOptions::default(), ConnConfig::default());
    let refused = event_loop.reactor().listen(loopback(0), &options, config, |_| echo());
    let ListenError::Failed { source, .. } = refused.unwrap_err() else { panic!("a failure") };
    assert_eq!(source.raw_os_error(), Some(TOO_MANY_OPEN));
    let (script, told) = witness();
    event_loop.reactor().connect(address, script).unwrap();
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    let told = told.borrow();
    let [Told::Failed(ConnectError::Failed { source })] = &told[..] else { panic!("{told:?}") };
    assert_eq!(source.raw_os_error(), Some(TOO_MANY_OPEN));

    // With room again, the same loop goes on.
    drop(files);
    let (script, told) = witness();
    event_loop.reactor().connect(address, script).unwrap();
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    let told = told.borrow();
    assert!(matches!(told[..], [Told::Failed(ConnectError::Refused { .. })]), "{told:?}");
}

/// Counts how often it is asked whether it accepts, poked, and given a peer.
#[derive(Clone, Default)]
struct Asked {
    readable: Rc<Cell<usize>>,
    pokes: Rc<Cell<usize>>,
    peers: Rc<Cell<usize>>,
}

fn count(counter: &Cell<usize>) {
    counter.set(counter.get() + 1);
}

impl FdDispatcher for Asked {
    fn readable(&self) -> bool {
        count(&self.readable);
        true
    }

    fn on_accept(&mut self, _fd: &mut Fd<'_>, _peer: AcceptedFd) -> Flow {
        count(&self.peers);
        Ok(())
    }

    fn on_poke(&mut self, _fd: &mut Fd<'_>) -> Flow {
        count(&self.pokes);
        Ok(())
    }
}

#[test]
fn a_starved_dispatcher_rests_hears_a_poke_at_the_end_of_it_and_accepts_again() {
    if !is_child() {
        let test = "descriptors::\
            a_starved_dispatcher_rests_hears_a_poke_at_the_end_of_it_and_accepts_again";
        return run_child(test, &WITH_64);
    }
    let mut event_loop = EventLoop::new().unwrap();
    let (asked, (listener, address)) = (Asked::default(), std_listener());
    let _peer = peer(address);
    let (listener, role) = (OwnedFd::from(listener), FdRole::Listening);
    let id = event_loop.reactor().add_dispatcher(listener, role, asked.clone()).unwrap();
    let files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // Asked when it is opened, and before the accept that fails; not while it rests.
    turn_until(&mut event_loop, "the failure", || asked.readable.get() == 2);
    // Due when the rest of 5 ms is over, in the same turn as its end.
    let end = event_loop.reactor().now() + Duration::from_millis(5);
    event_loop.reactor().call_at(end, move |reactor| assert!(reactor.poke_fd(id)));
    turn_until(&mut event_loop, "the poke", || asked.pokes.get() > 0);
    assert_eq!(asked.peers.get(), 0);
    drop(files);
    turn_until(&mut event_loop, "the peer", || asked.peers.get() > 0);
    assert_eq!((asked.pokes.get(), asked.peers.get()), (1, 1));
}
