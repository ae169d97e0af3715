//! Numbers of seven bits a byte, the lowest first (unsigned LEB128).

use super::DecodeError;

/// The most bytes that a number of 64 bits takes.
pub(super) const VARINT_BYTES_MAX: usize = 10;

/// Reads the number at the front of `bytes`, and how many bytes it takes; `None` if it is cut.
///
/// There is one way to write each number: a last byte of zero, which says nothing, is refused.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(u64, usize)>, DecodeError> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if at == VARINT_BYTES_MAX - 1 && *byte > 1 {
            return Err(DecodeError::malformed("a length has more than 64 bits"));
        }
        number |= bits << (7 * at);
        if byte & 0x80 == 0 {
            if bits == 0 && at > 0 {
                return Err(DecodeError::malformed("a length is written longer than it needs"));
            }
            return Ok(Some((number, at + 1)));
        }
    }
    Ok(None)
}

/// Writes a number: the bytes, and how many of them count.
pub(super) fn bytes(mut number: u64) -> ([u8; VARINT_BYTES_MAX], usize) {
    let mut bytes = [0; VARINT_BYTES_MAX];
    let mut len = 0;
    loop {
        let rest = number >> 7;
        bytes[len] = (number & 0x7f) as u8 | if rest > 0 { 0x80 } else { 0 };
        len += 1;
        if rest == 0 {
            return (bytes, len);
        }
        number = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for number in (0..64).flat_map(|bit| [1 << bit, (1_u64 << bit) - 1]).chain([u64::MAX]) {
            let (written, len) = bytes(number);
            assert_eq!(read(&written[..len]), Ok(Some((number, len))));
            assert_eq!(read(&written[..len - 1]), Ok(None));
        }
    }

    #[test]
    fn there_is_one_way_to_write_a_number() {
        assert!(read(&[0x80, 0]).is_err());
        assert!(read(&[0xff, 0x80, 0x80, 0]).is_err());
        assert!(read(&[0xff; 10]).is_err());
        assert!(read(&[0x80; 100]).is_err());
        let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(read(&largest), Ok(Some((u64::MAX, 10))));
    }
}
