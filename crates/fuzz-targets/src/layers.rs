//! The target of connections whose streams are packed as a whole.

use net_reactor::codec::Compression;
use net_reactor::prelude::*;
use net_reactor::sim::Solo;
use net_reactor::{CloseReason, ConnConfig, Message};

use crate::budget::peak_bytes;
use crate::case::Case;

/// What a stream may unpack to whatever its ratio, and at which ratio beyond that.
const UNRATED_BYTES: usize = 1024 * 1024;
const RATIO_MAX: usize = 200;

/// What the loop, both ends of the connection and the unpacked bytes may take.
const BUDGET_BYTES: usize = 8 * 1024 * 1024;

/// Keeps what it reads, and writes the messages it gets, each in a turn of its own.
#[derive(Debug, Default)]
struct Peer {
    received: Vec<u8>,
}

/// The last message.
struct Finish;

impl Protocol for Peer {
    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.received.extend_from_slice(input.take_all());
        Ok(())
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        match message.downcast::<Vec<u8>>() {
            Ok(part) => conn.write(part.as_slice())?,
            Err(_finish) => conn.close(),
        }
        Ok(())
    }
}

/// With the highest bit of the settings the wire is what is sent to a peer, otherwise what comes from
/// one.
pub(crate) fn packed_stream(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let compression = match case.settings % 4 {
        0 => Compression::lz4(),
        1 => Compression::zlib(),
        2 => Compression::zstd(),
        _ => Compression::none(),
    };
    if case.settings & 0x80 != 0 {
        check_sending(&case, compression);
        return;
    }
    let expected = receive(compression, case.wire, &[case.wire.len()]);
    let bytes_max = UNRATED_BYTES.max(RATIO_MAX * case.wire.len());
    assert!(expected.received.len() <= bytes_max + 1, "{} bytes", expected.received.len());
    for cuts in case.coarse_splits() {
        let split = receive(compression, case.wire, &cuts);
        // How much may come of what is there so far depends on how much that is.
        if !expected.is_bomb() && !split.is_bomb() {
            assert_eq!(split, expected, "split at {cuts:?}");
        }
    }
}

/// What is sent in parts arrives whole, with a clean end; and cut short it is no whole.
fn check_sending(case: &Case<'_>, compression: Compression) {
    let mut sender = Solo::with_config(config(compression), Peer::default());
    let [_, _, cuts] = case.splits();
    let mut start = 0;
    for end in cuts {
        sender.message(case.wire[start..end].to_vec());
        start = end;
    }
    sender.message(Finish);
    let wire = sender.output();
    assert!(sender.saw_fin());

    let (bytewise, half) = ((1..=wire.len()).collect::<Vec<_>>(), vec![wire.len() / 2, wire.len()]);
    for cuts in [bytewise, half] {
        let Received { received, end } = receive(compression, &wire, &cuts);
        assert!(received == case.wire, "{} of {} bytes", received.len(), case.wire.len());
        assert_eq!(end, "PeerClosed");
    }
    let cut = &wire[..wire.len() * usize::from(case.cuts) / 256];
    let Received { received, end } = receive(compression, cut, &[cut.len()]);
    assert!(case.wire.starts_with(&received));
    // Without compression nothing says where a stream ends, but FIN.
    let is_whole = case.settings % 4 == 3;
    assert_eq!(end == "PeerClosed", is_whole, "{end} after {} of {}", cut.len(), wire.len());
}

/// What a connection made of its bytes.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    received: Vec<u8>,
    end: String,
}

impl Received {
    fn is_bomb(&self) -> bool {
        self.end.contains("TooDense")
    }
}

fn config(compression: Compression) -> ConnConfig {
    ConnConfig::default().layer(compression)
}

fn receive(compression: Compression, wire: &[u8], cuts: &[usize]) -> Received {
    let (received, peak) = peak_bytes(|| {
        let mut solo = Solo::with_config(config(compression), Peer::default());
        let mut start = 0;
        for end in cuts {
            solo.feed(&wire[start..*end]);
            start = *end;
        }
        solo.finish();
        let end = solo.close_reason().expect("both sides have finished");
        let is_the_peers = matches!(end, CloseReason::PeerClosed | CloseReason::Malformed { .. });
        assert!(is_the_peers, "{end:?}");
        let end = format!("{end:?}");
        Received { received: solo.with(|peer| std::mem::take(&mut peer.received)), end }
    });
    assert!(peak <= BUDGET_BYTES, "{peak} bytes");
    received
}
