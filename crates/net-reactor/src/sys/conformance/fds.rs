//! What every kernel guarantees about descriptors that its user brings.

use std::io::{ErrorKind, IoSlice};

use super::rig::{Rig, failed, hang_up, over, readable, writable};
use crate::sys::{Descriptor, Interest, Sys, Token};

suite! {
    what_is_there_is_reported_of_a_new_descriptor,
    what_is_still_there_is_reported_when_it_is_armed_again,
    what_comes_after_a_fruitless_read_is_reported,
    room_is_reported_after_a_fruitless_write,
    nothing_is_reported_that_is_not_wanted,
    another_interest_brings_what_was_there_before,
    the_end_of_a_pipe_comes_after_its_bytes,
    a_pipe_that_nobody_reads_has_an_error,
    an_end_of_a_pair_is_over_when_the_other_is_closed,
    a_removed_descriptor_is_never_reported,
    a_descriptor_can_be_added_again,
}

/// A registered descriptor.
struct Fd {
    token: Token,
    descriptor: Descriptor,
}

impl<S: Sys> Rig<S> {
    fn add(&mut self, descriptor: Descriptor, interest: Interest) -> Fd {
        let token = Token::fd(self.key());
        self.sys.add_fd(token, &descriptor, interest).unwrap();
        Fd { token, descriptor }
    }

    fn arm(&mut self, fd: &Fd, interest: Interest) {
        self.sys.arm_fd(fd.token, &fd.descriptor, interest).unwrap();
    }

    fn read(&mut self, fd: &Fd) -> Vec<u8> {
        let mut bytes = [0; 512];
        let read = |sys: &mut S| sys.read_fd(&fd.descriptor, &mut bytes);
        let len = self.patiently(fd.token, readable, read).unwrap();
        bytes[..len].to_vec()
    }

    /// Reads until a call says that there is nothing.
    fn drain(&mut self, fd: &Fd) -> usize {
        let mut bytes = vec![0; 8 * 1024];
        let mut drained = 0;
        loop {
            match self.sys.read_fd(&fd.descriptor, &mut bytes) {
                Ok(len) => drained += len,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return drained;
                }
            }
        }
    }

    fn write(&mut self, fd: &Fd, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            let write = |sys: &mut S| sys.write_fd(&fd.descriptor, &[IoSlice::new(left)]);
            let len = self.patiently(fd.token, writable, write).unwrap();
            left = &left[len..];
        }
    }

    /// Whether anything was reported of `fd` by the time that a later event elsewhere was.
    fn was_heard(&mut self, fd: &Fd) -> bool {
        self.seen.clear();
        let (reader, writer) = self.make_pipe();
        let (reader, writer) =
            (self.add(reader, Interest::READ), self.add(writer, Interest::WRITE));
        self.write(&writer, b"witness");
        self.read(&reader);
        for witness in [&reader, &writer] {
            self.sys.remove_fd(&witness.descriptor);
        }
        self.seen.iter().any(|report| report.token == fd.token)
    }
}

fn what_is_there_is_reported_of_a_new_descriptor<S: Sys>(mut rig: Rig<S>) {
    let (reader, writer) = rig.make_pipe();
    let writer = rig.add(writer, Interest::WRITE);
    rig.report(writer.token, writable);
    rig.write(&writer, b"before");
    let reader = rig.add(reader, Interest::READ);
    rig.report(reader.token, readable);
    assert!(b"before".starts_with(&rig.read(&reader)));
}

fn what_is_still_there_is_reported_when_it_is_armed_again<S: Sys>(mut rig: Rig<S>) {
    let (reader, writer) = rig.make_pipe();
    let (reader, writer) = (rig.add(reader, Interest::READ), rig.add(writer, Interest::WRITE));
    rig.write(&writer, b"level");
    for _ in 0..5 {
        rig.report(reader.token, readable);
        rig.arm(&reader, Interest::READ);
    }
    rig.report(reader.token, readable);
}

fn what_comes_after_a_fruitless_read_is_reported<S: Sys>(mut rig: Rig<S>) {
    let (reader, writer) = rig.make_pipe();
    let (reader, writer) = (rig.add(reader, Interest::READ), rig.add(writer, Interest::WRITE));
    for _ in 0..5 {
        rig.drain(&reader);
        rig.take_report(reader.token, readable);
        rig.write(&writer, b"news");
        rig.report(reader.token, readable);
    }
}

fn room_is_reported_after_a_fruitless_write<S: Sys>(mut rig: Rig<S>) {
    let (reader, writer) = rig.make_pipe();
    let (reader, writer) = (rig.add(reader, Interest::READ), rig.add(writer, Interest::WRITE));
    for _ in 0..3 {
        // Also a call that has nothing to do with a full pipe may say so; then it is not full.
        let mut written = 0;
        loop {
            let slices = [IoSlice::new(&[7; 3_000]), IoSlice::new(&[8; 3_000])];
            match rig.sys.write_fd(&writer.descriptor, &slices) {
                Ok(len) => written += len,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    if written > 0 {
                        break;
                    }
                }
            }
        }
        rig.take_report(writer.token, writable);
        while rig.drain(&reader) == 0 {
            rig.report(reader.token, readable);
        }
        rig.report(writer.token, writable);
    }
}

fn nothing_is_reported_that_is_not_wanted<S: Sys>(mut rig: Rig<S>) {
    let (left, right) = rig.make_pair();
    let (left, right) = (rig.add(left, Interest::NONE), rig.add(right, Interest::WRITE));
    rig.write(&right, b"unwanted");
    assert!(!rig.was_heard(&left));
    rig.arm(&left, Interest::WRITE);
    rig.report(left.token, writable);
    assert!(!rig.take_report(left.token, readable));
}

fn another_interest_brings_what_was_there_before<S: Sys>(mut rig: Rig<S>) {
    let (left, right) = rig.make_pair();
    let (left, right) = (rig.add(left, Interest::WRITE), rig.add(right, Interest::WRITE));
    rig.write(&right, b"early");
    assert!(!rig.take_report(left.token, readable));
    rig.arm(&left, Interest::READ);
    rig.report(left.token, readable);
}

fn the_end_of_a_pipe_comes_after_its_bytes<S: Sys>(mut rig: Rig<S>) {
    let (reader, writer) = rig.make_pipe();
    let (reader, writer) = (rig.add(reader, Interest::READ), rig.add(writer, Interest::WRITE));
    rig.write(&writer, b"last words");
    rig.sys.remove_fd(&writer.descriptor);
    drop(writer);
    rig.report(reader.token, over);
    rig.report(reader.token, hang_up);
    let mut heard = Vec::new();
    loop {
        rig.arm(&reader, Interest::READ);
        match rig.read(&reader) {
            bytes if bytes.is_empty() => break,
            bytes => heard.extend(bytes),
        }
    }
    assert_eq!(heard, b"last words");
    // It is told without any interest as well.
    rig.seen.clear();
    rig.arm(&reader, Interest::NONE);
    rig.report(reader.token, over);
}

fn a_pipe_that_nobody_reads_has_an_error<S: Sys>(mut rig: Rig<S>) {
    let (reader, writer) = rig.make_pipe();
    let writer = rig.add(writer, Interest::NONE);
    drop(reader);
    rig.report(writer.token, failed);
    let error = rig.sys.write_fd(&writer.descriptor, &[IoSlice::new(b"?")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

fn an_end_of_a_pair_is_over_when_the_other_is_closed<S: Sys>(mut rig: Rig<S>) {
    let (left, right) = rig.make_pair();
    let left = rig.add(left, Interest::NONE);
    drop(right);
    rig.report(left.token, over);
    rig.arm(&left, Interest::READ);
    assert!(rig.read(&left).is_empty());
}

fn a_removed_descriptor_is_never_reported<S: Sys>(mut rig: Rig<S>) {
    let (left, right) = rig.make_pair();
    let (left, right) =
        (rig.add(left, Interest::READ | Interest::WRITE), rig.add(right, Interest::WRITE));
    rig.write(&right, b"too late");
    rig.sys.remove_fd(&left.descriptor);
    assert!(!rig.was_heard(&left));
    drop(left.descriptor);
}

fn a_descriptor_can_be_added_again<S: Sys>(mut rig: Rig<S>) {
    let (reader, writer) = rig.make_pipe();
    let (reader, writer) = (rig.add(reader, Interest::READ), rig.add(writer, Interest::WRITE));
    rig.write(&writer, b"kept");
    rig.sys.remove_fd(&reader.descriptor);
    let again = rig.add(reader.descriptor, Interest::READ);
    rig.report(again.token, readable);
    assert!(b"kept".starts_with(&rig.read(&again)));
}
