//! Pipes and pairs within one host, and what becomes of their ends.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::fault::Fault;
use super::machine::Named;
use super::socket::{Edges, Flags};
use super::world::{State, World};
use crate::base::Key;
use crate::sys::{Descriptor, Held, Interest};

/// How many bytes a pipe holds; Linux's default is the same (pipe(7)).
const PIPE_BYTES: usize = 64 * 1024;

/// The capacities of small pipes, in bytes.
const SMALL_BYTES: [usize; 4] = [1, 7, 64, 4_096];

/// One end of a simulated pipe or pair, held by a user or a loop. Dropping it closes it.
pub(crate) struct PipeEnd {
    pub(super) key: Key,
    /// What is dropped is noted here, and closed when the world is entered next: a drop can come at
    /// any time, and on any thread.
    pub(super) dropped: Arc<Dropped>,
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.dropped.keys.lock().unwrap_or_else(PoisonError::into_inner).push(self.key);
        self.dropped.is_empty.store(false, Ordering::Release);
    }
}

impl std::fmt::Debug for PipeEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:?}", self.key)
    }
}

/// Ends that nobody holds any more.
pub(super) struct Dropped {
    keys: Mutex<Vec<Key>>,
    is_empty: AtomicBool,
}

impl Default for Dropped {
    fn default() -> Self {
        Self { keys: Mutex::default(), is_empty: AtomicBool::new(true) }
    }
}

/// The kernel's side of an end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) machine: usize,
    descriptor: u32,
    /// The loop that has registered it.
    pub(super) kernel: Option<usize>,
    pub(super) interest: Interest,
    pub(super) incoming: Option<Key>,
    pub(super) outgoing: Option<Key>,
    pub(super) edges: Edges,
}

/// Bytes on their way from one end to another.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) bytes: VecDeque<u8>,
    capacity_bytes: usize,
    reader: Option<Key>,
    pub(super) writer: Option<Key>,
}

impl Pipe {
    pub(super) fn room(&self) -> usize {
        self.capacity_bytes.saturating_sub(self.bytes.len())
    }

    pub(super) fn has_reader(&self) -> bool {
        self.reader.is_some()
    }

    pub(super) fn reader(&self) -> Option<Key> {
        self.reader
    }
}

impl World {
    /// Makes a pipe on a host: its reading and its writing end.
    ///
    /// # Errors
    ///
    /// `EMFILE` and `ENFILE`, when the host has no descriptors left.
    pub(crate) fn pipe(&self, host: &str) -> io::Result<(Descriptor, Descriptor)> {
        let mut state = self.state();
        let (reader, writer) = state.two_ends(host)?;
        state.connect_ends(writer, reader);
        Ok((state.hold(reader), state.hold(writer)))
    }

    /// Makes two ends on a host that both read what the other writes, as socketpair(2) does.
    ///
    /// # Errors
    ///
    /// As for [`pipe`](Self::pipe).
    pub(crate) fn pair(&self, host: &str) -> io::Result<(Descriptor, Descriptor)> {
        let mut state = self.state();
        let (left, right) = state.two_ends(host)?;
        state.connect_ends(left, right);
        state.connect_ends(right, left);
        Ok((state.hold(left), state.hold(right)))
    }
}

impl State {
    fn two_ends(&mut self, host: &str) -> io::Result<(Key, Key)> {
        let machine = self.machine(host);
        let first = self.machines[machine].descriptors.open()?;
        let second = match self.machines[machine].descriptors.open() {
            Ok(second) => second,
            Err(error) => {
                self.machines[machine].descriptors.close(first);
                return Err(error);
            }
        };
        let [left, right] = [first, second].map(|descriptor| {
            self.ends.insert(End {
                machine,
                descriptor,
                kernel: None,
                interest: Interest::NONE,
                incoming: None,
                outgoing: None,
                edges: Edges::default(),
            })
        });
        Ok((left, right))
    }

    fn connect_ends(&mut self, from: Key, to: Key) {
        let mut capacity_bytes = PIPE_BYTES;
        if self.faults.draw(Fault::SmallBuffers) {
            self.faults.count(Fault::SmallBuffers);
            self.trace_fault(None, Fault::SmallBuffers.name());
            capacity_bytes = SMALL_BYTES[self.drawn_index(Fault::SmallBuffers, SMALL_BYTES.len())];
        }
        let bytes = VecDeque::new();
        let pipe =
            self.pipes.insert(Pipe { bytes, capacity_bytes, reader: Some(to), writer: Some(from) });
        if let Some(end) = self.ends.get_mut(from) {
            end.outgoing = Some(pipe);
        }
        if let Some(end) = self.ends.get_mut(to) {
            end.incoming = Some(pipe);
        }
    }

    fn hold(&self, key: Key) -> Descriptor {
        Descriptor(Held::Simulated(PipeEnd { key, dropped: Arc::clone(&self.dropped) }))
    }

    /// Closes the ends that were dropped since the world was left.
    pub(super) fn close_dropped(&mut self) {
        if self.dropped.is_empty.swap(true, Ordering::Acquire) {
            return;
        }
        let dropped = Arc::clone(&self.dropped);
        let keys =
            std::mem::take(&mut *dropped.keys.lock().unwrap_or_else(PoisonError::into_inner));
        keys.into_iter().for_each(|key| self.close_end(key));
    }

    /// Closes an end; the other one learns of it.
    fn close_end(&mut self, key: Key) {
        let Some(end) = self.ends.remove(key) else { return };
        self.machines[end.machine].descriptors.close(end.descriptor);
        let is_pair = end.incoming.is_some() && end.outgoing.is_some();
        if let Some(pipe) = end.incoming.and_then(|pipe| self.pipes.get_mut(pipe)) {
            pipe.reader = None;
            // A pipe without a reader is an error, an end of a pair without the other is over.
            let news = Flags { writable: true, failed: !is_pair, ..Flags::default() };
            if let Some(writer) = pipe.writer {
                self.note_end(writer, news);
            }
        }
        if let Some(pipe) = end.outgoing.and_then(|pipe| self.pipes.get_mut(pipe)) {
            pipe.writer = None;
            if let Some(reader) = pipe.reader {
                self.note_end(reader, Flags { over: true, ..Flags::HANG_UP });
            }
        }
        for pipe in [end.incoming, end.outgoing].into_iter().flatten() {
            let unused = |pipe: &Pipe| pipe.reader.is_none() && pipe.writer.is_none();
            if self.pipes.get(pipe).is_some_and(unused) {
                self.pipes.remove(pipe);
            }
        }
    }

    /// Forgets the ends on a host that lost its power; nobody is left to be told.
    pub(super) fn vanish_ends(&mut self, machine: usize) {
        let ends = self.ends.iter().filter(|(_, end)| end.machine == machine);
        let ends: Vec<Key> = ends.map(|(key, _)| key).collect();
        for end in ends.into_iter().filter_map(|key| self.ends.remove(key)) {
            for pipe in [end.incoming, end.outgoing].into_iter().flatten() {
                self.pipes.remove(pipe);
            }
        }
    }

    /// Returns the ends that a loop has registered, in the order of their slots.
    pub(super) fn ends_of(&self, kernel: usize) -> impl Iterator<Item = Key> {
        let ends = self.ends.iter();
        ends.filter_map(move |(key, end)| (end.kernel == Some(kernel)).then_some(key))
    }

    /// What holds of an end now.
    pub(super) fn current_of(&self, end: &End) -> Flags {
        let mut flags = Flags::default();
        if let Some(pipe) = end.incoming.and_then(|pipe| self.pipes.get(pipe)) {
            flags.hang_up = pipe.writer.is_none();
            flags.over = flags.hang_up;
            flags.readable = flags.hang_up || !pipe.bytes.is_empty();
        }
        if let Some(pipe) = end.outgoing.and_then(|pipe| self.pipes.get(pipe)) {
            flags.writable = !pipe.has_reader() || pipe.room() > 0;
            flags.failed = !pipe.has_reader() && end.incoming.is_none();
        }
        flags
    }

    /// Lets the next wait report an end, of what its loop wants to hear.
    pub(super) fn note_end(&mut self, key: Key, news: Flags) {
        let Some(end) = self.ends.get_mut(key) else { return };
        let (Some(kernel), Some(_)) = (end.kernel, end.edges.token) else { return };
        end.edges.pending.merge(Flags {
            readable: news.readable && end.interest.has(Interest::READ),
            writable: news.writable && end.interest.has(Interest::WRITE),
            ..news
        });
        if end.edges.pending.is_empty() {
            return;
        }
        if !std::mem::replace(&mut end.edges.queued, true) {
            self.kernels[kernel].ready.push_back(Named::End(key));
            self.rouse(kernel);
        }
    }
}
