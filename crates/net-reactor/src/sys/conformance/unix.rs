//! What every kernel guarantees about Unix sockets: what it does of others, and where they differ.

use std::io::ErrorKind;

use super::rig::{Rig, hang_up};
use crate::base::{Address, UnixAddress};
use crate::sys::{CloseHow, ListenOptions, Sys};

unix_suite! {
    connections::a_closed_listener_resets_its_backlog,
    connections::accepting_from_an_empty_backlog_would_block,
    connections::each_peer_is_announced_after_a_fruitless_accept,
    connections::turning_away_takes_one_pending_peer,
    kernels::a_closed_socket_is_never_reported,
    kernels::options_are_taken,
    streams::bytes_arrive_whole_and_in_order_both_ways,
    streams::gathered_bytes_arrive_in_the_order_of_their_slices,
    streams::a_stuck_writer_is_reported_writable_when_the_peer_has_read,
    streams::the_end_comes_after_all_data,
    streams::a_half_closed_stream_carries_the_other_direction,
    streams::both_sides_can_finish_first,
    streams::an_empty_stream_would_block,
    streams::what_came_before_the_registration_is_reported_by_it,
    streams::a_renamed_stream_is_reported_by_its_new_name_alone,
    streams::a_send_after_the_own_end_is_refused,
    streams::closing_with_unread_input_resets_the_peer,
    unix::a_name_is_bound_once_and_is_free_when_its_listener_is_closed,
    unix::an_abstract_name_serves_like_a_path,
    unix::only_the_side_that_listened_has_a_name,
    unix::a_reset_is_an_end_after_all_data,
    unix::a_send_to_a_closed_peer_fails,
    unix::each_side_knows_who_made_the_other,
}

pub(super) fn a_name_is_bound_once_and_is_free_when_its_listener_is_closed<S: Sys>(
    mut rig: Rig<S>,
) {
    let door = rig.listen();
    let (mut client, _) = rig.connect(&door.address, None).unwrap();
    let (mut server, _) = rig.accept(&door);
    let again = rig.listen_at(&door.address, &ListenOptions::default());
    assert_eq!(again.map(drop).unwrap_err().kind(), ErrorKind::AddrInUse);
    rig.sys.close_listener(door.listener);
    // The file went with the socket.
    let error = rig.connect(&door.address, None).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let again = rig.listen_at(&door.address, &ListenOptions::default()).unwrap();
    assert_eq!(again.address, door.address);
    rig.sys.close_listener(again.listener);
    // A connection outlives its listener.
    rig.send_all(&mut client, b"still");
    rig.sys.shutdown_write(&client.stream).unwrap();
    assert_eq!(rig.receive_all(&mut server).unwrap(), b"still");
}

pub(super) fn an_abstract_name_serves_like_a_path<S: Sys>(mut rig: Rig<S>) {
    let Address::Unix(path) = rig.listen().address else { panic!() };
    // The path is nobody else's, so neither is this.
    let name = path.as_path().unwrap().as_os_str().as_encoded_bytes();
    let address = Address::Unix(UnixAddress::abstract_name(&name[1..]).unwrap());
    let refused = rig.connect(&address, None).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let door = rig.listen_at(&address, &ListenOptions::default()).unwrap();
    assert_eq!(door.address, address);
    let again = rig.listen_at(&address, &ListenOptions::default());
    assert_eq!(again.map(drop).unwrap_err().kind(), ErrorKind::AddrInUse);
    let (mut client, addresses) = rig.connect(&address, None).unwrap();
    assert_eq!(addresses.peer, address);
    let (mut server, _) = rig.accept(&door);
    rig.send_all(&mut server, b"hello");
    rig.sys.shutdown_write(&server.stream).unwrap();
    assert_eq!(rig.receive_all(&mut client).unwrap(), b"hello");
    rig.sys.close_listener(door.listener);
    let refused = rig.connect(&address, None).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

pub(super) fn only_the_side_that_listened_has_a_name<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    let (client, addresses) = rig.connect(&door.address, None).unwrap();
    let (server, peer) = rig.accept(&door);
    let unnamed = Address::Unix(UnixAddress::UNNAMED);
    assert_eq!((&addresses.peer, &addresses.local), (&door.address, &unnamed));
    assert_eq!(peer, unnamed);
    assert_eq!(rig.sys.local_address(&client.stream).unwrap(), unnamed);
    assert_eq!(rig.sys.local_address(&server.stream).unwrap(), door.address);
}

/// A Unix socket cannot be reset: what was sent arrives, and then the end.
pub(super) fn a_reset_is_an_end_after_all_data<S: Sys>(mut rig: Rig<S>) {
    let (mut client, mut server) = rig.pair();
    rig.send_all(&mut client, b"last words");
    rig.sys.close(client.stream, CloseHow::Reset);
    rig.report(server.token, hang_up);
    assert_eq!(rig.receive_all(&mut server).unwrap(), b"last words");
}

pub(super) fn a_send_to_a_closed_peer_fails<S: Sys>(mut rig: Rig<S>) {
    let (client, mut server) = rig.pair();
    rig.sys.close(client.stream, CloseHow::Fin);
    rig.report(server.token, hang_up);
    let failed = rig.until(|rig| rig.send(&mut server, b"!").err());
    // The kernel in memory may tell of it by the answer to a send before.
    assert!(matches!(failed.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
}

pub(super) fn each_side_knows_who_made_the_other<S: Sys>(mut rig: Rig<S>) {
    let (client, server) = rig.pair();
    let of_client = rig.sys.peer_credentials(&server.stream).unwrap();
    // Here both sides are the same.
    assert_eq!(rig.sys.peer_credentials(&client.stream).unwrap(), of_client);
    assert_ne!(of_client.pid, 0);
    let door = rig.listen_on("127.0.0.1:0", &ListenOptions::default()).unwrap();
    let (tcp, _) = rig.connect(&door.address, None).unwrap();
    let refused = rig.sys.peer_credentials(&tcp.stream).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}
