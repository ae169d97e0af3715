//! The trace: a running hash over everything that happens, and lines for people.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::network::{Event, Segment};
use super::world::{State, World};
use crate::base::{Address, Instant, Key};

/// What becomes of the readable lines of a trace. The hash runs in any case.
#[derive(Default)]
pub(crate) enum TraceText {
    /// No line is ever made. The default.
    #[default]
    Off,
    /// The last lines are kept, at most so many.
    Last(usize),
    /// All lines are kept.
    All,
    /// Each line goes to a function, which must not use the world.
    Each(Box<dyn FnMut(&str)>),
}

/// Who does something: the network, the layers above, or one loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane(usize);

impl Lane {
    /// What arrives.
    const NET: Self = Self(0);
    /// What the layers above note.
    const WORLD: Self = Self(1);
}

/// The trace of a world.
///
/// The hash covers the time, the loop, the kind and the numbers of every event: each system call
/// with its outcome and the bytes it moved, each report, each arrival, each fault. It is the same
/// in every build and on every machine; two runs with the same hash went the same way.
pub(super) struct Trace {
    hash: u64,
    events: u64,
    lanes: Vec<String>,
    text: TraceText,
    lines: VecDeque<String>,
}

impl Trace {
    /// Makes an empty trace.
    pub(super) fn new() -> Self {
        Self {
            hash: 0,
            events: 0,
            lanes: vec!["net".to_owned(), "world".to_owned()],
            text: TraceText::Off,
            lines: VecDeque::new(),
        }
    }

    /// Makes the lane of one more loop.
    pub(super) fn add_lane(&mut self, name: String) -> Lane {
        self.lanes.push(name);
        Lane(self.lanes.len() - 1)
    }

    /// Takes in an event. `detail` is asked only when there are lines to write.
    pub(super) fn event(
        &mut self,
        at: Instant,
        lane: Lane,
        kind: &str,
        words: &[u64],
        detail: impl FnOnce(&mut String),
    ) {
        let start = mix(mix(self.hash, at.as_nanos()), lane.0 as u64);
        let named = hash_bytes(start, kind.as_bytes());
        self.hash = finish(words.iter().fold(named, |hash, word| mix(hash, *word)));
        self.events += 1;
        if !matches!(self.text, TraceText::Off) {
            let mut line = self.line(at, lane, kind);
            detail(&mut line);
            self.keep(line);
        }
    }

    fn line(&self, at: Instant, lane: Lane, kind: &str) -> String {
        let micros = at.as_nanos() / 1_000;
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        let name = self.lanes.get(lane.0).map_or("", String::as_str);
        format!("{seconds:>6}.{rest:06} s  {name}  {kind}")
    }

    #[cold]
    fn keep(&mut self, line: String) {
        match &mut self.text {
            TraceText::Off => {}
            TraceText::Last(max) => {
                while self.lines.len() >= (*max).max(1) {
                    self.lines.pop_front();
                }
                self.lines.push_back(line);
            }
            TraceText::All => self.lines.push_back(line),
            TraceText::Each(take) => take(&line),
        }
    }
}

/// Adds one word to a hash.
const fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 32)
}

/// The end of `SplitMix64`: every bit of the input changes about half of the output's.
const fn finish(hash: u64) -> u64 {
    let mut mixed = hash;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Adds bytes and their number to a hash: eight at a time, little end first.
pub(super) fn hash_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let start = mix(hash, bytes.len() as u64);
    let whole = words.iter().fold(start, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(whole, u64::from_le_bytes(last))
}

/// Adds an address and its port to a hash.
pub(super) fn hash_address(hash: u64, address: SocketAddr) -> u64 {
    let with_ip = match address.ip() {
        IpAddr::V4(ip) => hash_bytes(hash, &ip.octets()),
        IpAddr::V6(ip) => hash_bytes(hash, &ip.octets()),
    };
    mix(with_ip, u64::from(address.port()))
}

/// Adds an address of either family to a hash.
pub(super) fn hash_name(hash: u64, address: &Address) -> u64 {
    match address {
        Address::Ip(address) => hash_address(hash, *address),
        Address::Unix(name) => hash_bytes(hash, name.to_string().as_bytes()),
    }
}

/// What a system call gave.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// Success, and a number that says all about it.
    Done(u64),
    /// So many bytes moved, with a hash of them.
    Bytes(usize, u64),
    /// A socket was made.
    Socket(Key),
    /// An error number of Linux.
    Failed(u32),
}

impl Outcome {
    /// Describes a result.
    pub(super) fn of<T>(result: &io::Result<T>, success: impl FnOnce(&T) -> Self) -> Self {
        match result {
            Ok(value) => success(value),
            Err(error) => Self::Failed(errno(error)),
        }
    }

    /// Describes an error that a call told without failing.
    pub(super) fn told(error: &io::Error) -> Self {
        Self::Failed(errno(error))
    }

    const fn words(self) -> [u64; 3] {
        match self {
            Self::Done(word) => [0, word, 0],
            Self::Bytes(len, hash) => [1, len as u64, hash],
            Self::Socket(key) => [2, word_of(key), 0],
            Self::Failed(errno) => [3, errno as u64, 0],
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(_) => f.write_str("ok"),
            Self::Bytes(len, _) => write!(f, "{len} bytes"),
            Self::Socket(key) => write!(f, "#{key:?}"),
            Self::Failed(errno) => write!(f, "errno {errno}"),
        }
    }
}

const fn word_of(key: Key) -> u64 {
    (key.generation as u64) << 32 | key.index as u64
}

/// Numbers an error as Linux does on x86, whatever this machine and its compiler think.
pub(super) fn errno(error: &io::Error) -> u32 {
    match error.kind() {
        io::ErrorKind::PermissionDenied => 1,
        io::ErrorKind::NotFound => 2,
        io::ErrorKind::WouldBlock => 11,
        io::ErrorKind::OutOfMemory => 12,
        io::ErrorKind::ResourceBusy => 16,
        io::ErrorKind::InvalidInput => 22,
        io::ErrorKind::StorageFull => 28,
        io::ErrorKind::BrokenPipe => 32,
        io::ErrorKind::AddrInUse => 98,
        io::ErrorKind::AddrNotAvailable => 99,
        io::ErrorKind::NetworkDown => 100,
        io::ErrorKind::NetworkUnreachable => 101,
        io::ErrorKind::ConnectionAborted => 103,
        io::ErrorKind::ConnectionReset => 104,
        io::ErrorKind::NotConnected => 107,
        io::ErrorKind::TimedOut => 110,
        io::ErrorKind::ConnectionRefused => 111,
        io::ErrorKind::HostUnreachable => 113,
        _ => match error.raw_os_error() {
            Some(raw) if raw == super::inject::NO_BUFFERS => 105,
            Some(raw) if raw == super::inject::PROTOCOL_ERROR => 71,
            Some(raw) => u32::try_from(raw).unwrap_or(0),
            None => 0,
        },
    }
}

/// Returns a segment's kind, the socket that it is for, and a word that says the rest.
fn segment_words(segment: &Segment) -> (&'static str, Key, u64) {
    match segment {
        Segment::Syn { from } => ("syn from", *from, 0),
        Segment::SynAck { from, to } => ("syn-ack to", *to, word_of(*from)),
        Segment::Refusal { to, error } => {
            ("no connection for", *to, u64::from(errno(&(*error).into())))
        }
        Segment::Data { to, bytes, .. } => ("data to", *to, hash_bytes(0, bytes)),
        Segment::Fin { to, .. } => ("fin to", *to, 0),
        Segment::Reset { to } => ("reset to", *to, 0),
        Segment::Probe { to, .. } => ("probe to", *to, 0),
        Segment::Datagram(flight) => {
            let target = hash_address(0, flight.target);
            ("datagram of", flight.from, hash_bytes(target, &flight.bytes))
        }
        Segment::Unheard { to, .. } => ("nobody listens, for", *to, 0),
    }
}

impl State {
    /// Notes a system call on a socket, or on none.
    pub(super) fn trace_call(
        &mut self,
        kernel: usize,
        call: &str,
        socket: Option<Key>,
        outcome: Outcome,
    ) {
        let [tag, first, second] = outcome.words();
        let words = [socket.map_or(u64::MAX, word_of), tag, first, second];
        let lane = self.kernels[kernel].held.lane;
        self.trace.event(self.now, lane, call, &words, |line| {
            // Writing to a string cannot fail.
            let _ = match socket {
                Some(key) => write!(line, " #{key:?} -> {outcome}"),
                None => write!(line, " -> {outcome}"),
            };
        });
    }

    /// Notes something that happens to a loop beside its calls.
    pub(super) fn trace_loop(&mut self, kernel: usize, kind: &str, words: &[u64]) {
        let lane = self.kernels[kernel].held.lane;
        self.trace.event(self.now, lane, kind, words, |line| {
            words.iter().for_each(|word| {
                let _ = write!(line, " {word}");
            });
        });
    }

    /// Notes a fault.
    pub(super) fn trace_fault(&mut self, kernel: Option<usize>, name: &str) {
        let lane = kernel.map_or(Lane::WORLD, |kernel| self.kernels[kernel].held.lane);
        let word = hash_bytes(0, name.as_bytes());
        self.trace.event(self.now, lane, "fault", &[word], |line| {
            let _ = write!(line, " {name}");
        });
    }

    /// Notes what arrives.
    pub(super) fn trace_arrival(&mut self, event: &Event) {
        let (kind, to, word) = match event {
            Event::Arrival { segment, .. } => segment_words(segment),
            Event::Retry { key } => ("retry of", *key, 0),
            Event::KeepAlive { key } => ("keep-alive of", *key, 0),
            Event::Left { from, bytes } => ("room for", *from, *bytes as u64),
            Event::Answer { kernel, query, .. } => ("answer to", *query, *kernel as u64),
            // What was held back is noted where it comes out.
            Event::Later(_) => return,
        };
        self.trace.event(self.now, Lane::NET, kind, &[word_of(to), word], |line| {
            let _ = write!(line, " #{to:?}");
            if let Event::Arrival { segment: Segment::Data { bytes, .. }, .. } = event {
                let _ = write!(line, ", {} bytes", bytes.len());
            }
        });
    }

    /// Notes that a datagram found no room at a socket.
    pub(super) fn trace_no_room(&mut self, key: Key) {
        self.trace.event(self.now, Lane::NET, "no room at", &[word_of(key)], |line| {
            let _ = write!(line, " #{key:?}");
        });
    }

    /// Notes that a segment is lost.
    pub(super) fn trace_loss(&mut self, segment: &Segment) {
        let (kind, to, _) = segment_words(segment);
        self.trace.event(self.now, Lane::NET, "lost", &[word_of(to)], |line| {
            let _ = write!(line, " {kind} #{to:?}");
        });
    }
}

impl World {
    /// Returns the hash over everything that has happened so far.
    pub(crate) fn trace_hash(&self) -> u64 {
        self.state().trace.hash
    }

    /// Returns how many events the hash covers.
    pub(crate) fn trace_events(&self) -> u64 {
        self.state().trace.events
    }

    /// Chooses what becomes of the readable lines from now on. Lines that were kept are dropped.
    pub(crate) fn trace_text(&self, text: TraceText) {
        let trace = &mut self.state().trace;
        trace.text = text;
        trace.lines.clear();
    }

    /// Returns the lines that were kept, oldest first.
    pub(crate) fn trace_lines(&self) -> Vec<String> {
        self.state().trace.lines.iter().cloned().collect()
    }

    /// Adds an event of one loop to the trace, such as a turn or a callback; otherwise as
    /// [`note_text`](Self::note_text). `kernel` is the loop's [`index`](super::Memory::index).
    pub(crate) fn note_in(
        &self,
        kernel: usize,
        kind: &str,
        words: &[u64],
        detail: impl FnOnce(&mut String),
    ) {
        let state = &mut *self.state();
        let lane = state.kernels[kernel].held.lane;
        state.trace.event(state.now, lane, kind, words, detail);
    }

    /// Adds an event of the layers above to the trace, such as a note of the test.
    pub(crate) fn note(&self, kind: &str, words: &[u64]) {
        self.note_text(kind, words, |line| {
            words.iter().for_each(|word| {
                let _ = write!(line, " {word}");
            });
        });
    }

    /// Does the same, and lets `detail` write the rest of the line, if there are lines at all.
    ///
    /// The hash covers `kind` and `words`, not the text. `detail` must not use the world.
    pub(crate) fn note_text(&self, kind: &str, words: &[u64], detail: impl FnOnce(&mut String)) {
        let state = &mut *self.state();
        state.trace.event(state.now, Lane::WORLD, kind, words, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_bytes_lengths_and_order_apart() {
        let hashes = [&b""[..], b"\0", b"\0\0", b"12345678", b"123456789", b"21345678"]
            .map(|bytes| finish(hash_bytes(0, bytes)));
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash), "{index}");
        }
        assert_ne!(finish(mix(mix(0, 1), 2)), finish(mix(mix(0, 2), 1)));
    }

    #[test]
    fn the_hash_is_the_same_everywhere() {
        // The number was worked out by another program.
        let mut trace = Trace::new();
        let lane = trace.add_lane("srv.0".to_owned());
        trace.event(Instant::from_nanos(12), lane, "receive", &[7, 512], |_| {});
        assert_eq!((trace.hash, trace.events), (0x64E2_432A_D781_5658, 1));
    }
}
