//! The system calls on ends of pipes and pairs.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::Memory;
use super::ends::PipeEnd;
use super::fault::Fault;
use super::listeners::bad_descriptor;
use super::socket::{Edges, Flags};
use super::trace::{Outcome, hash_bytes};
use super::world::State;
use crate::base::Key;
use crate::sys::{Blocking, Descriptor, FdSys, Interest, Token};

impl FdSys for Memory {
    fn add_fd(
        &mut self,
        token: Token,
        fd: &Descriptor,
        interest: Interest,
    ) -> io::Result<Blocking> {
        let end = self.end_of(fd)?;
        let call = |state: &mut State, kernel| state.add_end(kernel, token, end, interest);
        self.call("add", Some(end), call, |()| Outcome::Done(interest.bits().into()))?;
        Ok(Blocking::Never)
    }

    fn arm_fd(&mut self, token: Token, fd: &Descriptor, interest: Interest) -> io::Result<()> {
        let end = self.end_of(fd)?;
        let call = |state: &mut State, _| state.arm_end(token, end, interest);
        self.call("arm", Some(end), call, |()| Outcome::Done(interest.bits().into()))
    }

    fn remove_fd(&mut self, fd: &Descriptor) {
        let Ok(key) = self.end_of(fd) else { return };
        let mut state = self.world.state();
        state.trace_call(self.kernel, "remove", Some(key), Outcome::Done(0));
        if let Some(end) = state.ends.get_mut(key) {
            end.kernel = None;
            end.edges = Edges::default();
        }
    }

    fn read_fd(&mut self, fd: &Descriptor, into: &mut [u8]) -> io::Result<usize> {
        let end = self.end_of(fd)?;
        let mut state = self.world.state();
        let read = state.read_end(self.kernel, end, into);
        let outcome = Outcome::of(&read, |len| Outcome::Bytes(*len, hash_bytes(0, &into[..*len])));
        state.trace_call(self.kernel, "read", Some(end), outcome);
        read
    }

    fn write_fd(&mut self, fd: &Descriptor, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let end = self.end_of(fd)?;
        let call = |state: &mut State, kernel| state.write_end(kernel, end, slices);
        let bytes = |len: &usize| Outcome::Bytes(*len, super::hash_front(slices, *len));
        self.call("write", Some(end), call, bytes)
    }
}

impl Memory {
    /// Returns the end that a descriptor holds, if it is one of this world.
    fn end_of(&self, fd: &Descriptor) -> io::Result<Key> {
        let ours = |end: &&PipeEnd| Arc::ptr_eq(&end.dropped, &self.world.state().dropped);
        let end = fd.simulated().filter(ours).ok_or(io::ErrorKind::Unsupported)?;
        Ok(end.key)
    }
}

impl State {
    fn add_end(
        &mut self,
        kernel: usize,
        token: Token,
        key: Key,
        interest: Interest,
    ) -> io::Result<()> {
        self.check_boot(kernel)?;
        if self.faults.is_on() {
            if self.fires(kernel, Fault::RegisterNoMemory) {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            if self.fires(kernel, Fault::RegisterNoSpace) {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let machine = self.kernels[kernel].machine;
        let end = self.ends.get_mut(key).filter(|end| end.machine == machine);
        end.ok_or_else(bad_descriptor)?.kernel = Some(kernel);
        self.arm_end(token, key, interest)
    }

    /// Registers an end anew; what holds by now is reported once.
    fn arm_end(&mut self, token: Token, key: Key, interest: Interest) -> io::Result<()> {
        let end = self.ends.get(key).ok_or_else(bad_descriptor)?;
        let current = self.current_of(end);
        let end = self.ends.get_mut(key).ok_or_else(bad_descriptor)?;
        end.interest = interest;
        end.edges.pending = Flags::default();
        end.edges.register(token, current);
        self.note_end(key, current);
        Ok(())
    }

    fn read_end(&mut self, kernel: usize, key: Key, into: &mut [u8]) -> io::Result<usize> {
        let end = self.ends.get_mut(key).ok_or_else(bad_descriptor)?;
        let incoming = end.incoming.ok_or_else(bad_descriptor)?;
        let pipe = self.pipes.get(incoming).ok_or_else(bad_descriptor)?;
        let most = pipe.bytes.len().min(into.len());
        if into.is_empty() || (most == 0 && pipe.writer.is_none()) {
            return Ok(0);
        }
        if most == 0 {
            end.edges.read_armed = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut limit = most;
        if self.faults.is_on() {
            if self.fires(kernel, Fault::ReceiveNotReady) {
                self.note_end(key, Flags::READABLE);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let cut = self.cut(kernel, most, Fault::ReceiveOneByte, Fault::ReceiveShort);
            limit = cut.unwrap_or(most);
        }
        let pipe = self.pipes.get_mut(incoming).ok_or_else(bad_descriptor)?;
        for (place, byte) in into.iter_mut().zip(pipe.bytes.drain(..limit)) {
            *place = byte;
        }
        if let Some(writer) = pipe.writer
            && let Some(end) = self.ends.get_mut(writer)
            && std::mem::take(&mut end.edges.write_armed)
        {
            self.note_end(writer, Flags::WRITABLE);
        }
        Ok(limit)
    }

    fn write_end(&mut self, kernel: usize, key: Key, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let end = self.ends.get_mut(key).ok_or_else(bad_descriptor)?;
        let outgoing = end.outgoing.ok_or_else(bad_descriptor)?;
        let pipe = self.pipes.get(outgoing).ok_or_else(bad_descriptor)?;
        if !pipe.has_reader() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let most = pipe.room().min(offered);
        if offered > 0 && most == 0 {
            end.edges.write_armed = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut left = most;
        if self.faults.is_on() && most > 0 {
            if self.fires(kernel, Fault::SendNotReady) {
                self.note_end(key, Flags::WRITABLE);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            left = self.cut(kernel, most, Fault::SendOneByte, Fault::SendShort).unwrap_or(most);
        }
        let taken = left;
        let pipe = self.pipes.get_mut(outgoing).ok_or_else(bad_descriptor)?;
        for slice in slices {
            let part = slice.len().min(left);
            pipe.bytes.extend(&slice[..part]);
            left -= part;
        }
        if let Some(reader) = pipe.reader()
            && let Some(end) = self.ends.get_mut(reader)
            && taken > 0
            && std::mem::take(&mut end.edges.read_armed)
        {
            self.note_end(reader, Flags::READABLE);
        }
        Ok(taken)
    }
}
