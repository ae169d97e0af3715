//! The target of streams that are read in steps, against a model that has all the bytes at once.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::Solo;
use net_reactor::{Amount, Pattern, ReadError, ReadRefused};

use crate::case::Case;

/// So many reads come before the one of all the rest.
const READS_MAX: u8 = 16;

/// How long a reader rests that does.
const REST: Duration = Duration::from_millis(1);

const DELIMITERS: [&[u8]; 4] = [b"\n", b"\r\n", b"aab", b""];

/// Whether a match can end behind these bytes.
type EndsMatch = fn(&[u8]) -> bool;

/// Patterns, and what they mean.
const PATTERNS: [(&str, EndsMatch); 5] = [
    (r"\r?\n", |bytes| bytes.ends_with(b"\n")),
    ("ab?c", |bytes| bytes.ends_with(b"ac") || bytes.ends_with(b"abc")),
    ("a+b", |bytes| bytes.ends_with(b"ab")),
    ("[0-9]{3}", |bytes| {
        bytes.last_chunk().is_some_and(|last: &[u8; 3]| last.iter().all(u8::is_ascii_digit))
    }),
    ("(?s-u:x.y)", |bytes| matches!(bytes, [.., b'x', _, b'y'])),
];

thread_local! {
    static COMPILED: [Pattern; PATTERNS.len()] =
        PATTERNS.map(|(text, _)| Pattern::new(text).expect("a pattern"));
}

#[derive(Debug, Clone, Copy)]
enum Read {
    Until(&'static [u8], usize),
    Match(usize, usize),
    Bytes(usize, Amount),
    Into(usize, Amount),
    /// No read for a while.
    Rest,
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Taken(usize),
    TooLong,
    /// More bytes are needed than there are.
    Ended,
}

impl Read {
    fn of([kind, number]: [u8; 2]) -> Self {
        let (choice, number) = (usize::from(kind >> 4), usize::from(number));
        match kind & 7 {
            0 | 1 => Self::Until(DELIMITERS[choice % DELIMITERS.len()], number),
            2 => Self::Match(choice % PATTERNS.len(), number),
            3 => Self::Bytes(number, Amount::Whole),
            4 => Self::Bytes(number, Amount::Partial),
            5 => Self::Into(number, Amount::Whole),
            6 => Self::Into(number, Amount::Partial),
            _ => Self::Rest,
        }
    }

    /// Says what becomes of it if these are all the bytes that ever come.
    fn expected(self, rest: &[u8]) -> Expected {
        let ends =
            |is_end: &dyn Fn(&[u8]) -> bool| (0..=rest.len()).find(|end| is_end(&rest[..*end]));
        let (end, bytes_max, needed) = match self {
            Self::Until(delimiter, max) if delimiter.len() > max => (None, max, 1),
            Self::Until(delimiter, max) => (ends(&|bytes| bytes.ends_with(delimiter)), max, max),
            Self::Match(pattern, max) => (ends(&PATTERNS[pattern].1), max, max.max(1)),
            Self::Bytes(count, Amount::Whole) | Self::Into(count, Amount::Whole) => {
                ((count <= rest.len()).then_some(count), usize::MAX, usize::MAX)
            }
            Self::Bytes(count, Amount::Partial) | Self::Into(count, Amount::Partial) => {
                let some = count.min(rest.len());
                ((count == 0 || some > 0).then_some(some), usize::MAX, usize::MAX)
            }
            Self::Rest => (Some(0), usize::MAX, usize::MAX),
        };
        match end {
            Some(end) if end <= bytes_max => Expected::Taken(end),
            _ if rest.len() >= needed => Expected::TooLong,
            _ => Expected::Ended,
        }
    }

    fn is_partial(self) -> bool {
        matches!(self, Self::Bytes(_, Amount::Partial) | Self::Into(_, Amount::Partial))
    }
}

/// What is to be read, and how far that has come.
#[derive(Debug)]
struct Reader {
    wire: Vec<u8>,
    reads: Vec<Read>,
    started: Cell<usize>,
    told: Cell<usize>,
    /// How many bytes were read.
    at: Cell<usize>,
    was_too_long: Cell<bool>,
}

/// Reads by a script; the wire begins with it, and the settings are its length.
pub(crate) fn stream_reads(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let count = usize::from(case.settings % READS_MAX);
    let Some((script, wire)) = case.wire.split_at_checked(2 * count) else { return };
    let reads: Vec<Read> =
        script.chunks_exact(2).map(|each| Read::of([each[0], each[1]])).collect();
    for cuts in (Case { wire, ..case }).coarse_splits() {
        run(wire, &reads, &cuts);
    }
}

fn run(wire: &[u8], reads: &[Read], cuts: &[usize]) {
    let reader = Rc::new(Reader {
        wire: wire.to_vec(),
        reads: reads.to_vec(),
        started: Cell::new(0),
        told: Cell::new(0),
        at: Cell::new(0),
        was_too_long: Cell::new(false),
    });
    let reading = Rc::clone(&reader);
    let mut solo = Solo::new(Stream::new(move |stream| read_on(stream, reading)));
    let mut start = 0;
    for (part, end) in cuts.iter().enumerate() {
        solo.feed(&wire[start..*end]);
        start = *end;
        if part % 3 == 0 {
            solo.advance(REST);
        }
    }
    solo.finish();
    for _ in reads {
        solo.advance(REST);
    }
    let reason = solo.close_reason().expect("it has read everything");
    if reader.was_too_long.get() {
        assert!(matches!(reason, CloseReason::Malformed { .. }), "{reason:?}");
    } else {
        assert!(matches!(reason, CloseReason::PeerClosed), "{reason:?}");
        assert_eq!(reader.at.get(), wire.len(), "{reader:?}");
    }
    assert_eq!(reader.told.get(), reader.started.get(), "{reader:?}");
}

/// Starts the next read.
fn read_on(stream: &mut StreamConn<'_>, reader: Rc<Reader>) -> Flow {
    let number = reader.started.get();
    let Some(&read) = reader.reads.get(number) else { return read_the_rest(stream, reader) };
    reader.started.set(number + 1);
    let then = Rc::clone(&reader);
    let started = match read {
        Read::Until(delimiter, max) => {
            stream.read_until(delimiter, max, move |stream, bytes| told(stream, then, read, bytes))
        }
        Read::Match(pattern, max) => COMPILED.with(|patterns| {
            stream.read_until_regex(&patterns[pattern], max, move |stream, bytes| {
                told(stream, then, read, bytes)
            })
        }),
        Read::Bytes(count, amount) => {
            stream.read_bytes(count, amount, move |stream, bytes| told(stream, then, read, bytes))
        }
        Read::Into(count, amount) => {
            stream.read_into(b"kept".to_vec(), count, amount, move |stream, buffer, result| {
                let bytes = buffer.strip_prefix(b"kept").expect("it stands behind what was there");
                match result {
                    Ok(()) => told(stream, then, read, Ok(bytes)),
                    Err(error) => {
                        // What came is read all the same.
                        assert!(then.wire[then.at.get()..].starts_with(bytes));
                        let result = told_error(&then, read, error);
                        then.at.set(then.at.get() + bytes.len());
                        result.map_or(Ok(()), |()| read_the_rest(stream, then))
                    }
                }
            })
        }
        Read::Rest => {
            stream.set_timer(Tag(1), REST);
            stream.on_timer(move |stream, _tag| {
                then.told.set(then.told.get() + 1);
                read_on(stream, Rc::clone(&then))
            });
            Ok(())
        }
    };
    match started {
        Ok(()) => Ok(()),
        Err(ReadRefused::Ended) => {
            assert_eq!(read.expected(&reader.wire[reader.at.get()..]), Expected::Ended, "{read:?}");
            reader.started.set(number);
            read_the_rest(stream, reader)
        }
        Err(other) => panic!("{read:?} is refused: {other}"),
    }
}

/// Compares what a read was told with the model, and reads on.
fn told(
    stream: &mut StreamConn<'_>,
    reader: Rc<Reader>,
    read: Read,
    result: Result<&[u8], ReadError>,
) -> Flow {
    let bytes = match result {
        Ok(bytes) => bytes,
        Err(error) => {
            return told_error(&reader, read, error)
                .map_or(Ok(()), |()| read_the_rest(stream, reader));
        }
    };
    reader.told.set(reader.told.get() + 1);
    let at = reader.at.get();
    let rest = &reader.wire[at..];
    let Expected::Taken(count) = read.expected(rest) else { panic!("{read:?} at {at}: {bytes:?}") };
    assert!(rest.starts_with(bytes), "{read:?} at {at}: {bytes:?}");
    let is_right = if read.is_partial() {
        bytes.len() <= count && bytes.is_empty() == (count == 0)
    } else {
        bytes.len() == count
    };
    assert!(is_right, "{read:?} at {at}: {} bytes, not {count}", bytes.len());
    reader.at.set(at + bytes.len());
    read_on(stream, reader)
}

/// Compares a read's failure with the model. Returns whether the rest can be read.
fn told_error(reader: &Reader, read: Read, error: ReadError) -> Option<()> {
    reader.told.set(reader.told.get() + 1);
    let at = reader.at.get();
    let expected = read.expected(&reader.wire[at..]);
    match error {
        ReadError::Ended if expected == Expected::Ended => Some(()),
        ReadError::TooLong { .. } if expected == Expected::TooLong => {
            reader.was_too_long.set(true);
            None
        }
        error => panic!("{read:?} at {at}: {error}, not {expected:?}"),
    }
}

fn read_the_rest(stream: &mut StreamConn<'_>, reader: Rc<Reader>) -> Flow {
    reader.started.set(reader.started.get() + 1);
    stream.read_until_close(move |_stream, bytes| {
        let bytes = bytes?;
        reader.told.set(reader.told.get() + 1);
        assert_eq!(bytes, reader.wire[reader.at.get()..], "{reader:?}");
        reader.at.set(reader.wire.len());
        Ok(())
    })?;
    Ok(())
}
