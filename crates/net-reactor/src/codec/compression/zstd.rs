//! The format of RFC 8878, through the C library of its makers.

use std::fmt;

use zstd::stream::raw::{CParameter, DParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

use super::restart::Restart;
use super::{DecompressError, Flush, Sink, Step};

const INVARIANT: &str = "invariant: the parameters are in range, and memory does not run out";

/// How much memory a call of the compressor finds at least: 1 KiB.
const ROOM_BYTES_MIN: usize = 1024;

/// What ends a frame: a last block, uncompressed, of no bytes (RFC 8878, 3.1.1.2).
const LAST_BLOCK: [u8; 3] = [1, 0, 0];

/// One direction's sending end.
pub(crate) struct Compressor {
    encoder: Encoder<'static>,
    level: i32,
    window_bits: u8,
    restart: Restart,
}

impl Compressor {
    pub(crate) fn new(level: u32, window_bits: u8) -> Self {
        let level = i32::try_from(level).unwrap_or(i32::MAX);
        let encoder = new_encoder(level, window_bits);
        Self { encoder, level, window_bits, restart: Restart::default() }
    }

    pub(crate) fn pack(&mut self, plain: &[u8], flush: Flush, packed: &mut Vec<u8>) {
        if self.restart.before() {
            packed.extend_from_slice(&LAST_BLOCK);
        }
        let start = packed.len();
        let mut plain = InBuffer::around(plain);
        while plain.pos() < plain.src.len() {
            self.append(packed, |encoder, room| encoder.run(&mut plain, room));
        }
        match flush {
            Flush::Later => {}
            Flush::Now => while self.append(packed, |encoder, room| encoder.flush(room)) > 0 {},
            Flush::Finish => {
                while self.append(packed, |encoder, room| encoder.finish(room, true)) > 0 {}
            }
        }
        self.restart.after(packed.len() - start);
    }

    pub(crate) fn forget(&mut self) {
        self.encoder = new_encoder(self.level, self.window_bits);
        self.restart.forget();
    }

    /// Calls the encoder with room behind `packed`; returns what it says is still to come.
    fn append(
        &mut self,
        packed: &mut Vec<u8>,
        call: impl FnOnce(&mut Encoder<'static>, &mut OutBuffer<'_, Vec<u8>>) -> std::io::Result<usize>,
    ) -> usize {
        packed.reserve(ROOM_BYTES_MIN);
        let len = packed.len();
        call(&mut self.encoder, &mut OutBuffer::around_pos(packed, len)).expect(INVARIANT)
    }
}

fn new_encoder(level: i32, window_bits: u8) -> Encoder<'static> {
    let mut encoder = Encoder::new(level).expect(INVARIANT);
    encoder.set_parameter(CParameter::WindowLog(window_bits.into())).expect(INVARIANT);
    encoder
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("restart", &self.restart).finish_non_exhaustive()
    }
}

/// How many bytes the header of a block has (RFC 8878, 3.1.1.2), which the decoder counts to the
/// block before it when it says how many it wants.
const BLOCK_HEADER_BYTES: usize = 3;

/// What the decoder wants of a new frame: the least that says how long its header is.
const FRAME_START_BYTES: usize = 5 + BLOCK_HEADER_BYTES;

/// One direction's receiving end.
pub(crate) struct Decompressor {
    decoder: Decoder<'static>,
    /// How many bytes the decoder wants next.
    wanted: usize,
}

impl Decompressor {
    pub(crate) fn new(window_bits: u8) -> Self {
        let mut decoder = Decoder::new().expect(INVARIANT);
        // The window is allocated as announced: so much, and no more.
        decoder.set_parameter(DParameter::WindowLogMax(window_bits.into())).expect(INVARIANT);
        Self { decoder, wanted: FRAME_START_BYTES }
    }

    /// The decoder is given one block at a time, without the header of the next. With more, an error
    /// in a later one would take along what the call has unpacked before.
    pub(crate) fn unpack(
        &mut self,
        packed: &mut &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<Step, DecompressError> {
        loop {
            let room = sink.room();
            let room_bytes = room.len();
            if room_bytes == 0 {
                return Ok(Step::Full);
            }
            let block = match self.wanted.checked_sub(BLOCK_HEADER_BYTES) {
                Some(block_bytes @ 1..) => block_bytes,
                _ => self.wanted,
            };
            let block = &packed[..block.min(packed.len())];
            let (mut input, mut output) = (InBuffer::around(block), OutBuffer::around(room));
            let wanted = self.decoder.run(&mut input, &mut output);
            let (taken, made) = (input.pos(), output.pos());
            sink.advance(made);
            *packed = &packed[taken..];
            self.wanted = wanted.map_err(|_| DecompressError::Corrupt { algorithm: "zstd" })?;
            if self.wanted == 0 {
                self.wanted = FRAME_START_BYTES;
                return Ok(Step::Ended);
            }
            if packed.is_empty() && made < room_bytes {
                return Ok(Step::Drained);
            }
        }
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}
