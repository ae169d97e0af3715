//! Codecs for tokio-util, on a connection.

use net_reactor::codec::{AnyCodec, DecodeError, Decoder, EncodeError, Encoder};
use net_reactor::codec::{LengthPrefix, Output, TokioCodec, TokioCodecError};
use net_reactor::prelude::*;
use net_reactor::sim::Solo;
use tokio_util::codec::{LengthDelimitedCodec, LinesCodec, LinesCodecError};

#[test]
fn an_adapted_codec_echoes_on_a_connection_byte_by_byte() {
    let codec = TokioCodec::new(LengthDelimitedCodec::new());
    let echo = Framed::on_frame(codec, |conn, frame| Ok(conn.send(&frame.freeze())?));
    let mut solo = Solo::new(echo);
    let wire = b"\0\0\0\x05hello\0\0\0\0\0\0\0\x01!";
    solo.feed_each_byte(wire);
    assert_eq!(solo.output(), wire);
}

#[test]
fn lines_wait_while_the_handler_pauses_and_none_is_lost() {
    let codec = TokioCodec::new(LinesCodec::new());
    let once = Framed::on_frame(codec, |conn, line: String| {
        conn.send(&line)?;
        conn.pause();
        conn.set_timer(Tag(0), std::time::Duration::from_secs(1));
        Ok(())
    });
    struct Resumed<P>(P);
    impl<P: Protocol> Protocol for Resumed<P> {
        fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
            self.0.on_data(conn, input)
        }
        fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
            self.0.on_eof(conn, input)
        }
        fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
            conn.resume();
            Ok(())
        }
    }
    let mut solo = Solo::new(Resumed(once));
    solo.feed("a\nb\nc\nlast");
    assert_eq!(solo.output(), b"a\n");
    solo.advance(std::time::Duration::from_secs(2));
    solo.finish();
    solo.advance(std::time::Duration::from_secs(9));
    assert_eq!(solo.output(), b"b\nc\nlast\n");
}

type AdaptedLines = TokioCodec<LinesCodec>;

/// Answers what is malformed, by its type.
struct Judge;

impl FrameHandler<AdaptedLines> for Judge {
    fn on_frame(&mut self, _conn: &mut FrameConn<'_, AdaptedLines>, _line: String) -> Flow {
        Ok(())
    }

    fn on_malformed(
        &mut self,
        conn: &mut FrameConn<'_, AdaptedLines>,
        error: &TokioCodecError<LinesCodecError>,
    ) -> Flow {
        assert!(matches!(
            error,
            TokioCodecError::Codec { source: LinesCodecError::MaxLineLengthExceeded }
        ));
        Ok(conn.send(&"too long")?)
    }
}

#[test]
fn a_broken_rule_of_the_codec_closes_that_connection_with_its_error_as_the_reason() {
    let codec = TokioCodec::new(LinesCodec::new_with_max_length(3));
    let mut solo = Solo::new(Framed::new(codec, Judge));
    solo.feed("12345\n");
    solo.finish();
    assert_eq!(solo.output(), b"too long\n");
    let Some(CloseReason::Malformed { source }) = solo.close_reason() else {
        panic!("{:?}", solo.close_reason());
    };
    assert_eq!(source.to_string(), "max line length exceeded");
}

/// Lines by their codec until it is told to, then frames of ours.
enum Upgrading {
    Lines(TokioCodec<LinesCodec>),
    Frames(AnyCodec),
}

impl Decoder for Upgrading {
    type Frame<'a> = Vec<u8>;
    type Error = DecodeError;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<Vec<u8>>, DecodeError> {
        match self {
            Self::Lines(lines) => Ok(lines.decode(input).expect("text").map(String::into_bytes)),
            Self::Frames(frames) => Ok(frames.decode(input)?.map(<[u8]>::to_vec)),
        }
    }
}

impl Encoder<Vec<u8>> for Upgrading {
    type Error = EncodeError;

    fn encode(&mut self, frame: &Vec<u8>, output: &mut Output<'_>) -> Result<(), EncodeError> {
        output.put(frame);
        Ok(())
    }
}

#[test]
fn a_change_from_an_adapted_codec_loses_no_byte_under_any_split() {
    let wire = b"one\nupgrade\n\0\x03a\nb\0\0\0\x01c";
    for cut in 0..=wire.len() {
        let lines = Upgrading::Lines(TokioCodec::new(LinesCodec::new()));
        let mut solo = Solo::new(Framed::on_frame(lines, |conn, frame: Vec<u8>| {
            conn.send(&[&frame[..], b"|"].concat())?;
            if frame == b"upgrade" {
                conn.set_codec(Upgrading::Frames(AnyCodec::new(LengthPrefix::u16())));
            }
            Ok(())
        }));
        solo.feed(&wire[..cut]);
        solo.feed(&wire[cut..]);
        assert_eq!(solo.output(), b"one|upgrade|a\nb||c|", "cut at {cut}");
    }
}
