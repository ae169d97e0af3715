//! What the verbs do.

use super::actor::Actor;
use super::cast::{Cast, Member};
use super::options::{self, Listening, Reception};
use super::verbs::{Act, Verb};
use super::words::unquoted;
use crate::net::{ListenError, Target};
use crate::protocol::{Conn, LoopHandle, Reactor};

/// Where an act happens: on which loop, and in whose name.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) cast: Cast,
    /// The name of the loop.
    pub(super) home: String,
}

impl Scene {
    /// Does what one act says, in the name of `me` unless it names somebody.
    pub(super) fn perform(&self, reactor: &mut Reactor<'_>, me: &str, act: &Act) {
        let to = act.to.as_deref().unwrap_or(me);
        if act.post {
            return self.post(to, &act.verb);
        }
        let member = self.cast.state().conns.get(to).cloned();
        match member {
            _ if is_for_loop(&act.verb) => self.on_loop(reactor, to, &act.verb),
            // Needs nothing of the connection, which may be over.
            _ if matches!(act.verb, Verb::Note(_) | Verb::Panic) => {
                self.on_loop(reactor, to, &act.verb);
            }
            None => self.cast.line(to, "FAULT: nobody has this name"),
            Some(member) => match reactor.conn(member.handle.id()) {
                Some(mut conn) => self.on_conn(&mut conn, to, &act.verb),
                None => self.cast.line(to, "gone"),
            },
        }
    }

    /// Does something to one connection of this loop.
    pub(super) fn on_conn(&self, conn: &mut Conn<'_>, name: &str, verb: &Verb) {
        let cast = &self.cast;
        match verb {
            Verb::Write(payload) => {
                let (bytes, pattern) = cast.payload(name, payload);
                self.tell_write(name, conn.write(bytes).is_ok(), pattern);
            }
            Verb::WriteShared(payload) => {
                let (bytes, pattern) = cast.payload(name, payload);
                self.tell_write(name, conn.write_shared(bytes.into()).is_ok(), pattern);
            }
            Verb::Close => {
                cast.state().leaving.insert(name.to_owned());
                conn.close();
            }
            Verb::Abort => {
                cast.state().leaving.insert(name.to_owned());
                conn.abort();
            }
            Verb::Shutdown => {
                if conn.shutdown_write().is_err() {
                    cast.line(name, "shutdown refused");
                }
            }
            Verb::Pause => conn.pause(),
            Verb::Resume => conn.resume(),
            Verb::Timer(tag, delay) => {
                conn.set_timer(crate::protocol::Tag(*tag), *delay);
            }
            Verb::Cancel(tag) => {
                let was_set = conn.cancel_timer(crate::protocol::Tag(*tag));
                cast.line(name, if was_set { "cancelled" } else { "not set" });
            }
            Verb::Message(text) => {
                let id = conn.id();
                if conn.reactor().message(id, text.clone()).is_err() {
                    cast.line(name, "message refused");
                }
            }
            Verb::Note(text) => cast.line(name, format!("note {text:?}")),
            other => cast.line(name, format!("FAULT: {other:?} is not for a connection here")),
        }
    }

    fn tell_write(&self, name: &str, taken: bool, pattern: usize) {
        if taken {
            self.cast.sent(name, pattern);
        } else {
            self.cast.line(name, "write refused");
        }
    }

    pub(super) fn on_loop(&self, reactor: &mut Reactor<'_>, to: &str, verb: &Verb) {
        let cast = &self.cast;
        match verb {
            Verb::Broadcast(payload) => {
                let (bytes, pattern) = cast.payload(to, payload);
                cast.sent(to, pattern);
                let reached = reactor.broadcast(bytes);
                cast.line(to, format!("broadcast to {reached}"));
            }
            Verb::Stop => reactor.stop(),
            Verb::StopNow => reactor.stop_now(),
            Verb::Listen { name, options } => self.listen(reactor, name, options),
            Verb::Unlisten(name) => {
                let listener = cast.state().listeners.get(name).copied();
                if !listener.is_some_and(|listener| reactor.unlisten(listener)) {
                    cast.line(name, "was not listening");
                }
            }
            Verb::Connect { name, target, options } => {
                self.connect(reactor, name, target, options);
            }
            Verb::Defer(act) => {
                let (scene, act, to) = (self.clone(), act.clone(), to.to_owned());
                reactor.defer(move |reactor| scene.perform(reactor, &to, &act));
            }
            Verb::Later { name, delay, act } => {
                let (scene, act, to) = (self.clone(), act.clone(), to.to_owned());
                let timer =
                    reactor.call_later(*delay, move |reactor| scene.perform(reactor, &to, &act));
                cast.state().laters.insert(name.clone(), timer);
            }
            Verb::CancelLater(name) => {
                let timer = cast.state().laters.get(name).copied();
                let was_set = timer.is_some_and(|timer| reactor.cancel(timer));
                cast.line(to, if was_set { "cancelled" } else { "not set" });
            }
            Verb::Work(text) => {
                let (text, scene, to) = (text.clone(), self.clone(), to.to_owned());
                let then = move |_: &mut Reactor<'_>, result: Result<String, _>| {
                    scene.cast.line(&to, format!("worked {:?}", result.ok()));
                };
                if reactor.run_blocking(move || text, then).is_err() {
                    cast.line(&self.home, "work refused");
                }
            }
            Verb::Note(text) => cast.line(to, format!("note {text:?}")),
            Verb::Panic => panic!("the script says so"),
            other => cast.line(to, format!("FAULT: {other:?} is not for a loop")),
        }
    }

    fn listen(&self, reactor: &mut Reactor<'_>, name: &str, words: &[String]) {
        let Listening { at, options, config, reception } =
            match options::listening(&self.cast, words) {
                Ok(listening) => listening,
                Err(complaint) => return self.cast.line(name, format!("FAULT: {complaint}")),
            };
        let address = at.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
        let (scene, listener_name, mut accepted) = (self.clone(), name.to_owned(), 0);
        let made = reactor.listen(address, &options, config, move |_| match reception {
            Reception::Welcome => {
                accepted += 1;
                Some(Actor::new(scene.clone(), format!("{listener_name}{accepted}")))
            }
            Reception::Declined => {
                scene.cast.line(&listener_name, "declined");
                None
            }
            Reception::Panics => {
                scene.cast.line(&listener_name, "panics");
                panic!("the script says so")
            }
        });
        let mut state = self.cast.state();
        match made {
            Ok(listener) => {
                state.listeners.insert(name.to_owned(), listener);
                state.listener_homes.insert(name.to_owned(), self.home.clone());
                let address = reactor.listener_address(listener).unwrap().ip().unwrap();
                state.addresses.insert(name.to_owned(), address);
            }
            Err(error) => {
                drop(state);
                self.cast.line(name, format!("listen failed({})", listen_error(&error)));
            }
        }
    }

    fn connect(&self, reactor: &mut Reactor<'_>, name: &str, target: &str, words: &[String]) {
        let by_name = words.iter().any(|word| word == "by-name");
        let words: Vec<String> = words.iter().filter(|word| *word != "by-name").cloned().collect();
        let options = options::connecting(&self.cast, &words);
        let target = match unquoted(target) {
            Some(text) => text.parse::<Target>().map_err(|error| error.to_string()),
            None => options::address(&self.cast, target).map(|address| match by_name {
                true => Target::Host("localhost".to_owned(), address.port()),
                false => Target::Address(address),
            }),
        };
        let (options, target) = match (options, target) {
            (Ok(options), Ok(target)) => (options, target),
            (Err(complaint), _) | (_, Err(complaint)) => {
                return self.cast.line(name, format!("FAULT: {complaint}"));
            }
        };
        let actor = Actor::new(self.clone(), name.to_owned());
        let id = reactor.connect_with(target, options, actor).unwrap();
        let member = Member { handle: reactor.conn_handle(id), home: self.home.clone() };
        self.cast.state().conns.insert(name.to_owned(), member);
    }

    /// Does it the way another thread would.
    pub(super) fn post(&self, to: &str, verb: &Verb) {
        let (member, to_loop) = {
            let state = self.cast.state();
            (state.conns.get(to).cloned(), state.loops.get(to).cloned())
        };
        let taken = match (member, to_loop) {
            (Some(member), _) => self.post_to_conn(&member, to, verb),
            (None, Some(handle)) => self.post_to_loop(&handle, to, verb),
            (None, None) => return self.cast.line(to, "FAULT: nobody has this name"),
        };
        if !taken {
            self.cast.line(to, "post refused");
        }
    }

    fn post_to_conn(&self, member: &Member, to: &str, verb: &Verb) -> bool {
        let Member { handle, home } = member;
        match verb {
            Verb::Write(payload) => {
                let (bytes, pattern) = self.cast.payload(to, payload);
                self.cast.sent(to, pattern);
                handle.send(bytes).is_ok()
            }
            Verb::Close => handle.close().is_ok(),
            Verb::Abort => handle.abort().is_ok(),
            Verb::Message(text) => handle.message(text.clone()).is_ok(),
            other => self.post_act(handle.event_loop(), home, to, other),
        }
    }

    fn post_to_loop(&self, handle: &LoopHandle, to: &str, verb: &Verb) -> bool {
        match verb {
            Verb::Broadcast(payload) => {
                let (bytes, pattern) = self.cast.payload(to, payload);
                self.cast.sent(to, pattern);
                handle.broadcast(bytes).is_ok()
            }
            Verb::Stop => {
                handle.stop();
                true
            }
            Verb::StopNow => {
                handle.stop_now();
                true
            }
            other => self.post_act(handle, to, to, other),
        }
    }

    fn post_act(&self, handle: &LoopHandle, home: &str, to: &str, verb: &Verb) -> bool {
        let scene = Self { cast: self.cast.clone(), home: home.to_owned() };
        let (to, verb) = (to.to_owned(), verb.clone());
        let act = Act { to: Some(to.clone()), post: false, verb };
        handle.run_in_loop(move |reactor| scene.perform(reactor, &to, &act)).is_ok()
    }
}

fn is_for_loop(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Broadcast(_)
            | Verb::Stop
            | Verb::StopNow
            | Verb::Listen { .. }
            | Verb::Unlisten(_)
            | Verb::Connect { .. }
            | Verb::Defer(_)
            | Verb::Later { .. }
            | Verb::CancelLater(_)
            | Verb::Work(_)
    )
}

fn listen_error(error: &ListenError) -> &'static str {
    match error {
        ListenError::InUse { .. } => "in-use",
        ListenError::NotPermitted { .. } => "not-permitted",
        ListenError::BadAddress { .. } => "bad-address",
        ListenError::Failed { .. } => "failed",
    }
}
