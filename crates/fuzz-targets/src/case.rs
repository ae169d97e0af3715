//! What the bytes of the fuzzer mean.

/// One case:
///
/// ```text
///   [ settings ][ cuts ][ wire ............ ]
/// ```
///
/// The settings choose among the codecs of a target, the cuts where the wire is split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) settings: u8,
    pub(crate) cuts: u8,
    pub(crate) wire: &'a [u8],
}

/// More parts than this are too many for a target that runs a loop for each.
const PARTS_MAX: usize = 256;

impl<'a> Case<'a> {
    /// Reads a case; `None` for one without a wire.
    pub(crate) fn read(data: &'a [u8]) -> Option<Self> {
        let (&[settings, cuts], wire) = data.split_first_chunk()?;
        Some(Self { settings, cuts, wire })
    }

    /// Returns the ways in which the wire comes: in one piece, byte by byte, and as the cuts say.
    pub(crate) fn splits(&self) -> [Vec<usize>; 3] {
        let len = self.wire.len();
        let mut some = Vec::new();
        let (mut at, mut state) = (0, u64::from(self.cuts) + 1);
        while at < len {
            // Knuth's multiplier; any will do, but it must be the same for ever.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let step = (state >> 33) as usize % (usize::from(self.cuts) + 1);
            at = (at + step + 1).min(len);
            some.push(at);
        }
        [vec![len], (1..=len).collect(), some]
    }

    /// Returns those of the [`splits`](Self::splits) that are in few parts: the first one, and others.
    pub(crate) fn coarse_splits(&self) -> impl Iterator<Item = Vec<usize>> {
        self.splits().into_iter().filter(|cuts| cuts.len() <= PARTS_MAX)
    }
}
