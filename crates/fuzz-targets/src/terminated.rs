//! The target of frames whose end the handler switches.

use net_reactor::codec::{Terminated, Terminator};

use crate::case::Case;
use crate::stream::{Borders, check_sending, check_splits};

const LIMIT: usize = 300;

/// A handler that lets each frame say how the next one ends.
pub(crate) fn terminated(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let make = || Terminated::new(next(case.settings)).max(LIMIT);
    let switch = |codec: &mut Terminated, frame: &[u8]| {
        if let Some(first) = frame.first() {
            codec.set(next(*first));
        } else if *codec.terminator() == Terminator::None {
            // A frame of no bytes ends nothing.
            codec.set(Terminator::Count(1));
        }
    };
    for frame in check_splits(&make, &case, Borders::Sent, switch) {
        assert!(frame.len() <= LIMIT, "a frame of {} bytes", frame.len());
    }
    // Without an end of frames there are none to compare.
    let unended = || Terminated::new(Terminator::None).max(usize::MAX);
    let frames = check_splits(&unended, &case, Borders::Lost, |_, _| {});
    assert_eq!(frames.concat(), case.wire);
    // A count of no bytes gives its frame before anything has come.
    if next(case.settings) != Terminator::Count(0) {
        check_sending(&make, case.wire);
    }
}

/// Returns a terminator that has an end.
fn next(choice: u8) -> Terminator {
    match choice {
        0..=63 => Terminator::Count(usize::from(choice)),
        // Over the limit: a typed error.
        64 => Terminator::Count(usize::MAX),
        65..=127 => Terminator::Delimiter("\r\n".into()),
        128..=190 => Terminator::Delimiter("abaab".into()),
        _ => Terminator::Delimiter("\n".into()),
    }
}
