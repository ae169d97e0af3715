//! Simulations of whole programs.

use std::time::Duration;

use super::*;
use crate::prelude::*;
use crate::sim::Faults;

struct Echo;
impl Protocol for Echo {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        Ok(conn.write(input.take_all())?)
    }
}

struct Ping(u32);
impl Protocol for Ping {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        Ok(conn.write("ping")?)
    }
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        if input.len() < 4 {
            return Ok(());
        }
        input.consume(4);
        self.0 += 1;
        conn.set_timer(Tag(0), Duration::from_secs(1));
        Ok(())
    }
    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        Ok(conn.write("ping")?)
    }
}

fn hour(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap();
    let clients = usize::try_from(sim.pick("clients", 1..=10)).unwrap();
    sim.host("hub", move |boot| {
        boot.serve(Server::new(|_: &Peer| Echo).loops(loops), "0.0.0.0:9000").map(drop)
    });
    sim.host("device", move |boot| {
        let client = Client::new(|| Ping(0)).connections(clients).on_failed(|_, _| ());
        boot.connect(client, "hub:9000").map(drop)
    });
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(600));
    sim.calm();
    sim.run_for(Duration::from_secs(60));
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..50 {
        let first = Run::new(seed).perform(hour);
        let again = Run::new(seed).perform(hour);
        if let Some(failure) = &first.failure {
            let small = Run::new(seed).shrink(hour);
            println!("{small}: {failure}");
        }
        assert_eq!(first.trace_hash, again.trace_hash);
    }
}

#[test]
fn a_server_and_a_client_run_for_an_hour() {
    let mut sim = Simulation::new(7);
    let hub = sim.host("hub", |boot| {
        boot.serve(Server::new(|_: &Peer| Echo).loops(3), "0.0.0.0:9000").map(drop)
    });
    let device = sim.host("device", |boot| {
        boot.connect(Client::new(|| Ping(0)).connections(100), "hub:9000").map(drop)
    });
    sim.run_for(Duration::from_secs(3600));
    assert_eq!(sim.stats(hub).connections, 100);
    assert!(sim.stats(device).bytes_in >= 4 * 100 * 3600, "{:?}", sim.stats(device));
    println!("turns {}", sim.schedule.turns);
    sim.finish();
}
