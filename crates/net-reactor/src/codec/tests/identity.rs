//! What is encoded is decoded again, and what could not be is refused.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::codec::{EncodeError, Encoder, Output};

/// Few different bytes, so that delimiters and parts of them are common.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![8 => prop::sample::select(&b"ab\r\n;"[..]), 1 => any::<u8>()]
}

/// The frame as the peer will see it: a length field is written over.
fn as_seen(named: &Named, frame: &[u8], wire: &[u8]) -> Vec<u8> {
    if named.name.starts_with("LengthField") { wire.to_vec() } else { frame.to_vec() }
}

proptest! {
    #[test]
    fn what_is_sent_arrives(frames in vec(vec(byte(), 0..50), 0..8)) {
        for named in ALL {
            let mut codec = (named.make)();
            let (mut wire, mut expected) = (Vec::new(), Vec::new());
            for frame in &frames {
                let before = wire.len();
                match codec.encode(frame, &mut Output::behind(&mut wire)) {
                    Ok(()) => expected.push(as_seen(named, frame, &wire[before..])),
                    // What a connection does with a frame that was refused.
                    Err(_) => wire.truncate(before),
                }
            }
            let decoded = decode(&mut (named.make)(), [&wire[..]]);
            prop_assert_eq!(decoded.end, Some(Ok(Vec::new())), "{}", named.name);
            if loses_borders(named) {
                prop_assert_eq!(decoded.frames.concat(), expected.concat(), "{}", named.name);
            } else {
                prop_assert_eq!(decoded.frames, expected, "{}", named.name);
            }
        }
    }

    #[test]
    fn a_codec_looks_at_nothing_that_another_has_put_before(
        head in vec(byte(), 0..9),
        frame in vec(byte(), 0..50),
    ) {
        for named in ALL {
            let alone = (named.make)().to_bytes(&frame);
            let mut wire = Vec::new();
            let mut output = Output::behind(&mut wire);
            output.put(&head);
            let encoded = (named.make)().encode(&frame, &mut output);
            let behind = encoded.map(|()| wire[head.len()..].to_vec().into());
            prop_assert_eq!(behind, alone, "{}", named.name);
        }
    }

    #[test]
    fn a_length_field_changes_nothing_but_itself(frame in vec(any::<u8>(), 0..40)) {
        let mut codec = LengthField::u16(3).uncounted(2);
        if let Ok(wire) = codec.to_bytes(&frame) {
            prop_assert_eq!(&wire[..3], &frame[..3]);
            prop_assert_eq!(&wire[5..], &frame[5..]);
            prop_assert_eq!(usize::from(u16::from_be_bytes([wire[3], wire[4]])), frame.len() - 7);
        } else {
            prop_assert!(frame.len() < 7);
        }
    }
}

/// Whether a codec gives bytes as they come, so that only all of them can be compared.
fn loses_borders(named: &Named) -> bool {
    ["Raw", "None", "Bytes::new", "Count(0)"].iter().any(|name| named.name.contains(name))
}

proptest! {
    #[test]
    fn what_was_received_can_be_sent_again(wire in vec(byte(), 0..80)) {
        for named in ALL.iter().filter(|named| !loses_borders(named)) {
            for frame in decode(&mut (named.make)(), [&wire[..]]).frames {
                match (named.make)().to_bytes(&frame) {
                    Ok(again) => {
                        let decoded = decode(&mut (named.make)(), [&again[..]]).frames;
                        prop_assert_eq!(decoded, [frame], "{}", named.name);
                    }
                    // Of `\r\r\n` one CR belongs to the end, and a rest that is delivered may hold
                    // the beginning of a delimiter.
                    Err(error) => {
                        let ambiguous = named.name.contains("Deliver") || frame.ends_with(b"\r");
                        prop_assert!(ambiguous, "{}: {:?}: {}", named.name, frame, error);
                    }
                }
            }
        }
    }
}

/// The properties above would hold for a codec that refuses everything.
#[test]
fn every_codec_sends_something() {
    for named in ALL {
        let sent = (0..20).any(|len| (named.make)().to_bytes(&vec![b'x'; len]).is_ok());
        assert!(sent, "{}", named.name);
    }
}

#[test]
fn a_frame_that_contains_its_end_is_refused() {
    let contains = |refused| assert_eq!(refused, Err(EncodeError::ContainsDelimiter));
    contains(Lines::new().to_bytes("two\nlines"));
    contains(Lines::new().to_bytes("cr at the end\r"));
    contains(Delimited::new("--").to_bytes("a--b"));
    // Together with the delimiter it has one earlier than it should.
    contains(Delimited::new("--").to_bytes("a-"));
    contains(Terminated::by("\r\n").to_bytes("\r\n"));
    assert_eq!(Delimited::new("--").to_bytes("a-b").unwrap(), "a-b--");
    assert_eq!(Lines::new().to_bytes("a\rb").unwrap(), "a\rb\n");
}

#[test]
fn every_codec_refuses_what_is_over_its_limit() {
    let frame = [b'x'; FRAME_BYTES_MAX + 1];
    for named in ALL {
        if ["Raw", "FixedSize", "300", "Bytes::new"].iter().any(|free| named.name.contains(free)) {
            continue;
        }
        let refused = (named.make)().to_bytes(&frame);
        let (bytes, limit_bytes) = (FRAME_BYTES_MAX + 1, FRAME_BYTES_MAX);
        assert_eq!(refused, Err(EncodeError::TooLong { bytes, limit_bytes }), "{}", named.name);
    }
}
