//! A kernel in plain memory, with a manual clock.
//!
//! A [`World`] holds hosts; [`World::host`] makes a [`Memory`], the kernel of one loop of one host.
//! Nothing blocks and no time passes by itself: [`Memory::wait`](Sys::wait) returns what is ready,
//! and a test moves the clock with [`World::advance`]. Everything happens on one thread, and the
//! same seed gives the same run.
//!
//! The bytes go through real buffers with real limits, and the model follows Linux where systems
//! differ: what a reset leaves readable, which call learns of an error, when a close is a reset.

mod alarm;
mod chance;
mod clock;
mod datagram_calls;
mod datagrams;
mod descriptors;
mod ends;
mod fault;
mod fds;
mod handshake;
mod inject;
mod jobs;
mod links;
mod listeners;
mod machine;
mod names;
mod network;
mod pipe;
mod power;
mod readiness;
mod retry;
mod scheduling;
mod socket;
mod streams;
mod time_wait;
mod trace;
mod unix;
mod world;

#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(crate) use self::chance::stream;
pub(crate) use self::ends::PipeEnd;
pub(crate) use self::fault::FaultRates;
pub use self::fault::{Fault, UnknownFault};
pub use self::links::{Latency, Link};
pub(crate) use self::machine::{Call, Host};
pub(crate) use self::trace::TraceText;
pub(crate) use self::world::{NoHost, World};

use self::trace::{Outcome, hash_address, hash_bytes, hash_name};
use self::world::State;
use super::{
    CloseHow, Credentials, Job, ListenOptions, Readiness, Resolution, SocketOption,
    StreamAddresses, Sys, Token, Wake, Wire, WorkersLimits,
};
use crate::base::{Address, Instant, Key};

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

    /// Returns this kernel's number in its world, counted from zero in the order of making.
    pub(crate) fn index(&self) -> usize {
        self.kernel
    }

    /// Returns the number of a stream in its host's descriptor table.
    pub(crate) fn descriptor(&self, stream: &Stream) -> Option<u32> {
        self.world.state().sockets.get(stream.0)?.descriptor
    }

    /// Lets the other end of `stream` send nothing from now on, as if every buffer on the way were
    /// full, or lets it go on.
    pub(crate) fn plug(&self, stream: &Stream, plugged: bool) {
        self.world.state().plug(stream.0, plugged);
    }

    /// Whether a wake-up came that no wait has seen yet.
    pub(crate) fn was_woken(&self) -> bool {
        let mut state = self.world.state();
        state.notice_wake(self.kernel);
        state.is_woken(self.kernel)
    }

    /// Makes a system call and notes it in the trace.
    fn call<T>(
        &self,
        name: &str,
        socket: Option<Key>,
        call: impl FnOnce(&mut State, usize) -> io::Result<T>,
        outcome: impl FnOnce(&T) -> Outcome,
    ) -> io::Result<T> {
        let mut state = self.world.state();
        let result = call(&mut state, self.kernel);
        let outcome = Outcome::of(&result, outcome);
        state.trace_call(self.kernel, name, socket, outcome);
        result
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut state = self.world.state();
        let kernel = self.kernel;
        let streams = state.held_by(kernel);
        let datagrams = state.udp_of(kernel);
        let listeners: Vec<Key> = state.listeners_of(kernel).collect();
        state.trace_loop(kernel, "end", &[listeners.len() as u64, streams.len() as u64]);
        listeners.into_iter().for_each(|key| state.close_listener(key));
        streams.into_iter().for_each(|key| state.close(key));
        datagrams.into_iter().for_each(|key| state.close_udp(key));
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
        self.host().now()
    }

    fn wall(&self) -> SystemTime {
        self.host().wall()
    }

    fn seed(&self) -> u64 {
        stream(self.world.state().seed, &format!("loop/{}", self.kernel)).next_u64()
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
        address: &Address,
        options: &ListenOptions,
    ) -> io::Result<(Listener, Address)> {
        let call = |state: &mut State, kernel| state.listen_at(kernel, token, address, options);
        let made = |made: &(Key, Address)| Outcome::Socket(made.0);
        let (key, bound) = self.call("listen", None, call, made)?;
        Ok((Listener(key), bound))
    }

    fn accept(&mut self, listener: &Listener) -> io::Result<(Stream, Address)> {
        let call = |state: &mut State, kernel| state.accept_from(kernel, listener.0);
        let made = |made: &(Key, Address)| Outcome::Socket(made.0);
        let (key, peer) = self.call("accept", Some(listener.0), call, made)?;
        Ok((Stream(key), peer))
    }

    fn turn_away(&mut self, listener: &Listener) -> io::Result<bool> {
        let call = |state: &mut State, kernel| state.turn_away(kernel, listener.0);
        self.call("turn away", Some(listener.0), call, |any| Outcome::Done(u64::from(*any)))
    }

    fn close_listener(&mut self, listener: Listener) {
        let mut state = self.world.state();
        state.trace_call(self.kernel, "close listener", Some(listener.0), Outcome::Done(0));
        state.remove_file_of(listener.0);
        state.close_listener(listener.0);
    }

    fn connect(
        &mut self,
        token: Token,
        peer: &Address,
        bind: Option<SocketAddr>,
    ) -> io::Result<Stream> {
        let call = |state: &mut State, kernel| state.connect_to(kernel, token, peer, bind);
        self.call("connect", None, call, |key| Outcome::Socket(*key)).map(Stream)
    }

    fn connected(&mut self, stream: &Stream) -> io::Result<StreamAddresses> {
        let call = |state: &mut State, _| state.connected_to(stream.0);
        let both = |both: &StreamAddresses| {
            Outcome::Done(hash_name(hash_name(0, &both.local), &both.peer))
        };
        self.call("connected", Some(stream.0), call, both)
    }

    fn register(&mut self, token: Token, stream: &mut Stream) -> io::Result<()> {
        let call = |state: &mut State, kernel| state.try_register(kernel, token, stream.0);
        self.call("register", Some(stream.0), call, |()| Outcome::Done(token.to_word()))
    }

    fn rename(&mut self, token: Token, stream: &mut Stream) -> io::Result<()> {
        let call = |state: &mut State, kernel| state.try_rename(kernel, token, stream.0);
        self.call("rename", Some(stream.0), call, |()| Outcome::Done(token.to_word()))
    }

    fn receive(&mut self, stream: &mut Stream, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.world.state();
        let received = state.try_receive(self.kernel, stream.0, into);
        let bytes = |len: &usize| Outcome::Bytes(*len, hash_bytes(0, &into[..*len]));
        let outcome = Outcome::of(&received, bytes);
        state.trace_call(self.kernel, "receive", Some(stream.0), outcome);
        received
    }

    fn send(&mut self, stream: &mut Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let call = |state: &mut State, kernel| state.try_send(kernel, stream.0, slices);
        let bytes = |len: &usize| Outcome::Bytes(*len, hash_front(slices, *len));
        self.call("send", Some(stream.0), call, bytes)
    }

    fn take_error(&mut self, stream: &Stream) -> io::Result<Option<io::Error>> {
        let call = |state: &mut State, _| state.take_error(stream.0);
        self.call("take error", Some(stream.0), call, |error| match error {
            None => Outcome::Done(0),
            Some(error) => Outcome::told(error),
        })
    }

    fn shutdown_write(&mut self, stream: &Stream) -> io::Result<()> {
        let call = |state: &mut State, kernel| state.try_shutdown_write(kernel, stream.0);
        self.call("shutdown", Some(stream.0), call, |()| Outcome::Done(0))
    }

    fn set_option(&mut self, stream: &Stream, option: SocketOption) -> io::Result<()> {
        let call = |state: &mut State, kernel| state.try_set_option(kernel, stream.0, option);
        self.call("set option", Some(stream.0), call, |()| Outcome::Done(0))
    }

    fn local_address(&self, stream: &Stream) -> io::Result<Address> {
        let call = |state: &mut State, kernel| state.local_name(kernel, stream.0);
        let own = |own: &Address| Outcome::Done(hash_name(0, own));
        self.call("local address", Some(stream.0), call, own)
    }

    fn peer_credentials(&self, stream: &Stream) -> io::Result<Credentials> {
        let call = |state: &mut State, _| state.peer_credentials(stream.0);
        self.call("credentials", Some(stream.0), call, |peer| Outcome::Done(peer.pid.into()))
    }

    fn wire(&self, stream: &Stream) -> Option<Wire> {
        self.world.state().wire_of(stream.0)
    }

    fn close(&mut self, stream: Stream, how: CloseHow) {
        let mut state = self.world.state();
        let (name, reset) = match how {
            CloseHow::Fin => ("close", false),
            CloseHow::Reset => ("reset", true),
        };
        state.trace_call(self.kernel, name, Some(stream.0), Outcome::Done(0));
        if reset && !state.is_unix(stream.0) {
            state.reset(stream.0)
        } else {
            state.close(stream.0)
        }
    }

    fn resolve(&mut self, query: Key, host: &str) {
        let mut state = self.world.state();
        let name = Outcome::Done(hash_bytes(0, host.as_bytes()));
        state.trace_call(self.kernel, "resolve", Some(query), name);
        state.ask(self.kernel, query, host);
    }

    fn resolved(&mut self) -> Option<Resolution> {
        let mut state = self.world.state();
        let resolution = state.kernels[self.kernel].answers.pop_front()?;
        let outcome = Outcome::of(&resolution.outcome, |addresses| {
            let hash = addresses.iter().fold(0, |hash, ip| hash_address(hash, (*ip, 0).into()));
            Outcome::Done(hash)
        });
        state.trace_call(self.kernel, "resolved", Some(resolution.query), outcome);
        Some(resolution)
    }

    /// Jobs take no time here but what a fault gives them, so only their queue has a limit.
    fn limit_workers(&mut self, limits: WorkersLimits) {
        self.world.state().kernels[self.kernel].jobs_max = limits.queued_max;
    }

    /// Keeps the job for the next wait, which runs it on the calling thread.
    fn offload(&mut self, job: Job) -> Result<(), Job> {
        let mut state = self.world.state();
        let result = state.add_job(self.kernel, job);
        state.trace_loop(self.kernel, "offload", &[u64::from(result.is_ok())]);
        result
    }
}

/// Hashes the first `len` bytes of `slices`.
fn hash_front(slices: &[IoSlice<'_>], len: usize) -> u64 {
    let mut left = len;
    slices.iter().fold(0, |hash, slice| {
        let part = slice.len().min(left);
        left -= part;
        if part == 0 { hash } else { hash_bytes(hash, &slice[..part]) }
    })
}
