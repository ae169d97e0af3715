//! Resolvers: who is asked for the addresses of a name.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::Key;
use crate::sys::{Resolution, Wake};

/// How many addresses of an answer are looked at; an answer has no limit of its own.
const ANSWER_ADDRESSES_MAX: usize = 1_024;

/// Finds the addresses of host names, in place of the system's resolver.
///
/// [`LoopConfig::resolver`](crate::LoopConfig::resolver) sets it. The loop asks it what its cache
/// does not know, one question a name at a time; numbers are never asked for. It is called on the
/// loop's thread and must not block: it takes the [`Answer`] along, to another thread or another
/// loop if it likes, and gives it there, soon or late. A function of the same arguments is a
/// resolver, too.
///
/// What no answer comes for takes the deadline of the connections that wait for it.
///
/// ```
/// use net_reactor::{Answer, EventLoop, LoopConfig};
///
/// let config = LoopConfig::default().resolver(|host: &str, answer: Answer| {
///     let host = host.to_owned();
///     std::thread::spawn(move || match host.as_str() {
///         "hub" => answer.found([[127, 0, 0, 1].into()]),
///         _ => answer.not_found(),
///     });
/// });
/// let event_loop = EventLoop::with_config(config)?;
/// # Ok::<(), net_reactor::LoopError>(())
/// ```
pub trait Resolve: Send + Sync + 'static {
    /// Is asked for the addresses of `host`, which is in lower case and has 1 to 253 bytes.
    ///
    /// A panic counts as a failed answer.
    fn resolve(&self, host: &str, answer: Answer);
}

impl<F: Fn(&str, Answer) + Send + Sync + 'static> Resolve for F {
    fn resolve(&self, host: &str, answer: Answer) {
        self(host, answer);
    }
}

/// The place for the answer to one question of a loop.
///
/// It takes exactly one: giving it uses it up, and dropping it says that the resolver failed. It
/// may be given on any thread, also within the call that asks.
pub struct Answer {
    query: Key,
    mailbox: Arc<Mailbox>,
    is_given: bool,
}

impl Answer {
    /// The name has these addresses, the best first. Of IPv6 and IPv4 the loop takes turns, and
    /// only the first of many: see [`Reactor::connect`](crate::Reactor::connect).
    ///
    /// No address at all is the same as [`not_found`](Self::not_found).
    pub fn found(self, addresses: impl IntoIterator<Item = IpAddr>) {
        let addresses = addresses.into_iter().take(ANSWER_ADDRESSES_MAX).collect();
        self.give(Ok(addresses));
    }

    /// There is no such name: the connections that wait fail with
    /// [`NameNotFound`](crate::ConnectError::NameNotFound).
    pub fn not_found(self) {
        self.give(Err(io::Error::new(io::ErrorKind::NotFound, "the name is not known")));
    }

    /// The resolver cannot tell: the connections that wait fail with
    /// [`NameFailed`](crate::ConnectError::NameFailed), and `cause` as its source.
    pub fn failed(self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) {
        self.give(Err(io::Error::other(cause)));
    }

    fn give(mut self, outcome: io::Result<Vec<IpAddr>>) {
        self.is_given = true;
        self.mailbox.put(Resolution { query: self.query, outcome });
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.is_given {
            let outcome = Err(io::Error::other("the resolver dropped the question"));
            self.mailbox.put(Resolution { query: self.query, outcome });
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("query", &self.query).finish_non_exhaustive()
    }
}

/// Names and addresses from a table, for tests and for hosts that no name server knows.
///
/// Upper and lower case are the same. What is not in the table is not found.
///
/// ```
/// use net_reactor::{LoopConfig, StaticNames};
///
/// let names = StaticNames::new()
///     .with("hub", ["2001:db8::1".parse()?, "192.0.2.1".parse()?])
///     .with("printer", [[192, 0, 2, 9].into()]);
/// let config = LoopConfig::default().resolver(names);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct StaticNames {
    names: BTreeMap<String, Vec<IpAddr>>,
}

impl StaticNames {
    /// Makes an empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name with its addresses, the best first, or replaces them.
    #[must_use]
    pub fn with(mut self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.names.insert(host.to_ascii_lowercase(), addresses.into_iter().collect());
        self
    }
}

impl Resolve for StaticNames {
    fn resolve(&self, host: &str, answer: Answer) {
        match self.names.get(host) {
            Some(addresses) => answer.found(addresses.iter().copied()),
            None => answer.not_found(),
        }
    }
}

/// Answers on their way to a loop, from whatever thread.
///
/// It holds at most one for each question that was asked.
pub(super) struct Mailbox {
    answers: Mutex<VecDeque<Resolution>>,
    waker: Arc<dyn Wake>,
}

impl Mailbox {
    pub(super) fn new(waker: Arc<dyn Wake>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::default(), waker })
    }

    fn put(&self, resolution: Resolution) {
        self.lock().push_back(resolution);
        self.waker.wake();
    }

    pub(super) fn take(&self) -> Option<Resolution> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Resolution>> {
        // No foreign code runs under the lock, so a poisoned state is as good as any.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("answers", &self.lock().len()).finish_non_exhaustive()
    }
}

/// A question on its way to a resolver of the user's own, who is called once the current callback
/// is over.
pub(crate) struct Question {
    resolver: Arc<dyn Resolve>,
    host: String,
    answer: Answer,
}

impl Question {
    pub(super) fn new(
        resolver: Arc<dyn Resolve>,
        host: String,
        query: Key,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        let answer = Answer { query, mailbox, is_given: false };
        Self { resolver, host, answer }
    }

    /// Calls the resolver: the user's code.
    pub(crate) fn ask(self) {
        self.resolver.resolve(&self.host, self.answer);
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("host", &self.host).finish_non_exhaustive()
    }
}
