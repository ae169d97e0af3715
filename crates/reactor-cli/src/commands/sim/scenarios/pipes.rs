//! Descriptors of the user's own: pipes whose ends are changed and taken away in each other's calls.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{Descriptor, Fd, FdHandler, FdId, Interest, Ready};

use super::lot::{Counter, Lot};

/// The most bytes of one write, and of one read.
const BYTES_MAX: u64 = 3_000;

/// The longest that an end rests.
const REST: Duration = Duration::from_millis(100);

/// The direction of an end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    In,
}

impl Way {
    fn interest(self) -> Interest {
        match self {
            Self::Out => Interest::WRITE,
            Self::In => Interest::READ,
        }
    }
}

/// One pipe: how far its bytes came, and who has its ends now.
#[derive(Default)]
struct Pipe {
    sent: u64,
    received: u64,
    ids: [Option<FdId>; 2],
    /// How often each end was added: an older handler must not be called.
    made: [u64; 2],
}

/// What all ends share.
#[derive(Clone)]
struct Plumbing {
    pipes: Rc<RefCell<Vec<Pipe>>>,
    writing: Counter,
    lot: Lot,
}

impl Plumbing {
    /// Adds an end with a new handler.
    fn add(&self, reactor: &mut Reactor<'_>, descriptor: Descriptor, pipe: usize, way: Way) {
        let made = {
            let mut pipes = self.pipes.borrow_mut();
            pipes[pipe].made[way as usize] += 1;
            pipes[pipe].made[way as usize]
        };
        let end = End { shared: self.clone(), pipe, way, made };
        let added = reactor.add_fd(descriptor, way.interest(), end);
        // A loop that stops takes none.
        self.pipes.borrow_mut()[pipe].ids[way as usize] = added.ok();
    }

    /// Takes any end from its handler and gives it to a new one, or lets it rest.
    fn meddle(&self, reactor: &mut Reactor<'_>) {
        let count = self.pipes.borrow().len() as u64;
        let pipe = usize::try_from(self.lot.below(count)).unwrap_or(0);
        let way = if self.lot.below(2) == 0 { Way::Out } else { Way::In };
        let Some(id) = self.pipes.borrow().get(pipe).and_then(|pipe| pipe.ids[way as usize]) else {
            return;
        };
        if self.lot.below(2) == 0 {
            if let Some(descriptor) = reactor.take_fd(id) {
                assert!(!reactor.poke_fd(id), "an id outlived its end");
                self.add(reactor, descriptor, pipe, way);
            }
        } else if reactor.set_interest(id, Interest::NONE) {
            self.wake_later(reactor, id);
        }
    }

    fn wake_later(&self, reactor: &mut Reactor<'_>, id: FdId) {
        reactor.call_later(self.lot.time(REST), move |reactor| {
            reactor.poke_fd(id);
        });
    }
}

/// The handler of one end.
struct End {
    shared: Plumbing,
    pipe: usize,
    way: Way,
    made: u64,
}

impl End {
    fn write(&self, fd: &mut Fd<'_>) -> Flow {
        let mut pipes = self.shared.pipes.borrow_mut();
        let sent = &mut pipes[self.pipe].sent;
        let len = self.shared.lot.size(BYTES_MAX);
        let bytes: Vec<u8> = (*sent..*sent + len).map(low_byte).collect();
        *sent += fd.write(&bytes)? as u64;
        Ok(())
    }

    fn read(&self, fd: &mut Fd<'_>) -> Flow {
        let mut pipes = self.shared.pipes.borrow_mut();
        let received = &mut pipes[self.pipe].received;
        let len = usize::try_from(self.shared.lot.size(BYTES_MAX)).unwrap_or(1);
        let mut bytes = vec![0; len];
        match fd.read(&mut bytes)? {
            Some(0) => fd.close(),
            Some(len) => {
                let expected = (*received..).map(low_byte);
                assert!(bytes[..len].iter().copied().eq(expected.take(len)), "other bytes came");
                *received += len as u64;
            }
            None => {}
        }
        Ok(())
    }

    /// Wants nothing for a while. A writer does so after each write, or it would never end.
    fn rest(&self, fd: &mut Fd<'_>) {
        fd.set_interest(Interest::NONE);
        let id = fd.id();
        self.shared.wake_later(fd.reactor(), id);
    }
}

impl FdHandler for End {
    fn on_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow {
        let made = self.shared.pipes.borrow()[self.pipe].made[self.way as usize];
        assert_eq!(made, self.made, "a handler was called after its end was taken away");
        assert!(!ready.is_readable() || fd.interest() == Interest::READ, "nobody wanted to read");
        assert!(!ready.is_writable() || fd.interest() == Interest::WRITE, "nobody wanted to write");
        match self.way {
            Way::In if ready.is_readable() => self.read(fd)?,
            Way::Out if ready.is_writable() => {
                if self.shared.writing.get() > 0 {
                    self.write(fd)?;
                }
                self.rest(fd);
            }
            // It stops: the other end is closed already.
            _ => fd.close(),
        }
        for _ in 0..self.shared.lot.below(3) {
            let shared = self.shared.clone();
            if shared.lot.below(4) == 0 {
                shared.meddle(fd.reactor());
            }
        }
        if self.way == Way::In && self.shared.lot.below(8) == 0 {
            self.rest(fd);
        }
        Ok(())
    }

    fn on_poke(&mut self, fd: &mut Fd<'_>) -> Flow {
        fd.set_interest(self.way.interest());
        Ok(())
    }
}

/// The byte at this place of a stream.
fn low_byte(place: u64) -> u8 {
    place.to_le_bytes()[0]
}

pub(super) fn run(sim: &mut Simulation) {
    let count = sim.pick("pipes", 1..=6);
    let shared = Plumbing { pipes: Rc::default(), writing: Counter::default(), lot: Lot::new(sim) };
    shared.writing.set(1);
    // Who loses its descriptors with its power has nothing to compare.
    sim.faults(Faults::harmless());
    let plumbing = shared.clone();
    sim.host("plumber", move |boot| {
        let mut ends = Vec::new();
        for _ in 0..count {
            ends.push(if plumbing.lot.below(2) == 0 { boot.pipe()? } else { boot.pair()? });
        }
        plumbing.pipes.borrow_mut().clear();
        for (pipe, (reader, writer)) in ends.into_iter().enumerate() {
            plumbing.pipes.borrow_mut().push(Pipe::default());
            let mut reactor = boot.reactor();
            plumbing.add(&mut reactor, reader, pipe, Way::In);
            plumbing.add(&mut reactor, writer, pipe, Way::Out);
        }
        Ok(())
    });
    sim.run_for(Duration::from_secs(20));
    sim.calm();
    shared.writing.set(0);
    let all_arrived = |_: &mut Simulation| {
        shared.pipes.borrow().iter().all(|pipe| pipe.sent == pipe.received && pipe.sent > 0)
    };
    sim.eventually(Duration::from_secs(30), "every byte arrives", all_arrived);
}
