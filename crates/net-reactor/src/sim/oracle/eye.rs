//! What a loop tells, passed on to those whom it concerns.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Books, OracleKind, Violation};
use crate::base::Key;
use crate::net::{Callback, CloseReason, ConnectError, Watch};
use crate::sim::run::with_place;
use crate::sys::{CloseHow, Wire};

/// The watch of one loop.
pub(super) struct Eye {
    books: Rc<RefCell<Books>>,
    loop_number: usize,
}

impl Eye {
    pub(super) fn new(books: Rc<RefCell<Books>>, loop_number: usize) -> Self {
        Self { books, loop_number }
    }

    /// Whether the simulation wants a panic in this callback.
    ///
    /// The books are closed meanwhile: whoever decides may look at the rest of the simulation.
    fn wants_panic(&self, callback: Callback) -> bool {
        let can_panic =
            !matches!(callback, Callback::Close | Callback::ConnectFailed | Callback::Function);
        let saboteur = self.books.borrow_mut().saboteur.take_if(|_| can_panic);
        let Some(mut decide) = saboteur else { return false };
        let panics = decide(callback);
        self.books.borrow_mut().saboteur.get_or_insert(decide);
        panics
    }
}

impl Watch for Eye {
    fn entered(&mut self, conn: Option<Key>, callback: Callback) -> bool {
        let panics = self.wants_panic(callback);
        let books = &mut *self.books.borrow_mut();
        books.counters.count(callback);
        books.counters.panics_made += u64::from(panics);
        books.judge(self.loop_number, |calls, _| calls.entered(conn, callback, panics));
        panics
    }

    fn left(&mut self, panic: Option<&str>) {
        let books = &mut *self.books.borrow_mut();
        let mut is_own = true;
        books.judge(self.loop_number, |calls, _| {
            is_own = !calls.is_sabotaged();
            calls.left(panic.is_some())
        });
        let Some(message) = panic.filter(|_| is_own) else { return };
        books.counters.panics += 1;
        if !books.panics_allowed {
            let violation = Violation::new(OracleKind::Panic, with_place(message));
            books.judge(self.loop_number, |_, _| Err(violation));
        }
    }

    fn opened(&mut self, conn: Key, wire: Option<Wire>) {
        let books = &mut *self.books.borrow_mut();
        books.counters.opened += 1;
        books.judge(self.loop_number, |calls, ledger| {
            let early = calls.opened(conn, wire)?;
            let Some(wire) = wire else { return Ok(()) };
            ledger.opened(wire)?;
            ledger.wrote(wire, &early)
        });
    }

    fn wrote(&mut self, conn: Key, bytes: &[u8], queued_bytes: usize, limit_bytes: usize) {
        let books = &mut *self.books.borrow_mut();
        books.counters.bytes_written += bytes.len() as u64;
        books.judge(self.loop_number, |calls, ledger| {
            if let Some(wire) = calls.wrote(conn, bytes)? {
                ledger.wrote(wire, bytes)?;
            }
            if queued_bytes > limit_bytes {
                let message = format!(
                    "connection {conn:?} has {queued_bytes} bytes queued, and may have {limit_bytes}"
                );
                return Err(Violation::new(OracleKind::Memory, message));
            }
            Ok(())
        });
    }

    fn consumed(&mut self, conn: Key, bytes: &[u8], kept_bytes: usize, limit_bytes: usize) {
        let books = &mut *self.books.borrow_mut();
        books.counters.bytes_consumed += bytes.len() as u64;
        books.judge(self.loop_number, |calls, ledger| {
            let input = calls.consumed(conn, bytes.len(), kept_bytes, limit_bytes)?;
            let Some(wire) = input.wire else { return Ok(()) };
            ledger.consumed(wire, bytes, kept_bytes)?;
            if input.is_last { ledger.ended(wire, kept_bytes) } else { Ok(()) }
        });
    }

    fn closed(&mut self, conn: Key, reason: &CloseReason, how: CloseHow) {
        let books = &mut *self.books.borrow_mut();
        books.counters.closed += 1;
        books.judge(self.loop_number, |calls, ledger| {
            let end = calls.closed(conn, reason)?;
            if reason.is_clean() && how == CloseHow::Reset {
                let message = format!("connection {conn:?} was {reason}, and its peer was reset");
                return Err(Violation::new(OracleKind::Bytes, message));
            }
            let Some(wire) = end.wire else { return Ok(()) };
            // Who closed with this reason had seen the peer's end, whether or not it was told.
            let judged = match reason {
                CloseReason::PeerClosed if !end.was_told => ledger.ended(wire, end.kept_bytes),
                _ => Ok(()),
            };
            ledger.closed(wire, reason.is_clean());
            judged
        });
    }

    fn connect_failed(&mut self, conn: Key, _error: &ConnectError) {
        let books = &mut *self.books.borrow_mut();
        books.counters.connect_failures += 1;
        books.judge(self.loop_number, |calls, _| calls.connect_failed(conn));
    }
}
