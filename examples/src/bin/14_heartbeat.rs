//! Heartbeats: a peer that is gone without a word is found out, and the way there is measured.
//!
//! Follows SimpleReactor's heartbeat (seed 000), with answers added. A hub pings its devices, which
//! have nothing to say for most of the time. One of them falls silent; TCP alone would not notice
//! for hours. The other answers `PING 17` with `PONG 17`, which needs no library, and which the
//! handler never sees.
//!
//! ```sh
//! cargo run -p examples --bin 14_heartbeat
//! ```
//!
//! expect: lamp: reports "on"
//! expect: lamp: a ping was answered
//! expect: kettle: reports "water"
//! expect: kettle: silent for too long: true
//! expect: the lamp is still there: true

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use net_reactor::codec::Lines;
use net_reactor::prelude::*;
use net_reactor::{Heartbeat, HeartbeatConfig, TextBeats};

/// The hub's side of one device.
struct Device {
    name: String,
    trips: u32,
    /// Tells the devices, which this program plays too, what the hub has seen.
    told: mpsc::Sender<&'static str>,
}

impl FrameHandler<Lines> for Device {
    fn on_frame(&mut self, _conn: &mut FrameConn<'_, Lines>, line: &[u8]) -> Flow {
        let line = std::str::from_utf8(line)?;
        let (name, report) = line.split_once(' ').unwrap_or(("?", line));
        self.name = name.to_owned();
        println!("{name}: reports {report:?}");
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, Lines>, reason: CloseReason) {
        if let CloseReason::HeartbeatTimedOut { silence, tolerance } = reason {
            println!("{}: silent for too long: {}", self.name, silence >= tolerance);
            let _nobody_waits = self.told.send("silent");
        }
    }
}

/// A device that answers pings as long as it lives.
fn lamp(address: &Address) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"lamp on\n")?;
    let answers = stream.try_clone()?;
    thread::spawn(move || {
        let mut pings = BufReader::new(&answers).lines();
        while let Some(Ok(ping)) = pings.next() {
            if writeln!(&answers, "{}", ping.replace("PING", "PONG")).is_err() {
                return;
            }
        }
    });
    Ok(stream)
}

fn play(address: &Address, told: &mpsc::Receiver<&str>) -> io::Result<()> {
    let lamp = lamp(address)?;
    let _answered = told.recv();
    let mut kettle = TcpStream::connect(address)?;
    kettle.write_all(b"kettle water\n")?;
    let _silent = told.recv();
    lamp.set_nonblocking(true)?;
    let is_there =
        lamp.peek(&mut [0]).map_or_else(|e| e.kind() == io::ErrorKind::WouldBlock, |n| n > 0);
    println!("the lamp is still there: {is_there}");
    Ok(())
}

fn main() -> Result<(), Error> {
    let (tell, told) = mpsc::channel();
    let config = HeartbeatConfig::ping()
        .interval(Duration::from_millis(100))
        .tolerance(Duration::from_secs(1));
    let server = Server::new(move |_peer| {
        let device = Device { name: "?".to_owned(), trips: 0, told: tell.clone() };
        let heartbeat = Heartbeat::new(config, TextBeats::new(), device);
        let heartbeat = heartbeat.on_round_trip(|device, _conn, _trip| {
            device.trips += 1;
            if device.trips == 1 {
                println!("{}: a ping was answered", device.name);
                let _nobody_waits = device.told.send("answered");
            }
            Ok(())
        });
        Framed::new(Lines::new(), heartbeat)
    });
    let server = server.listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    thread::spawn(move || {
        play(&address, &told).unwrap_or_else(|error| println!("the devices failed: {error}"));
        handle.stop();
    });
    server.run()?;
    Ok(())
}
