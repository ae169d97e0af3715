//! The target of codecs written for tokio-util.

use std::error::Error;

use bytes::BytesMut;
use net_reactor::Input;
use net_reactor::codec::{Decoder, TokioCodec};
use tokio_util::codec::{self as theirs, AnyDelimiterCodec, LengthDelimitedCodec, LinesCodec};

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
        0 => check(&case, LinesCodec::new),
        1 => check(&case, || LinesCodec::new_with_max_length(40)),
        2 => check(&case, || AnyDelimiterCodec::new(b",;".into(), b"\n".into())),
        _ => check(&case, || {
            let mut codec = LengthDelimitedCodec::new();
            codec.set_max_frame_length(FRAME_BYTES_MAX);
            codec
        }),
    }
}

/// The frames, and the end in words: what is left, or what was wrong before.
type Decoded = (Vec<Vec<u8>>, String);

/// A codec of theirs whose frames are bytes.
trait Bytewise: theirs::Decoder<Item: AsRef<[u8]>, Error: Error + Send + Sync + 'static> {}

impl<C> Bytewise for C where
    C: theirs::Decoder<Item: AsRef<[u8]>, Error: Error + Send + Sync + 'static>
{
}

fn check<C: Bytewise>(case: &Case<'_>, make: impl Fn() -> C) {
    let adapted = || TokioCodec::new(make()).max(LIMIT);
    let [whole, others @ ..] = case.splits();
    let decoded = decode(adapted(), case.wire, &whole);
    for cuts in others {
        assert_eq!(decode(adapted(), case.wire, &cuts), decoded, "split at {cuts:?}");
    }
    let (frames, end) = decoded;
    let (their_frames, their_end) = decode_theirs(make(), case.wire);
    if end.starts_with("TooLong") {
        assert!(their_frames.starts_with(&frames), "{frames:?} {their_frames:?}");
    } else {
        assert_eq!((frames, end), (their_frames, their_end), "tokio decodes something else");
    }
}

/// What tokio makes of all of the wire at once, as its `FramedRead` asks for it.
fn decode_theirs<C: Bytewise>(mut codec: C, wire: &[u8]) -> Decoded {
    let (mut frames, mut buffer) = (Vec::new(), BytesMut::from(wire));
    let mut is_end = false;
    loop {
        let next = if is_end { codec.decode_eof(&mut buffer) } else { codec.decode(&mut buffer) };
        match next {
            Ok(Some(frame)) => frames.push(frame.as_ref().to_vec()),
            Ok(None) if is_end => return (frames, format!("{} bytes are left", buffer.len())),
            Ok(None) => is_end = true,
            Err(error) => return (frames, format!("Codec {{ source: {error:?} }}")),
        }
    }
}

fn decode<C: Bytewise>(mut codec: TokioCodec<C>, wire: &[u8], cuts: &[usize]) -> Decoded {
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
