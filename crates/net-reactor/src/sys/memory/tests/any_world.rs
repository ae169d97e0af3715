//! Whole transfers, in worlds made from seeds.

use super::*;

#[test]
fn the_same_seed_makes_the_same_world() {
    let (one, again, other) = (transfer(7), transfer(7), transfer(8));
    assert_eq!(one, again);
    assert_ne!(one, other);
    // The hashes alone tell as much.
    assert!(one.0 == again.0 && one.0 != other.0);
}

#[test]
fn every_byte_arrives_in_any_world() {
    for seed in 0..SEEDS {
        transfer(seed);
    }
}

/// Sends bytes both ways through a world full of surprises, by a loop that acts on reports only.
///
/// Returns the hash of its trace, and a log of what was reported.
fn transfer(seed: u64) -> (u64, Vec<String>) {
    let world = World::new(seed);
    let mut chance = crate::base::Rng::new(seed);
    let mut draw = |bound: u64| usize::try_from(chance.below(bound)).unwrap();
    let pair = pair(&world);
    world.latency(ms(u64::try_from(draw(20)).unwrap()));
    world.chop(draw(3) * 500);
    world.spurious(u64::try_from(draw(50)).unwrap());
    // Half of the worlds have every harmless fault as well, seldom or often.
    let ppm = [0, 0, 1_000, 200_000][draw(4)];
    world.faults(&FaultRates::harmless(ppm));
    let mut log = Vec::new();
    let capacity = SocketOption::ReceiveBuffer(1 + draw(9_000));
    let Pair { mut a, mut b, client, server } = pair;
    a.set_option(&client, capacity).unwrap();
    let mut ends = [Side::new(client, 1 + draw(60_000)), Side::new(server, 1 + draw(60_000))];
    for round in 0.. {
        assert!(round < 100_000, "seed {seed} makes no progress");
        let mut busy = false;
        for (kernel, end) in [&mut a, &mut b].into_iter().zip(&mut ends) {
            for report in reports(kernel) {
                log.push(format!("{:?} {report:?}", world.now()));
                end.readable |= report.readable || report.hang_up;
                end.hang_up |= report.hang_up;
                end.writable |= report.writable;
            }
            busy |= end.serve(kernel, draw(8_000) + 1);
        }
        if ends.iter().all(|end| end.ended && end.left == 0) {
            break;
        }
        if !busy && world.is_quiet() {
            let next = world.next_event().unwrap_or_else(|| panic!("seed {seed} is stuck"));
            world.advance(next - world.now());
        }
    }
    let [one, other] = ends;
    assert_eq!((one.received, other.received), (other.offered, one.offered), "seed {seed}");
    a.close(one.stream, CloseHow::Fin);
    b.close(other.stream, CloseHow::Fin);
    world.advance(ms(100));
    let open = (world.sockets_len(), a.host().open_descriptors(), b.host().open_descriptors());
    assert_eq!(open, (0, 1, 1), "seed {seed}");
    (world.trace_hash(), log)
}

/// One end of the random test, served the way the readiness engine serves a stream.
struct Side {
    stream: Stream,
    offered: usize,
    left: usize,
    received: usize,
    readable: bool,
    writable: bool,
    hang_up: bool,
    ended: bool,
}

impl Side {
    fn new(stream: Stream, offered: usize) -> Self {
        Self {
            stream,
            offered,
            left: offered,
            received: 0,
            readable: false,
            writable: true,
            hang_up: false,
            ended: false,
        }
    }

    /// Does what the reports allow; returns whether anything is left to do at once.
    fn serve(&mut self, kernel: &mut Memory, buffer_bytes: usize) -> bool {
        if self.writable && self.left > 0 {
            let offered = self.left.min(buffer_bytes);
            match send(kernel, &mut self.stream, &vec![0; offered]) {
                Ok(sent) => {
                    self.left -= sent;
                    self.writable = sent == offered;
                    if self.left == 0 {
                        kernel.shutdown_write(&self.stream).unwrap();
                    }
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    self.writable = false;
                }
            }
        }
        if self.readable && !self.ended {
            let mut buffer = vec![0; buffer_bytes];
            match kernel.receive(&mut self.stream, &mut buffer) {
                Ok(0) => self.ended = true,
                Ok(len) => {
                    self.received += len;
                    self.readable = len == buffer_bytes || self.hang_up;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    self.readable = false;
                }
            }
        }
        (self.writable && self.left > 0) || (self.readable && !self.ended)
    }
}
