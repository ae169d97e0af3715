//! The target of SimpleReactor's wire, in every form.

use net_reactor::codec::{DecodeError, Encoder, Kind, SimpleReactor, TypedFrame};

use crate::case::Case;
use crate::packed::decode;

/// The most data of a frame.
const DATA_BYTES_MAX: usize = 16 * 1024;

/// A decompressor, a frame with the room for it that is made at once, and a copy to reveal it in.
const BUDGET_BYTES: usize = 64 * 1024 + 4 * DATA_BYTES_MAX;

/// What obfuscated bytes are combined with.
const KEY: &[u8] = b"mini10_cheer_up!!";

/// The frames, and how much is left of the wire or what was wrong before.
type Decoded = (Vec<(Kind, Vec<u8>)>, Result<usize, DecodeError>);

/// By the two lowest bits: packed, obfuscated.
fn codec(settings: u8) -> SimpleReactor {
    let codec = if settings & 1 == 0 { SimpleReactor::plain() } else { SimpleReactor::zlib() };
    let codec = codec.max(DATA_BYTES_MAX);
    if settings & 2 == 0 { codec } else { codec.obfuscated() }
}

fn owned(frame: &TypedFrame<'_>) -> (Kind, Vec<u8>) {
    assert!(frame.data().len() <= DATA_BYTES_MAX, "{} bytes", frame.data().len());
    (frame.kind(), frame.data().to_vec())
}

/// With the third bit the wire is what is sent to a peer, otherwise what comes from one.
pub(crate) fn simple_reactor(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let make = || codec(case.settings);
    let decode = |wire, cuts: &[usize]| -> Decoded {
        decode(make(), wire, cuts, BUDGET_BYTES, |frame| owned(&frame))
    };
    if case.settings & 4 == 0 {
        let [whole, others @ ..] = case.splits();
        let expected = decode(case.wire, &whole);
        if case.settings & 1 == 0 {
            assert_eq!(expected, model(case.wire, case.settings & 2 != 0));
        }
        for cuts in others {
            assert_eq!(decode(case.wire, &cuts), expected, "split at {cuts:?}");
        }
        return;
    }
    let (mut sender, mut wire) = (make(), Vec::new());
    let sent = [(Kind::Application, case.wire.to_vec()), (Kind::System(7), case.wire.to_vec())];
    for (kind, data) in &sent {
        match sender.to_bytes(&TypedFrame::new(*kind, data)) {
            Ok(bytes) => wire.extend_from_slice(&bytes),
            Err(error) => return assert!(data.is_empty(), "{error}"),
        }
    }
    let (frames, end) = decode(&wire, &[wire.len()]);
    assert_eq!((frames, end), (sent.to_vec(), Ok(0)));
}

/// Reads frames that are not packed from all of the wire at once: length, kind, data.
fn model(mut wire: &[u8], is_obfuscated: bool) -> Decoded {
    let mut frames = Vec::new();
    while let Some((length, rest)) = wire.split_first_chunk() {
        let length = u32::from_le_bytes(*length);
        let (bytes, limit_bytes) = (length as usize, DATA_BYTES_MAX + 4);
        if bytes > limit_bytes {
            let announced_bytes = Some(length.into());
            return (frames, Err(DecodeError::TooLong { announced_bytes, limit_bytes }));
        }
        let Some((body, behind)) = rest.split_at_checked(bytes) else { break };
        wire = behind;
        let mut body = body.to_vec();
        if is_obfuscated {
            let blocks = body.chunks(KEY.len());
            let clear = blocks.flat_map(|block| block.iter().rev().zip(KEY).map(|(a, b)| a ^ b));
            body = clear.collect();
        }
        match *body {
            [] => {}
            [a, b, c, d, _, ..] => {
                let number = u32::from_le_bytes([a, b, c, d]);
                let kind = if number == 1 { Kind::Application } else { Kind::System(number) };
                frames.push((kind, body[4..].to_vec()));
            }
            _ => frames.push((Kind::Short, body)),
        }
    }
    (frames, Ok(wire.len()))
}
