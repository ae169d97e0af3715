//! Any splitting of the input gives the same frames, and the same end.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::codec::Encoder;

/// Bytes that mean something to one codec or another, often.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => prop::sample::select(&b"ab\r\n;:,012345"[..]),
        2 => 0..12_u8,
        1 => any::<u8>(),
    ]
}

/// Frames that the codec accepts, as it writes them, and then some bytes of any kind.
fn stream(codec: &Named, frames: &[Vec<u8>], tail: &[u8]) -> Vec<u8> {
    let mut codec = (codec.make)();
    let mut wire: Vec<u8> =
        frames.iter().filter_map(|frame| codec.to_bytes(frame).ok()).flatten().collect();
    wire.extend_from_slice(tail);
    wire
}

/// Raw codecs give what comes as it comes: only the bytes can be compared.
fn joined(named: &Named, mut decoded: Decoded) -> Decoded {
    let raw = ["Raw", "None", "Bytes::new", "Count(0)"];
    if raw.iter().any(|raw| named.name.contains(raw)) {
        decoded.frames = vec![decoded.frames.concat()];
    }
    decoded
}

proptest! {
    #[test]
    fn any_splitting_gives_the_same_frames(
        frames in vec(vec(byte(), 0..50), 0..6),
        tail in vec(byte(), 0..60),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        for named in ALL {
            let wire = stream(named, &frames, &tail);
            let whole = joined(named, decode(&mut (named.make)(), [&wire[..]]));

            let bytewise = decode(&mut (named.make)(), wire.chunks(1));
            prop_assert_eq!(&joined(named, bytewise), &whole, "{} bytewise", named.name);

            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|cut| &wire[cut[0]..cut[1]]);
            let split = decode(&mut (named.make)(), parts);
            prop_assert_eq!(&joined(named, split), &whole, "{} at {:?}", named.name, cuts);
        }
    }
}

#[test]
fn a_change_of_terminator_holds_from_the_next_byte_on_under_every_split() {
    let wire = b"3\r\nabc5\r\n\r\nxyz0\r\n1\r\nz";
    for cut in 0..=wire.len() {
        let mut codec = Terminated::by("\r\n");
        let mut stream = Stream::default();
        for part in [&wire[..cut], &wire[cut..]] {
            stream.kept.extend_from_slice(part);
            let mut frames = 0;
            let before = stream.decoded.frames.len();
            loop {
                // One frame at a time, as a handler that changes the terminator sees them.
                let mut input = Input::new(&stream.kept, stream.mark);
                let frame = codec.decode(&mut input).unwrap().map(<[u8]>::to_vec);
                stream.mark = input.mark();
                let consumed = stream.kept.len() - input.len();
                stream.kept.drain(..consumed);
                let Some(frame) = frame else { break };
                frames += 1;
                codec.set(match codec.terminator() {
                    Terminator::Delimiter(_) => Terminator::Count(usize::from(frame[0] - b'0')),
                    _ => Terminator::Delimiter("\r\n".into()),
                });
                stream.decoded.frames.push(frame);
            }
            assert_eq!(stream.decoded.frames.len(), before + frames);
        }
        let expected: [&[u8]; 8] = [b"3", b"abc", b"5", b"\r\nxyz", b"0", b"", b"1", b"z"];
        assert_eq!(stream.decoded.frames, expected, "cut at {cut}");
    }
}
