//! The same chat with tokio: a task for each connection, and a broadcast channel between them.

use std::io;
use std::net::TcpListener as StdListener;
use std::pin::pin;
use std::sync::Arc;

use ::tokio::io::AsyncWriteExt;
use ::tokio::net::TcpStream;
use ::tokio::sync::broadcast::error::RecvError;
use ::tokio::sync::broadcast::{self, Sender};
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use futures_util::{SinkExt, StreamExt};
use tokio_util::codec::{Framed, LinesCodec};

use super::tokio::serve;

/// How far a connection may fall behind before lines are lost to it.
const LINES_KEPT: usize = 1024;
const LINE_BYTES_MAX: usize = 64 * 1024;
/// What the frugal one reads at once.
const READ_BYTES: usize = 1024;

/// With the codec that most programs use; it has a read and a write buffer for each connection.
pub(super) fn framed(listener: StdListener) -> io::Result<()> {
    let (sender, _) = broadcast::channel(LINES_KEPT);
    serve(listener, move |stream| framed_member(stream, sender.clone()))
}

async fn framed_member(stream: TcpStream, sender: Sender<Arc<str>>) -> io::Result<()> {
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(LINE_BYTES_MAX));
    let mut news = sender.subscribe();
    loop {
        let next = match select(lines.next(), pin!(news.recv())).await {
            Either::Left((line, _)) => Either::Left(line),
            Either::Right((line, _)) => Either::Right(line),
        };
        match next {
            Either::Left(Some(line)) => {
                // Fails only without a receiver, and this task has one.
                let _ = sender.send(line.map_err(io::Error::other)?.into());
            }
            Either::Right(Ok(line)) => lines.send(line).await.map_err(io::Error::other)?,
            Either::Right(Err(RecvError::Lagged(_))) => {}
            Either::Left(None) | Either::Right(Err(RecvError::Closed)) => return Ok(()),
        }
    }
}

/// By hand: no buffer while nothing is read, and what is written is the one shared by all.
pub(super) fn by_hand(listener: StdListener) -> io::Result<()> {
    let (sender, _) = broadcast::channel(LINES_KEPT);
    serve(listener, move |stream| frugal_member(stream, sender.clone()))
}

async fn frugal_member(mut stream: TcpStream, sender: Sender<Bytes>) -> io::Result<()> {
    let mut news = sender.subscribe();
    let mut input = BytesMut::new();
    loop {
        let next = match select(pin!(stream.readable()), pin!(news.recv())).await {
            Either::Left((ready, _)) => Either::Left(ready),
            Either::Right((line, _)) => Either::Right(line),
        };
        match next {
            Either::Left(ready) => {
                ready?;
                if !read_lines(&stream, &mut input, &sender)? {
                    return Ok(());
                }
            }
            Either::Right(Ok(line)) => stream.write_all(&line).await?,
            Either::Right(Err(RecvError::Lagged(_))) => {}
            Either::Right(Err(RecvError::Closed)) => return Ok(()),
        }
    }
}

/// Reads once and sends what lines there are. Returns whether the peer goes on.
fn read_lines(
    stream: &TcpStream,
    input: &mut BytesMut,
    sender: &Sender<Bytes>,
) -> io::Result<bool> {
    input.reserve(READ_BYTES);
    match stream.try_read_buf(input) {
        Ok(0) => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
        Err(error) => return Err(error),
    }
    while let Some(at) = input.iter().position(|byte| *byte == b'\n') {
        let line = input.split_to(at + 1).freeze();
        // Fails only without a receiver, and this task has one.
        let _ = sender.send(line);
    }
    if input.len() > LINE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is over the limit"));
    }
    if input.is_empty() {
        *input = BytesMut::new();
    }
    Ok(true)
}
