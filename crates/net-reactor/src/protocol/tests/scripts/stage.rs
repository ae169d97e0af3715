//! Runs one script on one kind of kernel.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use super::acts::Scene;
use super::cast::Cast;
use super::ground::{Ground, Lull};
use super::options;
use super::peers::Peer;
use super::source::{Case, Seen};
use super::verbs::{Act, PeerVerb, Statement, Verb, statement};
use super::words::{Complaint, number};
use crate::base::Key;
use crate::driver::Readiness;
use crate::protocol::EventLoop;
use crate::sys::{CloseHow, ListenOptions, Sys, Token};

/// How long a script may take, by the clock of its kernel.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many passes a script may take, for a kernel whose clock stands still.
const PASSES_MAX: usize = 200_000;

/// How long a runner with nothing to do waits for the kernel before it looks again.
const GLANCE: Duration = Duration::from_millis(1);

/// How many round trips of the witness come before nothing more is said to happen.
const WITNESS_ROUNDS: usize = 3;

/// Loops, raw sockets, and the kernel they live on.
struct Stage<G: Ground> {
    ground: G,
    cast: Cast,
    loops: Vec<(String, EventLoop)>,
    /// The kernel of the raw sockets.
    bare: G::Kernel,
    peers: BTreeMap<String, Peer<G::Kernel>>,
    doors: BTreeMap<String, <G::Kernel as Sys>::Listener>,
    /// Two ends of a connection that has no other use than to come after everything else.
    witness: Option<[<G::Kernel as Sys>::Stream; 2]>,
    tokens: u32,
    passes: usize,
}

/// Runs a case and returns what its actors saw.
pub(super) fn run<G: Ground>(case: &Case) -> Result<Seen, Complaint>
where
    Readiness<G::Kernel>: fmt::Debug,
{
    let mut stage = Stage::<G>::new();
    for line in &case.lines {
        let done = statement(line).and_then(|statement| stage.execute(&statement));
        done.map_err(|complaint| stage.complain(line, &complaint))?;
    }
    stage.settle().map_err(|complaint| stage.complain("(the end)", &complaint))?;
    Ok(stage.leave())
}

impl<G: Ground> Stage<G>
where
    Readiness<G::Kernel>: fmt::Debug,
{
    fn new() -> Self {
        let ground = G::new();
        Self {
            bare: ground.kernel(),
            ground,
            cast: Cast::default(),
            loops: Vec::new(),
            peers: BTreeMap::new(),
            doors: BTreeMap::new(),
            witness: None,
            tokens: 0,
            passes: 0,
        }
    }

    fn complain(&self, line: &str, complaint: &str) -> Complaint {
        format!("{complaint}\n  at `{line}`\n  seen so far: {:#?}", self.cast.seen())
    }

    fn execute(&mut self, statement: &Statement) -> Result<(), Complaint> {
        match statement {
            Statement::Loop { name, options } => self.add_loop(name, options),
            Statement::Door { name, options } => self.open_door(name, options),
            Statement::CloseDoor(name) => {
                let door = self.doors.remove(name).ok_or_else(|| unknown(name))?;
                self.bare.close_listener(door);
                Ok(())
            }
            Statement::Peer { name, target } => self.connect_peer(name, target),
            Statement::Accept { name, door } => self.accept_peer(name, door),
            Statement::PeerDoes { name, verb } => self.peer_does(name, verb),
            Statement::Rule(rule) => {
                self.cast.add_rule(rule.clone());
                Ok(())
            }
            Statement::Act(act) => self.act(act),
            Statement::Await { actor, what } => {
                let what: Vec<&str> = what.iter().map(String::as_str).collect();
                self.until(&format!("{actor} {}", what.join(" ")), |stage| {
                    stage.has_happened(actor, &what)
                })
            }
            Statement::Settle => self.settle(),
            Statement::DropLoop(name) => {
                self.loops.retain(|(known, _)| known != name);
                Ok(())
            }
        }
    }

    fn add_loop(&mut self, name: &str, words: &[String]) -> Result<(), Complaint> {
        let event_loop = EventLoop::on(self.ground.kernel(), options::event_loop(words)?);
        self.cast.state().loops.insert(name.to_owned(), event_loop.handle());
        self.loops.push((name.to_owned(), event_loop));
        Ok(())
    }

    /// Does an act from outside a turn: on the loop that it names, or on that of its connection, or
    /// on the first.
    fn act(&mut self, act: &Act) -> Result<(), Complaint> {
        if self.loops.is_empty() && self.cast.state().loops.is_empty() {
            self.add_loop("a", &[])?;
        }
        let to = act.to.clone().or_else(|| match &act.verb {
            Verb::Listen { name, .. } | Verb::Unlisten(name) => self.home_of(name),
            _ => None,
        });
        let wanted = to.as_deref().and_then(|to| self.home_of(to));
        let found =
            self.loops.iter_mut().find(|(name, _)| wanted.as_ref().is_none_or(|w| w == name));
        let me = to.as_deref().unwrap_or("a").to_owned();
        let cast = self.cast.clone();
        match found {
            Some((home, event_loop)) => {
                let scene = Scene { cast, home: home.clone() };
                scene.perform(&mut event_loop.reactor(), &me, act);
                Ok(())
            }
            None if act.post => {
                Scene { cast, home: me.clone() }.post(&me, &act.verb);
                Ok(())
            }
            None => Err("its loop is gone".to_owned()),
        }
    }

    /// The name of the loop that a name belongs to.
    fn home_of(&self, name: &str) -> Option<String> {
        let state = self.cast.state();
        if state.loops.contains_key(name) {
            return Some(name.to_owned());
        }
        let member = state.conns.get(name).map(|member| member.home.clone());
        member.or_else(|| state.listener_homes.get(name).cloned())
    }

    fn token(&mut self) -> Key {
        self.tokens += 1;
        Key { index: self.tokens, generation: 1 }
    }

    fn open_door(&mut self, name: &str, words: &[String]) -> Result<(), Complaint> {
        let options::Listening { at, options, .. } = options::listening(&self.cast, words)?;
        // An address of its own, so that nobody else is given one of these ports once it is free.
        let address = at.unwrap_or_else(|| SocketAddr::from(([127, 77, 0, 1], 0)));
        let token = Token::listener(self.token());
        let opened = self.bare.listen(token, &address.into(), &options);
        let (listener, address) = opened.map_err(|error| error.to_string())?;
        self.doors.insert(name.to_owned(), listener);
        self.cast.state().addresses.insert(name.to_owned(), address.ip().unwrap());
        Ok(())
    }

    /// Connects a raw peer without a turn of any loop: the kernel alone completes it.
    fn connect_peer(&mut self, name: &str, target: &str) -> Result<(), Complaint> {
        let address = options::address(&self.cast, target)?;
        let token = Token::stream(self.token());
        let stream = match self.bare.connect(token, &address.into(), None) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                self.cast.line(name, "refused");
                return Ok(());
            }
            Err(error) => return Err(error.to_string()),
        };
        let mut peer = Peer::new(name, stream, true);
        for _ in 0..1_000 {
            peer.pump(&mut self.bare, &self.cast);
            if !peer.is_connecting() {
                break;
            }
            self.bare.wait(Some(GLANCE), &mut Vec::new()).unwrap();
        }
        self.peers.insert(name.to_owned(), peer);
        Ok(())
    }

    fn accept_peer(&mut self, name: &str, door: &str) -> Result<(), Complaint> {
        let token = Token::stream(self.token());
        let mut accepted = None;
        self.until(&format!("a peer at {door}"), |stage| {
            let Some(door) = stage.doors.get(door) else { return Err(unknown(door)) };
            match stage.bare.accept(door) {
                Ok((stream, _)) => accepted = Some(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.to_string()),
            }
            Ok(accepted.is_some())
        })?;
        let mut stream = accepted.ok_or_else(|| unknown(door))?;
        self.bare.register(token, &mut stream).map_err(|error| error.to_string())?;
        self.peers.insert(name.to_owned(), Peer::new(name, stream, false));
        Ok(())
    }

    fn peer_does(&mut self, name: &str, verb: &PeerVerb) -> Result<(), Complaint> {
        let peer = self.peers.get_mut(name).ok_or_else(|| unknown(name))?;
        peer.begin(&mut self.bare, &self.cast, verb);
        Ok(())
    }

    fn has_happened(&mut self, actor: &str, what: &[&str]) -> Result<bool, Complaint> {
        let wanted = |word: &str| number(word).ok_or_else(|| format!("no number `{word}`"));
        Ok(match what {
            ["sent"] => self.peers.get(actor).ok_or_else(|| unknown(actor))?.has_sent(),
            ["data" | "bytes", bytes] => self.cast.bytes_len(actor) >= wanted(bytes)?,
            ["holds", bytes] => {
                let held = self.cast.state().held.get(actor).copied();
                held.unwrap_or_default() >= wanted(bytes)?
            }
            ["times", count, what @ ..] => {
                self.cast.count(actor, &what.join(" ")) >= wanted(count)?
            }
            what => self.cast.count(actor, &what.join(" ")) > 0,
        })
    }

    /// Turns every loop once and lets every peer go on; returns whether anything came of it.
    fn pass(&mut self) -> bool {
        let mut busy = false;
        self.passes += 1;
        for (name, event_loop) in &mut self.loops {
            if let Some(stopped) = event_loop.turn(Some(Duration::ZERO)).unwrap() {
                self.cast.line(name, format!("stopped(aborted {})", stopped.aborted));
            }
            busy |= event_loop.is_busy();
        }
        self.bare.wait(Some(Duration::ZERO), &mut Vec::new()).unwrap();
        for peer in self.peers.values_mut() {
            busy |= peer.pump(&mut self.bare, &self.cast);
        }
        busy
    }

    fn check_patience(&self, what: &str) -> Result<(), Complaint> {
        if self.passes > PASSES_MAX {
            return Err(format!("{what}: it did not happen in {PASSES_MAX} passes"));
        }
        Ok(())
    }

    /// Lets everything go on until something has happened. This is the only place where time
    /// passes.
    fn until(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Result<bool, Complaint>,
    ) -> Result<(), Complaint> {
        let start = self.bare.now();
        let mut calm = 0;
        while !look(self)? {
            self.check_patience(what)?;
            if self.bare.now() - start > PATIENCE {
                return Err(format!("{what}: it did not happen in {PATIENCE:?}"));
            }
            calm = if self.pass() { 0 } else { calm + 1 };
            if calm < 2 {
                continue;
            }
            let deadlines = self.loops.iter().filter_map(|(_, each)| each.next_deadline());
            match self.ground.lull(deadlines.min()) {
                Lull::Over => {}
                Lull::Wait => self.bare.wait(Some(GLANCE), &mut Vec::new()).unwrap(),
                Lull::Forever => return Err(format!("{what}: it will never happen")),
            }
        }
        Ok(())
    }

    /// Lets everything happen that needs no time.
    ///
    /// What the kernel was given before the witness arrives before it, as far as a kernel keeps an
    /// order between connections at all; more rounds make the rest unlikely.
    fn settle(&mut self) -> Result<(), Complaint> {
        for _ in 0..WITNESS_ROUNDS {
            self.witness_round()?;
            let mut calm = 0;
            while calm < 2 {
                self.check_patience("rest")?;
                let busy = self.pass() || !self.ground.is_quiet();
                calm = if busy { 0 } else { calm + 1 };
            }
        }
        Ok(())
    }

    fn witness_round(&mut self) -> Result<(), Complaint> {
        let mut ends = match self.witness.take() {
            Some(ends) => ends,
            None => self.make_witness().map_err(|error| format!("no witness: {error}"))?,
        };
        for turned in [false, true] {
            let [left, right] = &mut ends;
            let (from, to) = if turned { (right, left) } else { (left, right) };
            let mut sent = false;
            self.until("the witness", |stage| {
                sent = sent || stage.bare.send(from, &[IoSlice::new(b"w")]).is_ok();
                Ok(sent && stage.bare.receive(to, &mut [0]).is_ok())
            })?;
        }
        self.witness = Some(ends);
        Ok(())
    }

    fn make_witness(&mut self) -> std::io::Result<[<G::Kernel as Sys>::Stream; 2]> {
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let tokens = [self.token(), self.token(), self.token()];
        let bare = &mut self.bare;
        let (door, address) =
            bare.listen(Token::listener(tokens[0]), &at.into(), &ListenOptions::default())?;
        let left = bare.connect(Token::stream(tokens[1]), &address, None)?;
        let mut right = loop {
            match bare.accept(&door) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    bare.wait(Some(GLANCE), &mut Vec::new())?;
                }
                accepted => break accepted?.0,
            }
        };
        bare.register(Token::stream(tokens[2]), &mut right)?;
        bare.close_listener(door);
        Ok([left, right])
    }

    /// Notes timers that have outlived every connection of their loop.
    fn check_leaks(&self) {
        let mut state = self.cast.state();
        let has_calls = !std::mem::take(&mut state.laters).is_empty();
        drop(state);
        for (name, event_loop) in &self.loops {
            let stats = event_loop.stats();
            if stats.connections == 0 && stats.timers > 0 && !has_calls {
                self.cast.line(name, format!("FAULT: {} timers are left", stats.timers));
            }
        }
    }

    /// Closes every raw socket, and returns what was seen.
    fn leave(mut self) -> Seen {
        self.check_leaks();
        let seen = self.cast.seen();
        let streams = self.peers.values_mut().filter_map(Peer::take_stream);
        for stream in streams.chain(self.witness.take().into_iter().flatten()) {
            self.bare.close(stream, CloseHow::Reset);
        }
        for (_, door) in std::mem::take(&mut self.doors) {
            self.bare.close_listener(door);
        }
        seen
    }
}

fn unknown(name: &str) -> Complaint {
    format!("nobody is called `{name}`")
}
