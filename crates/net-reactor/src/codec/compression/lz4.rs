//! The frame format of LZ4, with linked blocks of 64 KiB, through `lz4_flex`.

use std::fmt;
use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::restart::Restart;
use super::{DecompressError, Flush, Sink, Step};

const CORRUPT: DecompressError = DecompressError::Corrupt { algorithm: "lz4" };

const INVARIANT: &str = "invariant: a vector takes everything, and a block has room for its bytes";

/// What ends a frame: a block of no bytes.
const END_MARK: [u8; 4] = [0; 4];

/// One direction's sending end.
pub(crate) struct Compressor {
    encoder: FrameEncoder<Vec<u8>>,
    restart: Restart,
}

impl Compressor {
    pub(crate) fn new() -> Self {
        Self { encoder: new_encoder(), restart: Restart::default() }
    }

    pub(crate) fn pack(&mut self, plain: &[u8], flush: Flush, packed: &mut Vec<u8>) {
        if self.restart.before() {
            packed.extend_from_slice(&END_MARK);
        }
        let start = packed.len();
        self.encoder.write_all(plain).expect(INVARIANT);
        match flush {
            Flush::Later => {}
            Flush::Now => self.encoder.flush().expect(INVARIANT),
            Flush::Finish => self.encoder.try_finish().expect(INVARIANT),
        }
        packed.append(self.encoder.get_mut());
        self.restart.after(packed.len() - start);
    }

    pub(crate) fn forget(&mut self) {
        self.encoder = new_encoder();
        self.restart.forget();
    }
}

fn new_encoder() -> FrameEncoder<Vec<u8>> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Linked);
    FrameEncoder::with_frame_info(info, Vec::new())
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("restart", &self.restart).finish_non_exhaustive()
    }
}

/// One direction's receiving end.
#[derive(Debug)]
pub(crate) struct Decompressor(FrameDecoder<Gate>);

impl Decompressor {
    pub(crate) fn new() -> Self {
        Self(FrameDecoder::new(Gate::default()))
    }

    pub(crate) fn unpack(
        &mut self,
        packed: &mut &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<Step, DecompressError> {
        loop {
            let room = sink.room();
            if room.is_empty() {
                return Ok(Step::Full);
            }
            let made = self.0.read(room).map_err(|_| CORRUPT)?;
            sink.advance(made);
            if made > 0 {
                continue;
            }
            // The decoder has given all it had, and read all that was let through.
            let gate = self.0.get_mut();
            if std::mem::take(&mut gate.is_end) {
                return Ok(Step::Ended);
            }
            if !gate.fill(packed)? {
                return Ok(Step::Drained);
            }
        }
    }
}

/// Lets received bytes through in whole parts only: a header, a block, an end.
///
/// The decoder pulls, and takes a reader that has nothing more for now to be at its end: in the
/// middle of a block it would lose what it has read. Between two parts it loses nothing.
///
/// ```text
///   [ magic, flags, descriptor, checksum ][ size, block ][ size, block ] .. [ 0 ]
/// ```
#[derive(Debug, Default)]
struct Gate {
    /// The part that is being received or read.
    part: Vec<u8>,
    /// How much of it the decoder has read, once it is whole.
    read_bytes: usize,
    is_whole: bool,
    /// What the frame's header says; `None` before a header.
    frame: Option<Checksums>,
    /// The part that was let through last is the end.
    is_end: bool,
}

#[derive(Debug, Clone, Copy)]
struct Checksums {
    of_blocks: bool,
    of_content: bool,
}

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();

/// The one block size that is accepted, 64 KiB, as the descriptor says it: larger ones are memory
/// that a peer could ask for by announcing them.
const BLOCK_64_KIB: u8 = 4 << 4;
const BLOCK_BYTES_MAX: usize = 64 * 1024;

impl Gate {
    /// Takes bytes from the front of `packed` until a part is whole; returns whether one is.
    fn fill(&mut self, packed: &mut &[u8]) -> Result<bool, DecompressError> {
        loop {
            let wanted = self.part_bytes()?;
            let (now, later) = packed.split_at((wanted - self.part.len()).min(packed.len()));
            self.part.extend_from_slice(now);
            *packed = later;
            if self.part.len() < wanted {
                return Ok(false);
            }
            if self.part_bytes()? == wanted {
                self.let_through();
                return Ok(true);
            }
        }
    }

    /// Returns how long the part is, as far as what has come of it tells.
    fn part_bytes(&self) -> Result<usize, DecompressError> {
        let Some(checksums) = self.frame else {
            let &[.., flags, descriptor] = match self.part.first_chunk::<6>() {
                Some(head) if head.starts_with(&MAGIC) => head,
                Some(_) => return Err(CORRUPT),
                None => return Ok(6),
            };
            if descriptor != BLOCK_64_KIB {
                return Err(CORRUPT);
            }
            let content_size = if flags & 0b1000 == 0 { 0 } else { 8 };
            let dictionary = if flags & 1 == 0 { 0 } else { 4 };
            return Ok(7 + content_size + dictionary);
        };
        let Some(size) = self.part.first_chunk::<4>() else { return Ok(4) };
        if *size == END_MARK {
            return Ok(4 + if checksums.of_content { 4 } else { 0 });
        }
        // The highest bit says that the block is not packed.
        let block_bytes = (u32::from_le_bytes(*size) & 0x7fff_ffff) as usize;
        if block_bytes > BLOCK_BYTES_MAX {
            return Err(CORRUPT);
        }
        Ok(4 + block_bytes + if checksums.of_blocks { 4 } else { 0 })
    }

    fn let_through(&mut self) {
        self.is_whole = true;
        match self.frame {
            None => {
                let flags = self.part[4];
                let (of_blocks, of_content) = (flags & 0b1_0000 != 0, flags & 0b100 != 0);
                self.frame = Some(Checksums { of_blocks, of_content });
            }
            Some(_) if self.part.starts_with(&END_MARK) => {
                self.frame = None;
                self.is_end = true;
            }
            Some(_) => {}
        }
    }
}

impl Read for Gate {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if !self.is_whole {
            return Ok(0);
        }
        let read = (&self.part[self.read_bytes..]).read(bytes)?;
        self.read_bytes += read;
        if self.read_bytes == self.part.len() {
            self.part.clear();
            (self.read_bytes, self.is_whole) = (0, false);
        }
        Ok(read)
    }
}
