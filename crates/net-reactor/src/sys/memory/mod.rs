//! A kernel in plain memory, with a manual clock.
//!
//! A [`World`] holds hosts; [`World::host`] makes a [`Memory`], the kernel of one loop of one host.
//! Nothing blocks and no time passes by itself: [`Memory::wait`](Sys::wait) returns what is ready,
//! and a test moves the clock with [`World::advance`]. Everything happens on one thread, and the
//! same seed gives the same run.
//!
//! The bytes go through real buffers with real limits, and the model follows Linux where systems
//! differ: what a reset leaves readable, which call learns of an error, when a close is a reset.

mod listeners;
mod machine;
mod network;
mod pipe;
mod scheduling;
mod socket;
mod streams;
mod world;

#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::machine::{Call, Host};
pub(crate) use self::world::{NoHost, World};

use self::machine::Named;
use self::socket::{Flags, Holder};
use self::world::State;
use super::{
    CloseHow, Job, ListenOptions, Readiness, Resolution, SocketOption, StreamAddresses, Sys, Token,
    Wake, Wire,
};
use crate::base::{Instant, Key};

/// How many readiness reports one wait takes from the kernel.
const EVENTS_PER_WAIT_MAX: usize = 1024;

/// How many jobs may wait for the next wait.
const JOBS_MAX: usize = 1024;

/// The kernel of one loop.
///
/// Several can share a host: they have its addresses, ports and descriptors in common, and a
/// stream accepted by one can be registered with another. Dropping a kernel closes the sockets
/// that it holds, as the end of a process does.
#[derive(Debug)]
pub(crate) struct Memory {
    world: World,
    kernel: usize,
}

/// A connected or connecting socket: its number in the descriptor table.
///
/// Dropping it does not close it; a socket that is neither closed nor held by a dropped
/// [`Memory`] shows in [`Host::open_descriptors`].
#[derive(Debug)]
pub(crate) struct Stream(Key);

/// A listening socket: its number in the descriptor table.
#[derive(Debug)]
pub(crate) struct Listener(Key);

impl Memory {
    fn new(world: World, kernel: usize) -> Self {
        Self { world, kernel }
    }

    /// Returns the host that this kernel's loop runs on.
    pub(crate) fn host(&self) -> Host {
        let index = self.world.state().kernels[self.kernel].machine;
        Host { world: self.world.clone(), index }
    }

    /// Returns the number of this kernel in its world.
    pub(crate) fn number(&self) -> usize {
        self.kernel
    }

    /// Lets the other end of `stream` send nothing from now on, as if every buffer on the way were
    /// full, or lets it go on.
    pub(crate) fn plug(&self, stream: &Stream, plugged: bool) {
        self.world.state().plug(stream.0, plugged);
    }

    /// Whether a wake-up came that no wait has seen yet.
    pub(crate) fn was_woken(&self) -> bool {
        self.world.state().kernels[self.kernel].alarm.is_set()
    }

    /// Runs the offloaded jobs; the world is not borrowed while they run.
    fn run_jobs(&self) {
        let jobs = std::mem::take(&mut self.world.state().kernels[self.kernel].jobs);
        for job in jobs {
            // A worker thread survives a panic, and so does whoever stands in for one.
            let _ = panic::catch_unwind(AssertUnwindSafe(job));
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut state = self.world.state();
        let kernel = self.kernel;
        let streams = state.held_by(kernel);
        let listeners: Vec<Key> = state
            .listeners
            .iter()
            .filter_map(|(key, listening)| (listening.kernel == kernel).then_some(key))
            .collect();
        listeners.into_iter().for_each(|key| state.close_listener(key));
        streams.into_iter().for_each(|key| state.close(key));
        let jobs = state.retire(kernel);
        // Dropping a job runs the code of what it owns.
        drop(state);
        drop(jobs);
    }
}

impl Sys for Memory {
    type Listener = Listener;
    type Stream = Stream;

    fn now(&self) -> Instant {
        self.world.now()
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.world.state().kernels[self.kernel].alarm) as Arc<dyn Wake>
    }

    /// Returns what is ready. Neither blocks nor moves the clock, whatever the timeout.
    fn wait(&mut self, _timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        self.run_jobs();
        self.world.state().wait(self.kernel, ready)
    }

    fn listen(
        &mut self,
        token: Token,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<(Listener, SocketAddr)> {
        let (key, bound) = self.world.state().listen(self.kernel, token, address, options)?;
        Ok((Listener(key), bound))
    }

    fn accept(&mut self, listener: &Listener) -> io::Result<(Stream, SocketAddr)> {
        let (key, peer) = self.world.state().accept(self.kernel, listener.0)?;
        Ok((Stream(key), peer))
    }

    fn turn_away(&mut self, listener: &Listener) -> io::Result<bool> {
        self.world.state().turn_away(self.kernel, listener.0)
    }

    fn close_listener(&mut self, listener: Listener) {
        self.world.state().close_listener(listener.0);
    }

    fn connect(
        &mut self,
        token: Token,
        peer: SocketAddr,
        bind: Option<SocketAddr>,
    ) -> io::Result<Stream> {
        self.world.state().connect(self.kernel, token, peer, bind).map(Stream)
    }

    fn connected(&mut self, stream: &Stream) -> io::Result<StreamAddresses> {
        self.world.state().connected(stream.0)
    }

    fn register(&mut self, token: Token, stream: &mut Stream) -> io::Result<()> {
        self.world.state().register(self.kernel, token, stream.0)
    }

    fn receive(&mut self, stream: &mut Stream, into: &mut [u8]) -> io::Result<usize> {
        self.world.state().receive(stream.0, into)
    }

    fn send(&mut self, stream: &mut Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.world.state().send(stream.0, slices)
    }

    fn take_error(&mut self, stream: &Stream) -> io::Result<Option<io::Error>> {
        self.world.state().take_error(stream.0)
    }

    fn shutdown_write(&mut self, stream: &Stream) -> io::Result<()> {
        self.world.state().shutdown_write(stream.0)
    }

    fn set_option(&mut self, stream: &Stream, option: SocketOption) -> io::Result<()> {
        self.world.state().set_option(stream.0, option)
    }

    fn local_address(&self, stream: &Stream) -> io::Result<SocketAddr> {
        self.world.state().local_address(stream.0)
    }

    fn wire(&self, stream: &Stream) -> Option<Wire> {
        self.world.state().wire(stream.0)
    }

    fn close(&mut self, stream: Stream, how: CloseHow) {
        let mut state = self.world.state();
        match how {
            CloseHow::Fin => state.close(stream.0),
            CloseHow::Reset => state.reset(stream.0),
        }
    }

    fn resolve(&mut self, query: Key, host: &str) {
        self.world.state().ask(self.kernel, query, host);
    }

    fn resolved(&mut self) -> Option<Resolution> {
        self.world.state().kernels[self.kernel].answers.pop_front()
    }

    /// Keeps the job for the next wait, which runs it on the calling thread.
    fn offload(&mut self, job: Job) -> Result<(), Job> {
        let mut state = self.world.state();
        let jobs = &mut state.kernels[self.kernel].jobs;
        if jobs.len() >= JOBS_MAX {
            return Err(job);
        }
        jobs.push_back(job);
        Ok(())
    }
}

impl State {
    fn wait(&mut self, kernel: usize, ready: &mut Vec<Readiness>) -> io::Result<()> {
        self.machines[self.kernels[kernel].machine].check(Call::Wait)?;
        self.kernels[kernel].alarm.clear();
        let mut arrived = std::mem::take(&mut self.kernels[kernel].arrived);
        self.kernels[kernel].answers.append(&mut arrived);
        self.add_spurious(kernel);
        for _ in 0..EVENTS_PER_WAIT_MAX {
            let Some(named) = self.kernels[kernel].ready.pop_front() else { break };
            if let Some((token, flags)) = self.take_report(kernel, named) {
                let Flags { readable, writable, hang_up, failed } = flags;
                ready.push(Readiness { token, readable, writable, hang_up, failed });
            }
        }
        Ok(())
    }

    /// Takes the report of a socket, unless it was closed or moved to another loop meanwhile.
    fn take_report(&mut self, kernel: usize, named: Named) -> Option<(Token, Flags)> {
        match named {
            Named::Listener(key) => self.listeners.get_mut(key)?.edges.take(),
            Named::Stream(key) => {
                let socket = self.sockets.get_mut(key)?;
                if socket.holder != Holder::Kernel(kernel) {
                    return None;
                }
                socket.withheld = false;
                socket.squeezed = false;
                socket.edges.take()
            }
        }
    }

    /// Reports sockets without cause, if a test asked for that.
    fn add_spurious(&mut self, kernel: usize) {
        let percent = self.settings.spurious_percent;
        if percent == 0 {
            return;
        }
        for key in self.held_by(kernel) {
            let chance = &mut self.chance.spurious;
            if chance.below(100) < percent {
                let direction = chance.below(3);
                // Never an error or an end: a kernel does not make those up.
                let (readable, writable) = (direction != 0, direction != 1);
                let flags = Flags { readable, writable, ..Flags::default() };
                self.note(key, flags);
            }
        }
    }

    /// Returns the streams that a loop holds, in the order of their slots.
    fn held_by(&self, kernel: usize) -> Vec<Key> {
        let held =
            self.sockets.iter().filter(|(_, socket)| socket.holder == Holder::Kernel(kernel));
        held.map(|(key, _)| key).collect()
    }

    /// Forgets what a dropped kernel still owed its loop, and returns the jobs.
    fn retire(&mut self, kernel: usize) -> impl Sized + use<> {
        let retired = &mut self.kernels[kernel];
        retired.ready.clear();
        retired.arrived.clear();
        retired.answers.clear();
        retired.alarm.clear();
        let machine = retired.machine;
        let jobs = std::mem::take(&mut retired.jobs);
        if std::mem::take(&mut retired.reserve) {
            self.machines[machine].close_descriptor();
        }
        jobs
    }
}
