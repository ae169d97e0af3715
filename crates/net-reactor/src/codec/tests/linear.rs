//! Work is linear in what arrived, counted in bytes that searches look at and codecs copy.

use super::*;
use crate::base::EXAMINED;
use crate::codec::{Encoder, SimpleReactor};

const LINE_BYTES: usize = 1024 * 1024;

/// Returns how many bytes were looked at to find one frame in a stream in parts of this size.
fn examined<C: Decoder>(codec: &mut C, wire: &[u8], part_bytes: usize) -> usize {
    EXAMINED.with(|examined| examined.set(0));
    let (mut mark, mut frames, mut start) = (ScanMark::default(), 0, 0);
    // What is kept only grows here; copying it together is the connection's part.
    for end in (part_bytes..wire.len()).step_by(part_bytes).chain([wire.len()]) {
        let mut input = Input::new(&wire[start..end], mark);
        frames += usize::from(codec.decode(&mut input).is_ok_and(|frame| frame.is_some()));
        mark = input.mark();
        start = end - input.len();
        // A square would be at work for minutes.
        let so_far = EXAMINED.with(std::cell::Cell::get);
        assert!(so_far <= 100 * wire.len(), "{so_far} after {end} of {} bytes", wire.len());
    }
    assert_eq!(frames, 1);
    EXAMINED.with(std::cell::Cell::get)
}

#[test]
fn a_drip_costs_at_most_twice_a_chunk() {
    let delimiters: [&'static str; 5] = ["\n", "\r\n", "--boundary--", "\r\n.\r\n", "xxxy"];
    for delimiter in delimiters {
        let mut wire = vec![b' '; LINE_BYTES];
        // Something that is often almost the delimiter.
        wire.iter_mut().step_by(100).for_each(|byte| *byte = b'\r');
        wire.extend_from_slice(delimiter.as_bytes());
        let codecs = [
            AnyCodec::new(Delimited::new(delimiter).max(2 * LINE_BYTES)),
            AnyCodec::new(Terminated::by(delimiter).max(2 * LINE_BYTES)),
        ];
        for mut codec in codecs {
            let chunk = examined(&mut codec, &wire, wire.len());
            for part_bytes in [1, 2, 7] {
                let drip = examined(&mut codec, &wire, part_bytes);
                let text = format!("{delimiter:?} by {part_bytes}: {drip} against {chunk}");
                assert!(drip <= 2 * chunk + 16, "{text}");
            }
        }
    }
}

#[test]
fn a_line_is_looked_at_once_however_it_comes() {
    let mut wire = vec![b'x'; LINE_BYTES - 1];
    wire.push(b'\n');
    let mut codec = AnyCodec::new(Lines::new());
    assert_eq!(examined(&mut codec, &wire, wire.len()), LINE_BYTES);
    assert_eq!(examined(&mut codec, &wire, 1), LINE_BYTES);
}

/// A peer that sends the beginning of a long delimiter over and over costs its length a byte, and
/// no more.
#[test]
fn the_worst_line_costs_a_delimiter_a_byte() {
    let mut wire = vec![b'a'; LINE_BYTES];
    wire.extend_from_slice(b"aaaaaaaaab");
    let mut codec = AnyCodec::new(Delimited::new("aaaaaaaaab").max(2 * LINE_BYTES));
    let drip = examined(&mut codec, &wire, 1);
    assert!(drip <= 3 * 10 * wire.len(), "{drip} for {}", wire.len());
}

/// What is looked at for each byte that comes alone, at most: a head of some digits is read anew.
const STEPS_A_BYTE: usize = 10;

/// A frame of nearly 1 MiB, which leaves room for a head within the limit of an adapted codec.
/// Nothing of it can be packed, and no delimiter is in it.
fn frame() -> Vec<u8> {
    let words = (1_u32..).map(|word| word.wrapping_mul(0x9e37_79b9).to_be_bytes());
    words.flatten().map(|byte| byte | 0x80).take(LINE_BYTES - 16).collect()
}

/// Checks that a frame which comes byte by byte costs each byte its steps and no more.
fn check_a_drip<C: Decoder>(name: &str, mut codec: C, wire: &[u8]) {
    let drip = examined(&mut codec, wire, 1);
    assert!(drip <= STEPS_A_BYTE * wire.len(), "{name}: {drip} for {}", wire.len());
}

#[test]
fn a_frame_byte_by_byte_costs_every_codec_some_steps_a_byte() {
    let frame = frame();
    let bytewise: [(&str, AnyCodec); 11] = [
        ("lines", AnyCodec::new(Lines::new())),
        ("delimited", AnyCodec::new(Delimited::new("--boundary--"))),
        ("u24", AnyCodec::new(LengthPrefix::u24())),
        ("u32", AnyCodec::new(LengthPrefix::u32().counts_itself())),
        ("u64", AnyCodec::new(LengthPrefix::u64())),
        ("varint", AnyCodec::new(LengthPrefix::varint())),
        ("length field", AnyCodec::new(LengthField::u32(2))),
        ("fixed size", AnyCodec::new(FixedSize::new(frame.len()))),
        ("netstring", AnyCodec::new(Netstring::new())),
        ("terminated", AnyCodec::new(Terminated::by("\r\n"))),
        ("counted", AnyCodec::new(Terminated::new(Terminator::Count(frame.len())))),
    ];
    for (name, mut codec) in bytewise {
        let wire = codec.to_bytes(&frame).expect("within the limit");
        check_a_drip(name, codec, &wire);
    }
    for codec in [SimpleReactor::plain, || SimpleReactor::plain().obfuscated()] {
        let wire = codec().to_bytes(&frame).expect("within the limit");
        check_a_drip("SimpleReactor", codec(), &wire);
    }
}

#[cfg(feature = "zlib")]
#[test]
fn a_packed_frame_byte_by_byte_costs_some_steps_a_byte() {
    use crate::codec::{Compressed, Compression};

    let prefix = LengthPrefix::u32().max(2 * LINE_BYTES);
    let wire = Compressed::new(prefix, Compression::zlib()).to_bytes(&frame()).expect("short");
    check_a_drip("zlib", Compressed::new(prefix, Compression::zlib()), &wire);
    let wire = SimpleReactor::zlib().to_bytes(&frame()).expect("within the limit");
    check_a_drip("SimpleReactor", SimpleReactor::zlib(), &wire);
}

#[cfg(feature = "tokio-codec")]
#[test]
fn a_frame_byte_by_byte_costs_an_adapted_codec_one_copy() {
    use tokio_util::codec::LengthDelimitedCodec;

    use crate::codec::TokioCodec;

    let frame = frame();
    let length = u32::try_from(frame.len()).expect("1 MiB").to_be_bytes();
    let wire = [&length[..], &frame].concat();
    check_a_drip("length", TokioCodec::new(LengthDelimitedCodec::new()), &wire);
}
