//! One connection of a run.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use net_reactor::TargetError;
use net_reactor::prelude::*;
use net_reactor::simple_reactor::TypedClient;

use super::payload::Place;
use super::run::Run;
use crate::clock;
use crate::framing::{Codec, Framing};

/// Attempts to connect that are under way at the same time; fewer than a listener's backlog holds.
const CONNECTING_MAX: usize = 512;

/// Opens the first connections. Each of them opens another when it is open, until all are.
pub(super) fn connect_first(run: &Rc<Run>, reactor: &mut Reactor<'_>) -> Result<(), TargetError> {
    (0..CONNECTING_MAX).try_for_each(|_| connect_next(run, reactor))
}

/// Opens one more connection, if one is missing.
fn connect_next(run: &Rc<Run>, reactor: &mut Reactor<'_>) -> Result<(), TargetError> {
    if let Some(number) = run.take_seat() {
        let (target, options) = (run.target().clone(), run.plan().connect_options());
        let player = Player::new(number, run);
        match run.plan().framing {
            Framing::Raw => reactor.connect_with(target, options, player)?,
            Framing::Plain(plain) => {
                reactor.connect_with(target, options, Framed::new(plain.codec(), player))?
            }
            Framing::Typed(typed) => {
                let run = Rc::clone(run);
                let client = TypedClient::new(typed.wire(), move || Player::new(number, &run));
                let mut client = if typed.beats { client.heartbeats() } else { client };
                reactor.connect_with(target, options, client.protocol())?
            }
        };
    }
    Ok(())
}

/// Tells a player that all connections are open.
#[derive(Debug)]
pub(super) struct Begin;

/// Sends messages, checks what comes back, and sends the next.
#[derive(Debug)]
struct Player {
    run: Rc<Run>,
    /// When each message that is under way was handed to the connection, the oldest first.
    sent_at: VecDeque<Instant>,
    /// Where the next message begins.
    out: Place,
    /// Where the next byte that comes back should be.
    back: Place,
    /// How much of the oldest message has come back.
    back_bytes: usize,
    /// The oldest message has come back differently.
    damaged: bool,
}

impl Player {
    fn new(number: usize, run: &Rc<Run>) -> Self {
        let place = Place::first(number);
        Self {
            run: Rc::clone(run),
            sent_at: VecDeque::new(),
            out: place,
            back: place,
            back_bytes: 0,
            damaged: false,
        }
    }

    /// Sends up to `count` messages with `put`, as many as the run still wants.
    fn send(&mut self, count: usize, now: Instant, mut put: impl FnMut(&[u8]) -> Flow) -> Flow {
        let size_bytes = self.run.plan().size_bytes;
        for _ in 0..self.run.take_messages(count) {
            put(self.run.payload().next(&mut self.out, size_bytes))?;
            self.sent_at.push_back(now);
        }
        Ok(())
    }

    /// Checks what came back in a stream of bytes; returns how many messages are complete with it.
    fn check(&mut self, mut bytes: &[u8], now: Instant) -> Result<usize, Failure> {
        let size_bytes = self.run.plan().size_bytes;
        let mut complete = 0;
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(size_bytes - self.back_bytes));
            self.damaged |= piece != self.run.payload().next(&mut self.back, piece.len());
            self.back_bytes += piece.len();
            bytes = rest;
            if self.sent_at.is_empty() || self.back_bytes == size_bytes {
                self.came_back(now)?;
                complete += 1;
            }
        }
        self.run.tally().note_progress(now);
        Ok(complete)
    }

    /// Checks a frame that came back.
    fn check_frame(&mut self, frame: &[u8], now: Instant) -> Flow {
        let size_bytes = self.run.plan().size_bytes;
        self.damaged = frame != self.run.payload().next(&mut self.back, size_bytes);
        self.run.tally().note_progress(now);
        self.came_back(now)
    }

    /// Notes that a message came back, the oldest that is under way.
    fn came_back(&mut self, now: Instant) -> Flow {
        let mut tally = self.run.tally();
        let Some(sent_at) = self.sent_at.pop_front() else {
            tally.note_surplus();
            return Err(Failure::msg("more came back than was sent"));
        };
        tally.note_message(now - sent_at, self.damaged);
        self.back_bytes = 0;
        self.damaged = false;
        Ok(())
    }

    fn opened(&self, conn: &mut Conn<'_>) -> Flow {
        self.run.opened(conn.id(), conn.reactor());
        Ok(connect_next(&self.run, conn.reactor())?)
    }

    fn stop(&self, conn: &mut Conn<'_>) {
        self.run.interrupt(conn.reactor());
        conn.close();
    }
}

/// Plays with a stream of bytes.
impl Protocol for Player {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.opened(conn)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, _begin: Message) -> Flow {
        self.send(self.run.plan().outstanding, clock::now(), |bytes| Ok(conn.write(bytes)?))
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let bytes = input.take_all();
        // What comes after the end of the measurement is not counted.
        if self.run.is_over() {
            return Ok(());
        }
        let now = clock::now();
        let complete = self.check(bytes, now)?;
        self.send(complete, now, |bytes| Ok(conn.write(bytes)?))?;
        self.run.end_if_complete(conn.reactor());
        Ok(())
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.stop(conn);
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.run.lost(&reason, conn.reactor());
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.run.connect_failed(error, reactor);
    }
}

/// Plays with frames.
impl<C: Codec> FrameHandler<C> for Player {
    fn on_open(&mut self, conn: &mut FrameConn<'_, C>) -> Flow {
        self.opened(conn)
    }

    fn on_message(&mut self, conn: &mut FrameConn<'_, C>, _begin: Message) -> Flow {
        self.send(self.run.plan().outstanding, clock::now(), |frame| Ok(conn.send(frame)?))
    }

    fn on_frame(&mut self, conn: &mut FrameConn<'_, C>, frame: C::Frame<'_>) -> Flow {
        if self.run.is_over() {
            return Ok(());
        }
        let now = clock::now();
        self.check_frame(C::message(&frame), now)?;
        self.send(1, now, |frame| Ok(conn.send(frame)?))?;
        if self.run.is_complete() {
            self.run.end_if_complete(conn.reactor());
        }
        Ok(())
    }

    fn on_stop(&mut self, conn: &mut FrameConn<'_, C>) -> Flow {
        self.stop(conn);
        Ok(())
    }

    fn on_close(&mut self, conn: &mut FrameConn<'_, C>, reason: CloseReason) {
        self.run.lost(&reason, conn.reactor());
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.run.connect_failed(error, reactor);
    }
}
