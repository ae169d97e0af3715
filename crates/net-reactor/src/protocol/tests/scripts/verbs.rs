//! The verbs, and how they are read.

use std::time::Duration;

use super::words::{Complaint, Words, split};

/// Bytes to send.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    Text(String),
    /// So many bytes of the sender's pattern, which goes on where it stopped.
    Pattern(usize),
}

/// What a handler does, or what is done to a connection or loop from outside.
#[derive(Debug, Clone)]
pub(super) enum Verb {
    // To a connection.
    Write(Payload),
    WriteShared(Payload),
    Close,
    Abort,
    Shutdown,
    Pause,
    Resume,
    Timer(u32, Duration),
    Cancel(u32),
    Message(String),
    // Only in a rule, to its own connection.
    Fail,
    Panic,
    KeepOpen,
    Echo,
    Keep,
    Consume,
    // To a loop.
    Broadcast(Payload),
    Stop,
    StopNow,
    Listen { name: String, options: Vec<String> },
    Unlisten(String),
    Connect { name: String, target: String, options: Vec<String> },
    Defer(Box<Act>),
    Later { name: String, delay: Duration, act: Box<Act> },
    CancelLater(String),
    Work(String),
    // To either.
    Note(String),
}

/// A verb, to whom, and whether through a handle, as another thread would.
#[derive(Debug, Clone)]
pub(super) struct Act {
    pub(super) to: Option<String>,
    pub(super) post: bool,
    pub(super) verb: Verb,
}

/// What is done to a raw peer.
#[derive(Debug, Clone)]
pub(super) enum PeerVerb {
    Send(Payload),
    Fin,
    HangUp,
    Reset,
    Read(usize),
    ReadEnd,
    Swallow,
    SmallBuffers,
}

/// What a handler's rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Open,
    /// Input, or so many bytes of it.
    Data(Option<usize>),
    Eof,
    Timer(u32),
    Message,
    Stop,
    High,
    Low,
    Close,
    Failed,
}

#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) actor: String,
    pub(super) event: Event,
    /// Holds every time; otherwise once.
    pub(super) always: bool,
    pub(super) acts: Vec<Act>,
}

/// One line of a script.
#[derive(Debug, Clone)]
pub(super) enum Statement {
    Loop { name: String, options: Vec<String> },
    Door { name: String, options: Vec<String> },
    CloseDoor(String),
    Peer { name: String, target: String },
    Accept { name: String, door: String },
    PeerDoes { name: String, verb: PeerVerb },
    Rule(Rule),
    Act(Act),
    Await { actor: String, what: Vec<String> },
    Settle,
    DropLoop(String),
}

pub(super) fn statement(line: &str) -> Result<Statement, Complaint> {
    let mut words = Words::of(line);
    let first = words.word()?;
    let statement = match first.as_str() {
        "loop" => Statement::Loop { name: words.word()?, options: words.rest() },
        "door" => Statement::Door { name: words.word()?, options: words.rest() },
        "close-door" => Statement::CloseDoor(words.word()?),
        "drop-loop" => Statement::DropLoop(words.word()?),
        "peer" => {
            let name = words.word()?;
            words.skip("to");
            Statement::Peer { name, target: words.word()? }
        }
        "accept" => {
            let name = words.word()?;
            words.skip("from");
            Statement::Accept { name, door: words.word()? }
        }
        "on" | "always" => return rule(line, &first).map(Statement::Rule),
        "await" => Statement::Await { actor: words.word()?, what: words.rest() },
        "settle" => Statement::Settle,
        _ => match words.peek().map(|verb| peer_verb(verb, &mut words.clone())) {
            Some(Ok(Some(verb))) => {
                return Ok(Statement::PeerDoes { name: first, verb });
            }
            Some(Err(complaint)) => return Err(complaint),
            _ => return act(line).map(Statement::Act),
        },
    };
    words.end()?;
    Ok(statement)
}

fn peer_verb(verb: &str, words: &mut Words) -> Result<Option<PeerVerb>, Complaint> {
    words.word()?;
    let verb = match verb {
        "send" => PeerVerb::Send(payload(words)?),
        "fin" => PeerVerb::Fin,
        "hang-up" => PeerVerb::HangUp,
        "reset" => PeerVerb::Reset,
        "read" => PeerVerb::Read(words.number()?),
        "read-end" => PeerVerb::ReadEnd,
        "swallow" => PeerVerb::Swallow,
        "small-buffers" => PeerVerb::SmallBuffers,
        _ => return Ok(None),
    };
    words.end()?;
    Ok(Some(verb))
}

/// `on s1 data 5: write "x"; close`
fn rule(line: &str, first: &str) -> Result<Rule, Complaint> {
    let parts = split(line, ':');
    let [head, body] = parts[..] else { return Err(format!("no single colon in `{line}`")) };
    let mut words = Words::of(head);
    words.word()?;
    let actor = words.word()?;
    let event = match words.word()?.as_str() {
        "open" => Event::Open,
        "data" => Event::Data(if words.peek().is_some() { Some(words.number()?) } else { None }),
        "eof" => Event::Eof,
        "timer" => Event::Timer(tag(&mut words)?),
        "message" => Event::Message,
        "stop" => Event::Stop,
        "high" => Event::High,
        "low" => Event::Low,
        "close" => Event::Close,
        "failed" => Event::Failed,
        other => return Err(format!("no event `{other}` in `{line}`")),
    };
    words.end()?;
    let acts = split(body, ';').into_iter().filter(|text| !text.is_empty()).map(act);
    let acts = acts.collect::<Result<_, _>>()?;
    Ok(Rule { actor, event, always: first == "always", acts })
}

/// `[post] [target] verb arguments`
pub(super) fn act(text: &str) -> Result<Act, Complaint> {
    let mut words = Words::of(text);
    let post = words.skip("post");
    let mut ahead = words.clone();
    if let Some(verb) = verb(&mut ahead)? {
        ahead.end()?;
        return Ok(Act { to: None, post, verb });
    }
    let to = Some(words.word()?);
    let verb = verb(&mut words)?.ok_or_else(|| words.complaint("no known verb"))?;
    words.end()?;
    Ok(Act { to, post, verb })
}

fn verb(words: &mut Words) -> Result<Option<Verb>, Complaint> {
    let verb = match words.word()?.as_str() {
        "write" => Verb::Write(payload(words)?),
        "write-shared" => Verb::WriteShared(payload(words)?),
        "close" => Verb::Close,
        "abort" => Verb::Abort,
        "shutdown" => Verb::Shutdown,
        "pause" => Verb::Pause,
        "resume" => Verb::Resume,
        "timer" => Verb::Timer(tag(words)?, words.time()?),
        "cancel" => Verb::Cancel(tag(words)?),
        "message" => Verb::Message(words.text()?),
        "fail" => Verb::Fail,
        "panic" => Verb::Panic,
        "keep-open" => Verb::KeepOpen,
        "echo" => Verb::Echo,
        "keep" => Verb::Keep,
        "consume" => Verb::Consume,
        "broadcast" => Verb::Broadcast(payload(words)?),
        "stop" => Verb::Stop,
        "stop-now" => Verb::StopNow,
        "listen" => Verb::Listen { name: words.word()?, options: words.rest() },
        "unlisten" => Verb::Unlisten(words.word()?),
        "connect" => {
            let name = words.word()?;
            words.skip("to");
            Verb::Connect { name, target: words.word()?, options: words.rest() }
        }
        "defer" => Verb::Defer(Box::new(act(&words.rest().join(" "))?)),
        "later" => {
            let (name, delay) = (words.word()?, words.time()?);
            Verb::Later { name, delay, act: Box::new(act(&words.rest().join(" "))?) }
        }
        "cancel-later" => Verb::CancelLater(words.word()?),
        "work" => Verb::Work(words.text()?),
        "note" => Verb::Note(words.text()?),
        _ => return Ok(None),
    };
    Ok(Some(verb))
}

fn payload(words: &mut Words) -> Result<Payload, Complaint> {
    match words.peek() {
        Some(word) if word.starts_with('"') => words.text().map(Payload::Text),
        _ => words.number().map(Payload::Pattern),
    }
}

fn tag(words: &mut Words) -> Result<u32, Complaint> {
    let number = words.number()?;
    u32::try_from(number).map_err(|_| words.complaint("too large a tag"))
}

#[test]
fn verbs_have_targets_or_not() {
    let act = act("post c1 write 4k").unwrap();
    assert!(act.post && act.to.as_deref() == Some("c1"));
    assert!(matches!(act.verb, Verb::Write(Payload::Pattern(4096))));
    assert!(super::verbs::act("c1 wirte 4k").is_err());
    assert!(super::verbs::act("close now").is_err());
    let Statement::Rule(rule) = statement("on s1 data 5: write \"a: b\"; close").unwrap() else {
        panic!("it is a rule");
    };
    assert_eq!((rule.event, rule.acts.len()), (Event::Data(Some(5)), 2));
    assert!(matches!(statement("p1 read 5"), Ok(Statement::PeerDoes { .. })));
    assert!(statement("p1 read").is_err());
}
