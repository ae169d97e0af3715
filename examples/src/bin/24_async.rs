//! The same protocol as in 23, in linear code: each read is awaited where its bytes are wanted.
//!
//! The feature `async` brings futures to a loop: streams, sleeping, connecting, and an executor that
//! runs them between the callbacks. No other runtime is involved.
//!
//! Follows the server of seed 004, with Tornado's coroutines.
//!
//! ```sh
//! cargo run -p examples --bin 24_async
//! ```
//!
//! expect: PUT /greeting, 11 bytes: hello world
//! expect: the server says: kept 11
//! expect: nothing comes for a while, and no byte is lost by waiting for it
//! expect: PUT /slowly, 4 bytes: done
//! expect: the server says: kept 4
//! expect: the server says: the head is too long
//! expect: the end

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{Amount, AsyncLoop, AsyncStream, ReadError};

/// A head that is longer is refused.
const HEAD_BYTES_MAX: usize = 200;

/// Serves one request after the other; the peer's end between two of them is a fine place for it.
async fn serve(mut stream: AsyncStream) -> Flow {
    loop {
        let head = stream.read_until(b"\r\n\r\n", HEAD_BYTES_MAX).await;
        if let Err(ReadError::TooLong { .. }) = head {
            // The stream closes by itself, after this.
            stream.write("the head is too long\n").await?;
        }
        let head = String::from_utf8(head?)?;
        let length = head.lines().find_map(|line| line.strip_prefix("length: "));
        let length: usize = length.ok_or_else(|| Failure::msg("a head without length"))?.parse()?;
        let body = stream.read_bytes(length, Amount::Whole).await?;
        let what = head.lines().next().unwrap_or_default();
        println!("{what}, {length} bytes: {}", String::from_utf8_lossy(&body));
        stream.write(format!("kept {length}\n")).await?;
    }
}

/// Sends requests and prints the answers.
async fn ask(mut stream: AsyncStream) -> Flow {
    stream.write("PUT /greeting\r\nlength: 11\r\n\r\nhello world").await?;
    print_line(&mut stream).await?;

    stream.write("PUT /slowly\r\nlength: 4\r\n\r\ndo").await?;
    let tasks = stream.async_loop();
    let nothing = tasks.timeout(Duration::from_millis(50), print_line(&mut stream)).await;
    assert!(nothing.is_err(), "the request is not whole");
    println!("nothing comes for a while, and no byte is lost by waiting for it");
    stream.write("ne").await?;
    print_line(&mut stream).await?;

    stream.write("x".repeat(HEAD_BYTES_MAX)).await?;
    print_line(&mut stream).await?;
    if stream.read_until(b"\n", 100).await == Err(ReadError::Ended) {
        println!("the end");
    }
    Ok(())
}

async fn print_line(stream: &mut AsyncStream) -> Flow {
    let line = stream.read_until(b"\n", 100).await?;
    print!("the server says: {}", String::from_utf8_lossy(&line));
    Ok(())
}

/// Connects and asks.
async fn run(tasks: AsyncLoop, address: &Address) -> Flow {
    let stream = tasks.connect(address)?.await?;
    ask(stream).await
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(|_peer| AsyncStream::serve(serve)).spawn("127.0.0.1:0")?;
    let address = server.local_address();

    let mut event_loop = EventLoop::new()?;
    let tasks = event_loop.reactor().async_loop();
    let handle = event_loop.handle();
    event_loop.reactor().spawn(async move {
        if let Err(failure) = run(tasks, &address).await {
            println!("{failure}");
        }
        handle.stop();
    });
    event_loop.run()?;
    server.handle().stop();
    server.join()?;
    Ok(())
}
