//! Each service, as its RFC describes it.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::Service;

#[test]
fn echo_returns_what_was_sent_also_after_the_senders_end() {
    let service = Service::start(&["echo"]);
    let mut stream = service.connect();
    stream.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");

    stream.write_all(&[7; 100_000]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [7; 100_000]);
}

#[test]
fn several_loops_serve_one_address() {
    let service = Service::start(&["echo", "--loops", "3"]);
    let mut streams: Vec<_> = (0..12).map(|_| service.connect()).collect();
    for stream in &mut streams {
        stream.write_all(b"x").unwrap();
    }
    for stream in &mut streams {
        let mut back = [0];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"x");
    }
}

#[test]
fn discard_says_nothing_and_closes_after_the_sender() {
    let service = Service::start(&["discard"]);
    let mut stream = service.connect();
    stream.write_all(&[1; 1_000_000]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    assert!(back.is_empty());
}

#[test]
fn chargen_sends_lines_of_72_characters_that_rotate() {
    let service = Service::start(&["chargen"]);
    let stream = service.connect();
    // More than a block and more than the high mark: the generator has rested in between.
    let lines = BufReader::new(stream).split(b'\n').take(20_000);
    for (number, line) in lines.enumerate() {
        let expected: Vec<u8> = (number..number + 72)
            .map(|place| b' ' + u8::try_from(place % 95).unwrap())
            .chain(*b"\r")
            .collect();
        assert_eq!(line.unwrap(), expected, "line {number}");
    }
}

#[test]
fn daytime_sends_one_line_and_closes() {
    let service = Service::start(&["daytime"]);
    let mut text = String::new();
    service.connect().read_to_string(&mut text).unwrap();
    let line = text.strip_suffix("\r\n").unwrap();
    assert!(!line.contains('\n'));
    // Tuesday, February 22, 1982 17:37:43-UTC
    let words: Vec<_> = line.split(' ').collect();
    let [weekday, month, day, year, time] = words[..] else { panic!("{line:?}") };
    assert!(weekday.ends_with("day,") && month.chars().all(char::is_alphabetic), "{line:?}");
    assert!((1..=31).contains(&day.strip_suffix(',').unwrap().parse().unwrap()), "{line:?}");
    assert!(year.parse::<u32>().unwrap() >= 2025, "{line:?}");
    let clock: Vec<u32> =
        time.strip_suffix("-UTC").unwrap().split(':').map(|part| part.parse().unwrap()).collect();
    assert!(matches!(clock[..], [0..24, 0..60, 0..60]), "{line:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the service tells the same clock's time")]
fn time_sends_the_seconds_since_1900_and_closes() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + SINCE_1900;
    let service = Service::start(&["time"]);
    let before = now().as_secs();
    let mut bytes = Vec::new();
    service.connect().read_to_end(&mut bytes).unwrap();
    let after = now().as_secs();
    let told = u32::from_be_bytes(bytes.try_into().unwrap());
    // Until 2036 the 32 bits hold the whole number.
    let range = (before & 0xffff_ffff)..=(after & 0xffff_ffff);
    assert!(range.contains(&u64::from(told)), "{told} in {range:?}");
}

/// From 1900 to 1970 (RFC 868).
const SINCE_1900: Duration = Duration::from_secs(2_208_988_800);

#[test]
#[cfg(unix)]
fn a_signal_stops_a_service_gracefully() {
    for (service, signal) in [("echo", "TERM"), ("discard", "INT")] {
        let service = Service::start(&[service, "--loops", "2"]);
        let mut stream = service.connect();
        stream.write_all(b"x").unwrap();
        service.running.signal(signal);
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        drop(stream);
        let output = service.running.end();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn events_are_shown_on_stderr_when_asked_for() {
    let mut service = Service::start(&["-vv", "echo"]);
    let mut stderr = BufReader::new(service.running.child().stderr.take().unwrap()).lines();
    let opened = service.connect();
    let line = stderr.find(|line| line.as_ref().unwrap().contains("opened"));
    assert!(line.is_some());
    drop(opened);
}
