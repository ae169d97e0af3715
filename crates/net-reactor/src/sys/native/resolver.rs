//! Host names, resolved by the system on worker threads.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::NativeWaker;
use crate::base::Key;
use crate::sys::{Resolution, Wake, Workers, WorkersLimits};

/// How many names are resolved at the same time; more wait for a thread, up to 1,024.
///
/// A name that hangs keeps its thread until the system gives it up, commonly after 10 s for each
/// name server. The threads are not those of blocking jobs, so the two do not wait for each other.
const THREADS_MAX: usize = 8;

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
        let limits = WorkersLimits { threads_max: THREADS_MAX, ..WorkersLimits::default() };
        Self { workers: Workers::new(limits), waker, answers: Arc::default(), pending: 0 }
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

    fn lock(&self) -> MutexGuard<'_, VecDeque<Resolution>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks a name up, however long that takes.
fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for address in (host, 0).to_socket_addrs().map_err(sort_out)? {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    Ok(addresses)
}

/// What the C libraries say of a name that does not exist (`EAI_NONAME`) or has no address
/// (`EAI_NODATA`): glibc, musl, macOS and the BSDs.
const UNKNOWN: [&str; 4] =
    ["not known", "does not resolve", "No address associated", "no usable address"];

/// Makes a name that does not exist [`io::ErrorKind::NotFound`].
///
/// The standard library passes on the text of `gai_strerror` and not its number. Whatever text is
/// not known here counts as a failure of the resolver, which may pass.
fn sort_out(error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() {
        // `EAI_SYSTEM`: `ENOENT` is of a file, and says nothing about the name.
        return io::Error::other(error);
    }
    let text = error.to_string();
    if UNKNOWN.iter().any(|known| text.contains(known)) {
        return io::Error::new(io::ErrorKind::NotFound, error);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_exist_is_told_from_a_resolver_that_failed() {
        let prefix = "failed to lookup address information: ";
        for (text, kind) in [
            ("Name or service not known", io::ErrorKind::NotFound),
            ("nodename nor servname provided, or not known", io::ErrorKind::NotFound),
            ("Name does not resolve", io::ErrorKind::NotFound),
            ("No address associated with hostname", io::ErrorKind::NotFound),
            ("Temporary failure in name resolution", io::ErrorKind::Other),
            ("Try again", io::ErrorKind::Other),
            ("Non-recoverable failure in name resolution", io::ErrorKind::Other),
        ] {
            let told = sort_out(io::Error::other(format!("{prefix}{text}")));
            assert_eq!(told.kind(), kind, "{text}");
            assert!(told.to_string().ends_with(text), "{told}");
        }
        let no_entry = io::Error::from_raw_os_error(2);
        assert_eq!(sort_out(no_entry).kind(), io::ErrorKind::Other);
    }

    #[test]
    fn this_system_knows_its_own_name_and_not_one_that_cannot_be() {
        assert!(look_up("localhost").unwrap().iter().all(IpAddr::is_loopback));
        // Too long for a label (RFC 1035, section 2.3.4), so that no name server is asked.
        assert!(look_up(&"x".repeat(64)).is_err());
    }
}
