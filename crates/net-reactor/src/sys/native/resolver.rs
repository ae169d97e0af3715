//! Host names, resolved by the system on worker threads.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use super::NativeWaker;
use crate::base::Key;
use crate::sys::{Resolution, Wake, Workers};

/// Asks the system's resolver (`getaddrinfo`), which honours hosts files and the like.
///
/// A call cannot be cancelled, so it runs on a bounded set of threads of its own; the deadline is
/// the caller's business. Answers are kept until the loop takes them.
#[derive(Debug)]
pub(super) struct Resolver {
    workers: Workers,
    waker: Arc<NativeWaker>,
    answers: Arc<Mutex<VecDeque<Resolution>>>,
    /// Queries without an answer yet: while it is zero, nobody needs to look for answers.
    pending: usize,
}

impl Resolver {
    pub(super) fn new(waker: Arc<NativeWaker>) -> Self {
        Self { workers: Workers::default(), waker, answers: Arc::default(), pending: 0 }
    }

    pub(super) fn start(&mut self, query: Key, host: &str) {
        self.pending += 1;
        let host = host.to_owned();
        let (answers, waker) = (Arc::clone(&self.answers), Arc::clone(&self.waker));
        let job = Box::new(move || {
            let resolution = Resolution { query, outcome: look_up(&host) };
            answers.lock().unwrap_or_else(PoisonError::into_inner).push_back(resolution);
            waker.wake();
        });
        if self.workers.submit(job).is_err() {
            let outcome = Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "too many names are being resolved",
            ));
            self.lock().push_back(Resolution { query, outcome });
            self.waker.wake();
        }
    }

    pub(super) fn take_answer(&mut self) -> Option<Resolution> {
        if self.pending == 0 {
            return None;
        }
        let answer = self.lock().pop_front();
        self.pending -= usize::from(answer.is_some());
        answer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Resolution>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for address in (host, 0).to_socket_addrs()? {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    Ok(addresses)
}
