//! The names of a loop: each asked for once at a time, and remembered for a while.
//!
//! Here are only the decisions: who waits for which answer, what is remembered, what is asked. Time
//! is passed in; the connector asks and dials.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::happy_eyeballs::interleave;
use super::resolve::{Mailbox, Question, Resolve};
use crate::base::{Bug, Instant, Key, Slab, planted};
use crate::sys::{Resolution, Wake};

/// How long the addresses of a name are used again: 10 s. The system does not say for how long they
/// hold, and this is less than what name servers usually grant.
pub(crate) const NAME_CACHE: Duration = Duration::from_secs(10);

/// For how many names addresses are remembered; the one that is next to expire makes room.
const NAMES_KEPT_MAX: usize = 256;

/// How many names may be under way to a resolver, those that nobody waits for any more included.
const NAMES_ASKED_MAX: usize = 1_024;

/// After this time a name whose answer is still to come is asked for anew, if somebody else wants
/// it: 10 s, the patience of the system's resolver with one name server (`resolv.conf`(5): twice
/// 5 s). Each time it doubles, so that one name that hangs does not take all threads of the resolver.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// For how long an answer is good even though it led to a connection that failed: 1 s. Without it,
/// those who try again and again would ask again and again.
const TRUSTED: Duration = Duration::from_secs(1);

/// Who resolves names, and for how long they are kept.
#[derive(Clone)]
pub(crate) struct NameOptions {
    /// In place of the system's.
    pub(crate) resolver: Option<Arc<dyn Resolve>>,
    pub(crate) cache: Duration,
}

impl Default for NameOptions {
    fn default() -> Self {
        Self { resolver: None, cache: NAME_CACHE }
    }
}

impl fmt::Debug for NameOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameOptions")
            .field("own_resolver", &self.resolver.is_some())
            .field("cache", &self.cache)
            .finish()
    }
}

/// The addresses of a name in the order in which they are tried, or why there are none.
pub(crate) type Addresses = Result<Rc<[IpAddr]>, Arc<io::Error>>;

/// What becomes of a wish for addresses.
#[derive(Debug)]
pub(crate) enum Look {
    Known(Rc<[IpAddr]>),
    /// The answer will come, by this ticket.
    Waits(u64),
    /// The same, and the question is still to be asked.
    Ask {
        ticket: u64,
        query: Key,
    },
    /// Too many names are under way.
    Full,
}

/// Every name that one loop knows or wants to know.
#[derive(Debug)]
pub(crate) struct Names {
    options: NameOptions,
    known: BTreeMap<String, Known>,
    asked: BTreeMap<String, Asked>,
    /// The names of the questions under way.
    queries: Slab<String>,
    next_ticket: u64,
    /// Whose wait is over, in the order in which they came.
    answered: VecDeque<(Key, Addresses)>,
    /// Answers of the user's own resolver.
    mailbox: Option<Arc<Mailbox>>,
    /// Those that are still to come: while it is zero, nobody needs to look for them.
    letters: usize,
}

#[derive(Debug)]
struct Known {
    addresses: Rc<[IpAddr]>,
    since: Instant,
}

/// A name whose answer is still to come.
#[derive(Debug)]
struct Asked {
    since: Instant,
    /// How long after that it is asked for anew.
    patience: Duration,
    /// Who waits, by ticket and so in the order of coming.
    waiting: BTreeMap<u64, Key>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new(NameOptions::default())
    }
}

impl Names {
    pub(crate) fn new(options: NameOptions) -> Self {
        Self {
            options,
            known: BTreeMap::new(),
            asked: BTreeMap::new(),
            queries: Slab::default(),
            next_ticket: 0,
            answered: VecDeque::new(),
            mailbox: None,
            letters: 0,
        }
    }

    /// Looks for the addresses of a name, for a connection that may have to wait for them.
    pub(super) fn look_up(&mut self, host: &str, conn: Key, now: Instant) -> Look {
        let host = host.to_ascii_lowercase();
        if let Some(known) = self.known.get(&host) {
            if now - known.since < self.options.cache || planted(Bug::NamesNeverAge) {
                return Look::Known(Rc::clone(&known.addresses));
            }
            self.known.remove(&host);
        }
        let ticket = self.next_ticket;
        let full = self.queries.len() >= NAMES_ASKED_MAX;
        match self.asked.get_mut(&host) {
            Some(asked) => {
                self.next_ticket += 1;
                asked.waiting.insert(ticket, conn);
                if now - asked.since < asked.patience || full {
                    return Look::Waits(ticket);
                }
                // Whichever question is answered first is good for all who wait.
                asked.since = now;
                asked.patience = asked.patience.saturating_mul(2);
                Look::Ask { ticket, query: self.queries.insert(host) }
            }
            None if full => Look::Full,
            None => {
                self.next_ticket += 1;
                let query = self.queries.insert(host.clone());
                let waiting = BTreeMap::from([(ticket, conn)]);
                self.asked.insert(host, Asked { since: now, patience: ASK_AGAIN, waiting });
                Look::Ask { ticket, query }
            }
        }
    }

    /// A connection does not wait any more.
    ///
    /// The question stays: nobody can call it back, and who asks soon will be glad of its answer.
    pub(super) fn leave(&mut self, host: &str, ticket: u64) {
        if let Some(asked) = self.asked.get_mut(&host.to_ascii_lowercase()) {
            asked.waiting.remove(&ticket);
        }
    }

    /// The answer to a question has come.
    pub(super) fn on_answer(&mut self, resolution: Resolution, now: Instant) {
        let Some(host) = self.queries.remove(resolution.query) else { return };
        // The second answer to a name that was asked for twice finds nobody.
        let Some(asked) = self.asked.remove(&host) else { return };
        let addresses: Addresses = match resolution.outcome.map(interleave) {
            Ok(addresses) if addresses.is_empty() => {
                Err(Arc::new(io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
            }
            Ok(addresses) => Ok(addresses.into()),
            Err(error) => Err(Arc::new(error)),
        };
        if let Ok(addresses) = &addresses {
            self.keep(host, Rc::clone(addresses), now);
        }
        let told = if planted(Bug::AnswerForOne) { 1 } else { usize::MAX };
        let waiting = asked.waiting.into_values().take(told);
        self.answered.extend(waiting.map(|conn| (conn, addresses.clone())));
    }

    /// Takes the next connection whose wait is over.
    pub(super) fn take_answered(&mut self) -> Option<(Key, Addresses)> {
        self.answered.pop_front()
    }

    /// Whether there is any.
    pub(super) fn has_answered(&self) -> bool {
        !self.answered.is_empty()
    }

    /// The addresses of a name led nowhere: they are not used again.
    pub(super) fn distrust(&mut self, host: &str, now: Instant) {
        let host = host.to_ascii_lowercase();
        if self.known.get(&host).is_some_and(|known| now - known.since >= TRUSTED) {
            self.known.remove(&host);
        }
    }

    /// Makes the question for the user's own resolver, if there is one.
    pub(super) fn question(
        &mut self,
        query: Key,
        waker: impl FnOnce() -> Arc<dyn Wake>,
    ) -> Option<Question> {
        let resolver = Arc::clone(self.options.resolver.as_ref()?);
        let mailbox = self.mailbox.get_or_insert_with(|| Mailbox::new(waker()));
        let host = self.queries.get(query)?.clone();
        self.letters += 1;
        Some(Question::new(resolver, host, query, Arc::clone(mailbox)))
    }

    /// Returns the name of a question.
    pub(super) fn host_of(&self, query: Key) -> Option<&str> {
        self.queries.get(query).map(String::as_str)
    }

    /// Takes the next answer of the user's own resolver.
    pub(super) fn take_letter(&mut self) -> Option<Resolution> {
        if self.letters == 0 {
            return None;
        }
        let letter = self.mailbox.as_ref()?.take()?;
        self.letters -= 1;
        Some(letter)
    }

    fn keep(&mut self, host: String, addresses: Rc<[IpAddr]>, now: Instant) {
        let cache = self.options.cache;
        if cache.is_zero() {
            return;
        }
        if self.known.len() >= NAMES_KEPT_MAX {
            self.known.retain(|_, known| now - known.since < cache);
        }
        if self.known.len() >= NAMES_KEPT_MAX {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.since);
            if let Some(oldest) = oldest.map(|(host, _)| host.clone()) {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(host, Known { addresses, since: now });
    }
}
