//! The target of codecs written for tokio-util.

use std::fmt::Debug;

use net_reactor::Input;
use net_reactor::codec::{Decoder, TokioCodec};
use tokio_util::codec::{AnyDelimiterCodec, LengthDelimitedCodec, LinesCodec};

use crate::budget::peak_bytes;
use crate::case::Case;

/// What may wait for a frame.
const LIMIT: usize = 300;

/// Twice the limit and what a decoder may reserve beside it, for the buffer and the frame together; and
/// what a decoder may reserve at once before anybody can look.
const BUDGET_BYTES: usize = 2 * (2 * LIMIT + 64 * 1024) + FRAME_BYTES_MAX;

/// The limit of their own, above ours.
const FRAME_BYTES_MAX: usize = 128 * 1024;

pub(crate) fn tokio_codec(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    match case.settings % 4 {
        0 => check(&case, || TokioCodec::new(LinesCodec::new())),
        1 => check(&case, || TokioCodec::new(LinesCodec::new_with_max_length(40))),
        2 => check(&case, || TokioCodec::new(AnyDelimiterCodec::new(b",;".into(), b"\n".into()))),
        _ => check(&case, || {
            let mut codec = LengthDelimitedCodec::new();
            codec.set_max_frame_length(FRAME_BYTES_MAX);
            TokioCodec::new(codec)
        }),
    }
}

fn check<C>(case: &Case<'_>, make: impl Fn() -> TokioCodec<C>)
where
    TokioCodec<C>: for<'a> Decoder<Frame<'a>: AsRef<[u8]>, Error: Debug>,
{
    let [whole, others @ ..] = case.splits();
    let expected = decode(make().max(LIMIT), case.wire, &whole);
    for cuts in others {
        assert_eq!(decode(make().max(LIMIT), case.wire, &cuts), expected, "split at {cuts:?}");
    }
}

/// Returns the frames, and the end in words: what is left, or what was wrong before.
fn decode<C>(mut codec: TokioCodec<C>, wire: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, String)
where
    TokioCodec<C>: for<'a> Decoder<Frame<'a>: AsRef<[u8]>, Error: Debug>,
{
    let mut frames = Vec::new();
    let mut left = 0;
    let len = wire.len();
    for (part, end) in cuts.iter().chain([&len]).enumerate() {
        let is_end = part == cuts.len();
        let start = cuts[..part].last().map_or(0, |last| last - left);
        let mut input = Input::from_bytes(&wire[start..*end]);
        loop {
            let (next, peak) = peak_bytes(|| {
                if is_end { codec.decode_end(&mut input) } else { codec.decode(&mut input) }
            });
            assert!(peak <= BUDGET_BYTES, "{peak} bytes");
            match next {
                Ok(Some(frame)) => frames.push(frame.as_ref().to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, format!("{error:?}")),
            }
            assert!(frames.len() <= wire.len() + 1, "there is no end of frames");
        }
        left = input.len();
    }
    (frames, format!("{left} bytes are left"))
}
