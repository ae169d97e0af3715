//! A file, sent at the pace at which its reader takes it.
//!
//! Follows Twisted's `FileSender`, which seed 001 is built on, and muduo's download example for seed
//! 002. The file is read on worker threads, one chunk ahead; `close` waits for its last byte. Who
//! does not read costs the chunk that waits and no more, whatever the size of the file.
//!
//! ```sh
//! cargo run -p examples --bin 12_file_sender
//! ```
//!
//! expect: sent 20000000 bytes: Complete
//! expect: quick: 20000000 bytes, the same as in the file, and then the end
//! expect: lazy: leaves in the middle
//! expect: the rest of a file was not sent: CutShort

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use net_reactor::prelude::*;
use net_reactor::{Transfer, TransferOutcome};

const FILE_BYTES: usize = 20_000_000;

/// Sends a file to whoever connects.
struct SendFile {
    path: PathBuf,
    /// Told of the end, so that the lines of this program come in one order.
    ended: mpsc::Sender<()>,
}

impl Protocol for SendFile {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let ended = self.ended.clone();
        let transfer = Transfer::read(File::open(&self.path)?).on_end(move |_reactor, end| {
            match end.outcome {
                TransferOutcome::Complete => println!("sent {} bytes: Complete", end.bytes),
                other => println!("the rest of a file was not sent: {other:?}"),
            }
            let _nobody_waits = ended.send(());
        });
        transfer.start(conn)?;
        conn.close(); // after the file
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }
}

/// One reader takes everything, and one leaves in the middle.
fn readers(address: &Address, content: &[u8], ends: &mpsc::Receiver<()>) -> io::Result<()> {
    let (mut quick, mut got) = (TcpStream::connect(address)?, Vec::new());
    quick.read_to_end(&mut got)?;
    let same = if got == content { "the same as in the file" } else { "something else" };
    let _server_gone = ends.recv();
    println!("quick: {} bytes, {same}, and then the end", got.len());

    let mut lazy = TcpStream::connect(address)?;
    lazy.read_exact(&mut [0; 10])?;
    println!("lazy: leaves in the middle");
    drop(lazy);
    let _server_gone = ends.recv();
    Ok(())
}

fn serve(path: &Path, content: Vec<u8>) -> Result<(), Error> {
    let (ended, ends) = mpsc::channel();
    let path = path.to_owned();
    let server = Server::new(move |_peer| SendFile { path: path.clone(), ended: ended.clone() });
    let server = server.listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    thread::spawn(move || {
        readers(&address, &content, &ends).unwrap_or_else(|error| println!("no reader: {error}"));
        handle.stop();
    });
    server.run()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("net-reactor-{}.txt", std::process::id()));
    let content: Vec<u8> = (0..FILE_BYTES).map(|place| b"0123456789\n"[place % 11]).collect();
    fs::write(&path, &content)?;
    let served = serve(&path, content);
    fs::remove_file(&path)?;
    Ok(served?)
}
