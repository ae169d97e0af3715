//! A member of the room.

use std::error::Error as _;

use net_reactor::codec::{DecodeError, Lines};
use net_reactor::prelude::*;

use super::name::Name;
use super::pace::Pace;
use super::room::Room;
use crate::text::push_printable;

/// The member is read again.
const GO_ON: Tag = Tag(1);

const HELP: &str = "\
* /nick NAME  be called NAME: up to 20 letters, digits, - and _
* /who        list who is here
* /quit       leave
* //TEXT      say /TEXT
";

/// Passes on what one member says. What the room itself says begins with `* `.
#[derive(Debug)]
pub(crate) struct Member {
    room: Room,
    pace: Pace,
    /// Absent before it has a seat, and after.
    name: Option<Name>,
}

type Chat<'a> = FrameConn<'a, Lines>;

impl Member {
    pub(super) fn new(room: &Room) -> Self {
        let pace = Pace::new(room.limits().lines_per_second);
        Self { room: room.clone(), pace, name: None }
    }

    /// Answers this member alone.
    fn tell(conn: &mut Chat<'_>, text: impl AsRef<str>) -> Flow {
        Ok(conn.write(text.as_ref())?)
    }

    fn say(&self, conn: &mut Chat<'_>, name: &Name, text: &str) {
        self.room.log().line(format!("User said: {text}"));
        self.room.group().broadcast(conn.reactor(), format!("{name}: {text}\n"));
    }

    fn command(&mut self, conn: &mut Chat<'_>, name: Name, text: &str) -> Flow {
        let (command, argument) = text.split_once(' ').unwrap_or((text, ""));
        match command {
            "/nick" => self.rename(conn, name, argument.trim()),
            "/who" => {
                let names: Vec<_> = self.room.who().iter().map(Name::to_string).collect();
                Self::tell(conn, format!("* {} here: {}\n", names.len(), names.join(", ")))
            }
            "/quit" => {
                conn.close();
                Ok(())
            }
            "/help" => Self::tell(conn, HELP),
            _ => Self::tell(conn, format!("* there is no {command}; /help lists what there is\n")),
        }
    }

    fn rename(&mut self, conn: &mut Chat<'_>, old: Name, wish: &str) -> Flow {
        let Some(new) = Name::parse(wish) else {
            return Self::tell(conn, "* a name has up to 20 letters, digits, - and _\n");
        };
        if !self.room.rename(&old, &new) {
            return Self::tell(conn, format!("* {new} is here already\n"));
        }
        let news = format!("{old} is now {new}");
        self.name = Some(new);
        self.room.group().broadcast(conn.reactor(), format!("* {news}\n"));
        self.room.log().line(news);
        Ok(())
    }

    /// Reads this member no faster than the room allows.
    fn keep_pace(&mut self, conn: &mut Chat<'_>) {
        let now = conn.reactor().now();
        if let Some(wait) = self.pace.take(now) {
            conn.pause();
            conn.set_timer(GO_ON, wait);
        }
    }
}

impl FrameHandler<Lines> for Member {
    fn on_open(&mut self, conn: &mut Chat<'_>) -> Flow {
        let Some((name, count)) = self.room.enter() else {
            tracing::info!(id = %conn.id(), "turned away: the room is full");
            Self::tell(conn, "* the room is full\n")?;
            conn.close();
            return Ok(());
        };
        let welcome = format!("* welcome, {name}: {count} here; /help lists what you can do\n");
        let news = format!("* {name} has joined\n");
        self.name = Some(name);
        self.room.log().line("A new user has entered the chat room.".to_owned());
        self.room.log().line(format!("connection num is: {count}"));
        Self::tell(conn, welcome)?;
        self.room.group().broadcast(conn.reactor(), news);
        Ok(self.room.group().join(conn)?)
    }

    fn on_frame(&mut self, conn: &mut Chat<'_>, line: &[u8]) -> Flow {
        let Some(name) = self.name.clone() else { return Ok(()) };
        self.keep_pace(conn);
        let mut text = String::with_capacity(line.len());
        push_printable(&mut text, line);
        match text.strip_prefix('/') {
            Some(rest) if !rest.starts_with('/') => self.command(conn, name, &text),
            said => {
                self.say(conn, &name, said.unwrap_or(&text));
                Ok(())
            }
        }
    }

    fn on_malformed(&mut self, conn: &mut Chat<'_>, _too_long: &DecodeError) -> Flow {
        let limit = self.room.limits().line_bytes_max;
        Self::tell(conn, format!("* a line has at most {limit} bytes\n"))
    }

    fn on_timer(&mut self, conn: &mut Chat<'_>, _go_on: Tag) -> Flow {
        conn.resume();
        Ok(())
    }

    fn on_pressure(&mut self, conn: &mut Chat<'_>, pressure: Pressure) -> Flow {
        let missed = match pressure {
            Pressure::Low => self.room.group().take_missed(conn),
            Pressure::High => 0,
        };
        if missed == 0 {
            return Ok(());
        }
        Self::tell(conn, format!("* you read too slowly and have missed {missed} lines\n"))
    }

    fn on_close(&mut self, conn: &mut Chat<'_>, reason: CloseReason) {
        let Some(name) = self.name.take() else { return };
        self.room.leave(&name);
        self.room.log().line("A user has left the chat room.".to_owned());
        // When all leave at once, nobody needs to hear of each.
        if conn.reactor().is_stopping() {
            return;
        }
        if !reason.is_clean() {
            let cause = reason.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            self.room.log().line(format!("{name} was cut off: {reason}{cause}"));
        }
        self.room.group().broadcast(conn.reactor(), format!("* {name} has left\n"));
    }
}
