//! The wire of SimpleReactor, in every form.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::codec::{EncodeError, Encoder, Kind, SimpleReactor, TypedFrame};

type Frame = (Kind, Vec<u8>);

const ALL: &[fn() -> SimpleReactor] = &[
    SimpleReactor::plain,
    || SimpleReactor::plain().obfuscated(),
    #[cfg(feature = "zlib")]
    SimpleReactor::zlib,
    #[cfg(feature = "zlib")]
    || SimpleReactor::zlib().obfuscated(),
];

fn hex(digits: &str) -> Vec<u8> {
    let digits = digits.replace(' ', "");
    let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(pair).collect()
}

/// Decodes everything in a stream that comes in these parts, or returns the error.
fn decode<'a>(
    codec: &mut SimpleReactor,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Frame>, DecodeError> {
    let (mut kept, mut frames) = (Vec::new(), Vec::new());
    for part in parts {
        kept.extend_from_slice(part);
        let mut input = Input::from_bytes(&kept);
        while let Some(frame) = codec.decode(&mut input)? {
            frames.push((frame.kind(), frame.data().to_vec()));
        }
        let rest = input.bytes().to_vec();
        kept = rest;
    }
    Ok(frames)
}

fn app(data: &str) -> Frame {
    (Kind::Application, data.as_bytes().to_vec())
}

fn short(data: &[u8]) -> Frame {
    (Kind::Short, data.to_vec())
}

#[test]
fn plain_frames_are_those_of_simple_reactor() {
    let wire = hex("0f000000 01000000 68656c6c6f20776f726c64");
    assert_eq!(SimpleReactor::plain().to_bytes("hello world").unwrap(), wire);
    assert_eq!(decode(&mut SimpleReactor::plain(), [&wire[..]]), Ok(vec![app("hello world")]));
}

#[test]
fn obfuscated_frames_are_those_of_simple_reactor() {
    // Kind 1 and 30 bytes of data: two blocks of 17.
    let data = "0123456789abcdefghijklmnopqrst";
    let wire = SimpleReactor::plain().obfuscated().to_bytes(data).unwrap();
    assert_eq!(wire[..4], hex("22000000"));
    let key = b"mini10_cheer_up!!";
    let clear = [&[1, 0, 0, 0], data.as_bytes()].concat();
    let mut expected = Vec::new();
    for block in clear.chunks(17) {
        let combined: Vec<u8> = block.iter().zip(key).map(|(byte, key)| byte ^ key).collect();
        expected.extend(combined.iter().rev());
    }
    assert_eq!(wire[4..], expected);
    let mut receiver = SimpleReactor::plain().obfuscated();
    assert_eq!(decode(&mut receiver, [&wire[..]]), Ok(vec![app(data)]));
}

#[cfg(feature = "zlib")]
mod zlib {
    use super::*;
    use crate::codec::DecompressError;

    /// What stock zlib writes for the first three messages of a connection.
    const GOLDEN: [(&str, &str); 3] = [
        ("17000000 789c62646060c848cdc9c95728cf2fca4901000000ffff", "hello world"),
        ("09000000 6244e502000000ffff", "hello world"),
        ("09000000 02712b00000000ffff", "x"),
    ];

    #[test]
    fn packed_frames_are_those_of_simple_reactor() {
        let wire: Vec<u8> = GOLDEN.iter().flat_map(|(digits, _)| hex(digits)).collect();
        let expected: Vec<Frame> = GOLDEN.iter().map(|(_, data)| app(data)).collect();
        assert_eq!(decode(&mut SimpleReactor::zlib(), [&wire[..]]), Ok(expected.clone()));
        assert_eq!(decode(&mut SimpleReactor::zlib(), wire.chunks(1)), Ok(expected));
    }

    #[test]
    fn each_packed_frame_ends_in_a_sync_flush_and_the_header_comes_once() {
        let mut sender = SimpleReactor::zlib();
        let first = sender.to_bytes("hello world").unwrap();
        let second = sender.to_bytes("hello world").unwrap();
        assert_eq!((first[4], second.len() < first.len()), (0x78, true));
        for wire in [first, second] {
            assert!(wire.ends_with(&[0, 0, 0xff, 0xff]), "{wire:?}");
            assert_eq!(u32::from_le_bytes(*wire.first_chunk().unwrap()) as usize, wire.len() - 4);
        }
    }

    #[test]
    fn packed_then_obfuscated_is_undone_in_the_other_order() {
        let (clear, _) = GOLDEN[0];
        let clear = hex(clear);
        let mut body = clear[4..].to_vec();
        let key = b"mini10_cheer_up!!";
        for block in body.chunks_mut(17) {
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            block.reverse();
        }
        let wire = [&clear[..4], &body[..]].concat();
        let mut receiver = SimpleReactor::zlib().obfuscated();
        assert_eq!(decode(&mut receiver, [&wire[..]]), Ok(vec![app("hello world")]));
    }

    #[test]
    fn a_bomb_and_garbage_are_typed_errors() {
        let zeros = vec![0; 4 * 1024 * 1024];
        let large = || SimpleReactor::zlib().max(zeros.len());
        let bomb = large().to_bytes(&zeros).unwrap();
        assert!(bomb.len() < 10_000);
        // Frames are not compared, as they would fill the screen if they came.
        let error_of = |mut codec| match decode(&mut codec, [&bomb[..]]) {
            Err(DecodeError::Compression { source }) => Some(source),
            _ => None,
        };
        let dense = DecompressError::TooDense { limit_ratio: 200 };
        assert_eq!(error_of(large()), Some(dense));
        let long = DecompressError::TooLong { limit_bytes: 100_004 };
        assert_eq!(error_of(SimpleReactor::zlib().max(100_000)), Some(long));
        let refused = decode(&mut SimpleReactor::zlib(), [&b"\x05\0\0\0hello"[..]]);
        assert!(matches!(refused, Err(DecodeError::Compression { .. })), "{refused:?}");
    }

    #[test]
    fn an_empty_frame_is_not_unpacked() {
        let mut wire = hex("00000000");
        wire.extend(hex(GOLDEN[0].0));
        assert_eq!(decode(&mut SimpleReactor::zlib(), [&wire[..]]), Ok(vec![app("hello world")]));
    }

    #[test]
    fn what_cannot_be_packed_may_be_as_long_as_anything_else() {
        let noise = |n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes()[0];
        for bytes in [1, 300, 5_000, 1024 * 1024] {
            let data: Vec<u8> = (0..bytes).map(noise).collect();
            let wire = SimpleReactor::zlib().max(bytes as usize).to_bytes(&data).unwrap();
            let decoded = decode(&mut SimpleReactor::zlib().max(bytes as usize), [&wire[..]]);
            assert_eq!(decoded.unwrap()[0].1, data, "{bytes}");
        }
    }
}

#[test]
fn empty_frames_are_passed_over_and_what_is_behind_them_comes_at_once() {
    let hello = hex("0600000001000000 6869");
    let wire = [&[0; 400][..], &hello, &[0; 4], &hello, &[0; 4]].concat();
    assert_eq!(decode(&mut SimpleReactor::plain(), [&wire[..]]), Ok(vec![app("hi"), app("hi")]));
}

#[test]
fn a_frame_without_a_kind_or_data_is_short_and_the_next_one_is_whole() {
    let wire = hex("01000000 ff  03000000 010000  04000000 01000000  0600000001000000 6869");
    let expected = [&[0xff][..], &[1, 0, 0], &[1, 0, 0, 0]].map(short);
    let decoded = decode(&mut SimpleReactor::plain(), [&wire[..]]).unwrap();
    assert_eq!(decoded[..3], expected);
    assert_eq!(decoded[3..], [app("hi")]);
}

#[test]
fn nothing_without_data_or_over_the_limit_is_sent() {
    let none = Err(EncodeError::WrongSize { bytes: 0, required_bytes: 1 });
    let long = Err(EncodeError::TooLong { bytes: 11, limit_bytes: 10 });
    for make in ALL {
        let mut codec = make().max(10);
        assert_eq!(codec.to_bytes(""), none);
        assert_eq!(codec.to_bytes(&TypedFrame::new(Kind::System(7), "")), none);
        assert!(codec.to_bytes(&TypedFrame::new(Kind::Short, "x")).is_err());
        assert_eq!(codec.to_bytes("hello world"), long);
        assert!(codec.to_bytes("hello worl").is_ok());
    }
}

#[test]
fn a_length_over_the_limit_is_refused_when_it_is_read() {
    for make in ALL {
        let refused = decode(&mut make(), [&[0xff; 4][..]]);
        let announced_bytes = Some(u64::from(u32::MAX));
        let is_so = matches!(refused, Err(DecodeError::TooLong { announced_bytes: it, .. }) if it == announced_bytes);
        assert!(is_so, "{refused:?}");
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Application),
        Just(Kind::HEARTBEAT),
        (3..u32::MAX).prop_map(Kind::System)
    ]
}

proptest! {
    #[test]
    fn what_is_sent_arrives_under_any_split(
        frames in vec((kind(), vec(any::<u8>(), 1..80)), 0..8),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        for make in ALL {
            let mut sender = make();
            let send = |(kind, data): &Frame| sender.to_bytes(&TypedFrame::new(*kind, data)).unwrap();
            let wire: Vec<u8> = frames.iter().flat_map(send).collect();
            prop_assert_eq!(&decode(&mut make(), wire.chunks(1)), &Ok(frames.clone()));
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|cut| &wire[cut[0]..cut[1]]);
            prop_assert_eq!(&decode(&mut make(), parts), &Ok(frames.clone()));
        }
    }

    #[test]
    fn garbage_is_frames_within_the_limit_or_a_typed_error(wire in vec(any::<u8>(), 0..300)) {
        for make in ALL {
            let mut wire = wire.clone();
            // Lengths that are believable, at least the first.
            if let Some(high) = wire.get_mut(1..4) {
                high.fill(0);
            }
            if let Ok(frames) = decode(&mut make().max(100), [&wire[..]]) {
                let limit_of = |kind| if kind == Kind::Short { 4 } else { 100 };
                let are_within = frames.iter().all(|(kind, data)| data.len() <= limit_of(*kind));
                prop_assert!(are_within, "{:?}", frames);
            }
        }
    }
}
