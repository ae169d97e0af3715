//! The connection's side.

use std::io;
use std::rc::Rc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use net_reactor::prelude::*;

use super::ended::{End, Ended};
use super::passage::{BUFFER_BYTES, BUFFERS, Ends, Intake, Outlet, Told};

/// Buffers that must have come back before more is received: they hold what a turn may bring,
/// 256 KiB, so that what stays in the input does not grow.
const BUFFERS_TO_RESUME: usize = 4;

/// Passes on, in both directions, what there is an empty buffer for.
#[derive(Debug)]
pub(super) struct Session {
    /// Taken when the connection is open.
    ends: Option<Ends>,
    ended: Rc<Ended>,
    end_with_peer: bool,
    /// The way back of buffers whose bytes are queued.
    emptied: Option<Sender<Vec<u8>>>,
    /// Those that stay here while more is queued than the high mark.
    held_back: Vec<Vec<u8>>,
    is_pressed: bool,
    /// All that was to be sent is queued.
    all_read: bool,
    /// The way out of received bytes.
    received: Option<Sender<Vec<u8>>>,
    /// Buffers for them.
    stock: Vec<Vec<u8>>,
}

impl Session {
    pub(super) fn new(ends: Ends, ended: &Rc<Ended>) -> Self {
        Self {
            end_with_peer: ends.end_with_peer,
            ends: Some(ends),
            ended: Rc::clone(ended),
            emptied: None,
            held_back: Vec::new(),
            is_pressed: false,
            all_read: false,
            received: None,
            stock: vec![Vec::new(); BUFFERS],
        }
    }

    /// Starts the two threads.
    fn start(&mut self, conn: ConnHandle) -> io::Result<()> {
        let Some(Ends { read, write, .. }) = self.ends.take() else { return Ok(()) };
        let (emptied, empty) = mpsc::channel();
        let (received, full) = mpsc::channel();
        for _ in 0..BUFFERS {
            // The other end is in this function.
            let _ = emptied.send(Vec::with_capacity(BUFFER_BYTES));
        }
        let outlet = Outlet { conn: conn.clone(), full };
        let writer = thread::Builder::new().name("writer".to_owned());
        self.ended.has_writer(writer.spawn(move || write(outlet))?);
        let intake = Intake { conn, empty };
        thread::Builder::new().name("reader".to_owned()).spawn(move || read(intake))?;
        (self.emptied, self.received) = (Some(emptied), Some(received));
        Ok(())
    }

    /// Hands received bytes on; what there is no buffer for stays in the input.
    fn hand_on(&mut self, input: &mut Input<'_>) {
        while !input.is_empty() {
            let Some(mut buffer) = self.stock.pop() else { return };
            let count = input.len().min(BUFFER_BYTES);
            buffer.clear();
            buffer.extend_from_slice(input.take(count).unwrap_or_default());
            if let Some(received) = &self.received {
                // A writer that has failed has told so.
                let _ = received.send(buffer);
            }
        }
    }

    fn give_back(&mut self, buffer: Vec<u8>) {
        if self.is_pressed {
            self.held_back.push(buffer);
        } else if let Some(emptied) = &self.emptied {
            // A reader that is at its end needs no more.
            let _ = emptied.send(buffer);
        }
    }

    fn give_up(&self, conn: &mut Conn<'_>, end: End) {
        self.ended.note(end);
        conn.abort();
    }
}

impl Protocol for Session {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        Ok(self.start(conn.handle())?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.hand_on(input);
        if !input.is_empty() {
            conn.pause();
        }
        Ok(())
    }

    fn on_eof(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        // What is left has nowhere else to stay.
        while !input.is_empty() {
            self.stock.push(Vec::new());
            self.hand_on(input);
        }
        // A peer that has finished may still be listening.
        Ok(if self.all_read || self.end_with_peer { Eof::Close } else { Eof::KeepOpen })
    }

    fn on_pressure(&mut self, _conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.is_pressed = pressure == Pressure::High;
        if !self.is_pressed {
            for buffer in std::mem::take(&mut self.held_back) {
                self.give_back(buffer);
            }
        }
        Ok(())
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        let Ok(told) = message.downcast::<Told>() else { return Ok(()) };
        match *told {
            Told::Chunk(buffer) => {
                conn.write(&buffer)?;
                self.give_back(buffer);
            }
            Told::End => {
                self.all_read = true;
                conn.shutdown_write()?;
            }
            Told::Emptied(buffer) => {
                self.stock.push(buffer);
                if self.stock.len() >= BUFFERS_TO_RESUME {
                    conn.resume();
                }
            }
            Told::Unreadable(error) => self.give_up(conn, End::Unreadable(error)),
            Told::Unwritable => self.give_up(conn, End::Unwritable),
            Told::Leave => self.give_up(conn, End::Interrupted),
        }
        Ok(())
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.give_up(conn, End::Interrupted);
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        // Both threads find out by this.
        (self.emptied, self.received) = (None, None);
        let all_read = self.all_read || self.end_with_peer;
        self.ended.note(End::Closed { reason, all_read });
        conn.reactor().stop();
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.ended.note(End::NotOpened(error));
        reactor.stop();
    }
}
