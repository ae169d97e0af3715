//! The order of callbacks.

use super::*;

const NEXT: Key = Key { index: 3, generation: 1 };

#[test]
fn a_whole_life_is_right() {
    let mut teller = Teller::new();
    teller.write(b"early");
    teller.open(None);
    for callback in [Callback::Pressure, Callback::Timer, Callback::Message, Callback::Stop] {
        teller.call(callback);
    }
    teller.data(b"abc", 2);
    teller.eof(b"de", 0);
    teller.call(Callback::Timer);
    teller.close(&CloseReason::PeerClosed);
    teller.eye.opened(NEXT, None);
    teller.eye.entered(Some(NEXT), Callback::Open);
    teller.eye.left(None);
    teller.is_right();
}

#[test]
fn nothing_comes_before_on_open() {
    for callback in Callback::ALL {
        let mut teller = Teller::new();
        teller.eye.opened(CONN, None);
        teller.call(callback);
        match callback {
            Callback::Open => teller.is_right(),
            _ => teller.is_wrong(OracleKind::Callbacks, "came before on_open"),
        }
    }
}

#[test]
fn nothing_comes_to_a_connection_that_is_not_open() {
    for callback in Callback::ALL {
        let mut teller = Teller::new();
        teller.call(callback);
        teller.is_wrong(OracleKind::Callbacks, "came before it was open");
    }
}

#[test]
fn a_connection_opens_once() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.call(Callback::Open);
    teller.is_wrong(OracleKind::Callbacks, "on_open of connection 3v0 came while it was open");

    let mut teller = Teller::new();
    teller.open(None);
    teller.eye.opened(CONN, None);
    teller.is_wrong(OracleKind::Callbacks, "was opened while it was open");
}

#[test]
fn an_end_comes_after_on_open_and_once() {
    let mut teller = Teller::new();
    teller.eye.opened(CONN, None);
    teller.eye.closed(CONN, &CloseReason::Closed, CloseHow::Fin);
    teller.is_wrong(OracleKind::Callbacks, "was closed before on_open");

    let mut teller = Teller::new();
    teller.open(None);
    teller.close(&CloseReason::Closed);
    teller.eye.closed(CONN, &CloseReason::Closed, CloseHow::Fin);
    teller.is_wrong(OracleKind::Callbacks, "was closed after its end");

    let mut teller = Teller::new();
    teller.open(None);
    teller.close(&CloseReason::Closed);
    teller.call(Callback::Close);
    teller.is_wrong(OracleKind::Callbacks, "came after its end");
}

#[test]
fn nothing_comes_after_the_end() {
    for callback in [Callback::Data, Callback::Eof, Callback::Timer, Callback::Message] {
        let mut teller = Teller::new();
        teller.open(None);
        teller.eye.closed(CONN, &CloseReason::Closed, CloseHow::Fin);
        teller.call(callback);
        teller.is_wrong(OracleKind::Callbacks, "when only on_close was due");

        let mut teller = Teller::new();
        teller.open(None);
        teller.close(&CloseReason::Closed);
        teller.call(callback);
        teller.is_wrong(OracleKind::Callbacks, "came after its end");
    }
}

#[test]
fn callbacks_do_not_nest() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.eye.entered(Some(CONN), Callback::Timer);
    teller.eye.entered(None, Callback::Function);
    let expected = "a function on the loop began within on_timer of connection 3v0";
    teller.is_wrong(OracleKind::Callbacks, expected);

    let mut teller = Teller::new();
    teller.open(None);
    teller.eye.entered(None, Callback::Function);
    teller.eye.closed(CONN, &CloseReason::Closed, CloseHow::Fin);
    teller.is_wrong(OracleKind::Callbacks, "was closed within a function on the loop");

    let mut teller = Teller::new();
    teller.eye.left(None);
    teller.is_wrong(OracleKind::Callbacks, "never began");
}

#[test]
fn a_failure_to_connect_comes_instead_of_all() {
    let mut teller = Teller::new();
    teller.write(b"early");
    teller.eye.connect_failed(CONN, &ConnectError::Cancelled);
    teller.eye.entered(Some(CONN), Callback::ConnectFailed);
    // The handler tries again at once, and its slot is free already.
    teller.eye.wrote(NEXT, b"early", 5, LIMIT);
    teller.eye.left(None);
    teller.is_right();

    let mut teller = Teller::new();
    teller.open(None);
    teller.eye.connect_failed(CONN, &ConnectError::Cancelled);
    teller.is_wrong(OracleKind::Callbacks, "failed to open while it was open");

    let mut teller = Teller::new();
    teller.eye.connect_failed(CONN, &ConnectError::Cancelled);
    teller.call(Callback::ConnectFailed);
    teller.is_right();
    teller.call(Callback::ConnectFailed);
    teller.is_wrong(OracleKind::Callbacks, "came after its end");
}

#[test]
fn the_end_of_input_comes_once_and_last() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.eof(b"", 0);
    teller.is_right();
    teller.call(Callback::Data);
    teller.is_wrong(OracleKind::Callbacks, "on_data of connection 3v0 came after on_eof");

    let mut teller = Teller::new();
    teller.open(None);
    teller.eof(b"", 0);
    teller.call(Callback::Eof);
    teller.is_wrong(OracleKind::Callbacks, "on_eof of connection 3v0 came after on_eof");
}

#[test]
fn input_is_taken_in_calls_and_counted_after_each() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.eye.consumed(CONN, b"abc", 0, LIMIT);
    teller.is_wrong(OracleKind::Callbacks, "took input without being called");

    let mut teller = Teller::new();
    teller.open(None);
    teller.call(Callback::Data);
    teller.call(Callback::Data);
    teller.is_wrong(OracleKind::Callbacks, "before the input of the last call was counted");
}

#[test]
fn only_the_end_comes_after_a_panic() {
    let mut teller = Teller::new();
    teller.oracles.allow_panics(true);
    teller.open(None);
    teller.eye.entered(Some(CONN), Callback::Timer);
    teller.eye.left(Some("boom"));
    teller.call(Callback::Message);
    teller.is_wrong(OracleKind::Callbacks, "came after a panic");
}

#[test]
fn nobody_is_said_to_have_panicked_who_did_not() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.close(&CloseReason::HandlerPanicked { message: "boom".into() });
    teller.is_wrong(OracleKind::Callbacks, "says it panicked and did not: boom");
}

#[test]
fn nothing_is_written_after_the_end() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.close(&CloseReason::Closed);
    teller.write(b"x");
    teller.is_wrong(OracleKind::Callbacks, "accepted after its end");

    let mut teller = Teller::new();
    teller.eye.connect_failed(CONN, &ConnectError::Cancelled);
    teller.write(b"x");
    teller.is_wrong(OracleKind::Callbacks, "accepted after its end");
}

#[test]
fn a_slot_is_used_again_after_the_end_only() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.eye.opened(NEXT, None);
    teller.is_wrong(OracleKind::Callbacks, "which is not over");

    let mut teller = Teller::new();
    teller.open(None);
    teller.close(&CloseReason::Closed);
    teller.eye.opened(NEXT, None);
    teller.is_right();
    teller.call(Callback::Data);
    teller.is_wrong(OracleKind::Callbacks, "a slot that was given away");
}
