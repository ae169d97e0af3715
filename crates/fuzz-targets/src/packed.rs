//! The targets of packed frames, one for each algorithm.

use net_reactor::Input;
use net_reactor::codec::{
    Compressed, Compression, DecodeError, Decoder, Encoder, LengthPrefix, Unpacked,
};

use crate::budget::peak_bytes;
use crate::case::Case;

/// What a frame may unpack to.
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// A frame with the room for it that is made at once, beside the decompressor.
const ROOM_BYTES: usize = 4 * FRAME_BYTES_MAX;

/// What decompressors of each algorithm take; that of zstd is in C, whose memory nobody counts here.
const ZLIB_BUDGET_BYTES: usize = 64 * 1024 + ROOM_BYTES;
const LZ4_BUDGET_BYTES: usize = 256 * 1024 + ROOM_BYTES;
const ZSTD_BUDGET_BYTES: usize = ROOM_BYTES;

pub(crate) fn zlib(data: &[u8]) {
    packed(data, Compression::zlib(), ZLIB_BUDGET_BYTES);
}

pub(crate) fn lz4(data: &[u8]) {
    packed(data, Compression::lz4(), LZ4_BUDGET_BYTES);
}

pub(crate) fn zstd(data: &[u8]) {
    packed(data, Compression::zstd(), ZSTD_BUDGET_BYTES);
}

fn owned(frame: Unpacked<'_>) -> Vec<u8> {
    assert!(frame.len() <= FRAME_BYTES_MAX, "a frame of {} bytes", frame.len());
    frame.to_vec()
}

/// With settings that are even the wire is what a peer sends, otherwise what is sent to one.
fn packed(data: &[u8], compression: Compression, budget_bytes: usize) {
    let codec = || Compressed::new(LengthPrefix::u16(), compression).max(FRAME_BYTES_MAX);
    let decode = |wire, cuts: &[usize]| decode(codec(), wire, cuts, budget_bytes, owned);
    let Some(case) = Case::read(data) else { return };
    if case.settings % 2 == 0 {
        let [whole, others @ ..] = case.splits();
        let expected = decode(case.wire, &whole);
        for cuts in others {
            assert_eq!(decode(case.wire, &cuts), expected, "split at {cuts:?}");
        }
        return;
    }
    // Twice, because the second frame refers to the first.
    let (mut sender, mut wire) = (codec(), Vec::new());
    for _ in 0..2 {
        let sent = sender.to_bytes(case.wire).expect("it is below every limit");
        wire.extend_from_slice(&sent);
    }
    let (frames, end) = decode(&wire, &[wire.len()]);
    assert_eq!((frames, end), (vec![case.wire.to_vec(); 2], Ok(0)));
}

/// Returns the frames, as `take` keeps them, and how much is left or what was wrong before.
pub(crate) fn decode<C: Decoder<Error = DecodeError>, T>(
    mut codec: C,
    wire: &[u8],
    cuts: &[usize],
    budget_bytes: usize,
    take: impl Fn(C::Frame<'_>) -> T,
) -> (Vec<T>, Result<usize, DecodeError>) {
    let mut frames = Vec::new();
    let mut input = Input::from_bytes(&[]);
    let mut start = 0;
    for end in cuts {
        input = input.grown(&wire[start..*end]);
        loop {
            let (next, peak) = peak_bytes(|| codec.decode(&mut input));
            assert!(peak <= budget_bytes, "{peak} bytes");
            match next {
                Ok(Some(frame)) => frames.push(take(frame)),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
        start = end - input.len();
    }
    (frames, Ok(input.len()))
}
