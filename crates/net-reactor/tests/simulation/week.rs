//! A device that connects again, over a week of partitions.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{self, Fault, Faults};

/// Reports once a minute, connects again 10 s after each end, and counts the answers.
#[derive(Clone, Default)]
struct Device(Rc<Cell<u32>>);

impl Device {
    fn connect(self, reactor: &mut Reactor<'_>) {
        let _ = reactor.connect("hub:9000", self);
    }

    fn again(&self, reactor: &mut Reactor<'_>) {
        let device = self.clone();
        reactor.call_later(Duration::from_secs(10), |reactor| device.connect(reactor));
    }
}

impl Protocol for Device {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.on_timer(conn, Tag(0))
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        conn.set_timer(tag, Duration::from_secs(60));
        Ok(conn.write("report\n")?)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while input.line(100)?.is_some() {
            self.0.set(self.0.get() + 1);
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
        self.again(conn.reactor());
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, _error: ConnectError) {
        self.again(reactor);
    }
}

#[test]
fn reports_are_answered_again_after_a_week_of_partitions() {
    sim::seeds(5, |sim| {
        let device = Device::default();
        let answers = Rc::clone(&device.0);
        let faults = Faults::only([Fault::Partition, Fault::LinkReset, Fault::PowerCut]);
        sim.faults(faults.every(Duration::from_secs(3600)));
        sim.host("hub", |boot| {
            let echo = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
            boot.serve(echo, "0.0.0.0:9000").map(drop)
        });
        sim.host("field", move |boot| {
            device.clone().connect(&mut boot.reactor());
            Ok(())
        });
        sim.run_for(Duration::from_secs(7 * 24 * 3600));
        sim.calm();
        let before = answers.get();
        assert!(before > 1_000, "{before} answers in a week");
        let within = Duration::from_secs(120);
        sim.eventually(within, "reports are answered again", |_| answers.get() > before);
    });
}
