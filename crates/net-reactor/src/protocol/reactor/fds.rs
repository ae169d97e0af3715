//! Descriptors of the user's own, as the loop offers them to callbacks.

use crate::base::{FdId, Key};
use crate::driver::Ready;
use crate::net::{AddFdError, CloseReason};
use crate::protocol::fd::{Closure, Dispatched, Fd, FdDispatcher, FdHandler, FdRole};
use crate::protocol::task::LocalTask;
use crate::protocol::{Flow, Reactor};
use crate::sys::{Descriptor, Interest};

/// Descriptors of the user's own.
impl Reactor<'_> {
    /// Watches a descriptor: pipes, terminals, sockets of any kind, whatever the kernel can poll.
    ///
    /// The loop owns it from now on, and closes it in the end, unless it is
    /// [taken back](Self::take_fd). It becomes non-blocking, which holds for its duplicates too;
    /// only a terminal stays as it is, because the standard output is often the same one, and there
    /// at most one read and one write are made each time it is ready.
    ///
    /// What `handler` may rely on, [`FdHandler`] says. It is called first after the current callback,
    /// with [`on_open`](FdHandler::on_open).
    ///
    /// # Errors
    ///
    /// [`AddFdError`] gives the descriptor back when it cannot be watched, such as a regular file;
    /// the handler is dropped without a call.
    pub fn add_fd(
        &mut self,
        descriptor: impl Into<Descriptor>,
        interest: Interest,
        handler: impl FdHandler,
    ) -> Result<FdId, AddFdError> {
        let key = self.core.net.add_fd(descriptor.into(), interest, &mut *self.ops)?;
        self.core.fd_handlers.put(key, Box::new(handler));
        Ok(self.core.fd_id(key))
    }

    /// Watches a descriptor with a closure, for small things; as [`add_fd`](Self::add_fd).
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use net_reactor::{EventLoop, Interest};
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// let (reader, writer) = std::io::pipe()?;
    /// event_loop.reactor().watch_fd(reader, Interest::READ, |fd, ready| {
    ///     assert!(ready.is_hung_up(), "the writer is gone");
    ///     fd.reactor().stop();
    ///     Ok(())
    /// })?;
    /// drop(writer);
    /// event_loop.run()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`add_fd`](Self::add_fd).
    pub fn watch_fd(
        &mut self,
        descriptor: impl Into<Descriptor>,
        interest: Interest,
        call: impl FnMut(&mut Fd<'_>, Ready) -> Flow + 'static,
    ) -> Result<FdId, AddFdError> {
        self.add_fd(descriptor, interest, Closure(call))
    }

    /// Watches a descriptor with a handler that says itself what it wants to hear; as
    /// [`add_fd`](Self::add_fd).
    ///
    /// # Errors
    ///
    /// As for [`add_fd`](Self::add_fd).
    pub fn add_dispatcher(
        &mut self,
        descriptor: impl Into<Descriptor>,
        role: FdRole,
        dispatcher: impl FdDispatcher,
    ) -> Result<FdId, AddFdError> {
        self.add_fd(descriptor, Interest::NONE, Dispatched::new(dispatcher, role))
    }

    /// Returns a watched descriptor by its id, or `None` when it is not watched any more.
    ///
    /// Its handler learns nothing of what is done with it, apart from the consequences.
    pub fn fd(&mut self, id: FdId) -> Option<Fd<'_>> {
        let key = self.fd_key(id)?;
        Some(Fd::new(key, self.core, self.ops))
    }

    /// Changes what the handler of a descriptor is told; returns whether it is watched.
    ///
    /// It holds at once, also for what was reported earlier in this turn.
    pub fn set_interest(&mut self, id: FdId, interest: Interest) -> bool {
        let Some(key) = self.fd_key(id) else { return false };
        self.core.net.set_fd_interest(key, interest, &mut *self.ops)
    }

    /// Stops watching a descriptor and gives it back, open, and still non-blocking; `None` when it is
    /// not watched any more.
    ///
    /// The only callback that its handler still gets is [`on_close`](FdHandler::on_close).
    pub fn take_fd(&mut self, id: FdId) -> Option<Descriptor> {
        let key = self.fd_key(id)?;
        self.core.net.take_fd(key, CloseReason::Closed, &mut *self.ops)
    }

    /// Stops watching a descriptor and closes it; returns whether it was watched.
    ///
    /// The only callback that its handler still gets is [`on_close`](FdHandler::on_close).
    pub fn close_fd(&mut self, id: FdId) -> bool {
        let Some(key) = self.fd_key(id) else { return false };
        self.core.net.close_fd(key, CloseReason::Closed, &mut *self.ops)
    }

    /// Calls a handler's [`on_poke`](FdHandler::on_poke), in the task phase of this turn or the
    /// next; returns whether the descriptor is watched.
    ///
    /// Pokes that come before the call are one.
    pub fn poke_fd(&mut self, id: FdId) -> bool {
        let Some(key) = self.fd_key(id) else { return false };
        let Some(fd) = self.core.net.fd_mut(key) else { return false };
        if !std::mem::replace(&mut fd.is_poked, true) {
            self.core.local.push_back(LocalTask::PokeFd(key));
        }
        true
    }

    fn fd_key(&self, id: FdId) -> Option<Key> {
        let is_ours = id.loop_id == self.core.loop_id();
        (is_ours && self.core.net.fd(id.key).is_some()).then_some(id.key)
    }
}
