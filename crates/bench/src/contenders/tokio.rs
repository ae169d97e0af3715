//! tokio on one thread, written the ways its users write it.

use std::io;
use std::net::TcpListener as StdListener;

use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::runtime::{Builder, Runtime};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{FutureExt, SinkExt, StreamExt, TryStreamExt};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::raw_frames::{FRAME_BYTES_MAX, prefix, split_frame};

const LARGE_BUFFER_BYTES: usize = 64 * 1024;
const SMALL_BUFFER_BYTES: usize = 4 * 1024;

/// A task per connection: read into its own buffer, write all of it back.
pub(super) fn echo(listener: StdListener) -> io::Result<()> {
    serve(listener, |stream| echo_connection(stream, LARGE_BUFFER_BYTES))
}

/// The same with a buffer of one page, for many connections.
pub(super) fn echo_small_buffer(listener: StdListener) -> io::Result<()> {
    serve(listener, |stream| echo_connection(stream, SMALL_BUFFER_BYTES))
}

/// The frugal way: wait until readable, and own a buffer only while there is something in it.
pub(super) fn echo_readable_first(listener: StdListener) -> io::Result<()> {
    serve(listener, |mut stream| async move {
        loop {
            stream.readable().await?;
            let mut buffer = Vec::with_capacity(SMALL_BUFFER_BYTES);
            match stream.try_read_buf(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => stream.write_all(&buffer).await?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    })
}

/// Frames cut by hand from a read buffer; the answers to one read leave in one write.
pub(super) fn frames_by_hand(listener: StdListener) -> io::Result<()> {
    serve(listener, |mut stream| async move {
        let mut input = BytesMut::with_capacity(LARGE_BUFFER_BYTES);
        let mut output = Vec::with_capacity(LARGE_BUFFER_BYTES);
        while stream.read_buf(&mut input).await? > 0 {
            while let Some((frame, rest)) = split_frame(&input)? {
                output.extend_from_slice(&prefix(frame));
                output.extend_from_slice(frame);
                let used = input.len() - rest.len();
                input.advance(used);
            }
            stream.write_all(&output).await?;
            output.clear();
            input.reserve(LARGE_BUFFER_BYTES / 2);
        }
        Ok(())
    })
}

/// The codec, its stream forwarded into its sink: flushed when no more input is ready.
pub(super) fn frames_forward(listener: StdListener) -> io::Result<()> {
    serve(listener, |stream| async move {
        let (sink, stream) = Framed::new(stream, codec()).split();
        stream.map_ok(BytesMut::freeze).forward(sink).await
    })
}

/// The codec with `feed` while more frames are there already, and one flush when there are none: what
/// who knows the cost of `send` writes.
pub(super) fn frames_feed(listener: StdListener) -> io::Result<()> {
    serve(listener, |stream| async move {
        let mut framed = Framed::new(stream, codec());
        while let Some(frame) = framed.next().await {
            framed.feed(frame?.freeze()).await?;
            while let Some(Some(frame)) = framed.next().now_or_never() {
                framed.feed(frame?.freeze()).await?;
            }
            SinkExt::<Bytes>::flush(&mut framed).await?;
        }
        Ok(())
    })
}

/// The codec the way most programs use it: one `send`, and so one flush, per frame.
pub(super) fn frames_send(listener: StdListener) -> io::Result<()> {
    serve(listener, |stream| async move {
        let mut framed = Framed::new(stream, codec());
        while let Some(frame) = framed.next().await {
            framed.send(frame?.freeze()).await?;
        }
        Ok(())
    })
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(FRAME_BYTES_MAX).new_codec()
}

async fn echo_connection(mut stream: TcpStream, buffer_bytes: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer_bytes];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            received => stream.write_all(&buffer[..received]).await?,
        }
    }
}

/// Accepts for ever and gives every connection a task. How a connection ends is its own business.
pub(super) fn serve<F, C>(listener: StdListener, connection: F) -> io::Result<()>
where
    F: Fn(TcpStream) -> C,
    C: Future<Output = io::Result<()>> + Send + 'static,
{
    runtime()?.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _peer) = listener.accept().await?;
            // Fails only on a peer that is gone already; the first read will say so.
            let _ = stream.set_nodelay(true);
            ::tokio::spawn(connection(stream));
        }
    })
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().build()
}
