//! What a stranger may send ends in a typed error, and early.

use super::*;

/// Returns how a stream ends for a codec with the default limits.
fn end(codec: impl Into<AnyCodec>, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    decode(&mut codec.into(), [bytes]).end.expect("a stream has an end")
}

impl From<LengthPrefix> for AnyCodec {
    fn from(codec: LengthPrefix) -> Self {
        Self::new(codec)
    }
}

impl From<LengthField> for AnyCodec {
    fn from(codec: LengthField) -> Self {
        Self::new(codec)
    }
}

impl From<Netstring> for AnyCodec {
    fn from(codec: Netstring) -> Self {
        Self::new(codec)
    }
}

const LIMIT: usize = 1024 * 1024;

fn too_long(announced: u64) -> Result<Vec<u8>, DecodeError> {
    Err(DecodeError::TooLong { announced_bytes: Some(announced), limit_bytes: LIMIT })
}

fn malformed(rule: &'static str) -> Result<Vec<u8>, DecodeError> {
    Err(DecodeError::Malformed { rule })
}

#[test]
fn a_length_over_the_limit_is_refused_when_it_is_read() {
    assert_eq!(end(LengthPrefix::u24(), &[0xff; 3]), too_long(0xff_ffff));
    assert_eq!(end(LengthPrefix::u32(), &[0xff; 4]), too_long(u64::from(u32::MAX)));
    assert_eq!(end(LengthPrefix::u32(), &[0, 0x10, 0, 1]), too_long(LIMIT as u64 + 1));
    assert_eq!(end(LengthPrefix::u64(), &[0xff; 8]), too_long(u64::MAX));
    assert_eq!(end(LengthPrefix::u64().counts_itself(), &[0xff; 8]), too_long(u64::MAX - 8));
    let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert_eq!(end(LengthPrefix::varint(), &largest), too_long(u64::MAX));
    // What it does not count is added without overflow.
    assert_eq!(end(LengthField::u64(4).uncounted(9), &[0xff; 12]), too_long(u64::MAX));
    assert_eq!(end(Netstring::new(), b"1048577"), too_long(LIMIT as u64 + 1));
    assert_eq!(end(Netstring::new(), b"99999999999999999999999999"), too_long(9_999_999));
    // A limit above every number is no leave to send digits for ever.
    let no_number = DecodeError::TooLong { announced_bytes: None, limit_bytes: usize::MAX };
    assert_eq!(end(Netstring::new().max(usize::MAX), &[b'9'; 21]), Err(no_number));
}

#[test]
fn the_limit_itself_is_accepted() {
    let claim = [0, 0x10, 0, 0];
    assert_eq!(end(LengthPrefix::u32(), &claim), Ok(claim.to_vec()));
    assert_eq!(end(Netstring::new(), b"1048576:"), Ok(b"1048576:".to_vec()));
}

#[test]
fn a_length_that_is_none_is_refused() {
    let own = malformed("a length does not count its own bytes");
    assert_eq!(end(LengthPrefix::u32().counts_itself(), &[0, 0, 0, 3]), own);
    assert_eq!(end(LengthPrefix::varint().counts_itself(), &[0]), own);
    let overlong = malformed("a length is written longer than it needs");
    assert_eq!(end(LengthPrefix::varint(), &[0x80, 0x80, 0]), overlong);
    let wide = malformed("a length has more than 64 bits");
    assert_eq!(end(LengthPrefix::varint(), &[0x80; 10]), wide);
    let header = malformed("a length does not count what it has to");
    assert_eq!(end(LengthField::u16(1).counts_all(), &[9, 0, 2]), header);

    let digits = malformed("a length has something else than digits");
    for text in [":", "x:", "-1:a,", " 1:a,", "1 :a,", "+1:a,", "1\0"] {
        assert_eq!(end(Netstring::new(), text.as_bytes()), digits, "{text}");
    }
    let zero = malformed("a length begins with a zero");
    assert_eq!(end(Netstring::new(), b"01:a,"), zero);
    assert_eq!(end(Netstring::new(), b"00:,"), zero);
    let comma = malformed("a netstring does not end in a comma");
    assert_eq!(end(Netstring::new(), b"1:ab"), comma);
}

#[test]
fn frames_of_no_bytes_are_frames_and_end() {
    let mut prefix = AnyCodec::new(LengthPrefix::u32());
    let decoded = decode(&mut prefix, [&[0; 4000][..]]);
    assert_eq!(decoded.frames, vec![b""; 1000]);
    let decoded = decode(&mut AnyCodec::new(Lines::new()), [&[b'\n'; 1000][..]]);
    assert_eq!(decoded.frames, vec![b""; 1000]);
}

#[test]
fn a_line_without_end_is_refused_at_the_limit() {
    let refused = Err(DecodeError::TooLong { announced_bytes: None, limit_bytes: 40 });
    for make in [
        || AnyCodec::new(Lines::new().max(40)),
        || AnyCodec::new(Delimited::new("\r\n").max(40)),
        || AnyCodec::new(Terminated::by("long delimiter").max(40)),
    ] {
        let mut codec = make();
        let mut stream = Stream::default();
        let mut taken = 0;
        while stream.decoded.end.is_none() {
            stream.feed(&mut codec, b"x");
            taken += 1;
        }
        assert!(taken <= 40 + "long delimiter".len(), "{taken} bytes were kept");
        assert_eq!(stream.finish(&mut codec).end, Some(refused.clone()));
    }
}

#[test]
fn the_last_line_has_the_same_limit_as_all_others() {
    let codec = || AnyCodec::new(Lines::new().max(3).trailing(Trailing::Deliver));
    assert_eq!(decode(&mut codec(), [&b"123\r"[..]]).frames, [b"123"]);
    let over = decode(&mut codec(), [&b"1234"[..]]);
    let refused = DecodeError::TooLong { announced_bytes: None, limit_bytes: 3 };
    assert_eq!((over.frames, over.end), (vec![], Some(Err(refused))));
}

#[test]
fn a_counted_frame_has_a_limit_too() {
    let mut codec = AnyCodec::new(Terminated::new(Terminator::Count(usize::MAX)));
    assert_eq!(decode(&mut codec, [&b"x"[..]]).end, Some(too_long(usize::MAX as u64)));
}

/// Nobody can make a codec hold memory for a frame: it has no place to.
#[test]
fn codecs_are_small_and_own_no_buffer() {
    assert!(size_of::<LengthPrefix>() <= 24, "{}", size_of::<LengthPrefix>());
    assert!(size_of::<LengthField>() <= 40, "{}", size_of::<LengthField>());
    assert!(size_of::<Lines>() <= 16, "{}", size_of::<Lines>());
    assert!(size_of::<Netstring>() <= 8, "{}", size_of::<Netstring>());
    assert!(size_of::<Delimited>() <= 48, "{}", size_of::<Delimited>());
    assert!(size_of::<Terminated>() <= 48, "{}", size_of::<Terminated>());
}
