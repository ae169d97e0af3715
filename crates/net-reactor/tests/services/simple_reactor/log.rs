//! What is said in the log of frames that nobody waits for.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use net_reactor::codec::{Kind, SimpleReactor};
use net_reactor::prelude::*;
use net_reactor::sim::Simulation;
use net_reactor::simple_reactor::TypedServer;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use super::super::support::{Side, connecting, secs};
use super::{Ear, bytes_of};

/// Keeps the lines about frames that were passed over.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").expect("a string takes everything");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        if line.0.contains("passed over") {
            self.0.lock().expect("nobody panics with it").push(line.0);
        }
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn the_log_grows_with_the_logarithm_of_strange_frames_and_shows_them_escaped() {
    let mut frames = vec![(Kind::System(99), "bad\n\u{1b}[31m")];
    frames.resize(100, frames[0]);
    let long = "x".repeat(1000);
    frames.resize(128, (Kind::System(98), &long));
    let bytes = bytes_of(&mut SimpleReactor::plain(), &frames);
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        let mut sim = Simulation::new(1);
        sim.host("hub", |boot| {
            let server = TypedServer::new(SimpleReactor::plain, |_peer: &Peer| Ear::default());
            boot.serve(server.server(), "0.0.0.0:9000").map(drop)
        });
        connecting(&mut sim, "field", "hub:9000", &Side::says(bytes));
        sim.run_for(secs(5));
    });
    let lines = lines.0.lock().unwrap();
    // 1, 2, 4, .. 128
    assert_eq!(lines.len(), 8, "{lines:?}");
    assert!(lines[0].contains(r"data=bad\n\x1b[31m "), "{}", lines[0]);
    assert!(lines[0].contains("system type 99") && lines[0].contains("peer="), "{}", lines[0]);
    assert!(lines[7].contains("so_far=128") && lines[7].len() < 300, "{}", lines[7]);
}
