//! What every kernel guarantees about a stream: its bytes, its ends and its failures.

use std::io::{ErrorKind, IoSlice};

use super::rig::{Rig, failed, hang_up, readable, writable};
use crate::base::Rng;
use crate::sys::{CloseHow, Sys, Token};

suite! {
    bytes_arrive_whole_and_in_order_both_ways,
    gathered_bytes_arrive_in_the_order_of_their_slices,
    a_stuck_writer_is_reported_writable_when_the_peer_has_read,
    the_end_comes_after_all_data,
    a_half_closed_stream_carries_the_other_direction,
    both_sides_can_finish_first,
    an_empty_stream_would_block,
    what_came_before_the_registration_is_reported_by_it,
    a_renamed_stream_is_reported_by_its_new_name_alone,
    a_send_after_the_own_end_is_refused,
    finishing_again_is_refused_once_both_sides_have_finished,
    closing_with_unread_input_resets_the_peer,
    a_reset_leaves_what_had_arrived_readable,
    a_reset_is_reported_as_failure_and_told_once,
    a_send_to_a_peer_that_reset_fails,
    a_reset_after_the_end_is_still_reported,
    data_for_a_closed_socket_is_answered_by_a_reset,
}

pub(super) fn bytes_arrive_whole_and_in_order_both_ways<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    let sent = noise(300_000);
    let (mut forth, mut back) = (Vec::new(), Vec::new());
    for chunk in sent.chunks(10_000) {
        rig.send_all(&mut client, chunk);
        while forth.len() < back.len() + chunk.len() {
            forth.extend(rig.receive(&mut server).unwrap());
        }
        rig.send_all(&mut server, chunk);
        while back.len() < forth.len() {
            back.extend(rig.receive(&mut client).unwrap());
        }
    }
    assert!(forth == sent && back == sent);
}

pub(super) fn gathered_bytes_arrive_in_the_order_of_their_slices<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    let slices = [&b"one "[..], b"", b"two ", b"three"].map(IoSlice::new);
    let (token, stream) = (client.token, &mut client.stream);
    let sent = rig.patiently(token, writable, |sys| sys.send(stream, &slices)).unwrap();
    rig.sys.shutdown_write(&client.stream).unwrap();
    let received = rig.receive_all(&mut server).unwrap();
    assert_eq!(received, b"one two three"[..sent]);
}

pub(super) fn a_stuck_writer_is_reported_writable_when_the_peer_has_read<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    let mut sent = 0;
    let mut received = 0;
    for _ in 0..3 {
        rig.take_report(client.token, writable);
        sent += rig.fill(&mut client);
        // The buffers of a real kernel grow: only what was read can make room.
        while received < sent {
            received += rig.receive(&mut server).unwrap().len();
        }
        rig.report(client.token, writable);
    }
    assert_eq!(received, sent);
}

pub(super) fn the_end_comes_after_all_data<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    let sent = noise(20_000);
    rig.send_all(&mut client, &sent);
    rig.sys.close(client.stream, CloseHow::Fin);
    rig.report(server.token, hang_up);
    assert!(rig.receive_all(&mut server).unwrap() == sent);
    assert!(rig.receive(&mut server).unwrap().is_empty(), "the end stays the end");
}

pub(super) fn a_half_closed_stream_carries_the_other_direction<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    rig.send_all(&mut client, b"question");
    rig.sys.shutdown_write(&client.stream).unwrap();
    assert_eq!(rig.receive_all(&mut server).unwrap(), b"question");
    let answer = noise(15_000);
    rig.send_all(&mut server, &answer);
    rig.sys.shutdown_write(&server.stream).unwrap();
    assert!(rig.receive_all(&mut client).unwrap() == answer);
}

pub(super) fn both_sides_can_finish_first<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    rig.sys.shutdown_write(&client.stream).unwrap();
    rig.sys.shutdown_write(&server.stream).unwrap();
    assert!(rig.receive(&mut client).unwrap().is_empty());
    assert!(rig.receive(&mut server).unwrap().is_empty());
    rig.sys.close(client.stream, CloseHow::Fin);
    rig.sys.close(server.stream, CloseHow::Reset);
}

pub(super) fn an_empty_stream_would_block<S: Sys>(mut rig: Rig<S>) {
    let (mut client, _server) = rig.pair();
    let error = rig.sys.receive(&mut client.stream, &mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

pub(super) fn what_came_before_the_registration_is_reported_by_it<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    let (mut client, _) = rig.connect(&door.address, None).unwrap();
    rig.send_all(&mut client, b"early");
    rig.sys.shutdown_write(&client.stream).unwrap();
    let (mut server, _) = rig.accept(&door);
    rig.report(server.token, readable);
    rig.report(server.token, writable);
    rig.report(server.token, hang_up);
    assert_eq!(rig.receive_all(&mut server).unwrap(), b"early");
}

pub(super) fn a_renamed_stream_is_reported_by_its_new_name_alone<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    let old = client.token;
    rig.send_all(&mut server, b"before");
    rig.report(old, readable);
    client.token = Token::stream(rig.key());
    rig.sys.rename(client.token, &mut client.stream).unwrap();
    rig.seen.retain(|seen| seen.token != old);
    // What holds already is said again.
    rig.report(client.token, readable);
    rig.report(client.token, writable);
    rig.send_all(&mut server, b" after");
    rig.sys.shutdown_write(&server.stream).unwrap();
    assert_eq!(rig.receive_all(&mut client).unwrap(), b"before after");
    assert!(rig.seen.iter().all(|seen| seen.token != old), "{:?}", rig.seen);
}

pub(super) fn a_send_after_the_own_end_is_refused<S: Sys>(mut rig: Rig<S>) {
    let (mut client, _server) = rig.pair();
    rig.sys.shutdown_write(&client.stream).unwrap();
    rig.sys.shutdown_write(&client.stream).unwrap();
    let error = rig.send(&mut client, b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

pub(super) fn finishing_again_is_refused_once_both_sides_have_finished<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    rig.sys.shutdown_write(&client.stream).unwrap();
    assert!(rig.receive(&mut server).unwrap().is_empty());
    rig.sys.shutdown_write(&client.stream).unwrap();
    rig.sys.shutdown_write(&server.stream).unwrap();
    assert!(rig.receive(&mut client).unwrap().is_empty());
    // Also for who finished last, as soon as the other side has acknowledged its end.
    for end in [&client, &server] {
        let refused = rig.until(|rig| rig.sys.shutdown_write(&end.stream).err());
        assert_eq!(refused.kind(), ErrorKind::NotConnected);
    }
    assert!(rig.receive(&mut client).unwrap().is_empty(), "the end stays the end");
}

pub(super) fn closing_with_unread_input_resets_the_peer<S: Sys>(mut rig: Rig<S>) {
    let (client, mut server) = rig.pair();
    rig.send_all(&mut server, b"unread");
    rig.arrival(&client);
    rig.sys.close(client.stream, CloseHow::Fin);
    rig.report(server.token, failed);
    assert_eq!(rig.receive_until_error(&mut server), (vec![], ErrorKind::ConnectionReset));
}

pub(super) fn a_reset_leaves_what_had_arrived_readable<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    rig.send_all(&mut client, b"last words");
    rig.arrival(&server);
    rig.sys.close(client.stream, CloseHow::Reset);
    rig.report(server.token, failed);
    let (bytes, error) = rig.receive_until_error(&mut server);
    assert_eq!((&bytes[..], error), (&b"last words"[..], ErrorKind::ConnectionReset));
    assert!(rig.receive(&mut server).unwrap().is_empty(), "the error is told once");
}

pub(super) fn a_reset_is_reported_as_failure_and_told_once<S: Sys>(mut rig: Rig<S>) {
    let (client, server) = rig.pair();
    rig.sys.close(client.stream, CloseHow::Reset);
    rig.report(server.token, failed);
    let told = rig.sys.take_error(&server.stream).unwrap().map(|error| error.kind());
    assert_eq!(told, Some(ErrorKind::ConnectionReset));
    assert!(rig.sys.take_error(&server.stream).unwrap().is_none());
}

pub(super) fn a_send_to_a_peer_that_reset_fails<S: Sys>(mut rig: Rig<S>) {
    let (client, mut server) = rig.pair();
    rig.sys.close(client.stream, CloseHow::Reset);
    rig.report(server.token, failed);
    let first = rig.send(&mut server, b"x").unwrap_err().kind();
    let second = rig.send(&mut server, b"x").unwrap_err().kind();
    assert_eq!((first, second), (ErrorKind::ConnectionReset, ErrorKind::BrokenPipe));
}

pub(super) fn a_reset_after_the_end_is_still_reported<S: Sys>(mut rig: Rig<S>) {
    let (client, mut server) = rig.pair();
    rig.sys.shutdown_write(&client.stream).unwrap();
    assert!(rig.receive(&mut server).unwrap().is_empty());
    rig.sys.close(client.stream, CloseHow::Reset);
    rig.report(server.token, failed);
    // A receive still says "end": only a send, or asking for it, tells the error.
    assert!(rig.receive(&mut server).unwrap().is_empty());
    let told = rig.sys.take_error(&server.stream).unwrap().map(|error| error.kind());
    assert_eq!(told, Some(ErrorKind::BrokenPipe));
}

pub(super) fn data_for_a_closed_socket_is_answered_by_a_reset<S: Sys>(mut rig: Rig<S>) {
    let (client, mut server) = rig.pair();
    rig.sys.close(client.stream, CloseHow::Fin);
    rig.report(server.token, hang_up);
    // One byte, since the second of two might meet the answer to the first.
    assert_eq!(rig.send(&mut server, b"!").unwrap(), 1);
    rig.report(server.token, failed);
    // The peer's end was in order; only sending is what fails.
    assert!(rig.receive(&mut server).unwrap().is_empty());
    assert_eq!(rig.send(&mut server, b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

fn noise(len: usize) -> Vec<u8> {
    let mut rng = Rng::new(5);
    (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect()
}
