//! What beats look like.

use bytes::Bytes;

use crate::codec::{Decoder, Encoder};
use crate::protocol::{Flow, FrameConn};

/// A frame that says that its sender lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a format must know what to write for each of them")]
pub enum Beat {
    /// That, and nothing else.
    Alive,
    /// That, and a request to send the number back.
    Ping(u64),
    /// The number sent back.
    Pong(u64),
}

/// How a protocol writes its beats, and how it knows them among its frames.
///
/// ```
/// use net_reactor::{Beat, BeatFormat, codec::FixedSize, prelude::*};
///
/// /// Frames of two bytes, of which the first says what it is: 0 is a beat.
/// struct Zero;
///
/// impl BeatFormat<FixedSize> for Zero {
///     fn send(&mut self, conn: &mut FrameConn<'_, FixedSize>, _beat: Beat) -> Flow {
///         Ok(conn.send(&[0, 0])?)
///     }
///
///     fn recognise(&self, frame: &&[u8]) -> Option<Beat> {
///         (frame[0] == 0).then_some(Beat::Alive)
///     }
/// }
/// ```
pub trait BeatFormat<C: Decoder>: 'static {
    /// Sends a beat. A protocol without pings sends the same for each.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn send(&mut self, conn: &mut FrameConn<'_, C>, beat: Beat) -> Flow;

    /// Says whether a frame is a beat. The handler sees those that are none.
    fn recognise(&self, frame: &C::Frame<'_>) -> Option<Beat>;
}

/// Beats of text, in any codec whose frames are bytes: `BEAT`, `PING 17`, `PONG 17`.
///
/// A frame that reads exactly so is a beat and does not reach the handler; everything else does.
/// Where the handler's own frames may read so, choose other [words](Self::words).
#[derive(Debug, Clone)]
pub struct TextBeats {
    alive: Bytes,
    ping: Bytes,
    pong: Bytes,
    /// Where a beat is written before it is a frame.
    scratch: Vec<u8>,
}

impl Default for TextBeats {
    fn default() -> Self {
        Self::new()
    }
}

impl TextBeats {
    /// `BEAT`, `PING 17`, `PONG 17`.
    #[must_use]
    pub fn new() -> Self {
        let words =
            [Bytes::from_static(b"BEAT"), Bytes::from_static(b"PING"), Bytes::from_static(b"PONG")];
        let [alive, ping, pong] = words;
        Self { alive, ping, pong, scratch: Vec::new() }
    }

    /// Sets other words. That for a beat is the whole frame and may be empty; behind those for a ping
    /// and its answer follow a space and a number.
    ///
    /// The three must differ, or one is taken for another.
    #[must_use]
    pub fn words(
        mut self,
        alive: impl Into<Bytes>,
        ping: impl Into<Bytes>,
        pong: impl Into<Bytes>,
    ) -> Self {
        (self.alive, self.ping, self.pong) = (alive.into(), ping.into(), pong.into());
        self
    }

    /// Writes a beat to the scratch memory.
    fn write(&mut self, beat: Beat) {
        self.scratch.clear();
        let (word, number) = match beat {
            Beat::Alive => (&self.alive, None),
            Beat::Ping(number) => (&self.ping, Some(number)),
            Beat::Pong(number) => (&self.pong, Some(number)),
        };
        self.scratch.extend_from_slice(word);
        if let Some(number) = number {
            self.scratch.extend_from_slice(format!(" {number}").as_bytes());
        }
    }

    fn read(&self, frame: &[u8]) -> Option<Beat> {
        if frame == self.alive {
            return Some(Beat::Alive);
        }
        let numbered = |word: &[u8]| number(frame.strip_prefix(word)?.strip_prefix(b" ")?);
        let ping = numbered(&self.ping).map(Beat::Ping);
        ping.or_else(|| numbered(&self.pong).map(Beat::Pong))
    }
}

/// Reads a number of digits alone, as it is written by `write`.
fn number(digits: &[u8]) -> Option<u64> {
    let is_plain = digits.first().is_some_and(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_plain)?.parse().ok()
}

impl<C> BeatFormat<C> for TextBeats
where
    C: Decoder + Encoder<[u8]> + 'static,
    for<'a> C::Frame<'a>: AsRef<[u8]>,
{
    fn send(&mut self, conn: &mut FrameConn<'_, C>, beat: Beat) -> Flow {
        self.write(beat);
        Ok(conn.send(&self.scratch[..])?)
    }

    #[inline]
    fn recognise(&self, frame: &C::Frame<'_>) -> Option<Beat> {
        self.read(frame.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: &mut TextBeats, beat: Beat) -> Vec<u8> {
        format.write(beat);
        format.scratch.clone()
    }

    #[test]
    fn a_beat_is_read_as_it_was_written() {
        for mut format in [TextBeats::new(), TextBeats::new().words("", "p", "q")] {
            for beat in [Beat::Alive, Beat::Ping(0), Beat::Ping(17), Beat::Pong(u64::MAX)] {
                let frame = written(&mut format, beat);
                assert_eq!(format.read(&frame), Some(beat), "{frame:?}");
            }
        }
        assert_eq!(written(&mut TextBeats::new(), Beat::Ping(17)), b"PING 17");
    }

    #[test]
    fn what_only_looks_like_a_beat_is_none() {
        let format = TextBeats::new();
        let frames = [
            "",
            "BEAT ",
            "beat",
            "BEATS",
            "PING",
            "PING ",
            "PING x",
            "PING +1",
            "PING -1",
            "PING 1 ",
            "PINGS 1",
            "PONG 18446744073709551616",
            "PONG \u{661}",
        ];
        for frame in frames {
            assert_eq!(format.read(frame.as_bytes()), None, "{frame:?}");
        }
    }
}
