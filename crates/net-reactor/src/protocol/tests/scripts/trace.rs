//! What an actor saw, in order.

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

/// Returns one byte of the pattern: never ASCII, so that it can be told from text, and seldom the
/// same after a shift.
pub(super) fn pattern_byte(at: usize) -> u8 {
    let mixed = at ^ (at >> 7) ^ (at >> 14);
    u8::try_from(mixed & 0x7f).unwrap_or_default() | 0x80
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
        for run in bytes.chunk_by(|left, right| left.is_ascii() == right.is_ascii()) {
            if run[0].is_ascii() {
                let text = String::from_utf8_lossy(run);
                told.push(format!("{:?}", text.as_ref()));
                continue;
            }
            let from = self.pattern;
            self.pattern += run.len();
            let intact = run.iter().enumerate().all(|(at, byte)| *byte == pattern_byte(from + at));
            let what = if intact { "pattern" } else { "garbled" };
            told.push(format!("{what} {}", run.len()));
        }
    }
}

#[test]
fn pieces_are_joined_and_the_pattern_is_checked() {
    let mut trace = Trace::default();
    let pattern: Vec<u8> = (0..1_000).map(pattern_byte).collect();
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
