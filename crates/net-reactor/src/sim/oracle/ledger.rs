//! The byte ledger: what one end takes is what the other end wrote.
//!
//! For each direction of a connection it holds the bytes that were written and are not consumed
//! yet, and compares what comes out with them, byte by byte. At any time:
//!
//! - what was consumed is the beginning of what was written;
//! - what was consumed and what the handler left of its input is no more than what was written;
//! - nothing is written after the other end has seen the end of it.
//!
//! When the receiver has seen the sender's FIN - it was told `on_eof`, or closed with
//! [`PeerClosed`](crate::CloseReason::PeerClosed) although the end was held back from its handler -
//! these pairs must be complete, which means that what was consumed and what was left is all that
//! was written:
//!
//! | the sender, by then | complete | why |
//! |---|---|---|
//! | is open | yes | it sent FIN by `shutdown_write` or in a close, and both send the queue first |
//! | ended with `Closed`, `PeerClosed` | yes | so says the reason: all was handed to the kernel |
//! | ended with `HandlerFailed`, `Malformed`, `InputOverflow` | no | it tried to send all, and does not say whether it could |
//! | ended with another reason | no | the queue was dropped |
//! | is gone with its loop | no | so was its queue |
//! | is not watched | no | nobody knows what it wrote |
//!
//! A receiver that does not see the FIN owes nothing but the beginning: it closed first, after
//! which input is thrown away; or it aborted or failed; or the connection was reset, which may
//! overtake what was sent. That a sender ended with `Closed` does not change this: its bytes were
//! in the kernel's hands, and a receiver that is not there any more does not take them. What the
//! handler left when it saw the end is its own choice.

use std::collections::{BTreeMap, VecDeque};

use super::{OracleKind, Violation};
use crate::sys::Wire;

/// The most bytes held for a receiver that nobody has seen: 64 MiB. Beyond, and for receivers that
/// never come, a direction is not checked.
const UNSEEN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most connections held of which one end is over and the other was never seen.
const UNSEEN_PAIRS_MAX: usize = 4096;

/// How many bytes around a difference a message shows.
const SHOWN_BYTES: usize = 16;

/// The books of all connections.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pairs: BTreeMap<(u64, u64), Pair>,
    /// Pairs of which one end is over and the other was not seen, with the bytes that wait there.
    unseen: VecDeque<((u64, u64), usize)>,
    unseen_bytes: usize,
}

/// Both ends of a connection, that with the lower number first.
#[derive(Debug, Default)]
struct Pair {
    ends: [End; 2],
}

/// One end, and the direction that leads away from it.
#[derive(Debug, Default)]
struct End {
    stage: Stage,
    written_bytes: u64,
    /// Written, and not consumed at the other end.
    unread: VecDeque<u8>,
    /// Too much was written before the other end was seen.
    is_unchecked: bool,
    /// What this end consumed.
    consumed_bytes: u64,
    /// This end has seen the end of what the other wrote.
    saw_end: bool,
}

/// Where an end stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not opened, or not watched.
    #[default]
    Unseen,
    Open,
    /// Closed, and everything was handed to the kernel.
    Clean,
    /// Closed in another way, or gone with its loop.
    Broken,
}

impl Stage {
    fn is_over(self) -> bool {
        matches!(self, Self::Clean | Self::Broken)
    }
}

fn violation(message: String) -> Violation {
    Violation::new(OracleKind::Bytes, message)
}

/// Returns a pair's key, and the places of the own and of the other end.
fn places(wire: Wire) -> ((u64, u64), usize, usize) {
    if wire.own < wire.peer { ((wire.own, wire.peer), 0, 1) } else { ((wire.peer, wire.own), 1, 0) }
}

impl Ledger {
    /// Returns the own and the other end.
    fn ends(&mut self, wire: Wire) -> (&mut End, &mut End) {
        let (key, own, _) = places(wire);
        let [low, high] = &mut self.pairs.entry(key).or_default().ends;
        if own == 0 { (low, high) } else { (high, low) }
    }

    /// One end is open.
    pub(super) fn opened(&mut self, wire: Wire) -> Result<(), Violation> {
        let (own, other) = self.ends(wire);
        own.stage = Stage::Open;
        match other.consumed_bytes {
            0 => Ok(()),
            taken => Err(violation(format!("{taken} bytes arrived before their sender was open"))),
        }
    }

    /// One end wrote.
    pub(super) fn wrote(&mut self, wire: Wire, bytes: &[u8]) -> Result<(), Violation> {
        let (own, other) = self.ends(wire);
        own.written_bytes += bytes.len() as u64;
        if other.saw_end && !bytes.is_empty() {
            let len = bytes.len();
            return Err(violation(format!("{len} bytes were written after the peer saw the end")));
        }
        if own.is_unchecked || other.stage.is_over() {
            return Ok(());
        }
        own.unread.extend(bytes);
        if other.stage == Stage::Unseen && own.unread.len() > UNSEEN_BYTES_MAX {
            own.is_unchecked = true;
            own.unread = VecDeque::new();
        }
        Ok(())
    }

    /// One end consumed bytes and left `kept_bytes` more.
    pub(super) fn consumed(
        &mut self,
        wire: Wire,
        bytes: &[u8],
        kept_bytes: usize,
    ) -> Result<(), Violation> {
        let (own, sender) = self.ends(wire);
        let before = own.consumed_bytes;
        own.consumed_bytes += bytes.len() as u64;
        if sender.stage == Stage::Unseen || sender.is_unchecked {
            return Ok(());
        }
        let same = bytes.iter().zip(&sender.unread).take_while(|(a, b)| a == b).count();
        if same < bytes.len() {
            return Err(difference(before, same, bytes, sender));
        }
        sender.unread.drain(..same);
        let left = sender.unread.len();
        if kept_bytes > left {
            let total = sender.written_bytes;
            return Err(violation(format!(
                "{kept_bytes} bytes are left of the input after {} of {total} that were written",
                own.consumed_bytes
            )));
        }
        Ok(())
    }

    /// One end has seen the end of what the other wrote, and left `kept_bytes` of it.
    pub(super) fn ended(&mut self, wire: Wire, kept_bytes: usize) -> Result<(), Violation> {
        let (own, sender) = self.ends(wire);
        own.saw_end = true;
        let lost = sender.unread.len().saturating_sub(kept_bytes);
        let must_be_whole = matches!(sender.stage, Stage::Open | Stage::Clean);
        sender.unread = VecDeque::new();
        if !must_be_whole || lost == 0 {
            return Ok(());
        }
        Err(violation(format!(
            "the last {lost} of {} bytes never arrived, and the end did",
            sender.written_bytes
        )))
    }

    /// One end is closed.
    pub(super) fn closed(&mut self, wire: Wire, is_clean: bool) {
        self.leave(wire, if is_clean { Stage::Clean } else { Stage::Broken });
    }

    /// One end is gone with its loop, untold.
    pub(super) fn gone(&mut self, wire: Wire) {
        self.leave(wire, Stage::Broken);
    }

    fn leave(&mut self, wire: Wire, stage: Stage) {
        let (own, other) = self.ends(wire);
        own.stage = stage;
        // Nobody consumes them any more.
        other.unread = VecDeque::new();
        let (other, waiting_bytes) = (other.stage, own.unread.len());
        let (key, ..) = places(wire);
        if other.is_over() {
            self.pairs.remove(&key);
        } else if other == Stage::Unseen {
            self.unseen.push_back((key, waiting_bytes));
            self.unseen_bytes += waiting_bytes;
            self.drop_unseen();
        }
    }

    /// Gives up on the oldest connections whose other end may never be seen.
    fn drop_unseen(&mut self) {
        while self.unseen.len() > UNSEEN_PAIRS_MAX || self.unseen_bytes > UNSEEN_BYTES_MAX {
            let Some((key, waiting_bytes)) = self.unseen.pop_front() else { return };
            self.unseen_bytes -= waiting_bytes;
            let is_unseen = |pair: &Pair| pair.ends.iter().any(|end| end.stage == Stage::Unseen);
            if self.pairs.get(&key).is_some_and(is_unseen) {
                self.pairs.remove(&key);
            }
        }
    }

    /// Returns how many connections are on the books.
    #[cfg(test)]
    pub(super) fn pairs_len(&self) -> usize {
        self.pairs.len()
    }
}

/// Says where what came out differs from what went in.
fn difference(before: u64, same: usize, bytes: &[u8], sender: &End) -> Violation {
    let at = before + same as u64;
    if same == sender.unread.len() {
        let (more, total) = (bytes.len() - same, sender.written_bytes);
        return violation(format!("{more} bytes came out after all {total} that were written"));
    }
    let came = &bytes[same..bytes.len().min(same + SHOWN_BYTES)];
    let went: Vec<u8> = sender.unread.iter().skip(same).take(SHOWN_BYTES).copied().collect();
    violation(format!(
        "byte {at} differs: \"{}\" was written, \"{}\" came out",
        went.escape_ascii(),
        came.escape_ascii()
    ))
}
