//! C4: asyncore's echo with its server and its client on two loops of two threads.
//!
//! There, two threads that run the loop share one map and dispatch each other's channels.

use std::collections::VecDeque;
use std::error::Error;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, ThreadId};

use net_reactor::prelude::*;
use net_reactor::{
    AcceptedFd, Buffered, BufferedFd, BufferedHandler, Fd, FdDispatcher, FdRole, Interest,
};

use crate::background::PATIENCE;

/// What the server's thread tells: who came, and on which thread it is served.
type Told = Sender<(SocketAddr, ThreadId)>;

struct Listener(Told);

impl FdDispatcher for Listener {
    fn on_accept(&mut self, fd: &mut Fd<'_>, peer: AcceptedFd) -> Flow {
        let address = peer.address.expect("a peer of IP has an address");
        self.0.send((address, thread::current().id()))?;
        fd.reactor().add_fd(peer.descriptor, Interest::NONE, Buffered::new(Echo))?;
        Ok(())
    }
}

struct Echo;

impl BufferedHandler for Echo {
    fn on_data(&mut self, fd: &mut BufferedFd<'_, '_>, input: &mut Input<'_>) -> Flow {
        fd.push(input.take_all())?;
        Ok(())
    }
}

const WORDS: [&str; 10] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];

/// Sends a word for each time that there is room, and closes when all are back.
struct Client {
    words: VecDeque<&'static str>,
    back: String,
    told: Sender<String>,
}

impl FdDispatcher for Client {
    fn writable(&self) -> bool {
        !self.words.is_empty()
    }

    fn on_writable(&mut self, fd: &mut Fd<'_>) -> Flow {
        let word = self.words.pop_front().expect("it asked for it");
        assert_eq!(fd.write(word.as_bytes())?, word.len());
        Ok(())
    }

    fn on_readable(&mut self, fd: &mut Fd<'_>) -> Flow {
        let mut bytes = [0; 1024];
        let len = fd.read(&mut bytes)?.unwrap_or(0);
        self.back.push_str(std::str::from_utf8(&bytes[..len])?);
        if self.back.len() == WORDS.concat().len() {
            fd.close();
        }
        Ok(())
    }

    fn on_close(&mut self, reactor: &mut Reactor<'_>, reason: CloseReason) {
        self.told.send(format!("{}, {reason}", self.back)).expect("the test listens");
        reactor.stop();
    }
}

/// Plays the client once, on the loop of this thread.
fn play(address: SocketAddr) -> Result<(SocketAddr, String), Box<dyn Error + Send + Sync>> {
    let (told, heard) = mpsc::channel();
    let stream = TcpStream::connect(address)?;
    let own = stream.local_addr()?;
    let client = Client { words: WORDS.into(), back: String::new(), told };
    let mut event_loop = EventLoop::new()?;
    let mut reactor = event_loop.reactor();
    reactor.call_later(PATIENCE, |reactor| reactor.stop_now());
    reactor.add_dispatcher(stream, FdRole::Connecting, client)?;
    event_loop.run()?;
    let stats = event_loop.stats();
    assert_eq!(stats.descriptors, 0, "nothing is left");
    // One turn for each word, each answer, the outcome, and little else: an idle one costs none.
    assert!(stats.turns < 100, "{stats:?}");
    Ok((own, heard.recv()?))
}

#[test]
fn ten_words_come_back_in_order_and_idle_loops_do_not_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, guests) = mpsc::channel();
    let (report, reported) = mpsc::channel();
    let server = thread::spawn(move || {
        let mut event_loop = EventLoop::new().unwrap();
        let dispatcher = Listener(told);
        event_loop.reactor().add_dispatcher(listener, FdRole::Listening, dispatcher).unwrap();
        report.send(event_loop.handle()).unwrap();
        event_loop.run().unwrap();
        event_loop.stats()
    });
    let handle = reported.recv().unwrap();
    let server_thread = server.thread().id();

    let players: Vec<_> = (0..5).map(|_| thread::spawn(move || play(address))).collect();
    let mut played: Vec<SocketAddr> = Vec::new();
    for player in players {
        let (own, heard) = player.join().unwrap().unwrap();
        assert_eq!(heard, "12345678910, closed by this side");
        played.push(own);
    }
    handle.stop();
    let stats = server.join().unwrap();
    assert!(stats.turns < 500, "{stats:?}");
    assert_eq!(stats.spins, 0);
    let (mut came, threads): (Vec<_>, Vec<_>) = guests.iter().unzip();
    came.sort();
    played.sort();
    assert_eq!(came, played);
    assert_eq!(threads, [server_thread; 5], "each loop serves its own");
}
