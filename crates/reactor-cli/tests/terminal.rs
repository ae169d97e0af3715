//! `reactor connect` at a terminal: a person who types while messages arrive.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use common::{PATIENCE, Running};
use pty_process::blocking::{Command, Pty, open};
use rustix::termios::{LocalModes, tcgetattr};

/// A terminal in which the command is connected to a peer that the test plays.
struct Session {
    running: Running,
    keys: Arc<Pty>,
    screen: Receiver<Vec<u8>>,
    /// What was printed and has not been expected yet.
    printed: String,
    peer: TcpStream,
}

impl Session {
    fn start(args: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (pty, pts) = open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let args = [&["connect", &address], args].concat();
        let command = Command::new(env!("CARGO_BIN_EXE_reactor")).args(args).env("TERM", "xterm");
        let running = Running::of(command.spawn(pts).unwrap());
        let (peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let (keys, (report, screen)) = (Arc::new(pty), mpsc::channel());
        let output = Arc::clone(&keys);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // It fails when nobody has the terminal open any more.
            while let Ok(count @ 1..) = (&*output).read(&mut buffer) {
                let _ = report.send(buffer[..count].to_vec());
            }
        });
        let mut session = Self { running, keys, screen, printed: String::new(), peer };
        session.expect("> ");
        session
    }

    fn press(&self, keys: &str) {
        (&*self.keys).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `text` is printed behind what was expected before.
    #[track_caller]
    fn expect(&mut self, text: &str) {
        loop {
            if let Some(at) = self.printed.find(text) {
                self.printed.drain(..at + text.len());
                return;
            }
            let more = self.screen.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("{text:?} is not in {:?}", self.printed));
            self.printed.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// Waits until the editor awaits the next line. Between two lines the terminal takes a Ctrl-D
    /// for itself.
    #[track_caller]
    fn expect_prompt_after(&mut self, text: &str) {
        self.expect(text);
        self.expect("\n");
        self.expect("> ");
    }

    fn send(&mut self, text: &str) {
        self.peer.write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn assert_received(&mut self, text: &str) {
        let mut bytes = vec![0; text.len()];
        self.peer.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }

    /// Waits for the command's end and returns its exit code; the terminal must be as it was.
    #[track_caller]
    fn end(self) -> Option<i32> {
        let code = self.running.end().status.code();
        let modes = tcgetattr(&*self.keys).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
        code
    }
}

#[test]
fn messages_that_arrive_while_a_line_is_typed_leave_it_whole() {
    let mut session = Session::start(&[]);
    session.press("hel");
    session.expect("hel");
    session.send("some news\nand more\n");
    session.expect("some news");
    session.expect("and more");
    // The line is there again, below.
    session.expect("> hel");
    session.press("lo\r");
    session.assert_received("hello\n");
}

#[test]
fn lines_are_edited_and_called_back() {
    let mut session = Session::start(&["--crlf"]);
    session.press("abx\x7fc\r");
    session.assert_received("abc\r\n");
    session.press("second\r");
    session.assert_received("second\r\n");
    // Up twice, to the end, one more letter.
    session.press("\x1b[A\x1b[A\x05d\r");
    session.assert_received("abcd\r\n");
}

#[test]
fn several_lines_that_are_pasted_at_once_are_all_sent() {
    let mut session = Session::start(&[]);
    session.press("one\rtwo\rthree\rfo");
    session.assert_received("one\ntwo\nthree\n");
    session.press("ur\r");
    session.assert_received("four\n");
}

#[test]
fn a_question_without_a_line_end_is_shown() {
    let mut session = Session::start(&[]);
    session.send("login: ");
    session.expect("login: ");
    session.press("me\r");
    session.assert_received("me\n");
}

#[test]
fn the_peer_cannot_command_the_terminal() {
    let mut session = Session::start(&[]);
    session.send("\x1b[2J\x1b]0;title\x07gone?\r\n");
    session.expect("\\u{1b}[2J\\u{1b}]0;title\\u{7}gone?");
}

#[test]
fn ctrl_d_ends_our_side_and_the_rest_is_shown() {
    let mut session = Session::start(&[]);
    session.press("last words\r");
    session.assert_received("last words\n");
    session.expect_prompt_after("last words");
    session.press("\x04");
    assert_eq!(session.peer.read(&mut [0]).unwrap(), 0, "the end");
    session.send("the rest\nof it");
    session.expect("the rest");
    session.peer.shutdown(std::net::Shutdown::Both).unwrap();
    session.expect("of it");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn ctrl_c_leaves_at_once() {
    let mut session = Session::start(&[]);
    session.press("never sent\x03");
    assert_eq!(session.peer.read(&mut [0]).map_err(|error| error.kind()), {
        Err(std::io::ErrorKind::ConnectionReset)
    });
    session.expect("interrupted");
    assert_eq!(session.end(), Some(130));
}

#[test]
fn a_second_ctrl_d_leaves_too() {
    let mut session = Session::start(&[]);
    session.press("\x04");
    assert_eq!(session.peer.read(&mut [0]).unwrap(), 0);
    session.expect_prompt_after("");
    session.press("\x04");
    assert_eq!(session.end(), Some(130));
}

#[test]
fn when_the_peer_closes_all_that_it_sent_is_shown_and_the_terminal_is_as_it_was() {
    let mut session = Session::start(&[]);
    session.press("half a line");
    session.expect("half a line");
    let lines: String = (0..2000).map(|number| format!("line {number}\n")).collect();
    session.send(&lines);
    session.peer.shutdown(std::net::Shutdown::Both).unwrap();
    session.expect("line 1999");
    session.expect("closed by the peer");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn a_terminal_that_cannot_edit_lines_is_read_line_by_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (pty, pts) = open().unwrap();
    let command = Command::new(env!("CARGO_BIN_EXE_reactor")).args(["connect", &address]);
    let running = Running::of(command.env("TERM", "dumb").spawn(pts).unwrap());
    let (mut peer, _) = listener.accept().unwrap();
    (&pty).write_all(b"hello\n").unwrap();
    let mut line = [0; 6];
    peer.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"hello\n");
    // The person need not press a key any more.
    drop(peer);
    assert_eq!(running.end().status.code(), Some(0));
}
