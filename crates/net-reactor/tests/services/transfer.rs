//! Transfers: memory, order, what waits for them, and how they end.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, Read};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use net_reactor::prelude::*;
use net_reactor::sim::{Host, Simulation};
use net_reactor::{ConnConfig, LoopConfig, Pusher, Transfer, TransferError, TransferOutcome};

use super::support::{KERNEL_BYTES, Side, connecting, pattern, roomy, secs};

const LOW: usize = 10_000;
const CHUNK: usize = 5_000;
const TOTAL: usize = 400_000;
const HEAD: usize = "head:".len();
/// What the kernels of both sides and the line between them hold.
const ON_THE_WAY: usize = 4 * KERNEL_BYTES;

type Told = Rc<RefCell<Vec<String>>>;
type Make = Rc<dyn Fn() -> Transfer>;
type Then = fn(&mut Conn<'_>);

/// Starts a transfer on opening, then does something else, and tells the ends.
#[derive(Clone)]
struct Sender {
    make: Make,
    then: Then,
    told: Told,
}

impl Protocol for Sender {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write("head:")?;
        let told = Rc::clone(&self.told);
        let transfer = (self.make)().on_end(move |_reactor, end| {
            told.borrow_mut().push(format!("{:?} after {}", end.outcome, end.bytes));
        });
        transfer.start(conn)?;
        (self.then)(conn);
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        Ok(conn.write(input.take_all())?)
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        let reason = format!("{reason:?}");
        let name = reason.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        self.told.borrow_mut().push(name);
    }
}

/// A sender on port 9000, and what it tells.
fn sends(sim: &mut Simulation, make: impl Fn() -> Transfer + 'static, then: Then) -> (Host, Told) {
    let told = Told::default();
    let sender = Sender { make: Rc::new(make), then, told: Rc::clone(&told) };
    let host = sim.host("sender", move |boot| {
        let sender = sender.clone();
        let config = roomy().marks(LOW, 4 * LOW);
        let server = Server::new(move |_peer| sender.clone()).connections(config);
        server.listen_on(&mut boot.reactor(), ([0, 0, 0, 0], 9000))?;
        Ok(())
    });
    (host, told)
}

/// Chunks of the pattern, which count how far they were taken.
fn chunks(taken: &Rc<Cell<usize>>) -> impl Iterator<Item = Vec<u8>> + use<> {
    let taken = Rc::clone(taken);
    let chunks: Vec<Vec<u8>> = pattern(TOTAL).chunks(CHUNK).map(<[u8]>::to_vec).collect();
    chunks.into_iter().inspect(move |chunk| taken.set(taken.get() + chunk.len()))
}

/// A reader that counts what was read of it, and may fail.
struct Source {
    rest: io::Cursor<Vec<u8>>,
    read: Arc<AtomicUsize>,
    fails_at: usize,
}

impl Source {
    fn new(read: &Arc<AtomicUsize>, fails_at: usize) -> Self {
        Self { rest: io::Cursor::new(pattern(TOTAL)), read: Arc::clone(read), fails_at }
    }
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.read.load(Ordering::Relaxed) >= self.fails_at {
            return Err(io::Error::other("a bad sector"));
        }
        let len = self.rest.read(buf)?;
        self.read.fetch_add(len, Ordering::Relaxed);
        Ok(len)
    }
}

fn expected() -> Vec<u8> {
    [b"head:", &pattern(TOTAL)[..]].concat()
}

#[test]
fn a_source_is_never_further_ahead_than_the_low_mark_and_a_chunk() {
    let mut sim = Simulation::new(1);
    let taken = Rc::new(Cell::new(0));
    let counted = Rc::clone(&taken);
    let (host, told) = sends(&mut sim, move || Transfer::chunks(chunks(&counted)), |_conn| {});
    let side = Side::default();
    let reader = connecting(&mut sim, "reader", "sender:9000", &side);
    let mut most = 0;
    while side.got() < HEAD + TOTAL {
        sim.run_until(secs(1), |_| {
            most = most.max((HEAD + taken.get()).saturating_sub(side.got()));
            side.got() >= HEAD + TOTAL
        });
        sim.check(sim.now() < secs(300), "it goes on");
    }
    assert!(most <= LOW + CHUNK + ON_THE_WAY, "{most} bytes ahead");
    assert!(side.seen(|seen| seen.bytes == expected()));
    assert_eq!(*told.borrow(), [format!("Complete after {TOTAL}")]);
    assert!(!side.is_closed() && sim.is_up(reader) && sim.is_up(host));
    sim.finish();
}

#[test]
fn a_peer_that_does_not_read_stops_the_source_until_it_does() {
    let mut sim = Simulation::new(1);
    let (taken, read) = (Rc::new(Cell::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, counted_read) = (Rc::clone(&taken), Arc::clone(&read));
    let makes_reader = Cell::new(false);
    let make = move || {
        if makes_reader.replace(true) {
            Transfer::read(Source::new(&counted_read, usize::MAX)).chunk_bytes(CHUNK)
        } else {
            Transfer::chunks(chunks(&counted))
        }
    };
    let (_host, told) = sends(&mut sim, make, |_conn| {});
    for name in ["one", "two"] {
        connecting(&mut sim, name, "sender:9000", &Side::default().deaf());
        sim.run_for(secs(1));
    }
    let (taken_before, read_before) = (taken.get(), read.load(Ordering::Relaxed));
    assert!(taken_before > LOW && taken_before <= LOW + CHUNK + ON_THE_WAY, "{taken_before}");
    let ahead = LOW + 2 * CHUNK + ON_THE_WAY;
    assert!(read_before > LOW && read_before <= ahead, "one chunk is read ahead: {read_before}");
    sim.run_for(secs(60));
    assert_eq!((taken.get(), read.load(Ordering::Relaxed)), (taken_before, read_before));
    assert!(told.borrow().is_empty());
    sim.finish();
    assert_eq!(told.borrow().len(), 4, "two transfers and two connections have ended");
}

#[test]
fn close_half_close_and_the_peers_end_wait_for_the_last_byte() {
    let closes: [(Then, bool, &str); 3] = [
        (|conn| conn.close(), false, "Closed"),
        (|conn| conn.shutdown_write().unwrap_or(()), true, "PeerClosed"),
        (|_conn| {}, true, "PeerClosed"),
    ];
    for (then, peer_finishes, reason) in closes {
        for reads in [true, false] {
            let mut sim = Simulation::new(1);
            let (taken, read) = (Rc::new(Cell::new(0)), Arc::new(AtomicUsize::new(0)));
            let make = move || {
                if reads {
                    Transfer::read(Source::new(&read, usize::MAX)).chunk_bytes(CHUNK)
                } else {
                    Transfer::chunks(chunks(&taken))
                }
            };
            let (_host, told) = sends(&mut sim, make, then);
            let side = if peer_finishes { Side::default().finishes() } else { Side::default() };
            connecting(&mut sim, "reader", "sender:9000", &side);
            sim.eventually(secs(300), "the end", |_| side.seen(|seen| seen.eof));
            assert!(side.seen(|seen| seen.bytes == expected()), "{} bytes: {reason}", side.got());
            sim.run_for(secs(10));
            assert_eq!(*told.borrow(), [format!("Complete after {TOTAL}"), reason.to_owned()]);
            sim.finish();
        }
    }
}

#[test]
fn a_closing_transfer_is_as_patient_as_the_peer_makes_progress() {
    let mut sim = Simulation::new(1);
    let taken = Rc::new(Cell::new(0));
    let make = move || Transfer::chunks(chunks(&taken));
    let (host, told) = sends(&mut sim, make, |conn| conn.close());
    let side = Side::default();
    let reader = connecting(&mut sim, "reader", "sender:9000", &side);
    // Longer than the patience in all, and shorter each time.
    for _ in 0..5 {
        let before = side.got();
        sim.eventually(secs(1), "progress", |_| side.got() > before + LOW + CHUNK);
        sim.clog(host, reader);
        sim.run_for(secs(20));
        sim.unclog(host, reader);
    }
    assert!(side.got() < TOTAL);
    assert!(!told.borrow().iter().any(|text| text == "LingerExpired"), "{:?}", told.borrow());
    sim.eventually(secs(300), "all of it", |_| side.seen(|seen| seen.eof));
    assert!(side.seen(|seen| seen.bytes == expected()));
    sim.finish();

    // One that stops for good is given up.
    let mut sim = Simulation::new(1);
    let taken = Rc::new(Cell::new(0));
    let (_host, told) =
        sends(&mut sim, move || Transfer::chunks(chunks(&taken)), |conn| conn.close());
    connecting(&mut sim, "reader", "sender:9000", &Side::default().deaf());
    sim.run_for(secs(29));
    assert!(told.borrow().is_empty());
    sim.run_for(secs(3));
    assert!(told.borrow()[0].starts_with("CutShort"), "{:?}", told.borrow());
    assert_eq!(told.borrow()[1..], ["LingerExpired"]);
    sim.finish();
}

#[test]
fn the_end_is_told_once_and_before_on_close_whoever_ends_the_connection() {
    for peer in [true, false] {
        let mut sim = Simulation::new(1);
        let taken = Rc::new(Cell::new(0));
        let counted = Rc::clone(&taken);
        let then: Then = if peer { |_conn| {} } else { |conn| conn.set_timer(Tag(1), secs(5)) };
        let (host, told) = sends(&mut sim, move || Transfer::chunks(chunks(&counted)), then);
        let side = Side::default().deaf();
        let reader = connecting(&mut sim, "reader", "sender:9000", &side);
        sim.run_for(secs(1));
        assert!(taken.get() > 0 && told.borrow().is_empty());
        if peer {
            sim.reset_link(host, reader);
        } else {
            sim.kill(reader);
        }
        sim.run_for(secs(40));
        let before = taken.get();
        assert_eq!(told.borrow().len(), 2, "{:?}", told.borrow());
        assert_eq!(told.borrow()[0], format!("CutShort after {before}"));
        assert_eq!(told.borrow()[1], "Reset");
        sim.run_for(secs(10));
        assert_eq!((taken.get(), told.borrow().len()), (before, 2));
        sim.finish();
    }
}

#[test]
fn a_source_that_fails_resets_the_connection_and_tells_why() {
    let mut sim = Simulation::new(1);
    let read = Arc::new(AtomicUsize::new(0));
    let make = move || Transfer::read(Source::new(&read, TOTAL / 2)).chunk_bytes(CHUNK);
    let (_host, told) = sends(&mut sim, make, |conn| conn.close());
    let side = Side::default();
    connecting(&mut sim, "reader", "sender:9000", &side);
    sim.eventually(secs(60), "the reset", |_| side.is_closed());
    side.seen(|seen| {
        assert!(matches!(seen.closed, Some(CloseReason::Reset { .. })), "{:?}", seen.closed);
        assert!(!seen.eof, "half a file does not look whole");
    });
    assert_eq!(*told.borrow(), [&format!("CutShort after {}", TOTAL / 2), "TransferFailed"]);
    sim.finish();
}

#[test]
fn reads_wait_for_their_turn_when_there_are_more_than_the_loop_takes() {
    let mut sim = Simulation::new(1);
    let told = Told::default();
    let ends = Rc::clone(&told);
    sim.host("sender", move |boot| {
        let ends = Rc::clone(&ends);
        let make = move || {
            let ends = Rc::clone(&ends);
            let source = Source::new(&Arc::default(), usize::MAX);
            Transfer::read(source).on_end(move |_reactor, end| {
                ends.borrow_mut().push(format!("{:?}", end.outcome));
            })
        };
        let server = Server::new(move |_peer| Starter(make.clone()))
            .loop_config(LoopConfig::default().worker_jobs_max(1));
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    let sides: Vec<_> = (0..20).map(|_| Side::default()).collect();
    for (number, side) in sides.iter().enumerate() {
        connecting(&mut sim, &format!("reader-{number}"), "sender:9000", side);
    }
    sim.eventually(secs(60), "all of it", |_| sides.iter().all(|side| side.got() == TOTAL));
    assert_eq!(*told.borrow(), vec!["Complete"; 20]);
    sim.finish();
}

#[test]
fn a_source_that_panics_costs_its_own_connection() {
    let make = || Transfer::chunks(std::iter::from_fn(|| -> Option<Vec<u8>> { panic!("a bug") }));
    let server = Server::new(move |_peer: &Peer| Starter(make));
    let server = server.spawn("127.0.0.1:0").unwrap();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.local_address()).unwrap();
        let error = stream.read(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    server.handle().stop();
    server.join().unwrap();
}

struct Starter<F>(F);

impl<F: Fn() -> Transfer + 'static> Protocol for Starter<F> {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        Ok((self.0)().start(conn)?)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

#[test]
fn what_is_written_goes_between_chunks_and_the_next_transfer_behind_the_last() {
    let mut sim = Simulation::new(1);
    sim.host("sender", |boot| {
        let server = Server::new(|_peer| Starter(several)).connections(ConnConfig::default());
        server.listen_on(&mut boot.reactor(), ([0, 0, 0, 0], 9000))?;
        Ok(())
    });
    let side = Side::default();
    connecting(&mut sim, "reader", "sender:9000", &side);
    sim.eventually(secs(10), "the end", |_| side.seen(|seen| seen.eof));
    side.seen(|seen| assert_eq!(String::from_utf8_lossy(&seen.bytes), "one,two,and,three,four"));
    sim.finish();
}

fn several() -> Transfer {
    Transfer::chunks(["one,", "two,"]).on_end(|reactor, end| {
        assert_eq!((end.bytes, end.outcome), (8, TransferOutcome::Complete));
        let mut conn = reactor.conn(end.conn).expect("it is open");
        conn.write("and,").expect("it is writable");
        let next = || Transfer::chunks(["three,", "four"]);
        next().start(&mut conn).expect("the first one is over");
        assert_eq!(next().start(&mut conn), Err(TransferError::Busy));
        conn.close();
        assert!(conn.write("late").is_err());
        assert_eq!(next().start(&mut conn), Err(TransferError::Closed));
    })
}

#[test]
fn a_graceful_stop_lets_a_transfer_finish() {
    let mut sim = Simulation::new(1);
    let taken = Rc::new(Cell::new(0));
    let (host, told) = sends(&mut sim, move || Transfer::chunks(chunks(&taken)), |_conn| {});
    let side = Side::default();
    connecting(&mut sim, "reader", "sender:9000", &side);
    sim.eventually(secs(10), "it has begun", |_| side.got() > 0);
    assert!(side.got() < TOTAL / 2);
    sim.stop(host);
    sim.run_for(secs(20));
    assert!(side.seen(|seen| seen.eof && seen.bytes == expected()), "{} bytes", side.got());
    assert_eq!(*told.borrow(), [&format!("Complete after {TOTAL}"), "Closed"]);
    sim.finish();
}

/// Pushes until the high mark is crossed.
fn push_all(pusher: &Pusher, reactor: &mut Reactor<'_>, left: &Cell<usize>) {
    for _ in 0..9 {
        if left.get() == 0 {
            return pusher.end(reactor);
        }
        left.set(left.get() - 1);
        pusher.write(reactor, vec![b'p'; CHUNK]).expect("the connection takes it");
    }
}

#[test]
fn what_is_pushed_is_told_to_pause_and_to_go_on_also_while_closing_waits_for_it() {
    let mut sim = Simulation::new(1);
    let told = Told::default();
    let marks = Rc::clone(&told);
    sim.host("sender", move |boot| {
        let marks = Rc::clone(&marks);
        let server = Server::new(move |_peer| Pushing { marks: Rc::clone(&marks), pusher: None });
        let server = server.connections(roomy().marks(LOW, 4 * LOW));
        server.listen_on(&mut boot.reactor(), ([0, 0, 0, 0], 9000))?;
        Ok(())
    });
    let side = Side::default();
    connecting(&mut sim, "reader", "sender:9000", &side);
    sim.eventually(secs(60), "the end", |_| side.seen(|seen| seen.eof));
    assert_eq!(side.got(), 40 * CHUNK, "all of it, though the handler closed at once");
    sim.run_for(secs(10));
    let told = told.borrow();
    let marks: Vec<&str> = told.iter().map(String::as_str).collect();
    let rounds = ["High", "Low"].repeat(5);
    assert_eq!(marks[..8], rounds[..8]);
    let end = format!("Complete after {}", 40 * CHUNK);
    assert_eq!(marks[marks.len() - 2..], [end.as_str(), "Closed"]);
    sim.finish();
}

/// Pushes 40 chunks and closes before they are through.
struct Pushing {
    marks: Told,
    pusher: Option<Pusher>,
}

impl Protocol for Pushing {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let (marks, ends) = (Rc::clone(&self.marks), Rc::clone(&self.marks));
        let (left, slot) = (Rc::new(Cell::new(40)), Rc::<OnceCell<Pusher>>::default());
        let (more, own) = (Rc::clone(&left), Rc::clone(&slot));
        let (transfer, pusher) = Transfer::push(move |reactor, pressure| {
            marks.borrow_mut().push(format!("{pressure:?}"));
            if let (Pressure::Low, Some(pusher)) = (pressure, own.get()) {
                push_all(pusher, reactor, &more);
            }
        });
        assert!(slot.set(pusher.clone()).is_ok());
        assert!(pusher.write(conn.reactor(), "early").is_err(), "it is not started");
        let transfer = transfer.on_end(move |_reactor, end| {
            ends.borrow_mut().push(format!("{:?} after {}", end.outcome, end.bytes));
        });
        transfer.start(conn)?;
        push_all(&pusher, conn.reactor(), &left);
        conn.close();
        assert!(conn.write("late").is_err(), "the handler has closed");
        self.pusher = Some(pusher);
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        let pusher = self.pusher.take().expect("it was made in on_open");
        assert!(pusher.write(conn.reactor(), "too late").is_err());
        pusher.end(conn.reactor());
        self.marks.borrow_mut().push(format!("{reason:?}"));
    }
}

/// Pushes until it is told to pause, and aborts when it is told to go on.
struct Aborting {
    told: Told,
}

impl Protocol for Aborting {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let (marks, ends, id) = (Rc::clone(&self.told), Rc::clone(&self.told), conn.id());
        let (transfer, pusher) = Transfer::push(move |reactor, pressure| {
            marks.borrow_mut().push(format!("{pressure:?}"));
            if pressure == Pressure::Low {
                assert!(reactor.abort(id));
            }
        });
        let transfer = transfer.on_end(move |_reactor, end| {
            let outcome = format!("{:?}", end.outcome);
            ends.borrow_mut().push(outcome);
        });
        transfer.start(conn)?;
        pusher.write(conn.reactor(), pattern(5 * LOW))?;
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        self.told.borrow_mut().push(format!("{reason:?}"));
    }
}

#[test]
fn an_abort_when_it_may_go_on_ends_the_transfer_before_on_close() {
    let mut sim = Simulation::new(1);
    let told = Told::default();
    let handler = Rc::clone(&told);
    sim.host("sender", move |boot| {
        let told = Rc::clone(&handler);
        let server = Server::new(move |_peer| Aborting { told: Rc::clone(&told) });
        let server = server.connections(roomy().marks(LOW, 4 * LOW));
        server.listen_on(&mut boot.reactor(), ([0, 0, 0, 0], 9000))?;
        Ok(())
    });
    connecting(&mut sim, "reader", "sender:9000", &Side::default());
    sim.run_for(secs(60));
    assert_eq!(*told.borrow(), ["High", "Low", "CutShort", "Aborted"]);
    sim.finish();
}
