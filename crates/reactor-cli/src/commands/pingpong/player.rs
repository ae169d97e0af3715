//! One connection of a run.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use net_reactor::TargetError;
use net_reactor::prelude::*;

use super::payload::Place;
use super::run::Run;
use crate::clock;

/// Attempts to connect that are under way at the same time; fewer than a listener's backlog holds.
const CONNECTING_MAX: usize = 512;

/// Opens the first connections. Each of them opens another when it is open, until all are.
pub(super) fn connect_first(run: &Rc<Run>, reactor: &mut Reactor<'_>) -> Result<(), TargetError> {
    (0..CONNECTING_MAX).try_for_each(|_| connect_next(run, reactor))
}

/// Opens one more connection, if one is missing.
fn connect_next(run: &Rc<Run>, reactor: &mut Reactor<'_>) -> Result<(), TargetError> {
    if let Some(number) = run.take_seat() {
        let options = run.plan().connect_options();
        reactor.connect_with(run.target().clone(), options, Player::new(number, run))?;
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

    /// Sends up to `count` messages, as many as the run still wants.
    fn send(&mut self, conn: &mut Conn<'_>, count: usize, now: Instant) -> Flow {
        let size_bytes = self.run.plan().size_bytes;
        for _ in 0..self.run.take_messages(count) {
            conn.write(self.run.payload().next(&mut self.out, size_bytes))?;
            self.sent_at.push_back(now);
        }
        Ok(())
    }

    /// Checks what came back; returns how many messages are complete with it.
    fn check(&mut self, mut bytes: &[u8], now: Instant) -> Result<usize, Failure> {
        let size_bytes = self.run.plan().size_bytes;
        let mut tally = self.run.tally();
        tally.note_progress(now);
        let mut complete = 0;
        while !bytes.is_empty() {
            let Some(sent_at) = self.sent_at.front() else {
                tally.note_surplus();
                return Err(Failure::msg("more came back than was sent"));
            };
            let (piece, rest) = bytes.split_at(bytes.len().min(size_bytes - self.back_bytes));
            self.damaged |= piece != self.run.payload().next(&mut self.back, piece.len());
            self.back_bytes += piece.len();
            bytes = rest;
            if self.back_bytes == size_bytes {
                tally.note_message(now - *sent_at, self.damaged);
                self.sent_at.pop_front();
                self.back_bytes = 0;
                self.damaged = false;
                complete += 1;
            }
        }
        Ok(complete)
    }
}

impl Protocol for Player {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.run.opened(conn.id(), conn.reactor());
        connect_next(&self.run, conn.reactor())?;
        Ok(())
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, _begin: Message) -> Flow {
        self.send(conn, self.run.plan().outstanding, clock::now())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let bytes = input.take_all();
        // What comes after the end of the measurement is not counted.
        if self.run.is_over() {
            return Ok(());
        }
        let now = clock::now();
        let complete = self.check(bytes, now)?;
        self.send(conn, complete, now)?;
        self.run.end_if_complete(conn.reactor());
        Ok(())
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.run.interrupt(conn.reactor());
        conn.close();
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.run.lost(&reason, conn.reactor());
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.run.connect_failed(error, reactor);
    }
}
