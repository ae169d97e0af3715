//! Compression: frames that are packed one by one, and a connection that is packed as a whole.
//!
//! Follows SimpleReactor, which packs each message with one zlib context for each connection and
//! direction: what was said before need not be said again. A sensor reports nearly the same thing
//! a hundred times. A bomber sends a few bytes that would become ten megabytes, which costs its own
//! connection. Then a plain echo runs over a layer, which the handlers on both sides do not know of.
//!
//! ```sh
//! cargo run -p examples --bin 16_compressed
//! ```
//!
//! expect: 100 reports of 75 bytes came in less than a quarter; closed by the peer
//! expect: 0 reports; the peer broke the protocol: a frame cannot be unpacked: a frame unpacks to more than 1048576 bytes
//! expect: 100000 bytes and back took less than 1000 on the wire

use std::error::Error as _;

use net_reactor::codec::{Compressed, Compression, LengthPrefix, Unpacked};
use net_reactor::prelude::*;
use net_reactor::{ConnConfig, ConnectOptions};

type Packed = Compressed<LengthPrefix>;

fn codec() -> Packed {
    Compressed::new(LengthPrefix::u32(), Compression::zlib())
}

/// Counts what a sensor reports.
#[derive(Default)]
struct Reports {
    count: usize,
    bytes: usize,
}

impl FrameHandler<Packed> for Reports {
    fn on_frame(&mut self, _conn: &mut FrameConn<'_, Packed>, frame: Unpacked<'_>) -> Flow {
        self.count += 1;
        self.bytes += frame.len();
        Ok(())
    }

    fn on_close(&mut self, conn: &mut FrameConn<'_, Packed>, reason: CloseReason) {
        print!("{} reports", self.count);
        if let Some(bytes) = self.bytes.checked_div(self.count) {
            let is_small = conn.stats().bytes_in < self.bytes as u64 / 4;
            let part = if is_small { "less than a quarter" } else { "more" };
            print!(" of {bytes} bytes came in {part}");
        }
        print!("; {reason}");
        let mut source = reason.source();
        while let Some(error) = source {
            print!(": {error}");
            source = error.source();
        }
        println!();
        conn.reactor().stop();
    }
}

/// Sends these frames and closes.
struct Sensor(Vec<Vec<u8>>);

impl FrameHandler<Packed> for Sensor {
    fn on_open(&mut self, conn: &mut FrameConn<'_, Packed>) -> Flow {
        for frame in &self.0 {
            conn.send(frame)?;
        }
        conn.close();
        Ok(())
    }

    fn on_frame(&mut self, _conn: &mut FrameConn<'_, Packed>, _frame: Unpacked<'_>) -> Flow {
        Ok(())
    }
}

/// Lets a sensor report to a server of its own.
fn report(codec_of_sensor: Packed, frames: Vec<Vec<u8>>) -> Result<(), Error> {
    let server = Server::new(|_peer| Framed::new(codec(), Reports::default()));
    let mut server = server.listen("127.0.0.1:0")?;
    let address = server.local_address();
    server.reactor().connect(address, Framed::new(codec_of_sensor, Sensor(frames)))?;
    server.run()?;
    Ok(())
}

const BYTES: usize = 100_000;

/// Sends bytes, and waits for all of them to come back.
struct Caller {
    missing: usize,
}

impl Protocol for Caller {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write(vec![b'x'; BYTES])?;
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.missing -= input.take_all().len();
        if self.missing == 0 {
            let stats = conn.stats();
            let wire_bytes = stats.bytes_in + stats.bytes_out;
            let size = if wire_bytes < 1_000 { "less" } else { "more" };
            println!("{BYTES} bytes and back took {size} than 1000 on the wire");
            conn.reactor().stop();
        }
        Ok(())
    }
}

fn main() -> Result<(), Error> {
    let reading = |number| {
        format!(
            "{{\"sensor\": \"greenhouse 7\", \"reading\": {number:3}, \"temperature\": 21.5, \"ok\": true}}"
        )
    };
    report(codec(), (0..100).map(|number| reading(number).into_bytes()).collect())?;

    // Who wants to send such a thing has to turn its own limit off first.
    report(codec().max(usize::MAX), vec![vec![0; 10_000_000]])?;

    let packed = ConnConfig::default().layer(Compression::zlib());
    let echo = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
    let mut server = echo.connections(packed.clone()).listen("127.0.0.1:0")?;
    let (address, options) = (server.local_address(), ConnectOptions::default().config(packed));
    server.reactor().connect_with(address, options, Caller { missing: BYTES })?;
    server.run()?;
    Ok(())
}
