//! Work is linear in what arrived, counted in bytes that searches look at.

use super::*;
use crate::base::EXAMINED;

const LINE_BYTES: usize = 1024 * 1024;

/// Returns how many bytes were looked at to find one frame in a stream in parts of this size.
fn examined(codec: &mut AnyCodec, wire: &[u8], part_bytes: usize) -> usize {
    EXAMINED.with(|examined| examined.set(0));
    let (mut mark, mut frames) = (ScanMark::default(), 0);
    // What is kept only grows here; copying it together is the connection's part.
    for end in (part_bytes..wire.len()).step_by(part_bytes).chain([wire.len()]) {
        let mut input = Input::new(&wire[..end], mark);
        frames += usize::from(codec.decode(&mut input).expect("within the limit").is_some());
        mark = input.mark();
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
