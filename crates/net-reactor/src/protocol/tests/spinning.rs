//! A loop that wakes for nothing is noticed.

use super::rig::{Rig, ms, secs};
use super::teller::Teller;
use crate::net::ConnConfig;
use crate::protocol::LoopConfig;

/// A loop with one idle connection whose kernel reports it for ever.
fn haunted() -> Rig {
    let mut rig = Rig::new();
    rig.add("a", LoopConfig::default());
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    let bare = rig.bare("b");
    let peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    rig.log.take();
    // Nobody closes it.
    std::mem::forget(peer);
    rig.world.spurious(100);
    rig
}

/// Turns as `run` does: the loop would sleep if it could.
fn turn(rig: &mut Rig, times: usize) {
    for _ in 0..times {
        assert_eq!(rig.event_loop(0).turn(Some(secs(60))).unwrap(), None);
    }
}

#[test]
fn a_thousand_turns_for_nothing_count_as_one_spin() {
    let mut rig = haunted();
    turn(&mut rig, 999);
    assert_eq!((rig.stats(0).idle_turns, rig.stats(0).spins), (999, 0));
    turn(&mut rig, 1);
    assert_eq!((rig.stats(0).idle_turns, rig.stats(0).spins), (1_000, 1));
    turn(&mut rig, 5_000);
    assert_eq!(rig.stats(0).spins, 1, "an endless episode is one");
}

#[test]
fn work_in_between_begins_the_count_anew() {
    let mut rig = haunted();
    turn(&mut rig, 999);
    rig.reactor(0).defer(|_| {});
    turn(&mut rig, 999);
    assert_eq!(rig.stats(0).spins, 0);
    turn(&mut rig, 2);
    assert_eq!(rig.stats(0).spins, 1);
    rig.reactor(0).defer(|_| {});
    turn(&mut rig, 1_001);
    assert_eq!(rig.stats(0).spins, 2, "a second episode");
}

#[test]
fn who_asks_for_turns_without_sleep_does_not_spin() {
    let mut rig = haunted();
    for _ in 0..5_000 {
        rig.turn(0);
    }
    assert_eq!((rig.stats(0).idle_turns, rig.stats(0).spins), (0, 0));
}

#[test]
fn a_spin_is_named_once_in_the_log() {
    use std::fmt::Write as _;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::{Event, Level, Metadata, Subscriber, span};

    /// Keeps the text of warnings.
    struct Keep(Arc<Mutex<String>>);
    struct Text<'a>(&'a mut String);

    impl Visit for Text<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            writeln!(self.0, "{field}: {value:?}").unwrap();
        }
    }

    impl Subscriber for Keep {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == Level::WARN
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut Text(&mut self.0.lock().unwrap()));
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    let text = Arc::new(Mutex::new(String::new()));
    tracing::subscriber::with_default(Keep(Arc::clone(&text)), || {
        let mut rig = haunted();
        turn(&mut rig, 3_000);
    });
    let text = text.lock().unwrap();
    assert_eq!(text.matches("wakes up again and again").count(), 1, "{text}");
    assert!(text.contains("Stream"), "the source is named: {text}");
}

#[test]
fn a_quiet_loop_is_idle_only_when_it_is_woken_for_nothing() {
    let mut rig = Rig::new();
    rig.add("a", LoopConfig::default());
    rig.reactor(0).call_every(ms(5), |_, _| {});
    for _ in 0..2_000 {
        rig.world.advance(ms(5));
        turn(&mut rig, 1);
    }
    assert_eq!((rig.stats(0).idle_turns, rig.stats(0).spins), (0, 0));
}
