//! The bytes of one connection: the same message again and again, so one copy serves all of them.

use crate::contenders::Suite;

/// Bytes of the length in front of a framed message.
const PREFIX_BYTES: usize = 4;

/// A stretch of the endless stream `message, message, ..`, one message longer than what may be in
/// flight: whatever is to be sent next lies in it in one piece.
#[derive(Debug)]
pub(super) struct Wire {
    stretch: Vec<u8>,
    message_bytes: usize,
}

impl Wire {
    pub(super) fn new(suite: Suite, payload_bytes: usize, outstanding: u32) -> Self {
        let mut message = Vec::with_capacity(PREFIX_BYTES + payload_bytes);
        if suite == Suite::Frames {
            message
                .extend_from_slice(&u32::try_from(payload_bytes).unwrap_or(u32::MAX).to_be_bytes());
        }
        // A pattern whose period is no power of two, so that a shifted echo does not look right.
        message.extend((0..payload_bytes).map(|index| u8::try_from(index % 251).unwrap_or(0)));
        Self { message_bytes: message.len(), stretch: message.repeat(outstanding as usize + 1) }
    }

    pub(super) fn message_bytes(&self) -> usize {
        self.message_bytes
    }

    /// The `length` bytes that follow `phase` bytes of a message.
    pub(super) fn bytes(&self, phase: usize, length: usize) -> &[u8] {
        &self.stretch[phase..phase + length]
    }

    /// Whether `echo` is what follows `phase` bytes of a message.
    pub(super) fn matches(&self, phase: usize, echo: &[u8]) -> bool {
        self.stretch.get(phase..phase + echo.len()) == Some(echo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_its_length_and_its_payload() {
        let wire = Wire::new(Suite::Frames, 3, 1);
        assert_eq!(wire.message_bytes(), 7);
        assert_eq!(wire.bytes(0, 9), [0, 0, 0, 3, 0, 1, 2, 0, 0]);
    }

    #[test]
    fn an_echo_must_match_at_its_phase() {
        let wire = Wire::new(Suite::Echo, 3, 1);
        assert!(wire.matches(1, &[1, 2, 0, 1]));
        assert!(!wire.matches(1, &[1, 2, 3]));
        assert!(!wire.matches(2, &[2, 0, 1, 2, 0, 1]), "more than was ever in flight");
    }
}
