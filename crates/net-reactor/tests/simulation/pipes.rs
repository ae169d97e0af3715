//! Descriptors of the user's own in a simulation: pipes and pairs, and what becomes of them.

use std::cell::RefCell;
use std::rc::Rc;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{
    AddFdRefused, Buffered, BufferedFd, BufferedHandler, Descriptor, Fd, FdHandler, Interest, Ready,
};

use super::support::secs;

/// Reads to the end, and writes down what it read.
struct Reader(Rc<RefCell<Vec<String>>>);

impl FdHandler for Reader {
    fn on_ready(&mut self, fd: &mut Fd<'_>, _ready: Ready) -> Flow {
        let mut bytes = [0; 64];
        match fd.read(&mut bytes)? {
            Some(0) => fd.close(),
            Some(len) => {
                let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
                self.0.borrow_mut().push(text);
            }
            None => {}
        }
        Ok(())
    }

    fn on_close(&mut self, _reactor: &mut Reactor<'_>, reason: CloseReason) {
        self.0.borrow_mut().push(reason.to_string());
    }
}

#[test]
fn a_pipe_carries_bytes_and_its_end() {
    let mut sim = Simulation::new(1);
    let told = Rc::default();
    let notes = Rc::clone(&told);
    sim.host("host", move |boot| {
        let (reader, writer) = boot.pipe()?;
        let mut reactor = boot.reactor();
        reactor.add_fd(reader, Interest::READ, Reader(Rc::clone(&notes)))?;
        let writer = reactor.watch_fd(writer, Interest::NONE, |_, _| Ok(()))?;
        reactor.call_later(secs(1), move |reactor| {
            let mut fd = reactor.fd(writer).unwrap();
            assert_eq!(fd.write(b"hello").unwrap(), 5);
            assert!(fd.as_fd().is_none(), "it is no real one");
            fd.close();
        });
        Ok(())
    });
    sim.run_for(secs(2));
    assert_eq!(*told.borrow(), ["hello", "closed by this side"]);
    sim.finish();
}

#[test]
fn a_buffered_pair_bears_harmless_faults() {
    /// Sends lines to the other end and counts those that come back.
    struct Caller(Rc<RefCell<u32>>);

    impl BufferedHandler for Caller {
        fn on_open(&mut self, fd: &mut BufferedFd<'_, '_>) -> Flow {
            // Below the mark: two ends that do not read before they have written wait for each other.
            Ok(fd.push("how are you?\n".repeat(4_000))?)
        }

        fn on_data(&mut self, fd: &mut BufferedFd<'_, '_>, input: &mut Input<'_>) -> Flow {
            while let Some(line) = input.line(100)? {
                assert_eq!(line, b"how are you?");
                *self.0.borrow_mut() += 1;
            }
            if *self.0.borrow() == 4_000 {
                fd.close_when_done();
            }
            Ok(())
        }
    }

    struct Echo;

    impl BufferedHandler for Echo {
        fn on_data(&mut self, fd: &mut BufferedFd<'_, '_>, input: &mut Input<'_>) -> Flow {
            Ok(fd.push(input.take_all())?)
        }
    }

    for seed in 0..10 {
        let mut sim = Simulation::new(seed);
        sim.faults(Faults::harmless());
        let count = Rc::default();
        let lines = Rc::clone(&count);
        sim.host("host", move |boot| {
            let (left, right) = boot.pair()?;
            let mut reactor = boot.reactor();
            reactor.add_fd(left, Interest::NONE, Buffered::new(Caller(Rc::clone(&lines))))?;
            reactor.add_fd(right, Interest::NONE, Buffered::new(Echo))?;
            Ok(())
        });
        sim.eventually(secs(600), "every line is back", |_| *count.borrow() == 4_000);
        sim.finish();
    }
}

#[test]
fn each_kernel_refuses_the_descriptors_of_the_other() {
    let kept: Rc<RefCell<Option<Descriptor>>> = Rc::default();
    let keep = Rc::clone(&kept);
    let mut sim = Simulation::new(1);
    let host = sim.host("host", move |boot| {
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut reactor = boot.reactor();
        let refused = reactor.watch_fd(reader, Interest::READ, |_, _| Ok(())).unwrap_err();
        assert!(matches!(refused.reason, AddFdRefused::OtherKernel));
        assert!(refused.descriptor.as_fd().is_some(), "it is given back");
        let (reader, _writer) = boot.pipe()?;
        keep.replace(Some(reader));
        Ok(())
    });
    let mut event_loop = EventLoop::new().unwrap();
    let simulated = kept.take().unwrap();
    let refused = event_loop.reactor().watch_fd(simulated, Interest::READ, |_, _| Ok(()));
    let refused = refused.unwrap_err();
    assert!(matches!(refused.reason, AddFdRefused::OtherKernel));
    // Another world is another kernel as well.
    let mut other = Simulation::new(2);
    let mut foreign = Some(refused.descriptor);
    other.host("host", move |boot| {
        if let Some(foreign) = foreign.take() {
            let refused = boot.reactor().watch_fd(foreign, Interest::READ, |_, _| Ok(()));
            assert!(matches!(refused.unwrap_err().reason, AddFdRefused::OtherKernel));
        }
        Ok(())
    });
    assert_eq!(sim.stats(host).descriptors, 0);
}

#[test]
fn pipes_end_with_the_power_of_their_host_and_with_its_process() {
    for power in [true, false] {
        let mut sim = Simulation::new(3);
        let told = Rc::default();
        let notes = Rc::clone(&told);
        let host = sim.host("host", move |boot| {
            let (reader, writer) = boot.pipe()?;
            let mut reactor = boot.reactor();
            reactor.add_fd(reader, Interest::READ, Reader(Rc::clone(&notes)))?;
            reactor.watch_fd(writer, Interest::WRITE, |fd, _| {
                fd.write(b"x")?;
                fd.set_interest(Interest::NONE);
                Ok(())
            })?;
            Ok(())
        });
        sim.run_for(secs(1));
        match power {
            true => sim.power_off(host),
            false => sim.kill(host),
        }
        sim.run_for(secs(1));
        sim.start(host);
        sim.run_for(secs(1));
        // Nobody was told of the end, and the new pipe works.
        assert_eq!(*told.borrow(), ["x", "x"]);
        assert_eq!(sim.stats(host).descriptors, 2);
        sim.finish();
    }
}

#[test]
fn a_host_without_descriptors_has_no_pipes() {
    let mut sim = Simulation::new(4);
    let refusals = Rc::new(RefCell::new(0));
    let count = Rc::clone(&refusals);
    let host = sim.host("host", move |boot| {
        boot.reactor();
        let mut pipes = Vec::new();
        let error = loop {
            match boot.pipe() {
                Ok(pipe) => pipes.push(pipe),
                Err(error) => break error,
            }
            if pipes.len() > 100 {
                return Ok(());
            }
        };
        *count.borrow_mut() += 1;
        assert_eq!(pipes.len(), 2);
        Err(error)
    });
    assert_eq!(*refusals.borrow(), 0);
    sim.kill(host);
    sim.descriptor_limit(host, Some(5));
    sim.start(host);
    assert_eq!(*refusals.borrow(), 1);
    assert_eq!(sim.fired(Fault::DescriptorLimit), 1);
}
