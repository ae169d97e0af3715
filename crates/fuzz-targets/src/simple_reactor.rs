//! The target of SimpleReactor's wire, in every form.

use net_reactor::codec::{Encoder, Kind, SimpleReactor, TypedFrame};

use crate::case::Case;
use crate::zlib::decode;

/// The most data of a frame.
const DATA_BYTES_MAX: usize = 16 * 1024;

/// By the two lowest bits: packed, obfuscated.
fn codec(settings: u8) -> SimpleReactor {
    let codec = if settings & 1 == 0 { SimpleReactor::plain() } else { SimpleReactor::zlib() };
    let codec = codec.max(DATA_BYTES_MAX);
    if settings & 2 == 0 { codec } else { codec.obfuscated() }
}

fn owned(frame: &TypedFrame<'_>) -> (Kind, Vec<u8>) {
    assert!(frame.data().len() <= DATA_BYTES_MAX, "{} bytes", frame.data().len());
    (frame.kind(), frame.data().to_vec())
}

/// With the third bit the wire is what is sent to a peer, otherwise what comes from one.
pub(crate) fn simple_reactor(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let make = || codec(case.settings);
    if case.settings & 4 == 0 {
        let [whole, others @ ..] = case.splits();
        let expected = decode(make(), case.wire, &whole, |frame| owned(&frame));
        for cuts in others {
            let split = decode(make(), case.wire, &cuts, |frame| owned(&frame));
            assert_eq!(split, expected, "split at {cuts:?}");
        }
        return;
    }
    let (mut sender, mut wire) = (make(), Vec::new());
    let sent = [(Kind::Application, case.wire.to_vec()), (Kind::System(7), case.wire.to_vec())];
    for (kind, data) in &sent {
        match sender.to_bytes(&TypedFrame::new(*kind, data)) {
            Ok(bytes) => wire.extend_from_slice(&bytes),
            Err(error) => return assert!(data.is_empty(), "{error}"),
        }
    }
    let (frames, end) = decode(make(), &wire, &[wire.len()], |frame| owned(&frame));
    assert_eq!((frames, end), (sent.to_vec(), Ok(0)));
}
