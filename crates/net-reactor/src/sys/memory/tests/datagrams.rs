//! Datagrams in this network: what is lost and late, and buffers with an end.

use super::faults::{off, only};
use super::*;
use crate::sys::{DatagramOptions, DatagramSys};

/// A kernel with a socket of datagrams.
struct Post {
    kernel: Memory,
    socket: <Memory as DatagramSys>::Udp,
    address: SocketAddr,
}

impl Post {
    fn new(world: &World, host: &str, options: &DatagramOptions) -> Self {
        let mut kernel = world.host(host);
        let local = SocketAddr::new(kernel.host().ip(), 0);
        let token = Token::udp(Key { index: 0, generation: 0 });
        let (socket, address) = kernel.open_udp(token, local, None, options).unwrap();
        reports(&mut kernel);
        Self { kernel, socket, address }
    }

    fn send(&mut self, to: &Self, bytes: &[u8]) -> io::Result<()> {
        self.kernel.send_to(&self.socket, Some(to.address), bytes)
    }

    /// Receives everything that has arrived.
    fn all(&mut self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2_000];
        let next = || {
            let (len, _) = self.kernel.receive_from(&self.socket, &mut buffer).ok()?;
            Some(buffer[..len].to_vec())
        };
        std::iter::from_fn(next).collect()
    }
}

fn two(world: &World) -> (Post, Post) {
    let options = DatagramOptions::default();
    (Post::new(world, "a", &options), Post::new(world, "b", &options))
}

/// Sends one datagram with the fault and one without it; returns what arrives.
pub(super) fn try_datagrams(world: &World, fault: Fault) {
    world.latency(ms(1));
    let (mut a, mut b) = two(world);
    only(world, fault);
    a.send(&b, b"first").unwrap();
    off(world);
    a.send(&b, b"second").unwrap();
    world.advance(ms(1));
    let mut arrived = b.all();
    world.advance(ms(1_000));
    arrived.extend(b.all());
    let expected: &[&[u8]] = match fault {
        Fault::DatagramLost => &[b"second"],
        Fault::DatagramTwice => &[b"first", b"first", b"second"],
        _ => &[b"second", b"first"],
    };
    assert_eq!(arrived, expected, "{fault}");
}

#[test]
fn a_datagram_over_a_cut_link_is_lost_and_one_over_a_clogged_link_late() {
    let world = World::new(1);
    let (mut a, mut b) = two(&world);
    world.cut("a", "b");
    a.send(&b, b"lost").unwrap();
    world.mend("a", "b");
    world.clog("a", "b");
    a.send(&b, b"late").unwrap();
    assert!(b.all().is_empty());
    world.unclog("a", "b");
    assert_eq!(b.all(), [b"late"]);
}

#[test]
fn a_full_receive_buffer_loses_what_comes() {
    let world = World::new(1);
    let mut a = Post::new(&world, "a", &DatagramOptions::default());
    let mut b = Post::new(&world, "b", &DatagramOptions::default().receive_buffer(4_000));
    for number in 0..10 {
        a.send(&b, &[number; 1_000]).unwrap();
    }
    // Each takes 1,512 bytes, and what is not full takes one more.
    let arrived = b.all();
    assert_eq!(arrived, [vec![0; 1_000], vec![1; 1_000], vec![2; 1_000]]);
    a.send(&b, b"room again").unwrap();
    assert_eq!(b.all(), [b"room again"]);
}

#[test]
fn a_full_send_buffer_says_so_and_is_reported_when_it_has_room() {
    let world = World::new(1);
    world.set_links(Link::default().bytes_per_second(1_000));
    let mut a = Post::new(&world, "a", &DatagramOptions::default().send_buffer(1_000));
    let mut b = Post::new(&world, "b", &DatagramOptions::default());
    a.send(&b, &[1; 1_000]).unwrap();
    assert_eq!(kind(a.send(&b, &[2; 1_000])), ErrorKind::WouldBlock);
    assert!(reports(&mut a.kernel).is_empty());
    world.advance(ms(1_000));
    assert!(reports(&mut a.kernel)[0].writable);
    a.send(&b, &[3; 1_000]).unwrap();
    world.advance(ms(1_000));
    assert_eq!(b.all(), [vec![1; 1_000], vec![3; 1_000]]);
}

#[test]
fn a_broadcast_reaches_every_host_and_a_cut_off_host_hears_nothing() {
    let world = World::new(1);
    let options = DatagramOptions::default().broadcast(true);
    let mut sender = Post::new(&world, "a", &options);
    let mut hearers = ["b", "c"].map(|host| {
        let mut kernel = world.host(host);
        let token = Token::udp(Key { index: 0, generation: 0 });
        let any = "0.0.0.0:7000".parse().unwrap();
        let (socket, address) = kernel.open_udp(token, any, None, &options).unwrap();
        Post { kernel, socket, address }
    });
    let all = "255.255.255.255:7000".parse().unwrap();
    sender.kernel.send_to(&sender.socket, Some(all), b"one").unwrap();
    world.cut("a", "c");
    sender.kernel.send_to(&sender.socket, Some(all), b"two").unwrap();
    assert_eq!(hearers[0].all(), [b"one", b"two"]);
    assert_eq!(hearers[1].all(), [b"one"]);
}

#[test]
fn a_host_without_power_forgets_its_sockets_and_answers_nothing() {
    let world = World::new(1);
    let (mut a, b) = two(&world);
    world.power_off("b");
    a.send(&b, b"anybody?").unwrap();
    world.power_on("b");
    assert_eq!(world.host("b").host().open_descriptors(), 1, "the reserve of the new loop");
    assert!(a.kernel.take_udp_error(&a.socket).unwrap().is_none());
}

#[test]
fn a_group_is_heard_on_the_senders_host_unless_that_is_switched_off() {
    use std::net::Ipv4Addr;

    use crate::sys::MulticastGroup;

    let world = World::new(1);
    let address = Ipv4Addr::new(239, 1, 2, 3);
    let member = DatagramOptions::default()
        .reuse_address(true)
        .join(MulticastGroup::v4(address, Ipv4Addr::UNSPECIFIED));
    let any = "0.0.0.0:7000".parse().unwrap();
    // Two on the sender's host, one elsewhere.
    let mut members = ["a", "a", "b"].map(|host| {
        let mut kernel = world.host(host);
        let token = Token::udp(Key { index: 0, generation: 0 });
        let (socket, address) = kernel.open_udp(token, any, None, &member).unwrap();
        Post { kernel, socket, address }
    });
    let to = SocketAddr::new(address.into(), 7000);
    for (loops, text) in [(true, b"loud"), (false, b"hush")] {
        let options = DatagramOptions::default().multicast_loop(loops);
        let mut sender = Post::new(&world, "a", &options);
        sender.kernel.send_to(&sender.socket, Some(to), text).unwrap();
    }
    let heard = members.each_mut().map(|member| member.all().concat());
    assert_eq!(heard, [&b"loud"[..], b"loud", b"loudhush"]);
}
