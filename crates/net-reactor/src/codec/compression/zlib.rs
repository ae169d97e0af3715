//! The format of RFC 1950, through flate2 over zlib-rs.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::{DecompressError, Flush, Sink, Step};

/// How much memory a call of the compressor finds at least: 1 KiB.
const ROOM_BYTES_MIN: usize = 1024;

/// One direction's sending end.
#[derive(Debug)]
pub(crate) struct Compressor(Compress);

impl Compressor {
    pub(crate) fn new(level: u32, window_bits: u8) -> Self {
        Self(Compress::new_with_window_bits(flate2::Compression::new(level), true, window_bits))
    }

    pub(crate) fn pack(&mut self, plain: &[u8], flush: Flush, packed: &mut Vec<u8>) {
        let flush = match flush {
            Flush::Later => FlushCompress::None,
            Flush::Now => FlushCompress::Sync,
            Flush::Finish => FlushCompress::Finish,
        };
        self.run(plain, packed, flush);
    }

    /// A full flush makes the compressor refer to nothing that was before it, and the output of both
    /// consists of whole bytes: so it may be missing.
    pub(crate) fn forget(&mut self) {
        self.run(&[], &mut Vec::new(), FlushCompress::Full);
    }

    fn run(&mut self, mut plain: &[u8], packed: &mut Vec<u8>, flush: FlushCompress) {
        loop {
            packed.reserve((plain.len() / 2).max(ROOM_BYTES_MIN));
            let before = self.0.total_in();
            let status = self
                .0
                .compress_vec(plain, packed, flush)
                .expect("invariant: a deflate stream is used from one place, in order");
            #[expect(clippy::cast_possible_truncation, reason = "it is at most the slice's length")]
            let taken = (self.0.total_in() - before) as usize;
            plain = &plain[taken..];
            // Room that is left says that nothing waits for it.
            let is_done = plain.is_empty() && packed.len() < packed.capacity();
            if is_done || status == Status::StreamEnd {
                return;
            }
        }
    }
}

/// One direction's receiving end.
#[derive(Debug)]
pub(crate) struct Decompressor {
    inflate: Decompress,
    has_ended: bool,
}

impl Decompressor {
    pub(crate) fn new(window_bits: u8) -> Self {
        let inflate = Decompress::new_with_window_bits(true, window_bits);
        Self { inflate, has_ended: false }
    }

    pub(crate) fn unpack(
        &mut self,
        packed: &mut &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<Step, DecompressError> {
        while !self.has_ended {
            let room = sink.room();
            let room_bytes = room.len();
            if room_bytes == 0 {
                return Ok(Step::Full);
            }
            let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(packed, room, FlushDecompress::Sync);
            #[expect(clippy::cast_possible_truncation, reason = "both are lengths of slices")]
            let (taken, made) = (
                (self.inflate.total_in() - taken) as usize,
                (self.inflate.total_out() - made) as usize,
            );
            sink.advance(made);
            *packed = &packed[taken..];
            // What came before the error is whole.
            let status = status.map_err(|_| DecompressError::Corrupt { algorithm: "zlib" })?;
            self.has_ended = status == Status::StreamEnd;
            if !self.has_ended && made < room_bytes {
                return Ok(Step::Drained);
            }
        }
        Ok(Step::Ended)
    }
}
