//! The stream of each direction, packed as a whole.

use crate::codec::compression::{Compressor, Decompressor, Flush, Sink, Step};
use crate::codec::{Compression, DecompressError};
use crate::net::{Layer, LayerError, Read, Then, Transform};

impl From<Compression> for Layer {
    /// Makes the layer that packs each direction of a connection as one stream, flushed at the end of
    /// each turn and ended before FIN.
    fn from(settings: Compression) -> Self {
        Self::new(move || PackedStream::new(settings))
    }
}

/// Both directions of one connection.
#[derive(Debug)]
struct PackedStream {
    settings: Compression,
    /// Made with the first byte of their direction.
    compressor: Option<Compressor>,
    decompressor: Option<Decompressor>,
    /// Something was written since the last flush.
    is_unflushed: bool,
    /// What was unpacked, and what came of it.
    packed_bytes: u64,
    plain_bytes: u64,
    /// The peer's stream is at its end.
    has_ended: bool,
}

impl PackedStream {
    fn new(settings: Compression) -> Self {
        Self {
            settings,
            compressor: None,
            decompressor: None,
            is_unflushed: false,
            packed_bytes: 0,
            plain_bytes: 0,
            has_ended: settings.is_none(),
        }
    }

    fn pack(&mut self, plain: &[u8], flush: Flush, wire: &mut Vec<u8>) {
        if self.compressor.is_none() {
            self.compressor = Compressor::new(&self.settings);
        }
        match &mut self.compressor {
            Some(compressor) => compressor.pack(plain, flush, wire),
            None => wire.extend_from_slice(plain),
        }
    }

    fn unpack(&mut self, wire: &mut &[u8], sink: &mut Sink<'_>) -> Result<Step, DecompressError> {
        if self.decompressor.is_none() {
            self.decompressor = Decompressor::new(&self.settings);
        }
        match &mut self.decompressor {
            None => Ok(sink.copy(wire)),
            Some(_) if self.has_ended && !wire.is_empty() => Err(DecompressError::Trailing),
            Some(_) if self.has_ended => Ok(Step::Drained),
            Some(decompressor) => decompressor.unpack(wire, sink),
        }
    }
}

impl Transform for PackedStream {
    fn write(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        self.is_unflushed |= !plain.is_empty();
        self.pack(plain, Flush::Later, wire);
    }

    fn flush(&mut self, wire: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_unflushed) {
            self.pack(&[], Flush::Now, wire);
        }
    }

    fn finish(&mut self, wire: &mut Vec<u8>) {
        self.is_unflushed = false;
        self.pack(&[], Flush::Finish, wire);
    }

    fn read(&mut self, wire: &mut &[u8], plain: &mut Vec<u8>, bytes_max: usize) -> Read {
        let received = self.packed_bytes.saturating_add(wire.len() as u64);
        let limit = self.settings.stream_bytes_max(received);
        // One byte more than there may be tells too many from just as many.
        let left = limit.saturating_add(1).saturating_sub(self.plain_bytes);
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(bytes_max);
        let mut sink = Sink::new(plain, room);
        let step = self.unpack(wire, &mut sink);
        self.packed_bytes = received - wire.len() as u64;
        self.plain_bytes += sink.filled() as u64;
        let then = match step {
            _ if self.plain_bytes > limit => Then::Fail(self.settings.too_dense().into()),
            Err(error) => Then::Fail(error.into()),
            Ok(Step::Ended) if !wire.is_empty() => Then::Fail(DecompressError::Trailing.into()),
            Ok(step) => {
                self.has_ended |= step == Step::Ended;
                if step == Step::Full { Then::ReadOn } else { Then::Receive }
            }
        };
        Read { bytes: sink.filled(), then }
    }

    fn read_end(&self) -> Result<(), LayerError> {
        if self.has_ended { Ok(()) } else { Err(DecompressError::Truncated.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all that comes of `wire`, and returns the largest memory that was needed.
    fn read_all(
        stream: &mut PackedStream,
        mut wire: &[u8],
        plain: &mut Vec<u8>,
    ) -> Result<usize, String> {
        let (mut memory, mut peak) = (Vec::new(), 0);
        loop {
            let read = stream.read(&mut wire, &mut memory, 10_000);
            plain.extend_from_slice(&memory[..read.bytes]);
            peak = memory.capacity().max(peak);
            match read.then {
                Then::ReadOn => {}
                Then::Receive => return Ok(peak),
                Then::Fail(error) => return Err(error.to_string()),
            }
        }
    }

    const ALL: &[fn() -> Compression] = &[
        #[cfg(feature = "lz4")]
        Compression::lz4,
        #[cfg(feature = "zlib")]
        Compression::zlib,
        #[cfg(feature = "zstd")]
        Compression::zstd,
    ];

    #[test]
    fn ten_megabytes_in_parts_arrive_and_end_well() {
        for settings in ALL {
            let mut number = 1_u32;
            // Sixteen different bytes, without any order: half is left of them.
            let mut next = || {
                number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                number.to_be_bytes()[0] >> 4
            };
            let mut sender = PackedStream::new(settings());
            let mut receiver = PackedStream::new(settings());
            let (mut wire, mut plain) = (Vec::new(), Vec::new());
            for count in 1..=20 {
                let part: Vec<u8> = (0..500_000).map(|_| next()).collect();
                sender.write(&part, &mut wire);
                if count == 20 {
                    sender.finish(&mut wire);
                } else {
                    sender.flush(&mut wire);
                }
                for piece in wire.chunks(10_000) {
                    read_all(&mut receiver, piece, &mut plain).unwrap();
                }
                assert!(plain == part, "part {count}: {} bytes", plain.len());
                wire.clear();
                plain.clear();
            }
            assert!(receiver.read_end().is_ok());
        }
    }

    #[test]
    fn each_flush_makes_readable_what_was_written_before() {
        for settings in ALL {
            let mut sender = PackedStream::new(settings());
            let mut receiver = PackedStream::new(settings());
            for words in [&["a", "b", ""][..], &[], &["hello "; 30_000], &["c"]] {
                let (mut wire, mut plain) = (Vec::new(), Vec::new());
                for word in words {
                    sender.write(word.as_bytes(), &mut wire);
                }
                sender.flush(&mut wire);
                assert_eq!(wire.is_empty(), words.is_empty(), "nothing is flushed for nothing");
                read_all(&mut receiver, &wire, &mut plain).unwrap();
                assert!(plain == words.concat().as_bytes());
                assert!(receiver.read_end().is_err(), "a flush is no end");
            }
            let mut wire = Vec::new();
            sender.write(b"last", &mut wire);
            sender.finish(&mut wire);
            let mut plain = Vec::new();
            read_all(&mut receiver, &wire, &mut plain).unwrap();
            assert_eq!(plain, b"last");
            assert!(receiver.read_end().is_ok());
        }
    }

    #[test]
    fn a_cut_is_no_end_and_nothing_may_follow_the_end() {
        for settings in ALL {
            let mut sender = PackedStream::new(settings());
            let mut wire = Vec::new();
            for word in ["hello ", "world"] {
                sender.write(word.as_bytes(), &mut wire);
                sender.flush(&mut wire);
            }
            sender.finish(&mut wire);
            for cut in 0..=wire.len() {
                let mut receiver = PackedStream::new(settings());
                let mut plain = Vec::new();
                for part in [&wire[..cut / 2], &wire[cut / 2..cut]] {
                    read_all(&mut receiver, part, &mut plain).unwrap();
                }
                assert!(b"hello world".starts_with(&plain));
                assert_eq!(receiver.read_end().is_ok(), cut == wire.len(), "{cut}");
            }
            let trailing = DecompressError::Trailing.to_string();
            let mut plain = Vec::new();
            let mut receiver = PackedStream::new(settings());
            let error = read_all(&mut receiver, &[&wire[..], b"x"].concat(), &mut plain);
            assert_eq!((error, &plain[..]), (Err(trailing.clone()), &b"hello world"[..]));
            let mut receiver = PackedStream::new(settings());
            read_all(&mut receiver, &wire, &mut plain).unwrap();
            assert_eq!(read_all(&mut receiver, b"x", &mut plain), Err(trailing));
        }
    }

    /// What came before an error is read, also if both came at once.
    #[test]
    fn a_broken_stream_is_read_as_far_as_it_is_whole_however_it_is_split() {
        for settings in ALL {
            let mut sender = PackedStream::new(settings());
            let mut wire = Vec::new();
            for word in ["hello ", "world", " and so on, and so on"] {
                sender.write(word.as_bytes(), &mut wire);
                sender.flush(&mut wire);
            }
            sender.finish(&mut wire);
            for at in 0..wire.len() {
                let mut broken = wire.clone();
                broken[at] ^= 0x55;
                let read_by = |part_bytes: usize| {
                    let (mut receiver, mut plain) = (PackedStream::new(settings()), Vec::new());
                    let mut parts = broken.chunks(part_bytes);
                    let error =
                        parts.find_map(|part| read_all(&mut receiver, part, &mut plain).err());
                    (plain, error)
                };
                assert_eq!(read_by(wire.len()), read_by(1), "{:?}, byte {at}", settings());
            }
        }
    }

    /// What a sender makes of this many megabytes of zeros, a megabyte at a time.
    fn bomb(settings: Compression, megabytes: usize) -> impl Iterator<Item = Vec<u8>> {
        let mut sender = PackedStream::new(settings);
        let zeros = vec![0; 1_000_000];
        (0..megabytes).map(move |_| {
            let mut wire = Vec::new();
            sender.write(&zeros, &mut wire);
            sender.flush(&mut wire);
            wire
        })
    }

    #[test]
    fn a_bomb_of_10_gb_ends_at_the_ratio_within_fixed_memory() {
        for settings in ALL {
            let mut receiver = PackedStream::new(settings());
            let (mut memory, mut received, mut plain) = (Vec::new(), 0, 0);
            let error = bomb(settings(), 10_000).find_map(|wire| {
                received += wire.len();
                let mut wire = &wire[..];
                loop {
                    let read = receiver.read(&mut wire, &mut memory, 10_000);
                    plain += read.bytes;
                    match read.then {
                        Then::ReadOn => {}
                        Then::Receive => return None,
                        Then::Fail(error) => return Some(error.to_string()),
                    }
                }
            });
            assert_eq!(error.unwrap(), "what was packed unpacks to more than 200 times its size");
            assert!(plain <= (200 * received).max(1024 * 1024) + 1, "{plain} of {received}");
            assert!(memory.capacity() <= 10_000, "{}", memory.capacity());
        }
    }

    #[test]
    fn without_compression_bytes_pass_as_they_are() {
        let mut stream = PackedStream::new(Compression::none());
        let mut wire = Vec::new();
        stream.write(&[7; 30_000], &mut wire);
        stream.finish(&mut wire);
        let mut plain = Vec::new();
        let peak = read_all(&mut stream, &wire, &mut plain).unwrap();
        assert!(plain == [7; 30_000] && stream.read_end().is_ok());
        assert!(peak <= 10_000, "{peak}");
    }
}
