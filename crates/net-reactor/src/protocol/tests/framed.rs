//! Connections that speak in frames take the staging area out of the loop, and give it back.

use super::rig::Rig;
use crate::codec::Lines;
use crate::net::ConnConfig;
use crate::protocol::Framed;

#[test]
fn a_panic_between_two_frames_costs_no_other_connection_its_output() {
    let mut rig = Rig::pair();
    rig.listen(0, ConnConfig::default(), || {
        Framed::on_frame(Lines::new(), |conn, line| {
            conn.send(line)?;
            assert!(line != b"panic", "as asked");
            Ok(())
        })
    });
    let bare = rig.bare("c");
    let mut peers: Vec<_> = (0..3).map(|_| bare.connect("10.0.0.1:7000")).collect();
    rig.settle();
    // All in one turn, so that the output of the others is staged before and behind.
    peers[0].send(b"first\n").unwrap();
    peers[1].send(b"x\npanic\nx\n").unwrap();
    peers[2].send(b"last\n").unwrap();
    rig.settle();
    assert_eq!(peers[0].receive().unwrap().0, b"first\n");
    assert_eq!(peers[2].receive().unwrap().0, b"last\n");
    assert_eq!(rig.reactor(0).accepted().len(), 2);
}
