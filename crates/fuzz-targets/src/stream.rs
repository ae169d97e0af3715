//! Streams of bytes through a codec, and the promises that all codecs keep.

use net_reactor::Input;
use net_reactor::codec::{DecodeError, Decoder, EncodeError, Encoder};

use crate::budget::peak_bytes;
use crate::case::Case;

/// A codec of byte frames.
pub(crate) trait Bytewise:
    for<'a> Decoder<Frame<'a> = &'a [u8], Error = DecodeError> + Encoder<[u8], Error = EncodeError>
{
}

impl<C> Bytewise for C where
    C: for<'a> Decoder<Frame<'a> = &'a [u8], Error = DecodeError>
        + Encoder<[u8], Error = EncodeError>
{
}

/// What a codec makes of the borders between frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Borders {
    /// They are on the wire.
    Sent,
    /// They are where the wire was split: only the bytes can be compared.
    Lost,
}

/// What came out of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded<'a> {
    pub(crate) frames: Vec<&'a [u8]>,
    /// What is left at the end, or what was wrong before it.
    end: Result<&'a [u8], DecodeError>,
}

impl Decoded<'_> {
    /// Forgets where one frame ends, if nobody can know.
    fn comparable(self, borders: Borders) -> (Vec<Vec<u8>>, Result<Vec<u8>, DecodeError>) {
        let frames = match borders {
            Borders::Sent => self.frames.iter().map(|frame| frame.to_vec()).collect(),
            Borders::Lost => vec![self.frames.concat()],
        };
        (frames, self.end.map(<[u8]>::to_vec))
    }
}

/// Decodes a stream that comes in the parts that end at `cuts`; `after` sees each frame.
pub(crate) fn decode<'a, C: Bytewise>(
    codec: &mut C,
    wire: &'a [u8],
    cuts: &[usize],
    mut after: impl FnMut(&mut C, &[u8]),
) -> Decoded<'a> {
    let mut frames = Vec::new();
    let mut input = Input::from_bytes(&[]);
    let len = wire.len();
    for (part, end) in cuts.iter().chain([&len]).enumerate() {
        // The last round is the peer's end: nothing new.
        let is_end = part == cuts.len();
        let start = cuts[..part].last().map_or(0, |last| last - input.len());
        input = input.grown(&wire[start..*end]);
        loop {
            let (next, peak) = peak_bytes(|| {
                if is_end { codec.decode_end(&mut input) } else { codec.decode(&mut input) }
            });
            assert_eq!(peak, 0, "a codec took memory");
            match next {
                Ok(Some(frame)) => {
                    frames.push(frame);
                    assert!(frames.len() <= 2 * wire.len() + 2, "there is no end of frames");
                    after(codec, frame);
                }
                Ok(None) => break,
                Err(error) => return Decoded { frames, end: Err(error) },
            }
        }
    }
    Decoded { frames, end: Ok(input.bytes()) }
}

/// Checks that the stream means the same however it is split, and returns what.
pub(crate) fn check_splits<'a, C: Bytewise>(
    make: &impl Fn() -> C,
    case: &Case<'a>,
    borders: Borders,
    after: impl Fn(&mut C, &[u8]),
) -> Vec<&'a [u8]> {
    let [whole, others @ ..] = case.splits();
    let expected = decode(&mut make(), case.wire, &whole, &after);
    let frames = expected.frames.clone();
    let expected = expected.comparable(borders);
    for cuts in others {
        let split = decode(&mut make(), case.wire, &cuts, &after).comparable(borders);
        assert_eq!(split, expected, "split at {cuts:?}");
    }
    frames
}

/// Checks that what is encoded is decoded again. Returns whether the codec can send it.
pub(crate) fn check_sending<C: Bytewise>(make: &impl Fn() -> C, frame: &[u8]) -> bool {
    let Ok(wire) = make().to_bytes(frame) else { return false };
    let decoded = decode(&mut make(), &wire, &[wire.len()], |_, _| {});
    let expected = if wire.is_empty() { vec![] } else { vec![frame] };
    assert_eq!(decoded, Decoded { frames: expected, end: Ok(&[]) }, "sent as {wire:?}");
    true
}
