//! An abort: output dropped, RST, and silence.

use net_reactor::CloseReason;

use crate::peer::Peer;
use crate::probe::{Plan, Seen, Step, command};
use crate::support::{KIB, MIB, ON_PURPOSE, Served, brief, pattern, small_buffers};

#[test]
fn the_peer_of_an_aborted_connection_gets_a_reset_and_not_the_queued_output() {
    let (plan, watch) = Plan::new(|conn, step| {
        if let Step::Data(_) = step {
            conn.write("never")?;
            conn.abort();
            assert!(conn.write("ever").is_err());
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    peer.send("x");
    assert_eq!(peer.read_until_reset(), b"");
    assert!(matches!(watch.close_reason(), CloseReason::Aborted));
}

#[test]
fn output_that_waits_for_a_slow_peer_is_dropped_by_an_abort() {
    let (plan, watch) = Plan::passive();
    let served = Served::with(small_buffers(), move || plan.probe());
    let mut peer = Peer::connect_small(&served.address);
    let handle = watch.opened();
    handle.send(pattern(8 * MIB)).unwrap();
    peer.receive(1);
    handle.abort().unwrap();
    assert!(peer.read_until_reset().len() < 8 * MIB);
    assert!(matches!(watch.story().1, CloseReason::Aborted));
}

#[test]
fn after_an_abort_in_on_data_nothing_comes_but_on_close() {
    let (plan, watch) = Plan::new(|conn, step| {
        match step {
            Step::Open => conn.set_timer(net_reactor::Tag(1), std::time::Duration::ZERO),
            Step::Data(_) => {
                // Everything that could call again: pressure, a timer, a message, more data.
                let id = conn.id();
                conn.set_timer(net_reactor::Tag(2), std::time::Duration::ZERO);
                conn.reactor().message(id, ())?;
                conn.write(pattern(8 * MIB))?;
                conn.pause();
                conn.resume();
                conn.abort();
                conn.set_timer(net_reactor::Tag(3), std::time::Duration::ZERO);
                conn.pause();
                conn.resume();
            }
            _ => {}
        }
        Ok(())
    });
    let served = Served::with(small_buffers(), move || plan.probe());
    let mut peer = served.peer();
    peer.send_what_fits(&pattern(MIB));
    let (story, reason) = watch.story();
    assert!(matches!(reason, CloseReason::Aborted), "{reason:?}");
    let from_data: Vec<_> =
        story.iter().skip_while(|seen| !matches!(seen, Seen::Data(_))).collect();
    assert_eq!(from_data.len(), 1, "{from_data:?}");
    peer.read_until_over();
    served.finish();
}

#[test]
fn an_abort_from_another_thread_holds_against_what_that_thread_sends_later() {
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    let handle = watch.opened();
    handle.abort().unwrap();
    handle.send("too late").unwrap();
    handle.close().unwrap();
    assert_eq!(peer.read_until_reset(), b"");
    assert!(matches!(watch.story().1, CloseReason::Aborted));
}

#[test]
fn an_aborted_connection_is_gone_for_everybody() {
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || plan.probe());
    let mut bystander = served.bystander();
    let mut peer = served.peer();
    let victim = watch.opened().id();
    let (told, answer) = std::sync::mpsc::channel();
    let ask = move |reactor: &mut net_reactor::Reactor<'_>| {
        assert!(reactor.abort(victim));
        let gone = (
            reactor.conn(victim).is_none(),
            reactor.write(victim, "x").is_err(),
            reactor.close(victim),
            reactor.abort(victim),
        );
        told.send(gone).unwrap();
    };
    served.handle.run_in_loop(ask).unwrap();
    assert_eq!(answer.recv().unwrap(), (true, true, false, false));
    peer.read_until_reset();
    assert!(matches!(watch.story().1, CloseReason::Aborted));
    bystander.check();
}

#[test]
fn aborting_while_a_close_flushes_drops_the_rest() {
    let (plan, watch) = Plan::passive();
    let served = Served::with(small_buffers(), move || plan.probe());
    let mut peer = Peer::connect_small(&served.address);
    let handle = watch.opened();
    let writer = handle.clone();
    command(&writer, |conn| {
        conn.write(pattern(4 * MIB))?;
        conn.close();
        Ok(())
    });
    peer.receive(KIB);
    handle.abort().unwrap();
    assert!(peer.read_until_reset().len() < 4 * MIB);
    assert!(matches!(watch.story().1, CloseReason::Aborted));
}

#[test]
fn an_abort_with_32_mib_that_nobody_reads_leaves_nothing_behind() {
    let (plan, watch) = Plan::passive();
    let config = brief().output_max(64 * MIB);
    let served = Served::with(config, move || plan.probe());
    let mut peer = served.peer();
    let handle = watch.opened();
    handle.send(pattern(32 * MIB)).unwrap();
    peer.receive(1);
    handle.abort().unwrap();
    assert!(matches!(watch.story().1, CloseReason::Aborted));
    assert!(peer.read_until_reset().len() < 32 * MIB);
    // Checks that no connection and no timer is left.
    served.finish();
}

#[test]
fn an_error_or_a_panic_after_an_abort_does_not_bring_the_connection_back() {
    for panics in [false, true] {
        let (plan, watch) = Plan::new(move |conn, step| {
            if let Step::Data(_) = step {
                conn.write("never")?;
                conn.abort();
                if panics {
                    std::panic::panic_any(ON_PURPOSE);
                }
                return Err(net_reactor::Failure::msg("too late"));
            }
            Ok(())
        });
        let served = Served::new(move || plan.probe());
        let mut bystander = served.bystander();
        let mut peer = served.peer();
        peer.send("x");
        assert_eq!(peer.read_until_reset(), b"");
        // The abort came first.
        assert!(matches!(watch.close_reason(), CloseReason::Aborted), "{panics}");
        bystander.check();
        served.finish();
    }
}
