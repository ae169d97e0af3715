//! What an actor saw, in order.

use std::sync::OnceLock;

/// One thing that an actor saw.
#[derive(Debug, Clone)]
enum Item {
    /// Bytes, however many pieces they came in.
    Bytes(Vec<u8>),
    Line(String),
}

/// What one actor saw. Holds no times and no sizes of pieces: those differ from run to run.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    items: Vec<Item>,
    pub(super) bytes: usize,
    /// Bytes of the pattern read so far.
    pattern: usize,
}

/// After how many bytes the pattern repeats.
const PERIOD_BYTES: usize = 1 << 21;

/// Returns bytes of the pattern: never ASCII, so that it can be told from text, and seldom the same
/// after a shift.
pub(super) fn pattern(from: usize, len: usize) -> Vec<u8> {
    static PERIOD: OnceLock<Vec<u8>> = OnceLock::new();
    let byte = |at: usize| {
        let mixed = at ^ (at >> 7) ^ (at >> 14);
        u8::try_from(mixed & 0x7f).unwrap_or_default() | 0x80
    };
    let period = PERIOD.get_or_init(|| (0..PERIOD_BYTES).map(byte).collect());
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let rest = &period[(from + bytes.len()) % PERIOD_BYTES..];
        bytes.extend_from_slice(&rest[..rest.len().min(len - bytes.len())]);
    }
    bytes
}

impl Trace {
    pub(super) fn line(&mut self, line: String) {
        self.items.push(Item::Line(line));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        match self.items.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Item::Bytes(known)) => known.extend(bytes),
            _ => self.items.push(Item::Bytes(bytes.to_vec())),
        }
    }

    /// How often the actor saw `what`; a line may say more about it in parentheses.
    pub(super) fn count(&self, what: &str) -> usize {
        let says = |item: &&Item| match item {
            Item::Line(line) => {
                let rest = line.strip_prefix(what);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['(', ' ']))
            }
            Item::Bytes(_) => false,
        };
        self.items.iter().filter(says).count()
    }

    /// Everything in one line.
    pub(super) fn told(&mut self) -> String {
        self.pattern = 0;
        let mut told = Vec::new();
        for item in std::mem::take(&mut self.items) {
            match &item {
                Item::Line(line) => told.push(line.clone()),
                Item::Bytes(bytes) => self.tell_bytes(bytes, &mut told),
            }
            self.items.push(item);
        }
        told.join(" | ")
    }

    fn tell_bytes(&mut self, bytes: &[u8], told: &mut Vec<String>) {
        let mut bytes = bytes;
        while let Some(first) = bytes.first() {
            let is_text = first.is_ascii();
            let end = bytes.iter().position(|byte| byte.is_ascii() != is_text);
            let (run, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            bytes = rest;
            if is_text {
                let text = String::from_utf8_lossy(run);
                told.push(format!("{:?}", text.as_ref()));
                continue;
            }
            let from = self.pattern;
            self.pattern += run.len();
            let what = if run == pattern(from, run.len()) { "pattern" } else { "garbled" };
            told.push(format!("{what} {}", run.len()));
        }
    }
}

#[test]
fn pieces_are_joined_and_the_pattern_is_checked() {
    let mut trace = Trace::default();
    let pattern = pattern(0, 1_000);
    trace.bytes(b"hel");
    trace.bytes(b"lo");
    trace.bytes(&pattern[..300]);
    trace.line("eof".into());
    trace.bytes(&pattern[300..]);
    trace.bytes(&pattern[..10]);
    trace.line("closed(reset)".into());
    assert_eq!(trace.told(), "\"hello\" | pattern 300 | eof | garbled 710 | closed(reset)",);
    assert_eq!((trace.count("closed"), trace.count("clos"), trace.bytes), (1, 0, 1_015));
}
