//! What every kernel guarantees about datagrams.
//!
//! A rough world repeats them and lets them overtake each other, as networks do, so that nothing
//! here relies on their order.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use super::rig::{Rig, readable, writable};
use crate::sys::{DatagramOptions, MESSAGE_TOO_LONG, Membership, MulticastGroup, Sys, Token};

suite! {
    a_datagram_arrives_whole_and_with_its_sender,
    an_empty_datagram_is_one,
    a_datagram_is_cut_to_the_room_for_it,
    a_connected_socket_hears_its_peer_alone,
    a_port_that_nobody_listens_on_is_told_to_a_connected_socket,
    a_broadcast_needs_permission,
    the_longest_datagram_is_sent_and_a_longer_one_refused,
    an_address_is_bound_once_unless_it_is_shared,
    a_group_is_heard_while_it_is_joined,
    a_closed_socket_of_datagrams_is_never_reported,
}

const ANY_PORT: &str = "127.0.0.1:0";

/// A socket of datagrams.
struct Post<S: Sys> {
    token: Token,
    socket: S::Udp,
    address: SocketAddr,
}

impl<S: Sys> Rig<S> {
    fn post(&mut self) -> Post<S> {
        self.post_with(ANY_PORT, None, &DatagramOptions::default())
    }

    #[track_caller]
    fn post_with(
        &mut self,
        local: &str,
        peer: Option<SocketAddr>,
        options: &DatagramOptions,
    ) -> Post<S> {
        let token = Token::udp(self.key());
        let local = local.parse().unwrap();
        let (socket, address) = self.sys.open_udp(token, local, peer, options).unwrap();
        Post { token, socket, address }
    }

    #[track_caller]
    fn mail(&mut self, post: &Post<S>, to: SocketAddr, bytes: &[u8]) {
        let call = |sys: &mut S| sys.send_to(&post.socket, Some(to), bytes);
        self.patiently(post.token, writable, call).unwrap();
    }

    #[track_caller]
    fn next_mail(&mut self, post: &Post<S>) -> (Vec<u8>, SocketAddr) {
        let mut bytes = vec![0; 70_000];
        let call = |sys: &mut S| sys.receive_from(&post.socket, &mut bytes);
        let (len, from) = self.patiently(post.token, readable, call).unwrap();
        bytes.truncate(len);
        (bytes, from)
    }
}

fn a_datagram_arrives_whole_and_with_its_sender<S: Sys>(mut rig: Rig<S>) {
    let (a, b) = (rig.post(), rig.post());
    for len in [1, 1_400, 9_000, 40_000] {
        let bytes: Vec<u8> =
            (0..len).map(|at: usize| at.to_le_bytes()[0] ^ len.to_le_bytes()[1]).collect();
        rig.mail(&a, b.address, &bytes);
        // What was sent before can come again, or late.
        let found = rig.until(|rig| {
            let (found, from) = rig.next_mail(&b);
            assert_eq!(from, a.address);
            (found.len() == len).then_some(found)
        });
        assert_eq!(found, bytes);
    }
}

fn an_empty_datagram_is_one<S: Sys>(mut rig: Rig<S>) {
    let (a, b) = (rig.post(), rig.post());
    rig.mail(&a, b.address, b"");
    assert_eq!(rig.next_mail(&b), (Vec::new(), a.address));
}

fn a_datagram_is_cut_to_the_room_for_it<S: Sys>(mut rig: Rig<S>) {
    let (a, b) = (rig.post(), rig.post());
    rig.mail(&a, b.address, b"hello, world");
    let mut small = [0; 5];
    let call = |sys: &mut S| sys.receive_from(&b.socket, &mut small);
    let (len, _) = rig.patiently(b.token, readable, call).unwrap();
    assert_eq!(&small[..len], b"hello");
    // The rest is gone.
    rig.mail(&a, b.address, b"next");
    rig.until(|rig| {
        let (bytes, _) = rig.next_mail(&b);
        assert!(!bytes.starts_with(b", "));
        (bytes == b"next").then_some(())
    });
}

fn a_connected_socket_hears_its_peer_alone<S: Sys>(mut rig: Rig<S>) {
    let (friend, stranger) = (rig.post(), rig.post());
    let own = rig.post_with(ANY_PORT, Some(friend.address), &DatagramOptions::default());
    rig.mail(&stranger, own.address, b"you do not know me");
    rig.mail(&friend, own.address, b"hello");
    assert_eq!(rig.next_mail(&own), (b"hello".to_vec(), friend.address));
    let call = |sys: &mut S| sys.send_to(&own.socket, None, b"and you");
    rig.patiently(own.token, writable, call).unwrap();
    assert_eq!(rig.next_mail(&friend), (b"and you".to_vec(), own.address));
}

fn a_port_that_nobody_listens_on_is_told_to_a_connected_socket<S: Sys>(mut rig: Rig<S>) {
    let gone = rig.post();
    let address = gone.address;
    rig.sys.close_udp(gone.socket);
    let own = rig.post_with(ANY_PORT, Some(address), &DatagramOptions::default());
    // A test beside this one may be given the port meanwhile, but not for ever.
    let error = rig.until(|rig| match rig.sys.send_to(&own.socket, None, b"anybody?") {
        Ok(()) => {
            rig.round();
            rig.sys.take_udp_error(&own.socket).unwrap()
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => Some(error),
    });
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    // A send that tells it has sent nothing, and the socket is as good as before.
    let call = |sys: &mut S| match sys.send_to(&own.socket, None, b"anybody?") {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        sent => sent,
    };
    rig.patiently(own.token, writable, call).unwrap();
}

fn a_broadcast_needs_permission<S: Sys>(mut rig: Rig<S>) {
    let to = "127.255.255.255:9".parse().unwrap();
    let own = rig.post();
    let error = rig.sys.send_to(&own.socket, Some(to), b"all").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let allowed = DatagramOptions::default().broadcast(true);
    let heard = rig.post_with("0.0.0.0:0", None, &allowed);
    let own = rig.post_with(ANY_PORT, None, &allowed);
    let to = SocketAddr::new(to.ip(), heard.address.port());
    rig.mail(&own, to, b"all");
    assert_eq!(rig.next_mail(&heard), (b"all".to_vec(), own.address));
}

fn the_longest_datagram_is_sent_and_a_longer_one_refused<S: Sys>(mut rig: Rig<S>) {
    let (a, b) = (rig.post(), rig.post());
    let error = rig.sys.send_to(&a.socket, Some(b.address), &[7; 65_508]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(MESSAGE_TOO_LONG));
    rig.mail(&a, b.address, &[7; 65_507]);
    assert_eq!(rig.next_mail(&b).0, [7; 65_507]);
}

fn an_address_is_bound_once_unless_it_is_shared<S: Sys>(mut rig: Rig<S>) {
    let first = rig.post();
    let options = DatagramOptions::default();
    let token = Token::udp(rig.key());
    let again = rig.sys.open_udp(token, first.address, None, &options);
    assert_eq!(again.map(drop).unwrap_err().kind(), ErrorKind::AddrInUse);
    let shared = options.reuse_address(true);
    let one = rig.post_with(ANY_PORT, None, &shared);
    let two = rig.post_with(&one.address.to_string(), None, &shared);
    assert_eq!(one.address, two.address);
    let token = Token::udp(rig.key());
    let foreign = "192.0.2.1:0".parse().unwrap();
    let error = rig.sys.open_udp(token, foreign, None, &shared).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}

fn a_group_is_heard_while_it_is_joined<S: Sys>(mut rig: Rig<S>) {
    let address = Ipv4Addr::new(239, 255, 71, 3);
    let group = MulticastGroup::v4(address, Ipv4Addr::LOCALHOST);
    let options = DatagramOptions::default().multicast_interface_v4(Ipv4Addr::LOCALHOST);
    let member = rig.post_with("0.0.0.0:0", None, &options.clone().join(group));
    let sender = rig.post_with(ANY_PORT, None, &options);
    let to = SocketAddr::new(address.into(), member.address.port());
    rig.mail(&sender, to, b"to all members");
    assert_eq!(rig.next_mail(&member), (b"to all members".to_vec(), sender.address));

    rig.sys.set_membership(&member.socket, group, Membership::Leave).unwrap();
    let again = rig.sys.set_membership(&member.socket, group, Membership::Leave);
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    rig.mail(&sender, to, b"nobody hears this");
    let own = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), member.address.port());
    rig.mail(&sender, own, b"but this");
    rig.until(|rig| {
        let (bytes, _) = rig.next_mail(&member);
        assert_ne!(bytes, b"nobody hears this");
        (bytes == b"but this").then_some(())
    });
}

fn a_closed_socket_of_datagrams_is_never_reported<S: Sys>(mut rig: Rig<S>) {
    let (a, b, witness) = (rig.post(), rig.post(), rig.post());
    rig.mail(&a, b.address, b"too late");
    let (closed, address) = (b.token, b.address);
    rig.sys.close_udp(b.socket);
    rig.seen.clear();
    rig.mail(&a, address, b"to nobody");
    rig.mail(&a, witness.address, b"now");
    assert_eq!(rig.next_mail(&witness).0, b"now");
    assert!(rig.seen.iter().all(|report| report.token != closed));
}
