//! A log of what functions were told, and streams that write it.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

use net_reactor::prelude::*;
use net_reactor::sim::Solo;
use net_reactor::{ConnConfig, ReadError};

/// What functions were told, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    lines: Rc<RefCell<Vec<String>>>,
}

impl Log {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.lines.borrow_mut().push(line.into());
    }

    /// Notes what a read got.
    pub(crate) fn read(&self, result: Result<&[u8], ReadError>) {
        self.note(match result {
            Ok(bytes) if bytes.len() > 40 => format!("{} bytes", bytes.len()),
            Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Err(error) => format!("{error:?}"),
        });
    }

    pub(crate) fn value(&self, value: impl Debug) {
        self.note(format!("{value:?}"));
    }

    /// Takes what was noted.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.borrow_mut())
    }
}

/// Runs a stream alone, with a log that `start` gets too; its end is noted.
pub(crate) fn solo(
    start: impl FnOnce(&mut StreamConn<'_>, Log) -> Flow + 'static,
) -> (Solo<Stream>, Log) {
    solo_with(ConnConfig::default(), start)
}

pub(crate) fn solo_with(
    config: ConnConfig,
    start: impl FnOnce(&mut StreamConn<'_>, Log) -> Flow + 'static,
) -> (Solo<Stream>, Log) {
    let log = Log::default();
    let (noted, end) = (log.clone(), log.clone());
    let stream = Stream::new(move |stream| {
        stream.on_close(move |_stream, reason| end.note(format!("over: {reason}")));
        start(stream, noted)
    });
    (Solo::with_config(config, stream), log)
}
