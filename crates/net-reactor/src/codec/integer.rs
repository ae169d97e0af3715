//! Numbers of a fixed width.

/// How many bytes a number takes, and which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Integer {
    width: Width,
    /// What eight bytes are shifted by so that the number's bits are left.
    shift: u8,
    little_endian: bool,
}

/// How many bytes a number takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    One = 1,
    Two = 2,
    Three = 3,
    Four = 4,
    Eight = 8,
}

impl Integer {
    pub(super) const fn big_endian(width: Width) -> Self {
        Self { width, shift: 64 - 8 * width as u8, little_endian: false }
    }

    pub(super) const fn to_little_endian(self) -> Self {
        Self { little_endian: true, ..self }
    }

    /// Returns the number of bytes.
    #[inline]
    pub(super) const fn width(self) -> usize {
        self.width as usize
    }

    /// Returns the largest number.
    #[inline]
    pub(super) const fn max(self) -> u64 {
        u64::MAX >> self.shift
    }

    /// Reads the number at the front of `bytes`, if there are enough.
    #[inline]
    pub(super) fn read(self, bytes: &[u8]) -> Option<u64> {
        match bytes.first_chunk() {
            Some(eight) => Some(self.pick(*eight)),
            None => self.read_at_end(bytes),
        }
    }

    /// Reads a number with fewer than eight bytes from its first on.
    #[cold]
    fn read_at_end(self, bytes: &[u8]) -> Option<u64> {
        let number = bytes.get(..self.width())?;
        let mut eight = [0; 8];
        eight[..number.len()].copy_from_slice(number);
        Some(self.pick(eight))
    }

    /// Returns the number that the first of these bytes are.
    #[inline]
    pub(super) const fn pick(self, eight: [u8; 8]) -> u64 {
        if self.little_endian {
            u64::from_le_bytes(eight) & self.max()
        } else {
            u64::from_be_bytes(eight) >> self.shift
        }
    }

    /// Writes a number that is at most [`max`](Self::max): the bytes, of which the first
    /// [`width`](Self::width) count.
    #[inline]
    pub(super) fn bytes(self, number: u64) -> [u8; 8] {
        debug_assert!(number <= self.max(), "the caller checks that it fits");
        if self.little_endian { number.to_le_bytes() } else { (number << self.shift).to_be_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_and_order_reads_what_it_wrote() {
        for width in [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight] {
            let big = Integer::big_endian(width);
            for integer in [big, big.to_little_endian()] {
                for number in [0, 1, 0x7f, 0x0102_0304_0506_0708 & big.max(), big.max()] {
                    let bytes = integer.bytes(number);
                    assert_eq!(integer.read(&bytes[..integer.width()]), Some(number));
                    assert_eq!(integer.read(&bytes[..integer.width() - 1]), None);
                }
            }
        }
        assert_eq!(Integer::big_endian(Width::Three).bytes(0x01_0203)[..3], [1, 2, 3]);
    }
}
