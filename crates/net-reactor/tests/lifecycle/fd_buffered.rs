//! Buffered descriptors, after asyncore's `dispatcher_with_send` and asynchat.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{Buffered, BufferedFd, BufferedHandler, Interest};

use crate::support::{Log, give_up, turn_on, turn_until};

/// Answers each line, and writes down what it is told. A line `quit` ends it.
struct Lines {
    terminator: &'static [u8],
    log: Log,
}

impl BufferedHandler for Lines {
    fn on_data(&mut self, fd: &mut BufferedFd<'_, '_>, input: &mut Input<'_>) -> Flow {
        while let Some(line) = input.take_until(self.terminator, 100)? {
            let line = line.strip_suffix(self.terminator).unwrap_or(line);
            self.log.note(String::from_utf8_lossy(line));
            fd.push(line)?;
            fd.push(self.terminator)?;
            if line == b"quit" {
                fd.close_when_done();
                assert!(fd.push("nothing goes behind that").is_err());
                break;
            }
        }
        Ok(())
    }

    fn on_close(&mut self, _reactor: &mut Reactor<'_>, reason: CloseReason) {
        self.log.note(format!("close: {reason}"));
    }
}

/// asynchat's `test_line_terminator1` to `3`, `test_empty_line` and `test_close_when_done`.
#[test]
fn lines_are_found_whatever_the_pieces_and_all_is_written_before_the_close() {
    for terminator in [&b"\n"[..], b"\r\n", b"\r\r\n"] {
        for piece in 1..=3 {
            let mut event_loop = EventLoop::new().unwrap();
            let gave_up = give_up(&mut event_loop.reactor());
            let (own, mut peer) = UnixStream::pair().unwrap();
            let log = Log::default();
            let handler = Buffered::new(Lines { terminator, log: log.clone() });
            event_loop.reactor().add_fd(own, Interest::READ, handler).unwrap();
            let lines = ["hello", "", "world", "quit"];
            let text: Vec<u8> =
                lines.iter().flat_map(|line| [line.as_bytes(), terminator].concat()).collect();
            for piece in text.chunks(piece) {
                peer.write_all(piece).unwrap();
                event_loop.turn(Some(Duration::ZERO)).unwrap();
            }
            turn_until(&mut event_loop, "the close", || log.has("close: closed by this side"));
            let mut back = Vec::new();
            peer.read_to_end(&mut back).unwrap();
            assert_eq!(back, text);
            assert_eq!(log.lines()[..4], lines);
            assert!(!gave_up.get());
        }
    }
}

/// Pushes this many bytes at once, and closes.
struct Burst(usize, Log);

impl BufferedHandler for Burst {
    fn on_open(&mut self, fd: &mut BufferedFd<'_, '_>) -> Flow {
        let pushed = fd.push(vec![7; self.0]);
        self.1.note(pushed.is_ok());
        fd.close_when_done();
        Ok(())
    }

    fn on_data(&mut self, _fd: &mut BufferedFd<'_, '_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_close(&mut self, _reactor: &mut Reactor<'_>, reason: CloseReason) {
        self.1.note(reason);
    }
}

/// asyncore's `close` loses it: 8 MB sent, 64 KB arrived.
#[test]
fn a_large_push_arrives_whole_before_the_close() {
    let mut event_loop = EventLoop::new().unwrap();
    let (own, mut peer) = UnixStream::pair().unwrap();
    let log = Log::default();
    let handler = Buffered::new(Burst(8_000_000, log.clone()));
    event_loop.reactor().add_fd(own, Interest::NONE, handler).unwrap();
    let reading = std::thread::spawn(move || std::io::copy(&mut peer, &mut std::io::sink()));
    turn_until(&mut event_loop, "the close", || log.len() == 2);
    assert_eq!(log.lines(), ["true", "closed by this side"]);
    assert_eq!(reading.join().unwrap().unwrap(), 8_000_000);
}

#[test]
fn a_push_beyond_the_limit_ends_the_descriptor() {
    let mut event_loop = EventLoop::new().unwrap();
    let (own, _peer) = UnixStream::pair().unwrap();
    let log = Log::default();
    let handler = Buffered::new(Burst(1_001, log.clone())).output_bytes_max(1_000);
    event_loop.reactor().add_fd(own, Interest::NONE, handler).unwrap();
    turn_until(&mut event_loop, "the close", || log.len() == 2);
    assert_eq!(log.lines(), ["false", "the peer reads too slowly: 1001 bytes queued of 1000"]);
}

#[test]
fn a_close_that_nobody_reads_ends_with_its_patience() {
    let mut event_loop = EventLoop::new().unwrap();
    let (own, peer) = UnixStream::pair().unwrap();
    let log = Log::default();
    let handler = Buffered::new(Burst(8_000_000, log.clone())).linger(Duration::from_millis(20));
    event_loop.reactor().add_fd(own, Interest::NONE, handler).unwrap();
    turn_until(&mut event_loop, "the close", || log.len() == 2);
    assert!(log.lines()[1].starts_with("the close took too long: "), "{:?}", log.lines());
    assert_eq!(event_loop.stats().timers, 0);
    drop(peer);
}

#[test]
fn input_that_nobody_consumes_is_bounded() {
    struct Glutton(Log);

    impl BufferedHandler for Glutton {
        fn on_data(&mut self, _fd: &mut BufferedFd<'_, '_>, _input: &mut Input<'_>) -> Flow {
            Ok(())
        }

        fn on_close(&mut self, _reactor: &mut Reactor<'_>, reason: CloseReason) {
            self.0.note(reason);
        }
    }

    let mut event_loop = EventLoop::new().unwrap();
    let (own, mut peer) = UnixStream::pair().unwrap();
    let log = Log::default();
    let handler = Buffered::new(Glutton(log.clone())).input_bytes_max(100);
    event_loop.reactor().add_fd(own, Interest::NONE, handler).unwrap();
    peer.write_all(&[7; 60]).unwrap();
    turn_on(&mut event_loop);
    assert_eq!(log.len(), 0);
    peer.write_all(&[7; 60]).unwrap();
    turn_until(&mut event_loop, "the close", || log.len() == 1);
    assert_eq!(log.lines(), ["too much unconsumed input: 120 bytes of 100"]);
}

/// asynchat's `push_with_producer`: what is drained asks for more, and leaves others their turn.
#[test]
fn a_producer_is_asked_once_a_turn_and_never_forgotten() {
    struct Producer {
        left: u32,
        asked: Rc<Cell<u32>>,
    }

    impl BufferedHandler for Producer {
        fn on_open(&mut self, fd: &mut BufferedFd<'_, '_>) -> Flow {
            Ok(fd.push("x")?)
        }

        fn on_data(&mut self, _fd: &mut BufferedFd<'_, '_>, _input: &mut Input<'_>) -> Flow {
            Ok(())
        }

        fn on_drained(&mut self, fd: &mut BufferedFd<'_, '_>) -> Flow {
            self.asked.set(self.asked.get() + 1);
            match self.left.checked_sub(1) {
                Some(left) => {
                    self.left = left;
                    fd.push("x")?;
                }
                None => fd.close_when_done(),
            }
            Ok(())
        }
    }

    let mut event_loop = EventLoop::new().unwrap();
    let (own, mut peer) = UnixStream::pair().unwrap();
    let asked = Rc::new(Cell::new(0));
    let producer = Producer { left: 20, asked: Rc::clone(&asked) };
    event_loop.reactor().add_fd(own, Interest::NONE, Buffered::new(producer)).unwrap();
    for turn in 1..=21 {
        event_loop.turn(None).unwrap();
        assert_eq!(asked.get(), turn);
    }
    turn_on(&mut event_loop);
    let mut all = String::new();
    peer.read_to_string(&mut all).unwrap();
    assert_eq!(all.len(), 21);
}

#[test]
fn an_end_with_answers_on_their_way_loses_none() {
    let mut event_loop = EventLoop::new().unwrap();
    let (own, mut peer) = UnixStream::pair().unwrap();
    let log = Log::default();
    let handler = Buffered::new(Lines { terminator: b"\n", log: log.clone() });
    event_loop.reactor().add_fd(own, Interest::NONE, handler).unwrap();
    let text = "a line that comes back\n".repeat(50_000);
    let mut reader = peer.try_clone().unwrap();
    let sent = text.clone();
    let writing = std::thread::spawn(move || {
        peer.write_all(sent.as_bytes()).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let reading = std::thread::spawn(move || {
        let mut back = String::new();
        reader.read_to_string(&mut back).unwrap();
        back
    });
    turn_until(&mut event_loop, "the close", || log.has("close: closed by the peer"));
    writing.join().unwrap();
    assert!(reading.join().unwrap() == text);
}
