//! Datagrams over real sockets: what is sent and heard, by whom, and what is told of errors.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::rc::Rc;

use net_reactor::prelude::*;
use net_reactor::{
    BindError, Datagram, DatagramError, DatagramOptions, DatagramSendError, DatagramSocket,
    MulticastGroup,
};

use crate::support::{PATIENCE, own_address, turn_on, turn_until};

type OnDatagram = Box<dyn FnMut(&mut DatagramSocket<'_>, SocketAddr, &[u8]) -> Flow>;

/// Writes down what it is told.
pub(crate) struct Witness {
    log: Rc<RefCell<Vec<String>>>,
    call: OnDatagram,
}

impl Witness {
    pub(crate) fn new(
        call: impl FnMut(&mut DatagramSocket<'_>, SocketAddr, &[u8]) -> Flow + 'static,
    ) -> (Self, Rc<RefCell<Vec<String>>>) {
        let log = Rc::default();
        (Self { log: Rc::clone(&log), call: Box::new(call) }, log)
    }

    /// Does nothing but listen.
    pub(crate) fn deaf() -> (Self, Rc<RefCell<Vec<String>>>) {
        Self::new(|_, _, _| Ok(()))
    }

    fn note(&self, line: impl Into<String>) {
        self.log.borrow_mut().push(line.into());
    }
}

impl Datagram for Witness {
    fn on_open(&mut self, socket: &mut DatagramSocket<'_>) -> Flow {
        assert!(socket.is_open());
        self.note("open");
        Ok(())
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramSocket<'_>,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Flow {
        self.note(String::from_utf8_lossy(bytes));
        (self.call)(socket, from, bytes)
    }

    fn on_timer(&mut self, _socket: &mut DatagramSocket<'_>, tag: Tag) -> Flow {
        self.note(format!("timer {}", tag.0));
        Ok(())
    }

    fn on_message(&mut self, _socket: &mut DatagramSocket<'_>, message: Message) -> Flow {
        self.note(format!("message {}", message.downcast::<u32>().unwrap()));
        Ok(())
    }

    fn on_error(&mut self, _socket: &mut DatagramSocket<'_>, error: DatagramError) -> Flow {
        self.note(match error {
            DatagramError::Refused { .. } => "refused".to_owned(),
            DatagramError::TooLong { bytes, limit_bytes, .. } => {
                format!("too long: {bytes} of {limit_bytes}")
            }
            error => format!("error: {error}"),
        });
        Ok(())
    }

    fn on_close(&mut self, socket: &mut DatagramSocket<'_>, reason: CloseReason) {
        assert!(!socket.is_open() && socket.local_address().port() != 0);
        self.note(format!("close: {reason}"));
    }
}

/// A socket of the standard library, with a limit to its patience.
pub(crate) fn std_socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(own_address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Binds a socket with default options to an address of its own.
pub(crate) fn bind(
    event_loop: &mut EventLoop,
    handler: impl Datagram,
) -> (net_reactor::DatagramId, SocketAddr) {
    let options = DatagramOptions::default();
    let mut reactor = event_loop.reactor();
    let id = reactor.bind_datagram(own_address(), &options, handler).unwrap();
    let address = reactor.datagram(id).unwrap().local_address();
    (id, address)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = vec![0; 70_000];
    let (len, from) = socket.recv_from(&mut bytes).unwrap();
    bytes.truncate(len);
    (bytes, from)
}

#[test]
fn an_echo_answers_everybody_who_asks() {
    let mut event_loop = EventLoop::new().unwrap();
    let (witness, log) = Witness::new(|socket, from, bytes| Ok(socket.send_to(from, bytes)?));
    let (_, address) = bind(&mut event_loop, witness);
    let (one, one_address) = std_socket();
    let (two, _) = std_socket();
    one.send_to(b"from one", address).unwrap();
    two.send_to(b"from two", address).unwrap();
    turn_until(&mut event_loop, "both", || log.borrow().len() == 3);
    assert_eq!(receive(&one), (b"from one".to_vec(), address));
    assert_eq!(receive(&two), (b"from two".to_vec(), address));
    // An empty one is one as well.
    one.send_to(b"", address).unwrap();
    turn_until(&mut event_loop, "an empty one", || log.borrow().len() == 4);
    assert_eq!(receive(&one), (Vec::new(), address));
    assert_eq!(*log.borrow(), ["open", "from one", "from two", ""]);
    let stats = event_loop.stats();
    assert_eq!((stats.datagram_sockets, stats.datagrams_in, stats.datagrams_out), (1, 3, 3));
    assert_ne!(one_address, address);
}

#[test]
fn an_ipv6_socket_speaks_ipv6() {
    let mut event_loop = EventLoop::new().unwrap();
    let local: SocketAddr = "[::1]:0".parse().unwrap();
    let Ok(peer) = UdpSocket::bind(local) else { return }; // a host without IPv6
    let (witness, log) = Witness::new(|socket, from, bytes| Ok(socket.send_to(from, bytes)?));
    let options = DatagramOptions::default().ttl(9).multicast_ttl(2);
    let mut reactor = event_loop.reactor();
    let id = reactor.bind_datagram(local, &options, witness).unwrap();
    let address = reactor.datagram(id).unwrap().local_address();
    peer.send_to(b"six", address).unwrap();
    turn_until(&mut event_loop, "it", || log.borrow().len() == 2);
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(receive(&peer), (b"six".to_vec(), address));
    let other_family = reactor_send(&mut event_loop, id, own_address(), b"four");
    assert!(
        matches!(
            other_family,
            Err(DatagramSendError::Failed { .. } | DatagramSendError::Unreachable { .. })
        ),
        "{other_family:?}"
    );
}

fn reactor_send(
    event_loop: &mut EventLoop,
    id: net_reactor::DatagramId,
    to: SocketAddr,
    bytes: &[u8],
) -> Result<(), DatagramSendError> {
    event_loop.reactor().datagram(id).unwrap().send_to(to, bytes)
}

#[test]
fn a_connected_socket_is_told_that_nobody_listens_and_goes_on() {
    let mut event_loop = EventLoop::new().unwrap();
    let (gone, address) = std_socket();
    drop(gone);
    let (witness, log) = Witness::deaf();
    let options = DatagramOptions::default();
    let id = event_loop.reactor().connect_datagram(address, &options, witness).unwrap();
    for round in 1..=2 {
        // The answer to the first is met by the second, which is sent all the same.
        for _ in 0..2 {
            event_loop.reactor().datagram(id).unwrap().send("anybody?").unwrap();
        }
        turn_until(&mut event_loop, "the answers", || log.borrow().len() > 2 * round);
    }
    assert!(log.borrow()[1..].iter().all(|line| line == "refused"), "{log:?}");
    // Somebody listens again.
    let peer = UdpSocket::bind(address).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let own = {
        let mut reactor = event_loop.reactor();
        let mut socket = reactor.datagram(id).unwrap();
        assert_eq!(socket.peer_address(), Some(address));
        socket.send("hello").unwrap();
        socket.local_address()
    };
    assert_eq!(receive(&peer), (b"hello".to_vec(), own));
    // And a stranger is not heard.
    let (stranger, _) = std_socket();
    stranger.send_to(b"hello from me", own).unwrap();
    peer.send_to(b"hello yourself", own).unwrap();
    turn_until(&mut event_loop, "the peer", || {
        log.borrow().last().is_some_and(|line| line == "hello yourself")
    });
    assert!(!log.borrow().iter().any(|line| line == "hello from me"));
}

#[test]
fn a_broadcast_is_refused_unless_it_is_allowed() {
    let mut event_loop = EventLoop::new().unwrap();
    let all = IpAddr::from([127, 255, 255, 255]);
    let (id, _) = bind(&mut event_loop, Witness::deaf().0);
    let refused = reactor_send(&mut event_loop, id, (all, 9).into(), b"to all");
    assert!(matches!(refused, Err(DatagramSendError::NotPermitted { .. })), "{refused:?}");

    let (hearer, log) = Witness::deaf();
    let options = DatagramOptions::default().broadcast(true);
    let mut reactor = event_loop.reactor();
    let any = (Ipv4Addr::UNSPECIFIED, 0).into();
    let hears = reactor.bind_datagram(any, &options, hearer).unwrap();
    let port = reactor.datagram(hears).unwrap().local_address().port();
    let speaks = reactor.bind_datagram(own_address(), &options, Witness::deaf().0).unwrap();
    reactor.datagram(speaks).unwrap().send_to((all, port).into(), b"to all").unwrap();
    turn_until(&mut event_loop, "the broadcast", || log.borrow().len() == 2);
    assert_eq!(log.borrow()[1], "to all");
}

#[test]
fn a_group_is_heard_between_joining_and_leaving() {
    let mut event_loop = EventLoop::new().unwrap();
    let address = Ipv4Addr::new(239, 255, 17, 4);
    let group = MulticastGroup::v4(address, Ipv4Addr::LOCALHOST);
    let other = MulticastGroup::v4(Ipv4Addr::new(239, 255, 17, 5), Ipv4Addr::LOCALHOST);
    let options = DatagramOptions::default().multicast_interface_v4(Ipv4Addr::LOCALHOST);
    let any = (Ipv4Addr::UNSPECIFIED, 0).into();
    let (member, log) = Witness::deaf();
    let mut reactor = event_loop.reactor();
    let member = reactor.bind_datagram(any, &options.clone().join(group), member).unwrap();
    let port = reactor.datagram(member).unwrap().local_address().port();
    let sender = reactor.bind_datagram(own_address(), &options, Witness::deaf().0).unwrap();
    // What goes to a group that others of this host have joined is not heard here.
    let (neighbour, _) = Witness::deaf();
    let alone = options.clone().join(other);
    reactor.bind_datagram(any, &alone, neighbour).unwrap();

    let say = |event_loop: &mut EventLoop, group: MulticastGroup, text: &str| {
        let to = SocketAddr::new(group.address(), port);
        reactor_send(event_loop, sender, to, text.as_bytes()).unwrap();
    };
    say(&mut event_loop, other, "not for you");
    say(&mut event_loop, group, "for members");
    turn_until(&mut event_loop, "the group", || log.borrow().len() == 2);
    {
        let mut reactor = event_loop.reactor();
        let mut socket = reactor.datagram(member).unwrap();
        assert!(matches!(socket.join(group), Err(BindError::InUse { .. })));
        socket.leave(group).unwrap();
        assert!(matches!(socket.leave(group), Err(BindError::BadAddress { .. })));
        socket.join(other).unwrap();
    }
    say(&mut event_loop, group, "no member any more");
    say(&mut event_loop, other, "now for you");
    turn_until(&mut event_loop, "the other group", || log.borrow().len() == 3);
    assert_eq!(*log.borrow(), ["open", "for members", "now for you"]);
}

#[test]
fn the_longest_datagram_goes_both_ways_and_a_longer_one_is_refused() {
    let mut event_loop = EventLoop::new().unwrap();
    let lens = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&lens);
    let (witness, _) = Witness::new(move |socket, from, bytes| {
        seen.borrow_mut().push(bytes.len());
        assert!(bytes.iter().all(|byte| *byte == 7));
        let longer = [bytes, &[7]].concat();
        let refused = socket.send_to(from, &longer);
        assert!(matches!(refused, Err(DatagramSendError::TooLong { bytes: 65_508 })));
        Ok(socket.send_to(from, bytes)?)
    });
    let (_, address) = bind(&mut event_loop, witness);
    let (peer, _) = std_socket();
    peer.send_to(&[7; 65_507], address).unwrap();
    turn_until(&mut event_loop, "the long one", || !lens.borrow().is_empty());
    assert_eq!(*lens.borrow(), [65_507]);
    assert_eq!(receive(&peer).0, [7; 65_507]);
}

#[test]
fn a_datagram_over_the_limit_is_told_and_not_delivered_in_part() {
    let mut event_loop = EventLoop::new().unwrap();
    let (witness, log) = Witness::deaf();
    let options = DatagramOptions::default().datagram_max(5);
    let mut reactor = event_loop.reactor();
    let id = reactor.bind_datagram(own_address(), &options, witness).unwrap();
    let address = reactor.datagram(id).unwrap().local_address();
    let (peer, _) = std_socket();
    for text in ["12345", "123456", "6"] {
        peer.send_to(text.as_bytes(), address).unwrap();
    }
    turn_until(&mut event_loop, "all", || log.borrow().len() == 4);
    assert_eq!(*log.borrow(), ["open", "12345", "too long: 6 of 5", "6"]);
}

#[test]
fn an_address_that_cannot_be_had_is_an_error() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = bind(&mut event_loop, Witness::deaf().0);
    let (unheard, log) = Witness::deaf();
    let options = DatagramOptions::default();
    let mut reactor = event_loop.reactor();
    let taken = reactor.bind_datagram(address, &options, unheard);
    assert!(matches!(taken, Err(BindError::InUse { address: told, .. }) if told == address));
    let foreign = "192.0.2.1:0".parse().unwrap();
    let foreign = reactor.bind_datagram(foreign, &options, Witness::deaf().0);
    assert!(matches!(foreign, Err(BindError::BadAddress { .. })), "{foreign:?}");
    turn_on(&mut event_loop);
    assert!(log.borrow().is_empty(), "its handler was dropped without a call");
    assert_eq!(event_loop.stats().datagram_sockets, 1);
}
