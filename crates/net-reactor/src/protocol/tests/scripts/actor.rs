//! The handler of a connection, which does what its rules say and tells what it sees.

use super::acts::Scene;
use super::cast::Member;
use super::verbs::{Act, Event, Verb};
use crate::base::Input;
use crate::net::{CloseReason, ConnectError, Pressure};
use crate::protocol::{Conn, Eof, Failure, Flow, Message, Protocol, Reactor, Tag};

/// Where a handler stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Unborn,
    Open,
    Over,
}

/// A handler that follows the script. Without rules it consumes its input, and closes after the
/// peer's end.
pub(super) struct Actor {
    scene: Scene,
    name: String,
    life: Life,
    /// What the current callback has consumed, for `echo`.
    fresh: Vec<u8>,
    decision: Eof,
}

impl Actor {
    pub(super) fn new(scene: Scene, name: String) -> Self {
        Self { scene, name, life: Life::Unborn, fresh: Vec::new(), decision: Eof::Close }
    }

    fn tell(&self, what: impl Into<String>) {
        self.scene.cast.line(&self.name, what);
    }

    /// Notes a callback, and checks that it may come now.
    fn enter(&mut self, what: &str, from: Life, to: Life) {
        if self.life != from || (to != Life::Over && self.is_leaving()) {
            let leaving = if self.is_leaving() { " and leaving" } else { "" };
            self.tell(format!("FAULT: {what} while {:?}{leaving}", self.life));
        }
        self.life = to;
    }

    /// Whether closing has begun here: only the end may come then.
    fn is_leaving(&self) -> bool {
        self.scene.cast.state().leaving.contains(&self.name)
    }

    fn leave(&self) {
        self.scene.cast.state().leaving.insert(self.name.clone());
    }

    /// Does what the rules say about an event.
    fn act(&mut self, conn: &mut Conn<'_>, event: Event, input: Option<&mut Input<'_>>) -> Flow {
        match self.scene.cast.acts(&self.name, event) {
            Some(acts) => self.follow(conn, &acts, input),
            None => Ok(()),
        }
    }

    fn follow(
        &mut self,
        conn: &mut Conn<'_>,
        acts: &[Act],
        mut input: Option<&mut Input<'_>>,
    ) -> Flow {
        for act in acts {
            let own = !act.post && act.to.as_ref().is_none_or(|to| *to == self.name);
            match &act.verb {
                Verb::Fail if own => {
                    self.leave();
                    return Err(Failure::msg("the script says so"));
                }
                Verb::Panic if own => {
                    self.leave();
                    panic!("the script says so");
                }
                Verb::KeepOpen if own => self.decision = Eof::KeepOpen,
                Verb::Keep if own => {}
                Verb::Echo if own => {
                    if conn.write(&self.fresh).is_err() {
                        self.tell("write refused");
                    }
                }
                Verb::Consume if own => {
                    let bytes = input.as_mut().map_or(&[][..], |input| input.take_all());
                    self.scene.cast.bytes(&self.name, bytes);
                }
                verb @ (Verb::Write(_)
                | Verb::WriteShared(_)
                | Verb::Close
                | Verb::Abort
                | Verb::Shutdown
                | Verb::Pause
                | Verb::Resume
                | Verb::Timer(..)
                | Verb::Cancel(_)
                | Verb::Message(_)
                | Verb::Note(_))
                    if own =>
                {
                    self.scene.on_conn(conn, &self.name, verb);
                }
                _ => self.scene.perform(conn.reactor(), &self.name, act),
            }
        }
        Ok(())
    }

    /// Takes what the next rule about so many bytes waits for; returns whether there was enough.
    fn take_awaited(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Option<Flow> {
        let wanted = self.scene.cast.awaited_bytes(&self.name)?;
        let bytes = input.take(wanted)?;
        self.scene.cast.bytes(&self.name, bytes);
        bytes.clone_into(&mut self.fresh);
        Some(self.act(conn, Event::Data(Some(wanted)), Some(input)))
    }

    fn take_rest(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let acts = self.scene.cast.acts(&self.name, Event::Data(None)).unwrap_or_default();
        if !acts.iter().any(|act| matches!(act.verb, Verb::Keep)) {
            let bytes = input.take_all();
            self.scene.cast.bytes(&self.name, bytes);
            bytes.clone_into(&mut self.fresh);
        }
        self.follow(conn, &acts, Some(input))
    }
}

impl Protocol for Actor {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.enter("opened", Life::Unborn, Life::Open);
        self.tell("opened");
        let member = Member { handle: conn.handle(), home: self.scene.home.clone() };
        self.scene.cast.state().conns.insert(self.name.clone(), member);
        self.act(conn, Event::Open, None)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.enter("data", Life::Open, Life::Open);
        let mut flow = Ok(());
        // What one rule leaves is the next one's, unless the connection stopped listening.
        while flow.is_ok() && !self.is_leaving() && !conn.is_paused() && !input.is_empty() {
            if self.scene.cast.awaited_bytes(&self.name).is_none() {
                flow = self.take_rest(conn, input);
                break;
            }
            match self.take_awaited(conn, input) {
                Some(next) => flow = next,
                None => break,
            }
        }
        self.scene.cast.state().held.insert(self.name.clone(), input.len());
        flow
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.enter("eof", Life::Open, Life::Open);
        self.tell(match input.len() {
            0 => "eof".to_owned(),
            left => format!("eof with {left} unread"),
        });
        self.decision = Eof::Close;
        self.act(conn, Event::Eof, Some(input))?;
        Ok(self.decision)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.enter("pressure", Life::Open, Life::Open);
        let (what, event) = match pressure {
            Pressure::High => ("high", Event::High),
            Pressure::Low => ("low", Event::Low),
        };
        if self.scene.cast.minds_pressure(&self.name) {
            self.tell(what);
        }
        self.act(conn, event, None)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.enter("timer", Life::Open, Life::Open);
        self.tell(format!("timer {}", tag.0));
        self.act(conn, Event::Timer(tag.0), None)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        self.enter("message", Life::Open, Life::Open);
        let text = message.downcast::<String>().map_or_else(|_| "?".into(), |text| *text);
        self.tell(format!("message {text:?}"));
        self.act(conn, Event::Message, None)
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.enter("stop", Life::Open, Life::Open);
        self.tell("stop");
        match self.scene.cast.acts(&self.name, Event::Stop) {
            Some(acts) => self.follow(conn, &acts, None),
            None => {
                conn.close();
                Ok(())
            }
        }
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.enter("closed", Life::Open, Life::Over);
        self.tell(format!("closed({})", close_reason(&reason)));
        // Nothing comes of an error here.
        let _ = self.act(conn, Event::Close, None);
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.enter("failed", Life::Unborn, Life::Over);
        self.tell(format!("failed({})", connect_error(&error)));
        for act in self.scene.cast.acts(&self.name, Event::Failed).unwrap_or_default() {
            self.scene.perform(reactor, &self.name, &act);
        }
    }
}

fn close_reason(reason: &CloseReason) -> String {
    match reason {
        CloseReason::PeerClosed => "peer-closed".into(),
        CloseReason::Closed => "closed".into(),
        CloseReason::Aborted => "aborted".into(),
        CloseReason::Reset { .. } => "reset".into(),
        CloseReason::Broken { source } => format!("broken {:?}", source.kind()),
        CloseReason::SlowConsumer { .. } => "slow-consumer".into(),
        CloseReason::InputOverflow { .. } => "input-overflow".into(),
        CloseReason::LingerExpired { .. } => "linger-expired".into(),
        CloseReason::HeartbeatTimedOut { .. } => "heartbeat-timed-out".into(),
        CloseReason::Malformed { .. } => "malformed".into(),
        CloseReason::TransferFailed { .. } => "transfer-failed".into(),
        CloseReason::HandlerFailed { .. } => "handler-failed".into(),
        CloseReason::HandlerPanicked { .. } => "handler-panicked".into(),
        CloseReason::TimedOut { timeout, .. } => format!("timed-out {timeout:?}"),
        CloseReason::LoopStopped => "loop-stopped".into(),
    }
}

fn connect_error(error: &ConnectError) -> String {
    match error {
        ConnectError::Refused { .. } => "refused".into(),
        ConnectError::TimedOut { .. } => "timed-out".into(),
        ConnectError::Unreachable { .. } => "unreachable".into(),
        ConnectError::NameNotFound { .. } => "name-not-found".into(),
        ConnectError::NameFailed { .. } => "name-failed".into(),
        ConnectError::CannotBind { .. } => "cannot-bind".into(),
        ConnectError::Cancelled => "cancelled".into(),
        ConnectError::Failed { source } => format!("failed {:?}", source.kind()),
    }
}
