//! The limit for length-prefixed frames: the raw loop plus the least that framing needs.

use std::io;
use std::net::TcpListener;

use super::raw::{Answer, RawLoop};

/// Bytes in front of every frame: its length, big-endian, not counting itself.
pub(super) const PREFIX_BYTES: usize = 4;
/// The limit that servers set against a peer that announces gigabytes.
pub(super) const FRAME_BYTES_MAX: usize = 128 * 1024;

/// Sends every frame back, all frames of one read in one send.
pub(super) fn frames(listener: TcpListener) -> io::Result<()> {
    RawLoop::new(listener, FrameAnswer { output: Vec::new() })?.run()
}

struct FrameAnswer {
    output: Vec<u8>,
}

impl Answer for FrameAnswer {
    fn answer<'a>(&'a mut self, input: &'a [u8], stash: &mut Vec<u8>) -> io::Result<&'a [u8]> {
        self.output.clear();
        let mut rest = input;
        while let Some((frame, behind)) = split_frame(rest)? {
            // A library's user is given the frame and writes one of its own, so the prefix is made
            // anew here as well, not copied along.
            self.output.extend_from_slice(&prefix(frame));
            self.output.extend_from_slice(frame);
            rest = behind;
        }
        stash.extend_from_slice(rest);
        Ok(&self.output)
    }
}

/// Splits the first frame off, without its prefix; `None` if it is not complete.
pub(super) fn split_frame(bytes: &[u8]) -> io::Result<Option<(&[u8], &[u8])>> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes(*prefix) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is over the limit"));
    }
    Ok(rest.split_at_checked(length))
}

/// The prefix of a frame that came through [`split_frame`].
pub(super) fn prefix(frame: &[u8]) -> [u8; PREFIX_BYTES] {
    u32::try_from(frame.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_are_answered_and_the_rest_is_stashed() {
        let mut answer = FrameAnswer { output: Vec::new() };
        let mut stash = Vec::new();
        let input = b"\0\0\0\x02ab\0\0\0\0\0\0\0\x03xy";
        assert_eq!(answer.answer(input, &mut stash).unwrap(), b"\0\0\0\x02ab\0\0\0\0");
        assert_eq!(stash, b"\0\0\0\x03xy");
    }

    #[test]
    fn an_oversized_frame_is_refused_by_its_prefix() {
        assert!(split_frame(b"\xff\xff\xff\xff").is_err());
    }
}
