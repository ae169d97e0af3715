//! From reports to the handlers of descriptors.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Fd, FdHandler};
use crate::base::Key;
use crate::driver::{Engine, Ready};
use crate::net::{Callback, CloseReason};
use crate::protocol::dispatcher::Dispatcher;
use crate::protocol::task::panic_message;
use crate::protocol::{Failure, Flow};

impl<E: Engine> Dispatcher<E> {
    /// A descriptor is ready.
    pub(in crate::protocol) fn on_fd_ready(&mut self, key: Key, ready: Ready) {
        self.call_fd(key, |handler, fd| handler.on_ready(fd, ready));
        self.core.net.settle_fd(key, &mut self.engine);
        self.follow_up();
    }

    pub(in crate::protocol) fn on_fd_opened(&mut self, key: Key) {
        tracing::debug!(id = %self.core.fd_id(key), "watching");
        self.call_fd(key, |handler, fd| handler.on_open(fd));
    }

    /// Somebody wants the handler's attention.
    pub(in crate::protocol) fn on_fd_poked(&mut self, key: Key) {
        if let Some(fd) = self.core.net.fd_mut(key) {
            fd.is_poked = false;
            self.call_fd(key, |handler, fd| handler.on_poke(fd));
        }
    }

    /// Asks the handlers of all descriptors to finish.
    pub(in crate::protocol) fn tell_fds_of_stop(&mut self) {
        for key in self.core.net.fd_keys() {
            self.call_fd(key, |handler, fd| handler.on_stop(fd));
            self.follow_up();
        }
    }

    /// Closes every descriptor that is left.
    pub(in crate::protocol) fn end_fds(&mut self) {
        for key in self.core.net.fd_keys() {
            self.core.net.close_fd(key, CloseReason::LoopStopped, &mut self.engine);
        }
    }

    /// Calls a handler; an error or a panic ends its descriptor.
    fn call_fd(&mut self, key: Key, call: impl FnOnce(&mut dyn FdHandler, &mut Fd<'_>) -> Flow) {
        let Some(watched) = self.core.net.fd_mut(key) else { return };
        watched.is_broken = false;
        let Some(mut handler) = self.core.fd_handlers.take(key) else { return };
        let sabotaged = self.core.net.watched.entered(None, Callback::Fd);
        let mut fd = Fd::new(key, &mut self.core, &mut self.engine);
        let result = catch_unwind(AssertUnwindSafe(|| {
            assert!(!sabotaged, "a panic of the simulation's making");
            call(&mut *handler, &mut fd)
        }));
        self.core.fd_handlers.put(key, handler);
        let panic = result.as_ref().err().map(|panic| panic_message(&**panic));
        self.core.net.watched.left(panic.as_deref());
        let reason = match result {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => self.reason_of(key, failure),
            Err(panic) => CloseReason::HandlerPanicked { message: panic_message(&*panic) },
        };
        self.core.net.close_fd(key, reason, &mut self.engine);
    }

    /// Tells an error of the descriptor, which its handler has passed on, from one of the handler.
    fn reason_of(&self, key: Key, failure: Failure) -> CloseReason {
        let is_broken = self.core.net.fd(key).is_some_and(|fd| fd.is_broken);
        match failure.into_reason() {
            CloseReason::HandlerFailed { source } if is_broken => {
                match source.downcast::<io::Error>() {
                    Ok(error) => CloseReason::from_io(*error),
                    Err(source) => CloseReason::HandlerFailed { source },
                }
            }
            reason => reason,
        }
    }

    pub(in crate::protocol) fn on_fd_closed(&mut self, key: Key, reason: CloseReason) {
        let id = self.core.fd_id(key);
        match &reason {
            CloseReason::HandlerPanicked { .. } => {
                tracing::error!(%id, %reason, "no longer watched")
            }
            CloseReason::HandlerFailed { source } => {
                tracing::warn!(%id, %reason, error = %source, "no longer watched");
            }
            reason => tracing::debug!(%id, %reason, "no longer watched"),
        }
        let handler = self.core.fd_handlers.take(key);
        self.core.net.release_fd(key);
        if let Some(mut handler) = handler {
            self.run(|reactor| handler.on_close(reactor, reason));
            // Dropping it runs the user's code, which may panic.
            self.run(|_| drop(handler));
        }
    }
}
