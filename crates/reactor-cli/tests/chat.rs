//! The chat, as case C5a has it and beyond.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Service, only_line, run};

/// Somebody in the room.
struct Guest {
    stream: BufReader<TcpStream>,
    name: String,
}

impl Guest {
    fn enter(service: &Service) -> Self {
        let mut guest = Self { stream: BufReader::new(service.connect()), name: String::new() };
        let welcome = guest.hear();
        let name = welcome.strip_prefix("* welcome, ").unwrap_or_else(|| panic!("{welcome}"));
        guest.name = name.split_once(':').unwrap().0.to_owned();
        guest
    }

    fn named(service: &Service, name: &str) -> Self {
        let mut guest = Self::enter(service);
        guest.say(format!("/nick {name}"));
        guest.hear_until(&format!("is now {name}"));
        guest.name = name.to_owned();
        guest
    }

    fn say(&mut self, line: impl AsRef<[u8]>) {
        let mut bytes = line.as_ref().to_vec();
        bytes.push(b'\n');
        self.stream.get_mut().write_all(&bytes).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.strip_suffix('\n').unwrap_or_else(|| panic!("cut off: {line:?}")).to_owned()
    }

    #[track_caller]
    fn hear_until(&mut self, part: &str) -> String {
        loop {
            let line = self.hear();
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Dies in the middle of whatever it did.
    fn reset(self) {
        let stream = self.stream.into_inner();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Hears the end.
    fn hears_the_end(&mut self) {
        assert_eq!(self.stream.read_line(&mut String::new()).unwrap(), 0);
    }
}

#[test]
fn each_line_goes_to_everybody_and_the_log_tells_what_happens() {
    let mut service = Service::start(&["chat"]);
    let mut ann = Guest::enter(&service);
    let mut bob = Guest::enter(&service);
    assert_eq!(ann.hear(), "* guest2 has joined");
    bob.say("good evening\r");
    assert_eq!(
        (ann.hear(), bob.hear()),
        ("guest2: good evening".into(), "guest2: good evening".into())
    );
    ann.say("");
    assert_eq!((ann.hear(), bob.hear()), ("guest1: ".into(), "guest1: ".into()));
    drop(bob);
    assert_eq!(ann.hear(), "* guest2 has left");
    let log: Vec<_> = (0..9).map(|_| service.line()).collect();
    assert!(log[0].starts_with("New connection from 127.0.0.1:"), "{log:?}");
    assert!(log[3].starts_with("New connection from 127.0.0.1:"), "{log:?}");
    assert_eq!(log[1..3], ["A new user has entered the chat room.", "connection num is: 1"]);
    assert_eq!(log[4..6], ["A new user has entered the chat room.", "connection num is: 2"]);
    assert_eq!(
        log[6..],
        ["User said: good evening", "User said: ", "A user has left the chat room."]
    );
}

#[test]
fn names_are_chosen_listed_and_given_back() {
    let service = Service::start(&["chat"]);
    let mut ann = Guest::named(&service, "Ann");
    let mut bob = Guest::enter(&service);
    assert_eq!(ann.hear(), "* guest2 has joined");
    for (wish, answer) in [
        ("aNN", "* aNN is here already"),
        ("", "* a name has up to 20 letters, digits, - and _"),
        ("a b", "* a name has up to 20 letters, digits, - and _"),
        ("\x1b[31mred", "* a name has up to 20 letters, digits, - and _"),
    ] {
        bob.say(format!("/nick {wish}"));
        assert_eq!(bob.hear(), answer);
    }
    bob.say("/nick bob");
    assert_eq!(ann.hear(), "* guest2 is now bob");
    assert_eq!(bob.hear(), "* guest2 is now bob");
    bob.say("/who");
    assert_eq!(bob.hear(), "* 2 here: Ann, bob");
    bob.say("/dance");
    assert_eq!(bob.hear(), "* there is no /dance; /help lists what there is");
    bob.say("//dance is no command");
    assert_eq!(ann.hear(), "bob: /dance is no command");
    bob.hear();
    bob.say("/help");
    assert!(bob.hear().starts_with("* /nick NAME"));
    bob.say("/quit");
    assert_eq!(ann.hear(), "* bob has left");
    bob.hear_until("say /TEXT");
    bob.hears_the_end();
    ann.say("/nick BOB");
    assert_eq!(ann.hear(), "* Ann is now BOB");
}

#[test]
fn no_member_commands_the_terminals_of_others() {
    let mut service = Service::start(&["chat"]);
    let mut ann = Guest::enter(&service);
    ann.say(b"\x1b[2J\x07\xc2\x9b31m \xff gr\xc3\xbc\xc3\x9fe \xe2\x80\xaetxt.exe");
    let told = "\\u{1b}[2J\\u{7}\\u{9b}31m \u{fffd} grüße \\u{202e}txt.exe";
    assert_eq!(ann.hear(), format!("guest1: {told}"));
    let said = (0..4).map(|_| service.line()).last().unwrap();
    assert_eq!(said, format!("User said: {told}"));
    ann.say(b"/\x1b[2J");
    assert!(ann.hear().starts_with("* there is no /\\u{1b}[2J;"));
}

#[test]
fn a_room_has_room_for_so_many() {
    let service = Service::start(&["chat", "--max-members", "2"]);
    let (ann, _bob) = (Guest::enter(&service), Guest::enter(&service));
    let mut text = String::new();
    service.connect().read_to_string(&mut text).unwrap();
    assert_eq!(text, "* the room is full\n");
    drop(ann);
    // The seat is free as soon as the end is seen.
    loop {
        let mut stream = BufReader::new(service.connect());
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        if line.starts_with("* welcome, guest3") {
            break;
        }
        assert_eq!(line, "* the room is full\n");
    }
}

#[test]
fn who_speaks_too_fast_is_read_slowly_and_loses_nothing() {
    let service = Service::start(&["chat", "--max-rate", "200"]);
    let mut ann = Guest::enter(&service);
    let lines: String = (0..600).map(|number| format!("{number}\n")).collect();
    ann.stream.get_mut().write_all(lines.as_bytes()).unwrap();
    for number in 0..600 {
        assert_eq!(ann.hear(), format!("guest1: {number}"));
    }
}

/// Waits until the log tells of somebody who was cut off.
fn cut_off(service: &mut Service) -> String {
    loop {
        let line = service.line();
        assert!(!line.is_empty(), "the service has ended");
        if line.contains(" was cut off: ") {
            return line;
        }
    }
}

#[test]
fn what_is_no_line_ends_its_sender_alone_and_the_log_says_why() {
    let mut service = Service::start(&["chat", "--max-line", "100", "--loops", "2"]);
    let mut ann = Guest::named(&service, "ann");

    let mut endless = Guest::enter(&service);
    endless.stream.get_mut().write_all(&[b'x'; 5000]).unwrap();
    endless.hear_until("* a line has at most 100 bytes");
    let name = endless.name.clone();
    // The service waits for the peer's end, or 5 s.
    drop(endless);
    let line = cut_off(&mut service);
    let why = "the peer broke the protocol: a frame has no end within 100 bytes";
    assert_eq!(line, format!("{name} was cut off: {why}"));
    ann.hear_until(&format!("* {name} has left"));

    let mut garbage = Guest::enter(&service);
    let noise: Vec<u8> =
        (0..10_000_u32).map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect();
    // It may be closed in the middle of it.
    let _ = garbage.stream.get_mut().write_all(&noise);
    garbage.hear_until("* a line has at most 100 bytes");
    let name = garbage.name.clone();
    drop(garbage);
    let line = cut_off(&mut service);
    assert!(line.contains("the peer broke the protocol"), "{line}");
    ann.hear_until(&format!("* {name} has left"));

    let mut half = Guest::enter(&service);
    half.stream.get_mut().write_all(b"half a li").unwrap();
    half.stream.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
    let line = cut_off(&mut service);
    assert!(line.contains("the peer finished 9 bytes into a frame"), "{line}");

    let dying = Guest::enter(&service);
    dying.reset();
    let line = cut_off(&mut service);
    assert!(line.contains("reset by the peer"), "{line}");

    ann.say("still here?");
    ann.hear_until("ann: still here?");
}

#[test]
fn those_who_die_in_the_middle_of_a_broadcast_harm_nobody() {
    let service = Service::start(&["chat", "--loops", "3", "--max-rate", "100000"]);
    let mut ann = Guest::named(&service, "ann");
    let mut bob = Guest::named(&service, "bob");
    for round in 0..20 {
        let dying: Vec<_> = (0..5).map(|_| Guest::enter(&service)).collect();
        let lines: String = (0..50).map(|number| format!("{round} {number}\n")).collect();
        ann.stream.get_mut().write_all(lines.as_bytes()).unwrap();
        dying.into_iter().for_each(Guest::reset);
        for guest in [&mut ann, &mut bob] {
            for number in 0..50 {
                let line = guest.hear_until("ann: ");
                assert_eq!(line, format!("ann: {round} {number}"));
            }
        }
    }
    ann.say("/who");
    loop {
        let line = ann.hear_until(" here: ");
        if line == "* 2 here: ann, bob" {
            break;
        }
        // The last end may not have been seen yet.
        ann.say("/who");
    }
}

#[test]
#[cfg(unix)]
fn a_signal_ends_the_chat() {
    let service = Service::start(&["chat", "--loops", "2"]);
    let mut guests: Vec<_> = (0..5).map(|_| Guest::enter(&service)).collect();
    service.running.signal("TERM");
    for guest in &mut guests {
        let mut rest = Vec::new();
        guest.stream.read_to_end(&mut rest).unwrap();
        assert!(!String::from_utf8(rest).unwrap().contains("has left"));
    }
    drop(guests);
    assert_eq!(service.running.end().status.code(), Some(0));
}

#[test]
#[cfg(unix)]
fn a_room_whose_log_nobody_reads_goes_on() {
    let service = Service::start(&["chat", "--max-rate", "1000000"]);
    let mut ann = Guest::enter(&service);
    // More than the pipe and the printer hold.
    let line = "x".repeat(1000);
    for _ in 0..3000 {
        ann.say(&line);
        ann.hear();
    }
    drop(ann);
    // It ends all the same; its stdout is still open here.
    service.running.signal("TERM");
    assert_eq!(service.running.end().status.code(), Some(0));
}

#[test]
fn a_wrong_command_line_is_one_line() {
    for (args, says) in [
        (&["--max-members", "0"][..], "--max-members"),
        (&["--max-line", "0"], "--max-line"),
        (&["--max-rate", "0"], "--max-rate"),
        (&["--listen", "nowhere"], "no port"),
    ] {
        let output = run(&[&["chat"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(only_line(&output).contains(says), "{output:?}");
    }
}
