//! The order of callbacks, loop by loop.
//!
//! ```text
//!   (writes) --> opened --> on_open --> on_data .. on_eof .. --> closed --> on_close
//!      `-------> connect_failed --> on_connect_failed
//! ```
//!
//! - Nothing comes before `on_open` but a failure to connect, which comes instead of all.
//! - `on_eof` comes at most once, and no `on_data` after it.
//! - After a panic, and after a handler left more input than it may, only `on_close` comes.
//! - No callback and no function on the loop runs within another.
//! - Nothing is written after the end was told.
//! - A slot is used again only after its connection was told its end.

use super::{OracleKind, Violation};
use crate::base::Key;
use crate::driver::READ_BYTES_PER_TURN;
use crate::net::{Callback, CloseReason};
use crate::sys::Wire;

/// What one loop has called so far.
#[derive(Debug)]
pub(super) struct LoopCalls {
    name: String,
    running: Option<Running>,
    /// By slot: the connection that used it last.
    lives: Vec<Life>,
}

/// What runs now.
#[derive(Debug, Clone, Copy)]
struct Running {
    conn: Option<Key>,
    callback: Callback,
    is_sabotaged: bool,
}

/// What is known of one connection.
#[derive(Debug, Default)]
struct Life {
    generation: u32,
    stage: Stage,
    wire: Option<Wire>,
    /// Written before it was open.
    early: Vec<u8>,
    saw_eof: bool,
    panicked: bool,
    /// It left more input than it may.
    is_overfull: bool,
    /// A call with input was made, and what it took was not told yet.
    owes_input: Option<Callback>,
    /// What the handler left of its input.
    kept_bytes: usize,
}

/// How far a connection has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is known, or it is on its way to be opened.
    #[default]
    New,
    /// It is open, and is about to be told so.
    Opening,
    Open,
    /// It is closed, and is about to be told so.
    Closing,
    /// It could not be opened, and is about to be told so.
    Failing,
    /// It was told its end, or is just being told.
    Over,
}

/// What a loop said about input.
#[derive(Debug)]
pub(super) struct Consumed {
    pub(super) wire: Option<Wire>,
    /// The call was the one that told the peer's end.
    pub(super) is_last: bool,
}

/// What is known of a connection when it ends.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) wire: Option<Wire>,
    /// Its handler was told the peer's end.
    pub(super) was_told: bool,
    pub(super) kept_bytes: usize,
}

fn wrong<T>(message: String) -> Result<T, Violation> {
    Err(Violation::new(OracleKind::Callbacks, message))
}

fn too_much<T>(message: String) -> Result<T, Violation> {
    Err(Violation::new(OracleKind::Memory, message))
}

impl LoopCalls {
    pub(super) fn new(name: String) -> Self {
        Self { name, running: None, lives: Vec::new() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the wires of all connections that have not been told their end.
    pub(super) fn wires(&self) -> impl Iterator<Item = Wire> {
        let lives = self.lives.iter();
        lives
            .filter(|life| matches!(life.stage, Stage::Opening | Stage::Open))
            .filter_map(|life| life.wire)
    }

    /// Returns what is wrong with a loop that has stopped.
    pub(super) fn leftover(&self) -> Option<Violation> {
        let is_left = |life: &Life| !matches!(life.stage, Stage::New | Stage::Over);
        let index = self.lives.iter().position(is_left)?;
        let generation = self.lives[index].generation;
        let message = format!(
            "{}: connection {index}v{generation} was opened and never told its end",
            self.name
        );
        Some(Violation::new(OracleKind::Resources, message))
    }

    /// Whether what runs now was made to panic.
    pub(super) fn is_sabotaged(&self) -> bool {
        self.running.is_some_and(|running| running.is_sabotaged)
    }

    /// Finds a connection, and makes it known if its slot is free.
    fn life(&mut self, conn: Key) -> Result<&mut Life, Violation> {
        let index = conn.index as usize;
        if index >= self.lives.len() {
            self.lives.resize_with(index + 1, Life::default);
        }
        let life = &mut self.lives[index];
        if life.generation != conn.generation {
            // The first use of a slot that was used by connections which never opened.
            let is_free = matches!(life.stage, Stage::Over)
                || (life.stage == Stage::New && life.early.is_empty());
            if conn.generation < life.generation {
                return wrong(format!(
                    "connection {conn:?} lives on in a slot that was given away"
                ));
            }
            if !is_free {
                let old = life.generation;
                return wrong(format!(
                    "connection {conn:?} has the slot of {old}, which is not over"
                ));
            }
            *life = Life { generation: conn.generation, ..Life::default() };
        }
        Ok(life)
    }

    pub(super) fn entered(
        &mut self,
        conn: Option<Key>,
        callback: Callback,
        is_sabotaged: bool,
    ) -> Result<(), Violation> {
        let outer = self.running.replace(Running { conn, callback, is_sabotaged });
        if let Some(outer) = outer {
            return wrong(format!(
                "{} began within {}",
                describe(conn, callback),
                outer.describe()
            ));
        }
        match conn {
            Some(key) => self.life(key)?.entered(key, callback),
            None => Ok(()),
        }
    }

    pub(super) fn left(&mut self, panicked: bool) -> Result<(), Violation> {
        let Some(running) = self.running else {
            return wrong("a callback ended that never began".to_owned());
        };
        let Running { conn, callback, .. } = running;
        if callback == Callback::Close && panicked {
            // It has two parts that can panic, the call and the drop of the handler, and ends once.
            return Ok(());
        }
        self.running = None;
        match (conn, callback) {
            // The slot of the first is free by now, and that of the second soon.
            (None, _) | (_, Callback::ConnectFailed | Callback::Close) => {}
            (Some(key), _) => self.life(key)?.panicked |= panicked,
        }
        Ok(())
    }

    /// Returns what was written before.
    pub(super) fn opened(&mut self, conn: Key, wire: Option<Wire>) -> Result<Vec<u8>, Violation> {
        self.nothing_runs("a connection was opened")?;
        let life = self.life(conn)?;
        if life.stage != Stage::New {
            return wrong(format!("connection {conn:?} was opened {}", life.stage.when()));
        }
        life.stage = Stage::Opening;
        life.wire = wire;
        Ok(std::mem::take(&mut life.early))
    }

    /// Returns where the bytes go, once there is such a place.
    pub(super) fn wrote(&mut self, conn: Key, bytes: &[u8]) -> Result<Option<Wire>, Violation> {
        let life = self.life(conn)?;
        match life.stage {
            Stage::New => life.early.extend_from_slice(bytes),
            Stage::Opening | Stage::Open => {}
            Stage::Closing | Stage::Failing | Stage::Over => {
                return wrong(format!("a write to connection {conn:?} was accepted after its end"));
            }
        }
        Ok(life.wire)
    }

    pub(super) fn consumed(
        &mut self,
        conn: Key,
        taken_bytes: usize,
        kept_bytes: usize,
        limit_bytes: usize,
    ) -> Result<Consumed, Violation> {
        self.nothing_runs("input was counted")?;
        let life = self.life(conn)?;
        let Some(callback) = life.owes_input.take() else {
            return wrong(format!("connection {conn:?} took input without being called"));
        };
        let is_last = callback == Callback::Eof;
        life.kept_bytes = kept_bytes;
        life.is_overfull = !is_last && kept_bytes > limit_bytes;
        let offered_bytes = taken_bytes + kept_bytes;
        if offered_bytes > limit_bytes.saturating_add(READ_BYTES_PER_TURN) {
            return too_much(format!(
                "connection {conn:?} was given {offered_bytes} bytes at once, and may keep {limit_bytes}"
            ));
        }
        Ok(Consumed { wire: life.wire, is_last })
    }

    pub(super) fn closed(&mut self, conn: Key, reason: &CloseReason) -> Result<Ended, Violation> {
        self.nothing_runs("a connection was closed")?;
        let life = self.life(conn)?;
        if life.stage != Stage::Open {
            return wrong(format!("connection {conn:?} was closed {}", life.stage.when()));
        }
        life.stage = Stage::Closing;
        let ended = Ended { wire: life.wire, was_told: life.saw_eof, kept_bytes: life.kept_bytes };
        match reason {
            CloseReason::HandlerPanicked { message } if !life.panicked => {
                wrong(format!("connection {conn:?} says it panicked and did not: {message}"))
            }
            CloseReason::SlowConsumer { queued_bytes: bytes, limit_bytes }
            | CloseReason::InputOverflow { unconsumed_bytes: bytes, limit_bytes }
                if bytes <= limit_bytes =>
            {
                too_much(format!("connection {conn:?} was closed within its limits: {reason}"))
            }
            _ => Ok(ended),
        }
    }

    pub(super) fn connect_failed(&mut self, conn: Key) -> Result<(), Violation> {
        self.nothing_runs("an attempt to connect ended")?;
        let life = self.life(conn)?;
        if life.stage != Stage::New {
            return wrong(format!("connection {conn:?} failed to open {}", life.stage.when()));
        }
        life.stage = Stage::Failing;
        Ok(())
    }

    fn nothing_runs(&self, what: &str) -> Result<(), Violation> {
        match self.running {
            Some(running) => wrong(format!("{what} within {}", running.describe())),
            None => Ok(()),
        }
    }
}

impl Life {
    fn entered(&mut self, conn: Key, callback: Callback) -> Result<(), Violation> {
        let due = match callback {
            Callback::Open => Stage::Opening,
            Callback::Close => Stage::Closing,
            Callback::ConnectFailed => Stage::Failing,
            _ => Stage::Open,
        };
        let what = || describe(Some(conn), callback);
        if self.stage != due {
            return wrong(format!("{} came {}", what(), self.stage.when()));
        }
        if self.owes_input.is_some() {
            return wrong(format!("{} came before the input of the last call was counted", what()));
        }
        if callback != Callback::Close {
            if self.panicked {
                return wrong(format!("{} came after a panic", what()));
            }
            if self.is_overfull {
                return too_much(format!("{} came after too much input was left", what()));
            }
        }
        match callback {
            Callback::Open => self.stage = Stage::Open,
            Callback::Data | Callback::Eof if self.saw_eof => {
                return wrong(format!("{} came after on_eof", what()));
            }
            Callback::Close | Callback::ConnectFailed => {
                self.stage = Stage::Over;
                self.early = Vec::new();
            }
            Callback::Data => self.owes_input = Some(callback),
            Callback::Eof => {
                self.owes_input = Some(callback);
                self.saw_eof = true;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Stage {
    fn when(self) -> &'static str {
        match self {
            Self::New => "before it was open",
            Self::Opening => "before on_open",
            Self::Open => "while it was open",
            Self::Closing => "when only on_close was due",
            Self::Failing => "when only on_connect_failed was due",
            Self::Over => "after its end",
        }
    }
}

impl Running {
    fn describe(self) -> String {
        describe(self.conn, self.callback)
    }
}

fn describe(conn: Option<Key>, callback: Callback) -> String {
    match conn {
        Some(key) => format!("{} of connection {key:?}", callback.name()),
        None => callback.name().to_owned(),
    }
}
