//! Frames that are packed one by one.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::codec::{Compressed, Compression, DecompressError, EncodeError, Encoder};

const ALL: &[fn() -> Compression] = &[
    Compression::none,
    #[cfg(feature = "zlib")]
    Compression::zlib,
    #[cfg(feature = "zlib")]
    || Compression::zlib().window_bits(9).level(1),
    #[cfg(feature = "lz4")]
    Compression::lz4,
    #[cfg(feature = "zstd")]
    Compression::zstd,
    #[cfg(feature = "zstd")]
    || Compression::zstd().window_bits(10).level(1),
];

fn codec(settings: Compression) -> Compressed<LengthPrefix> {
    Compressed::new(LengthPrefix::u32().little_endian(), settings)
}

/// Decodes everything in a stream that comes in these parts, or returns the error.
fn unpack<'a>(
    codec: &mut Compressed<LengthPrefix>,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Vec<u8>>, DecodeError> {
    let (mut kept, mut frames) = (Vec::new(), Vec::new());
    for part in parts {
        kept.extend_from_slice(part);
        let mut input = Input::from_bytes(&kept);
        while let Some(frame) = codec.decode(&mut input)? {
            frames.push(frame.to_vec());
        }
        let rest = input.bytes().to_vec();
        kept = rest;
    }
    Ok(frames)
}

fn error(source: DecompressError) -> Result<Vec<Vec<u8>>, DecodeError> {
    Err(DecodeError::Compression { source })
}

/// Text that repeats itself, as messages do.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(&["hello ", "world ", "\0\0\0\0\0\0\0\0", "7", ""][..]);
    let text = vec(word, 0..400).prop_map(|words| words.concat().into_bytes());
    prop_oneof![text, vec(any::<u8>(), 0..3000)]
}

proptest! {
    #[test]
    fn any_splitting_gives_the_frames_that_were_sent(
        frames in vec(frame(), 0..8),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        for settings in ALL {
            let mut sender = codec(settings());
            let wire: Vec<u8> =
                frames.iter().flat_map(|frame| sender.to_bytes(frame).unwrap()).collect();
            let bytewise = unpack(&mut codec(settings()), wire.chunks(1)).unwrap();
            prop_assert_eq!(&bytewise, &frames);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|cut| &wire[cut[0]..cut[1]]);
            prop_assert_eq!(&unpack(&mut codec(settings()), parts).unwrap(), &frames);
        }
    }

    #[test]
    fn garbage_ends_in_a_typed_error_or_in_frames_within_the_limit(
        packed in vec(vec(any::<u8>(), 0..200), 0..6),
        begins_well in any::<bool>(),
    ) {
        for settings in ALL {
            let mut wire = Vec::new();
            if begins_well {
                wire.extend(codec(settings()).to_bytes("hello").unwrap());
            }
            let mut framing = LengthPrefix::u32().little_endian();
            wire.extend(packed.iter().flat_map(|frame| framing.to_bytes(frame).unwrap()));
            let mut receiver = codec(settings()).max(1000);
            match unpack(&mut receiver, [&wire[..]]) {
                Ok(frames) => prop_assert!(frames.iter().all(|frame| frame.len() <= 1000)),
                Err(DecodeError::Compression { .. }) => {}
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
    }
}

#[test]
fn a_frame_that_is_refused_leaves_the_stream_whole() {
    for settings in ALL {
        let inner = || LengthPrefix::u32().little_endian().max(600);
        let mut sender = Compressed::new(inner(), settings()).max(1500);
        let mut receiver = Compressed::new(inner(), settings()).max(1500);
        let noise: Vec<u8> =
            (0..1000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        let mut wire = Vec::new();
        let frames: [&[u8]; 7] =
            [b"hello", &noise, b"hello again", &noise[100..200], &[7; 2000], b"", b"hello hello"];
        let mut sent = Vec::new();
        for frame in frames {
            match sender.to_bytes(frame) {
                Ok(bytes) => {
                    wire.extend(bytes);
                    sent.push(frame.to_vec());
                }
                Err(error) => assert!(matches!(error, EncodeError::TooLong { .. }), "{error}"),
            }
        }
        assert_eq!(sent.len(), 5, "the noise and the long one are refused");
        assert_eq!(unpack(&mut receiver, [&wire[..]]), Ok(sent));
    }
}

#[test]
fn the_limit_of_a_frame_is_inclusive_and_counts_what_is_unpacked() {
    for settings in ALL {
        let mut sender = codec(settings());
        let wire = sender.to_bytes(&[b'x'; 5000]).unwrap();
        let frame = unpack(&mut codec(settings()).max(5000), [&wire[..]]).unwrap();
        assert_eq!(frame, [vec![b'x'; 5000]]);
        let refused = sender.max(4999).to_bytes(&[b'x'; 5000]);
        assert_eq!(refused, Err(EncodeError::TooLong { bytes: 5000, limit_bytes: 4999 }));
    }
}

#[test]
fn a_bomb_of_any_algorithm_takes_no_more_than_its_limit() {
    for settings in &ALL[1..] {
        let mut sender = codec(settings()).max(usize::MAX);
        let wire = sender.to_bytes(&vec![0; 10_000_000]).unwrap();
        assert!(wire.len() < 100_000, "{} bytes", wire.len());
        let too_long = DecompressError::TooLong { limit_bytes: 1024 * 1024 };
        assert_eq!(unpack(&mut codec(settings()), [&wire[..]]), error(too_long));
        if 200 * wire.len() < 10_000_000 {
            let dense = DecompressError::TooDense { limit_ratio: 200 };
            assert_eq!(unpack(&mut codec(settings()).max(usize::MAX), [&wire[..]]), error(dense));
        }
        let foolhardy = settings().ratio_max(u32::MAX);
        let frames = unpack(&mut codec(foolhardy).max(usize::MAX), [&wire[..]]).unwrap();
        assert!(frames == [vec![0; 10_000_000]]);
    }
}

#[test]
fn what_is_said_again_is_said_in_a_few_bytes() {
    let frame = b"a reading of 21.5 degrees in the greenhouse, and nothing else to report";
    for settings in &ALL[1..] {
        let mut sender = codec(settings());
        let first = sender.to_bytes(frame).unwrap();
        let second = sender.to_bytes(frame).unwrap();
        assert!(first.len() > 50 && second.len() < 25, "{} and {}", first.len(), second.len());
    }
}

#[cfg(feature = "zstd")]
#[test]
fn zstd_allocates_no_larger_window_than_its_own() {
    let mut generous = codec(Compression::zstd().window_bits(27));
    let wire = generous.to_bytes("hello").unwrap();
    let corrupt = DecompressError::Corrupt { algorithm: "zstd" };
    assert_eq!(unpack(&mut codec(Compression::zstd()), [&wire[..]]), error(corrupt));
    assert_eq!(unpack(&mut generous, [&wire[..]]), Ok(vec![b"hello".to_vec()]));
}

#[cfg(feature = "lz4")]
#[test]
fn lz4_accepts_no_larger_blocks_than_its_own() {
    let corrupt = DecompressError::Corrupt { algorithm: "lz4" };
    let mut wire = codec(Compression::lz4()).to_bytes("hello").unwrap().to_vec();
    let mut large = wire.clone();
    // Behind a length of 4 bytes the magic number, flags, and the descriptor: blocks of 4 MiB.
    large[9] = 7 << 4;
    assert_eq!(unpack(&mut codec(Compression::lz4()), [&large[..]]), error(corrupt));
    // A block that claims to be larger than any.
    wire[11..15].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    assert_eq!(unpack(&mut codec(Compression::lz4()), [&wire[..]]), error(corrupt));
}

#[cfg(feature = "zlib")]
mod zlib {
    use flate2::{Compress, FlushCompress};

    use super::*;

    fn receiver() -> Compressed<LengthPrefix> {
        codec(Compression::zlib())
    }

    fn hex(digits: &str) -> Vec<u8> {
        let digits = digits.replace(' ', "");
        let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(pair).collect()
    }

    /// What stock zlib writes for three messages of one connection: the wire of `SimpleReactor`,
    /// whose frames begin with a type.
    const GOLDEN: [(&str, &[u8]); 3] = [
        ("17000000 789c62646060c848cdc9c95728cf2fca4901000000ffff", b"\x01\0\0\0hello world"),
        ("09000000 6244e502000000ffff", b"\x01\0\0\0hello world"),
        ("09000000 02712b00000000ffff", b"\x01\0\0\0x"),
    ];

    #[test]
    fn what_stock_zlib_writes_is_decoded_byte_for_byte() {
        let wire: Vec<u8> = GOLDEN.iter().flat_map(|(packed, _)| hex(packed)).collect();
        let frames: Vec<_> = GOLDEN.iter().map(|(_, frame)| frame.to_vec()).collect();
        assert_eq!(unpack(&mut receiver(), [&wire[..]]), Ok(frames.clone()));
        assert_eq!(unpack(&mut receiver(), wire.chunks(1)), Ok(frames));
    }

    #[test]
    fn each_frame_ends_in_a_sync_flush_and_refers_to_those_before() {
        let mut sender = receiver();
        let first = sender.to_bytes(GOLDEN[0].1).unwrap();
        let second = sender.to_bytes(GOLDEN[1].1).unwrap();
        assert!(first.ends_with(&[0, 0, 0xff, 0xff]) && second.ends_with(&[0, 0, 0xff, 0xff]));
        assert_eq!(first[4], 0x78, "the first frame has the header");
        assert!(second.len() <= hex(GOLDEN[1].0).len(), "the same again is {} bytes", second.len());
    }

    #[test]
    fn frames_out_of_order_are_refused() {
        let corrupt = DecompressError::Corrupt { algorithm: "zlib" };
        assert_eq!(unpack(&mut receiver(), [&hex(GOLDEN[1].0)[..]]), error(corrupt));
    }

    #[test]
    fn a_frame_that_is_not_packed_is_refused() {
        let mut plain = LengthPrefix::u32().little_endian();
        let wire = plain.to_bytes("\x01\0\0\0hello world").unwrap();
        let corrupt = DecompressError::Corrupt { algorithm: "zlib" };
        assert_eq!(unpack(&mut receiver(), [&wire[..]]), error(corrupt));
    }

    #[test]
    fn a_larger_window_than_ones_own_is_refused() {
        let wire = receiver().to_bytes("hello").unwrap();
        let corrupt = DecompressError::Corrupt { algorithm: "zlib" };
        let mut small = codec(Compression::zlib().window_bits(10));
        assert_eq!(unpack(&mut small, [&wire[..]]), error(corrupt));
        let wire = small.to_bytes("hello").unwrap();
        assert_eq!(unpack(&mut receiver(), [&wire[..]]), Ok(vec![b"hello".to_vec()]));
    }

    #[test]
    fn nothing_may_follow_the_end_of_the_stream() {
        let mut packed = Vec::with_capacity(100);
        let mut deflate = Compress::new(flate2::Compression::default(), true);
        deflate.compress_vec(b"hello", &mut packed, FlushCompress::Finish).unwrap();
        let mut framing = LengthPrefix::u32().little_endian();
        let whole = framing.to_bytes(&packed).unwrap();
        assert_eq!(unpack(&mut receiver(), [&whole[..]]), Ok(vec![b"hello".to_vec()]));
        packed.push(0);
        let wire = framing.to_bytes(&packed).unwrap();
        assert_eq!(unpack(&mut receiver(), [&wire[..]]), error(DecompressError::Trailing));
        let wire = [&whole[..], &whole].concat();
        assert_eq!(unpack(&mut receiver(), [&wire[..]]), error(DecompressError::Trailing));
    }

    /// Packs this many zeros, and returns one frame.
    fn bomb(megabytes: usize) -> Vec<u8> {
        let mut deflate = Compress::new(flate2::Compression::best(), true);
        let zeros = vec![0; 1_000_000];
        let mut packed = Vec::new();
        for _ in 0..megabytes {
            packed.reserve(4096);
            deflate.compress_vec(&zeros, &mut packed, FlushCompress::Sync).unwrap();
        }
        LengthPrefix::u32().little_endian().max(usize::MAX).to_bytes(&packed).unwrap().into()
    }

    #[test]
    fn a_bomb_is_refused_before_it_takes_more_than_its_limit() {
        let wire = bomb(10);
        let too_long = DecompressError::TooLong { limit_bytes: 1024 * 1024 };
        assert_eq!(unpack(&mut receiver(), [&wire[..]]), error(too_long));

        let dense = DecompressError::TooDense { limit_ratio: 200 };
        let mut generous = receiver().max(usize::MAX);
        assert_eq!(unpack(&mut generous, [&wire[..]]), error(dense));

        let unrated = vec![0; 1024 * 1024];
        let honest = receiver().to_bytes(&unrated).unwrap();
        assert_eq!(unpack(&mut receiver(), [&honest[..]]), Ok(vec![unrated]));

        let settings = Compression::zlib().ratio_max(u32::MAX);
        let mut foolhardy = codec(settings).max(usize::MAX);
        let frames = unpack(&mut foolhardy, [&wire[..]]).unwrap();
        assert_eq!(frames, [vec![0; 10_000_000]]);
    }

    #[test]
    fn a_large_frame_does_not_keep_its_memory() {
        let mut codec = receiver();
        let wire = codec.to_bytes(&vec![7; 1_000_000]).unwrap();
        assert_eq!(unpack(&mut codec, [&wire[..]]).unwrap()[0].len(), 1_000_000);
        assert_eq!(codec.kept_bytes(), 0);
        let wire = codec.to_bytes("hello").unwrap();
        let mut input = Input::from_bytes(&wire);
        drop(codec.decode(&mut input));
        assert!((1..=16 * 1024).contains(&codec.kept_bytes()), "{}", codec.kept_bytes());
    }
}
