//! Connections with a layer: the contract holds through it.

use std::cell::RefCell;
use std::error::Error as _;
use std::rc::Rc;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::bare::BareStream;
use super::rig::Rig;
use crate::base::{ConnId, Input, Rng};
use crate::codec::{Compression, DecompressError, LengthPrefix};
use crate::net::{CloseReason, Closed, ConnConfig, ConnectOptions, OnHighMark};
use crate::protocol::{Conn, Eof, Failure, Flow, Framed, LoopConfig, Protocol};

/// A small window: a large one is memory that each connection begins with clearing.
fn zlib() -> Compression {
    Compression::zlib().window_bits(9)
}

/// Another algorithm for each seed.
fn any(seed: u64) -> Compression {
    let all: &[Compression] = &[
        zlib(),
        #[cfg(feature = "lz4")]
        Compression::lz4(),
        #[cfg(feature = "zstd")]
        Compression::zstd().window_bits(10),
    ];
    all[usize::try_from(seed).unwrap() % all.len()]
}

fn packed() -> ConnConfig {
    ConnConfig::default().layer(zlib())
}

/// What one connection was told.
#[derive(Debug, Default)]
struct Told {
    bytes: Vec<u8>,
    /// The size of each input.
    inputs: Vec<usize>,
    eof: bool,
    /// The reason and its source.
    closed: Option<(String, Option<DecompressError>)>,
    id: Option<ConnId>,
}

type OnData = Box<dyn FnMut(&mut Conn<'_>, &[u8]) -> Flow>;

/// Notes what it is told, and consumes all of it.
struct Notes {
    told: Rc<RefCell<Told>>,
    on_data: OnData,
    on_eof: Eof,
}

impl Notes {
    fn new(told: &Rc<RefCell<Told>>) -> Self {
        Self { told: Rc::clone(told), on_data: Box::new(|_, _| Ok(())), on_eof: Eof::Close }
    }

    fn on_data(mut self, on_data: impl FnMut(&mut Conn<'_>, &[u8]) -> Flow + 'static) -> Self {
        self.on_data = Box::new(on_data);
        self
    }
}

impl Protocol for Notes {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.told.borrow_mut().id = Some(conn.id());
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let bytes = input.take_all();
        {
            let mut told = self.told.borrow_mut();
            assert!(!bytes.is_empty() && !told.eof && told.closed.is_none());
            told.inputs.push(bytes.len());
            told.bytes.extend_from_slice(bytes);
        }
        (self.on_data)(conn, bytes)
    }

    fn on_eof(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.told.borrow_mut().eof = true;
        Ok(self.on_eof)
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        let source = reason.source().and_then(|source| source.downcast_ref()).copied();
        self.told.borrow_mut().closed = Some((reason.to_string(), source));
    }
}

/// A server on loop 0 whose connections echo, and what the last one was told.
fn echo(rig: &mut Rig, config: ConnConfig) -> Rc<RefCell<Told>> {
    let told = Rc::new(RefCell::new(Told::default()));
    let server = Rc::clone(&told);
    rig.listen(0, config, move || {
        Notes::new(&server).on_data(|conn, bytes| Ok(conn.write(bytes)?))
    });
    told
}

/// A layered server on loop 0 with a bare peer, which speaks zlib by itself.
fn server(rig: &mut Rig, config: ConnConfig) -> (Rc<RefCell<Told>>, BareStream) {
    let told = Rc::new(RefCell::new(Told::default()));
    let server = Rc::clone(&told);
    rig.listen(0, config, move || Notes::new(&server));
    let bare = rig.bare("c");
    let peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    (told, peer)
}

fn deflate(parts: &[&[u8]], end: FlushCompress) -> Vec<u8> {
    let mut deflate = Compress::new_with_window_bits(flate2::Compression::best(), true, 9);
    let mut packed = Vec::new();
    for part in parts {
        packed.reserve(part.len() + 1000);
        deflate.compress_vec(part, &mut packed, FlushCompress::Sync).unwrap();
    }
    packed.reserve(1000);
    deflate.compress_vec(&[], &mut packed, end).unwrap();
    packed
}

/// Sends everything, in as many turns as it takes.
fn send_all(rig: &mut Rig, peer: &mut BareStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let sent = peer.send(bytes).unwrap_or(0);
        bytes = &bytes[sent..];
        rig.settle();
    }
}

fn closed(told: &Rc<RefCell<Told>>) -> (String, Option<DecompressError>) {
    told.borrow().closed.clone().expect("the connection is closed")
}

fn malformed(source: DecompressError) -> (String, Option<DecompressError>) {
    ("the peer broke the protocol".into(), Some(source))
}

#[test]
fn every_byte_and_both_ends_come_through_under_every_cut() {
    for seed in 0..30 {
        let mut rig = Rig::seeded(seed);
        rig.add("a", LoopConfig::default());
        rig.add("b", LoopConfig::default());
        rig.world.capacity(1_000);
        rig.world.chop(300);
        let config = ConnConfig::default().layer(any(seed)).marks(2_000, 5_000);
        let served = echo(&mut rig, config.clone());
        let told = Rc::new(RefCell::new(Told::default()));
        let options = ConnectOptions::default().config(config.on_high_mark(OnHighMark::Tell));
        let id = rig.connect_with(1, "10.0.0.1:7000", options, Notes::new(&told));
        let mut rng = Rng::new(seed);
        let mut sent = Vec::new();
        for _ in 0..40 {
            let len = usize::try_from(rng.below(2_000)).unwrap();
            let range = 1 + rng.below(255);
            let noise = (0..len).map(|_| u8::try_from(rng.below(range)).unwrap());
            let bytes: Vec<u8> = noise.collect();
            // From outside of the handler, as another connection would.
            rig.reactor(1).write(id, &bytes).unwrap();
            sent.extend(bytes);
            if rng.below(3) == 0 {
                rig.settle();
            }
        }
        rig.reactor(1).conn(id).unwrap().shutdown_write().unwrap();
        assert_eq!(rig.reactor(1).write(id, "late"), Err(Closed));
        rig.settle();
        assert!(told.borrow().bytes == sent, "seed {seed}");
        assert_eq!(closed(&served).0, "closed by the peer", "seed {seed}");
        assert_eq!(closed(&told).0, "closed by the peer", "seed {seed}");
        rig.assert_clean(&seed);
    }
}

#[test]
fn what_is_written_in_a_turn_is_flushed_once_whoever_writes_it() {
    let mut rig = Rig::pair();
    let (told, mut peer) = server(&mut rig, packed());
    let id = told.borrow().id.unwrap();
    let mut reactor = rig.reactor(0);
    for _ in 0..100 {
        reactor.write(id, "hello ").unwrap();
    }
    reactor.broadcast(&b"world "[..]);
    reactor.broadcast(vec![b'x'; 100_000]);
    rig.settle();
    let (wire, _) = peer.receive().unwrap();
    let flushes = wire.windows(4).filter(|four| four == b"\0\0\xff\xff").count();
    assert!(wire.len() < 1_000 && flushes == 1, "{} bytes, {flushes} flushes", wire.len());

    let mut plain = Vec::with_capacity(200_000);
    let mut inflate = Decompress::new(true);
    inflate.decompress_vec(&wire, &mut plain, FlushDecompress::Sync).unwrap();
    assert_eq!(plain, [b"hello ".repeat(100), b"world ".to_vec(), vec![b'x'; 100_000]].concat());

    // A quiet turn sends nothing; the end stands before FIN.
    rig.settle();
    assert_eq!(peer.receive().unwrap().0, b"");
    rig.reactor(0).close(id);
    rig.settle();
    let (end, is_end) = peer.receive().unwrap();
    plain.clear();
    let status = inflate.decompress_vec(&end, &mut plain, FlushDecompress::Finish).unwrap();
    assert_eq!((status, plain.len(), is_end), (Status::StreamEnd, 0, true));
}

#[test]
fn frames_pass_through_a_layer_byte_by_byte() {
    let mut rig = Rig::pair();
    // Most bytes on the wire become nothing by themselves, while a part of a frame is kept.
    rig.world.chop(1);
    let codec = LengthPrefix::u16;
    rig.listen(0, packed(), move || Framed::on_frame(codec(), |conn, frame| Ok(conn.send(frame)?)));
    let told = Rc::new(RefCell::new(Told::default()));
    let options = ConnectOptions::default().config(packed());
    let id = rig.connect_with(1, "10.0.0.1:7000", options, Notes::new(&told));
    let wire = b"\0\x05hello\0\x05world\0\0".repeat(10);
    for byte in &wire {
        rig.reactor(1).write(id, [*byte]).unwrap();
        rig.settle();
    }
    assert!(told.borrow().bytes == wire);
}

#[test]
fn a_bomb_costs_a_mebibyte_and_its_connection() {
    let mut rig = Rig::pair();
    let (told, mut peer) = server(&mut rig, packed());
    let bomb = deflate(&[&vec![0; 10_000_000]], FlushCompress::Finish);
    send_all(&mut rig, &mut peer, &bomb);
    let dense = DecompressError::TooDense { limit_ratio: 200 };
    peer.finish();
    rig.settle();
    assert_eq!(closed(&told), malformed(dense));
    let told = told.borrow();
    let total: usize = told.inputs.iter().sum();
    assert!(total <= 200 * bomb.len() + 1, "{total} bytes of {}", bomb.len());
    assert!(told.inputs.iter().all(|bytes| *bytes <= 256 * 1024), "{:?}", told.inputs);
}

#[test]
fn a_dense_stream_that_is_allowed_gets_its_share_of_each_turn_only() {
    let mut rig = Rig::pair();
    let config = ConnConfig::default().layer(zlib().ratio_max(u32::MAX));
    let (told, mut peer) = server(&mut rig, config);
    let dense = deflate(&[&vec![0; 2_000_000]], FlushCompress::Finish);
    assert_eq!(peer.send(&dense).unwrap(), dense.len());
    peer.finish();
    for turn in 1..=3 {
        rig.turn(0);
        let so_far = told.borrow().bytes.len();
        // One share among the events, and one among the tasks.
        assert!(so_far <= turn * 2 * 256 * 1024, "{so_far} bytes after {turn} turns");
        assert!(!told.borrow().eof, "the end overtakes");
    }
    rig.settle();
    assert_eq!(told.borrow().bytes.len(), 2_000_000);
    assert_eq!(closed(&told).0, "closed by the peer");
}

#[test]
fn a_pause_holds_what_the_layer_has_more_and_the_end() {
    let mut rig = Rig::pair();
    let told = Rc::new(RefCell::new(Told::default()));
    let notes = Rc::clone(&told);
    let config = ConnConfig::default().layer(zlib().ratio_max(u32::MAX));
    rig.listen(0, config, move || {
        Notes::new(&notes).on_data(|conn, _| {
            conn.pause();
            Ok(())
        })
    });
    let bare = rig.bare("c");
    let mut peer = bare.connect("10.0.0.1:7000");
    let dense = deflate(&[&vec![7; 600_000]], FlushCompress::Finish);
    assert_eq!(peer.send(&dense).unwrap(), dense.len());
    peer.finish();
    for inputs in 1..=3 {
        rig.settle();
        assert_eq!(told.borrow().inputs.len(), inputs);
        assert!(!told.borrow().eof);
        let id = told.borrow().id.unwrap();
        rig.reactor(0).conn(id).unwrap().resume();
    }
    rig.settle();
    assert_eq!(told.borrow().bytes.len(), 600_000);
    assert!(told.borrow().eof);
}

#[test]
fn an_echo_of_what_is_dense_waits_for_a_peer_that_does_not_read() {
    let mut rig = Rig::pair();
    rig.world.capacity(20_000);
    let config = ConnConfig::default().layer(zlib().ratio_max(u32::MAX).level(0));
    let told = echo(&mut rig, config);
    let bare = rig.bare("c");
    let mut peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    let dense = deflate(&[&vec![0; 5_000_000]], FlushCompress::Finish);
    assert_eq!(peer.send(&dense).unwrap(), dense.len());
    peer.finish();
    rig.settle();
    let id = told.borrow().id.unwrap();
    let queued = rig.reactor(0).conn(id).unwrap().stats().queued_bytes;
    assert!(queued < 256 * 1024 + 300 * 1024, "{queued} bytes are queued");
    let mut received = 0;
    while told.borrow().closed.is_none() {
        received += peer.receive().unwrap().0.len();
        rig.settle();
    }
    received += peer.receive().unwrap().0.len();
    assert!(received > 5_000_000, "{received} bytes came back");
    assert_eq!(told.borrow().bytes.len(), 5_000_000);
    assert_eq!(closed(&told).0, "closed by the peer");
}

#[test]
fn a_stream_that_is_cut_short_is_no_clean_end_wherever_it_is_cut() {
    let whole = deflate(&[b"hello ", b"world"], FlushCompress::Finish);
    for cut in 0..=whole.len() {
        let mut rig = Rig::pair();
        let (told, mut peer) = server(&mut rig, packed());
        send_all(&mut rig, &mut peer, &whole[..cut]);
        peer.finish();
        rig.settle();
        peer.close();
        rig.settle();
        if cut == whole.len() {
            assert_eq!(closed(&told).0, "closed by the peer");
        } else {
            assert_eq!(closed(&told), malformed(DecompressError::Truncated), "cut at {cut}");
        }
        assert!(b"hello world".starts_with(&told.borrow().bytes), "cut at {cut}");
    }
}

#[test]
fn garbage_closes_after_what_came_before_it() {
    let good = deflate(&[b"hello"], FlushCompress::Sync);
    let ended = deflate(&[b"hello"], FlushCompress::Finish);
    let corrupt = DecompressError::Corrupt { algorithm: "zlib" };
    for (bytes, error) in [
        ([&good[..], &[0xff; 100]].concat(), corrupt),
        ([&ended[..], b"more"].concat(), DecompressError::Trailing),
    ] {
        let mut rig = Rig::pair();
        let (told, mut peer) = server(&mut rig, packed());
        send_all(&mut rig, &mut peer, &bytes);
        assert_eq!(told.borrow().bytes, b"hello");
        peer.finish();
        rig.settle();
        assert_eq!(closed(&told), malformed(error));
        peer.close();
        rig.settle();
        rig.assert_clean(&"garbage");
    }
    let mut rig = Rig::pair();
    let (told, mut peer) = server(&mut rig, packed());
    send_all(&mut rig, &mut peer, b"GET / HTTP/1.1\r\n\r\n");
    peer.close();
    rig.settle();
    assert_eq!(closed(&told), malformed(corrupt));
}

#[test]
fn limits_of_output_count_what_is_queued() {
    let mut rig = Rig::pair();
    rig.world.capacity(1_000);
    let (told, _peer) = server(&mut rig, packed().output_max(50_000));
    let id = told.borrow().id.unwrap();
    // Ten megabytes of the same are few when they are packed.
    rig.reactor(0).write(id, vec![0; 10_000_000]).unwrap();
    rig.settle();
    assert!(rig.reactor(0).conn(id).unwrap().stats().queued_bytes < 50_000);
    let mut rng = Rng::new(1);
    let noise: Vec<u8> = (0..200_000).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
    assert_eq!(rig.reactor(0).write(id, noise), Err(Closed));
    rig.settle();
    assert!(closed(&told).0.starts_with("the peer reads too slowly"), "{:?}", closed(&told));
}

#[test]
fn an_abort_and_a_reset_say_what_they_are() {
    let mut rig = Rig::pair();
    let (told, mut peer) = server(&mut rig, packed());
    let id = told.borrow().id.unwrap();
    rig.reactor(0).write(id, "hello").unwrap();
    rig.reactor(0).abort(id);
    rig.settle();
    assert!(peer.receive().is_err(), "the peer learns by a reset");
    assert_eq!(closed(&told).0, "aborted by this side");

    let mut rig = Rig::pair();
    let (told, peer) = server(&mut rig, packed());
    peer.reset();
    rig.settle();
    assert_eq!(closed(&told).0, "reset by the peer");
    rig.assert_clean(&"reset");
}
