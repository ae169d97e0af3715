//! A side that does as it is told, and what was seen of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Host, Simulation};
use net_reactor::{ConnConfig, ConnectOptions, OnHighMark};

/// A buffer of the simulated kernel: smaller than anything that is sent.
pub(crate) const KERNEL_BYTES: usize = 4096;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Returns bytes that show where they belong.
pub(crate) fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|place| u8::try_from((place * 31 + place / 251) % 251).unwrap_or(0)).collect()
}

/// What a side has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) id: Option<ConnId>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) eof: bool,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) failed: Option<ConnectError>,
}

/// One side of a connection: sends `says` on opening, and keeps what it gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Side {
    seen: Rc<RefCell<Seen>>,
    says: Vec<u8>,
    /// Finishes after what it says.
    finishes: bool,
    /// Reads nothing.
    deaf: bool,
}

impl Side {
    pub(crate) fn says(bytes: impl Into<Vec<u8>>) -> Self {
        Self { says: bytes.into(), ..Self::default() }
    }

    pub(crate) fn finishes(mut self) -> Self {
        self.finishes = true;
        self
    }

    pub(crate) fn deaf(mut self) -> Self {
        self.deaf = true;
        self
    }

    /// Looks at what it has seen.
    pub(crate) fn seen<R>(&self, look: impl FnOnce(&Seen) -> R) -> R {
        look(&self.seen.borrow())
    }

    pub(crate) fn got(&self) -> usize {
        self.seen(|seen| seen.bytes.len())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.seen(|seen| seen.closed.is_some())
    }
}

impl Protocol for Side {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.seen.borrow_mut().id = Some(conn.id());
        if self.deaf {
            conn.pause();
        }
        conn.write(&self.says)?;
        if self.finishes {
            conn.shutdown_write()?;
        }
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.seen.borrow_mut().bytes.extend_from_slice(input.take_all());
        Ok(())
    }

    fn on_eof(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.seen.borrow_mut().eof = true;
        Ok(Eof::KeepOpen)
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        self.seen.borrow_mut().closed = Some(reason);
    }

    fn on_connect_failed(&mut self, _reactor: &mut Reactor<'_>, error: ConnectError) {
        self.seen.borrow_mut().failed = Some(error);
    }
}

/// Limits of a side that may write a lot before anybody reads it.
pub(crate) fn roomy() -> ConnConfig {
    let buffers = ConnConfig::default().receive_buffer(KERNEL_BYTES).send_buffer(KERNEL_BYTES);
    buffers.on_high_mark(OnHighMark::Tell)
}

/// Adds a host with one side that accepts on port 9000.
pub(crate) fn accepting(sim: &mut Simulation, name: &str, side: &Side) -> Host {
    let side = side.clone();
    sim.host(name, move |boot| {
        let side = side.clone();
        let server = Server::new(move |_peer| side.clone()).connections(roomy());
        boot.serve(server, "0.0.0.0:9000").map(drop)
    })
}

/// Adds a host with one side that connects.
pub(crate) fn connecting(sim: &mut Simulation, name: &str, target: &str, side: &Side) -> Host {
    let (side, target) = (side.clone(), target.to_owned());
    sim.host(name, move |boot| {
        let options = ConnectOptions::default().config(roomy());
        boot.reactor().connect_with(target.as_str(), options, side.clone())?;
        Ok(())
    })
}
