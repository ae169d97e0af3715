//! Clients: one end for all their connections, whatever the user's functions do.

use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{Client, ConnectOptions};

use crate::support::{Deaf, closed_port, wait_for};

type Told = Rc<RefCell<Vec<String>>>;

/// Tells how it ended; sends nothing.
struct Quiet {
    told: Told,
}

impl Protocol for Quiet {
    fn on_open(&mut self, _: &mut Conn<'_>) -> Flow {
        self.told.borrow_mut().push("open".to_owned());
        Ok(())
    }

    fn on_data(&mut self, _: &mut Conn<'_>, _: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_close(&mut self, _: &mut Conn<'_>, reason: CloseReason) {
        self.told.borrow_mut().push(reason.to_string());
    }

    fn on_connect_failed(&mut self, _: &mut Reactor<'_>, error: ConnectError) {
        let kind = match error {
            ConnectError::Refused { .. } => "refused",
            ConnectError::Cancelled => "cancelled",
            ConnectError::TimedOut { .. } => "timed out",
            _ => "other",
        };
        self.told.borrow_mut().push(kind.to_owned());
    }
}

fn quiet(told: &Told) -> impl FnMut() -> Quiet + use<> {
    let told = Rc::clone(told);
    move || Quiet { told: Rc::clone(&told) }
}

#[test]
fn a_deliberate_stop_of_a_connecting_client_is_no_error() {
    for now in [false, true] {
        let (deaf, told) = (Deaf::new(), Told::default());
        let client = Client::new(quiet(&told)).connections(3);
        let mut running = client.connect(deaf.address).unwrap();
        running.reactor().call_later(Duration::from_millis(1), move |reactor| {
            if now { reactor.stop_now() } else { reactor.stop() }
        });
        assert_eq!(running.run().unwrap().aborted, 0);
        assert_eq!(*told.borrow(), ["cancelled"; 3], "each handler is told");
    }
}

#[test]
fn a_client_stopped_before_it_runs_ends_well() {
    let (deaf, told) = (Deaf::new(), Told::default());
    let running = Client::new(quiet(&told)).connections(2).connect(deaf.address).unwrap();
    running.handle().stop();
    running.run().unwrap();
    assert_eq!(*told.borrow(), ["cancelled"; 2]);
}

#[test]
fn a_client_is_stopped_from_another_thread_while_it_connects() {
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let deaf = Deaf::new();
        let running = Client::new(quiet(&Told::default())).connect(deaf.address).unwrap();
        tell.send(running.handle()).unwrap();
        running.run().map_err(|error| error.to_string())
    });
    wait_for(&told, "the handle").stop();
    assert_eq!(thread.join().unwrap().unwrap().aborted, 0);
}

#[test]
fn a_failure_is_told_to_the_handler_as_well_as_to_who_runs_the_client() {
    let told = Told::default();
    let running = Client::new(quiet(&told)).connect(closed_port()).unwrap();
    let error = running.run().unwrap_err();
    assert!(matches!(error, Error::Connect(ConnectError::Refused { .. })), "{error:?}");
    assert_eq!(*told.borrow(), ["refused"]);
}

#[test]
fn a_deadline_is_an_error_of_the_run() {
    let (deaf, told) = (Deaf::new(), Told::default());
    let options = ConnectOptions::default().deadline(Duration::from_millis(5));
    let running = Client::new(quiet(&told)).options(options).connect(deaf.address).unwrap();
    let error = running.run().unwrap_err();
    assert!(matches!(error, Error::Connect(ConnectError::TimedOut { .. })), "{error:?}");
    assert_eq!(*told.borrow(), ["timed out"]);
}

#[test]
fn a_panic_in_on_failed_neither_loses_it_nor_hangs_the_run_nor_silences_the_handler() {
    let (told, calls) = (Told::default(), Rc::new(Cell::new(0)));
    let counted = Rc::clone(&calls);
    let client = Client::new(quiet(&told)).connections(4).on_failed(move |_, _| {
        counted.set(counted.get() + 1);
        panic!("on_failed panics");
    });
    client.connect(closed_port()).unwrap().run().unwrap();
    assert_eq!(calls.get(), 4, "it is called for each failure");
    assert_eq!(*told.borrow(), ["refused"; 4], "each handler is told");
}

/// Panics wherever it can.
struct Rude;

impl Protocol for Rude {
    fn on_data(&mut self, _: &mut Conn<'_>, _: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_close(&mut self, _: &mut Conn<'_>, _: CloseReason) {
        panic!("on_close panics");
    }

    fn on_connect_failed(&mut self, _: &mut Reactor<'_>, _: ConnectError) {
        panic!("on_connect_failed panics");
    }
}

impl Drop for Rude {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("drop panics");
        }
    }
}

#[test]
fn a_handler_that_panics_at_its_end_does_not_keep_its_client_running() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let running = Client::new(|| Rude).connections(2).connect(address).unwrap();
    for _ in 0..2 {
        drop(listener.accept().unwrap());
    }
    running.run().unwrap();
    let running = Client::new(|| Rude).connections(2).on_failed(|_, _| {});
    running.connect(closed_port()).unwrap().run().unwrap();
}

#[test]
fn a_connection_that_the_program_cancels_is_no_error() {
    for connections in [1, 2] {
        let (deaf, told) = (Deaf::new(), Told::default());
        let client = Client::new(quiet(&told)).connections(connections);
        let mut running = client.connect(deaf.address).unwrap();
        let more = Client::new(quiet(&told)).connect_on(&mut running.reactor(), deaf.address);
        let id = more.unwrap();
        running.reactor().call_later(Duration::from_millis(1), move |reactor| {
            assert!(reactor.close(id));
            reactor.defer(|reactor| reactor.stop());
        });
        running.run().unwrap();
        assert_eq!(*told.borrow(), vec!["cancelled"; connections + 1]);
    }
}
