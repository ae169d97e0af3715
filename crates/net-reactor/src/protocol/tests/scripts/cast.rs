//! What a script's actors have in common: their names, their rules, and what they saw.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use super::source::Seen;
use super::trace::{Trace, pattern};
use super::verbs::{Act, Event, Payload, Rule};
use crate::base::{ListenerId, TimerId};
use crate::protocol::{ConnHandle, LoopHandle};

/// The state that handlers and the runner share. Posts to a loop hold it as well, so it is `Send`.
#[derive(Clone, Default)]
pub(super) struct Cast(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    traces: BTreeMap<String, Trace>,
    rules: Vec<Rule>,
    /// Patterns of the actors whose pressure is told.
    minds_pressure: Vec<String>,
    pub(super) conns: BTreeMap<String, Member>,
    pub(super) listeners: BTreeMap<String, ListenerId>,
    /// The loop of each listener.
    pub(super) listener_homes: BTreeMap<String, String>,
    pub(super) addresses: BTreeMap<String, SocketAddr>,
    pub(super) loops: BTreeMap<String, LoopHandle>,
    pub(super) laters: BTreeMap<String, TimerId>,
    /// Bytes of the pattern that each actor has sent.
    sent: BTreeMap<String, usize>,
    /// Actors that were closed, here or by another: only their end may be told.
    pub(super) leaving: BTreeSet<String>,
    /// Input that each handler has left unconsumed.
    pub(super) held: BTreeMap<String, usize>,
}

/// A connection with a handler, and the name of its loop.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) handle: ConnHandle,
    pub(super) home: String,
}

impl Cast {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn line(&self, actor: &str, line: impl Into<String>) {
        self.state().traces.entry(actor.to_owned()).or_default().line(line.into());
    }

    pub(super) fn bytes(&self, actor: &str, bytes: &[u8]) {
        self.state().traces.entry(actor.to_owned()).or_default().bytes(bytes);
    }

    pub(super) fn count(&self, actor: &str, what: &str) -> usize {
        self.state().traces.get(actor).map_or(0, |trace| trace.count(what))
    }

    pub(super) fn bytes_len(&self, actor: &str) -> usize {
        self.state().traces.get(actor).map_or(0, |trace| trace.bytes)
    }

    pub(super) fn seen(&self) -> Seen {
        let mut state = self.state();
        state.traces.iter_mut().map(|(actor, trace)| (actor.clone(), trace.told())).collect()
    }

    pub(super) fn add_rule(&self, rule: Rule) {
        let mut state = self.state();
        if matches!(rule.event, Event::High | Event::Low) {
            state.minds_pressure.push(rule.actor.clone());
        }
        state.rules.push(rule);
    }

    /// Takes what the actor is to do now: a rule that holds once goes before one that always does.
    pub(super) fn acts(&self, actor: &str, event: Event) -> Option<Vec<Act>> {
        let rules = &mut self.state().rules;
        let find = |always| {
            rules.iter().position(|rule| {
                rule.always == always && rule.event == event && fits(&rule.actor, actor)
            })
        };
        match find(false) {
            Some(at) => Some(rules.remove(at).acts),
            None => find(true).map(|at| rules[at].acts.clone()),
        }
    }

    /// How much input the actor's next rule waits for.
    pub(super) fn awaited_bytes(&self, actor: &str) -> Option<usize> {
        let state = self.state();
        let mut rules = state.rules.iter().filter(|rule| fits(&rule.actor, actor));
        rules.find_map(|rule| match rule.event {
            Event::Data(Some(bytes)) => Some(bytes),
            _ => None,
        })
    }

    /// Whether any rule was about the pressure of the actor; only then is it told, because how
    /// often a mark is crossed is up to the kernel's buffers.
    pub(super) fn minds_pressure(&self, actor: &str) -> bool {
        self.state().minds_pressure.iter().any(|pattern| fits(pattern, actor))
    }

    /// The bytes of a payload, and how far the actor's pattern is with them.
    pub(super) fn payload(&self, actor: &str, payload: &Payload) -> (Vec<u8>, usize) {
        let from = self.state().sent.get(actor).copied().unwrap_or_default();
        match payload {
            Payload::Text(text) => (text.clone().into_bytes(), from),
            Payload::Pattern(len) => (pattern(from, *len), from + len),
        }
    }

    /// Notes that a payload was taken.
    pub(super) fn sent(&self, actor: &str, pattern: usize) {
        self.state().sent.insert(actor.to_owned(), pattern);
    }
}

fn fits(pattern: &str, actor: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(front) => actor.starts_with(front),
        None => pattern == actor,
    }
}
