//! Bytes that tell where they belong, so that whoever receives them can check each.

use net_reactor::Input;

use super::lot::mix;

/// A stream of bytes that depend on its number and their place. Both ends make the same one.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    number: u64,
    place: u64,
}

impl Stream {
    pub(super) const fn new(number: u64) -> Self {
        Self { number, place: 0 }
    }

    /// Returns how far it has come.
    pub(super) const fn place(&self) -> u64 {
        self.place
    }

    /// Makes the next bytes.
    pub(super) fn make(&mut self, count: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let word = mix(self.number.wrapping_mul(31).wrapping_add(self.place / 8)).to_le_bytes();
            let from = usize::try_from(self.place % 8).unwrap_or(0);
            let (now, later) = rest.split_at_mut(rest.len().min(8 - from));
            now.copy_from_slice(&word[from..from + now.len()]);
            self.place += now.len() as u64;
            rest = later;
        }
        bytes
    }

    /// Checks the next bytes.
    ///
    /// # Panics
    ///
    /// When one of them is wrong, which fails the run.
    #[track_caller]
    pub(super) fn check(&mut self, bytes: &[u8]) {
        let Self { number, place } = *self;
        let expected = self.make(bytes.len() as u64);
        if expected != bytes {
            let wrong = expected.iter().zip(bytes).position(|(one, other)| one != other);
            panic!("byte {} of stream {number} is wrong", place + wrong.unwrap_or(0) as u64);
        }
    }
}

/// Length, sender and number: 4, 4 and 8 bytes.
const HEAD_BYTES: usize = 16;

/// A message with a number, and with bytes that depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) sender: u32,
    pub(super) number: u64,
    pub(super) body_bytes: u32,
}

impl Frame {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend(self.body_bytes.to_le_bytes());
        bytes.extend(self.sender.to_le_bytes());
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(self.body().make(self.body_bytes.into()));
        bytes
    }

    /// Takes the next message that is whole, and checks its bytes.
    ///
    /// # Panics
    ///
    /// When they are wrong, which fails the run.
    pub(super) fn take(input: &mut Input<'_>) -> Option<Self> {
        let head = input.bytes().first_chunk::<HEAD_BYTES>()?;
        let body_bytes = u32::from_le_bytes(*head.first_chunk()?);
        let sender = u32::from_le_bytes(*head[4..].first_chunk()?);
        let number = u64::from_le_bytes(*head[8..].first_chunk()?);
        let frame = Self { sender, number, body_bytes };
        assert!(body_bytes <= 1 << 24, "a made-up length in {frame:?}");
        let bytes = input.take(HEAD_BYTES + usize::try_from(body_bytes).ok()?)?;
        frame.body().check(&bytes[HEAD_BYTES..]);
        Some(frame)
    }

    fn body(self) -> Stream {
        Stream::new(self.number ^ (u64::from(self.sender) << 40))
    }
}
