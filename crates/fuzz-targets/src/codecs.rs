//! The targets of codecs whose frames end where the wire says.

use net_reactor::codec::{
    Delimited, FixedSize, LengthField, LengthPrefix, LineEnd, Lines, Netstring, Raw, Trailing,
};

use crate::case::Case;
use crate::stream::{Borders, Bytewise, check_sending, check_splits};

/// Limits so small that the fuzzer goes over them, and the largest frame that a length can claim.
const LIMITS: [usize; 4] = [0, 16, 300, 1024 * 1024];

/// Checks every promise; `is_sendable` says of a received frame whether it can be sent as it is.
fn check<C: Bytewise>(
    case: &Case<'_>,
    limit: usize,
    make: impl Fn() -> C,
    is_sendable: impl Fn(&[u8]) -> bool,
) {
    for frame in check_splits(&make, case, Borders::Sent, |_, _| {}) {
        assert!(frame.len() <= limit, "a frame of {} bytes", frame.len());
        assert_eq!(check_sending(&make, frame), is_sendable(frame), "{frame:?}");
    }
    check_sending(&make, case.wire);
}

fn trailing(settings: u8) -> Trailing {
    if settings & 0x80 == 0 { Trailing::Refuse } else { Trailing::Deliver }
}

pub(crate) fn lines(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let limit = LIMITS[usize::from(case.settings) % 4];
    let end = if case.settings & 0x40 == 0 { LineEnd::Lf } else { LineEnd::CrLf };
    let make = || Lines::new().max(limit).end(end).trailing(trailing(case.settings));
    // Of `\r\r\n` one CR belongs to the end. The peer would take the other for the end, too.
    check(&case, limit, make, |line| !line.ends_with(b"\r"));
}

pub(crate) fn delimited(data: &[u8]) {
    const DELIMITERS: [&str; 8] =
        ["\n", "\r\n", ";", "--", "aab", "abaab", "--boundary--", "0123456789abcdef"];
    let Some(case) = Case::read(data) else { return };
    let limit = LIMITS[usize::from(case.settings) % 4];
    let delimiter = DELIMITERS[usize::from(case.settings >> 2) % 8];
    let make = || Delimited::new(delimiter).max(limit).trailing(trailing(case.settings));
    // A rest that is delivered may make a delimiter together with the one behind it.
    let is_sendable = |frame: &[u8]| {
        let sent = [frame, delimiter.as_bytes()].concat();
        let found = sent.windows(delimiter.len()).position(|part| part == delimiter.as_bytes());
        found == Some(frame.len())
    };
    check(&case, limit, make, is_sendable);
}

pub(crate) fn length_prefix(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let limit = LIMITS[usize::from(case.settings) % 4];
    let make = || {
        let codec = match case.settings >> 2 & 7 {
            0 => LengthPrefix::u8(),
            1 => LengthPrefix::u16(),
            2 => LengthPrefix::u24(),
            3 => LengthPrefix::u32(),
            4 => LengthPrefix::u64(),
            _ => LengthPrefix::varint(),
        };
        let codec = if case.settings & 0x20 == 0 { codec } else { codec.little_endian() };
        let codec = if case.settings & 0x40 == 0 { codec } else { codec.counts_itself() };
        codec.max(limit)
    };
    check(&case, limit, make, |_| true);
}

pub(crate) fn length_field(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let limit = LIMITS[usize::from(case.settings) % 4];
    let offset = usize::from(case.settings >> 6);
    let make = || {
        let codec = match case.settings >> 2 & 3 {
            0 => LengthField::u8(offset),
            1 => LengthField::u24(offset).little_endian(),
            2 => LengthField::u32(offset),
            _ => LengthField::u64(offset),
        };
        let codec = match case.settings >> 4 & 3 {
            0 => codec,
            1 => codec.uncounted(3),
            2 => codec.counts_itself(),
            _ => codec.counts_all(),
        };
        codec.max(limit)
    };
    for frame in check_splits(&make, &case, Borders::Sent, |_, _| {}) {
        assert!(frame.len() <= limit, "a frame of {} bytes", frame.len());
        assert!(check_sending(&make, frame), "{frame:?}");
    }
}

pub(crate) fn fixed_size(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let size = usize::from(case.settings).max(1);
    check(&case, size, || FixedSize::new(size), |_| true);
}

pub(crate) fn netstring(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let limit = LIMITS[usize::from(case.settings) % 4];
    check(&case, limit, || Netstring::new().max(limit), |_| true);
}

pub(crate) fn raw(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let frames = check_splits(&Raw::new, &case, Borders::Lost, |_, _| {});
    assert_eq!(frames.concat(), case.wire);
    check_sending(&Raw::new, case.wire);
}
