//! Codecs for tokio-util behave as they do there, and within limits.

use std::cell::Cell;
use std::io;

use bytes::{Buf, BufMut, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio_util::codec::{self as theirs, LengthDelimitedCodec, LinesCodec, LinesCodecError};

use super::*;
use crate::codec::{Encoder, TokioCodec, TokioCodecError};

/// Decodes a stream that comes in parts; the error and what is left, if it ends in one.
fn decode_parts<C: Decoder>(
    codec: &mut C,
    wire: &[u8],
    cuts: &[usize],
    mut on_frame: impl FnMut(C::Frame<'_>),
) -> Result<usize, C::Error> {
    let mut at = 0;
    for end in cuts {
        let mut input = Input::from_bytes(&wire[at..*end]);
        while let Some(frame) = codec.decode(&mut input)? {
            on_frame(frame);
        }
        at = end - input.len();
    }
    let mut input = Input::from_bytes(&wire[at..]);
    while let Some(frame) = codec.decode_end(&mut input)? {
        on_frame(frame);
    }
    Ok(input.len())
}

fn cuts_of(wire: &[u8], cuts: &[prop::sample::Index]) -> Vec<usize> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
    cuts.push(wire.len());
    cuts.sort_unstable();
    cuts
}

proptest! {
    /// The same bytes, the same frames, from their codec and from ours, however they come.
    #[test]
    fn an_adapted_length_prefix_finds_what_ours_finds(
        frames in vec(vec(any::<u8>(), 0..60), 0..8),
        tail in vec(0..60_u8, 0..12),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut ours = LengthPrefix::u16().max(FRAME_BYTES_MAX);
        let mut wire: Vec<u8> =
            frames.iter().filter_map(|frame| ours.to_bytes(frame).ok()).flatten().collect();
        wire.extend_from_slice(&tail);
        let cuts = cuts_of(&wire, &cuts);
        let mut expected = Vec::new();
        let end = decode_parts(&mut ours, &wire, &cuts, |frame| expected.push(frame.to_vec()));

        let theirs = LengthDelimitedCodec::builder()
            .length_field_length(2)
            .max_frame_length(FRAME_BYTES_MAX)
            .new_codec();
        let mut adapted = TokioCodec::new(theirs);
        let mut found = Vec::new();
        let adapted_end = decode_parts(&mut adapted, &wire, &cuts, |frame| found.push(frame.to_vec()));
        prop_assert_eq!(found, expected);
        // What is left is an error of theirs, unless it is no more than a length.
        prop_assert!(adapted_end.is_err() || end == Ok(0) || end == Ok(2), "{:?}", end);
    }

    #[test]
    fn what_is_sent_through_an_adapted_codec_arrives(
        lines in vec("[a-z]{0,30}", 0..8),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut codec = TokioCodec::new(LinesCodec::new());
        let wire: Vec<u8> = lines.iter().flat_map(|line| codec.to_bytes(line).unwrap()).collect();
        let mut found = Vec::new();
        let end = decode_parts(&mut codec, &wire, &cuts_of(&wire, &cuts), |line| found.push(line));
        prop_assert_eq!(end.unwrap(), 0);
        prop_assert_eq!(found, lines);
    }
}

#[test]
fn the_rest_at_the_end_is_what_decode_eof_makes_of_it() {
    let mut lines = Vec::new();
    let left = decode_parts(&mut TokioCodec::new(LinesCodec::new()), b"a\r\nb\r", &[5], |line| {
        lines.push(line);
    });
    assert_eq!((lines, left.unwrap()), (vec!["a".to_owned(), "b".to_owned()], 0));
    let mut codec = TokioCodec::new(LengthDelimitedCodec::new());
    let cut = decode_parts(&mut codec, b"\0\0\0\x09abc", &[7], |_| panic!("it is not whole"));
    let Err(TokioCodecError::Codec { source }) = cut else { panic!("{cut:?}") };
    assert_eq!(source.to_string(), "bytes remaining on stream");
}

#[test]
fn an_error_of_the_codec_keeps_its_type_and_is_told_once() {
    let mut codec = TokioCodec::new(LinesCodec::new_with_max_length(3));
    let refused = codec.decode(&mut Input::from_bytes(b"12345")).unwrap_err();
    assert_eq!(refused.to_string(), "max line length exceeded");
    assert!(std::error::Error::source(&refused).is_none());
    let TokioCodecError::Codec { source } = refused else { panic!("{refused:?}") };
    assert!(matches!(source, LinesCodecError::MaxLineLengthExceeded));
}

/// Counts what it is shown: a number of bytes, then so many. Reserves for each as it is announced.
struct Counted<'a> {
    shown: &'a Cell<usize>,
    known: usize,
}

impl theirs::Decoder for Counted<'_> {
    type Item = BytesMut;
    type Error = io::Error;

    fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<BytesMut>> {
        self.shown.set(self.shown.get() + src.len() - self.known);
        self.known = src.len();
        let Some(head) = src.first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if src.len() < 4 + length {
            src.reserve(4 + length - src.len());
            return Ok(None);
        }
        src.advance(4);
        self.known -= 4 + length;
        Ok(Some(src.split_to(length)))
    }
}

#[test]
fn each_byte_is_shown_once_and_an_idle_codec_owns_no_buffer() {
    let shown = Cell::new(0);
    let mut codec = TokioCodec::new(Counted { shown: &shown, known: 0 });
    let mut wire = BytesMut::new();
    for length in [0_u32, 1, 70_000, 3] {
        wire.put_u32(length);
        wire.put_bytes(b'x', length as usize);
    }
    let mut lengths = Vec::new();
    let cuts: Vec<_> = (1..=wire.len()).collect();
    let left = decode_parts(&mut codec, &wire, &cuts, |frame| lengths.push(frame.len()));
    assert_eq!((lengths, left.unwrap()), (vec![0, 1, 70_000, 3], 0));
    assert_eq!(shown.get(), wire.len());
    assert_eq!(codec.buffer.capacity(), 0);
}

#[test]
fn no_more_waits_than_the_limit_whatever_the_codec_allows() {
    let too_long = "a frame needs more than the limit of 1000 bytes";
    // A line without an end.
    let mut endless = TokioCodec::new(LinesCodec::new()).max(1000);
    let bytes = vec![b'x'; 1001];
    for end in 0..=1000 {
        assert!(endless.decode(&mut Input::from_bytes(&bytes[..end])).unwrap().is_none());
    }
    assert!(endless.buffer.capacity() <= 2000);
    let refused = endless.decode(&mut Input::from_bytes(&bytes)).unwrap_err();
    assert_eq!(refused.to_string(), too_long);
    // A length that makes the decoder reserve.
    let shown = Cell::new(0);
    let mut claimed = TokioCodec::new(Counted { shown: &shown, known: 0 }).max(1000);
    let claim = 16_u32.pow(6).to_be_bytes();
    let refused = claimed.decode(&mut Input::from_bytes(&claim)).unwrap_err();
    assert_eq!(refused.to_string(), too_long);
}

#[test]
fn many_small_frames_are_more_than_the_limit_together() {
    let mut codec = TokioCodec::new(LinesCodec::new()).max(16);
    let mut found = 0;
    let wire = b"0123456789\n".repeat(100);
    assert_eq!(decode_parts(&mut codec, &wire, &[wire.len()], |_| found += 1).unwrap(), 0);
    assert_eq!(found, 100);
}

/// Gives back more than it took.
struct Adding;

impl theirs::Decoder for Adding {
    type Item = ();
    type Error = io::Error;

    fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<()>> {
        src.put_u8(0);
        Ok(None)
    }
}

#[test]
fn a_decoder_that_adds_to_its_input_is_refused() {
    let refused = TokioCodec::new(Adding).decode(&mut Input::from_bytes(b"x"));
    assert!(matches!(refused, Err(TokioCodecError::Added)), "{refused:?}");
}

#[test]
fn a_frame_that_cannot_be_encoded_leaves_nothing_behind() {
    let theirs = LengthDelimitedCodec::builder().max_frame_length(3).new_codec();
    let mut codec = TokioCodec::new(theirs);
    assert!(codec.to_bytes(&Bytes::from_static(b"1234")).is_err());
    let wire = codec.to_bytes(&Bytes::from_static(b"123")).unwrap();
    assert_eq!(wire, &b"\0\0\0\x03123"[..]);
    let mut large = TokioCodec::new(LengthDelimitedCodec::new());
    large.to_bytes(&Bytes::from(vec![0; 100_000])).unwrap();
    assert_eq!(large.scratch.capacity(), 0, "large memory is not kept");
}
