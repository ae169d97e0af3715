//! The codec changes while frames are coming, and no byte is lost.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::codec::{AnyCodec, Decoder, Encoder, LengthPrefix, Lines, Netstring};
use net_reactor::codec::{Terminated, Terminator};
use net_reactor::prelude::*;
use net_reactor::sim::{self, Fault, Faults, Solo};

use crate::probe::{Act, notes, solo};

/// Which codec comes after a frame that names it.
fn named(frame: &[u8]) -> Option<AnyCodec> {
    match frame {
        b"lines" => Some(AnyCodec::new(Lines::new())),
        b"prefix" => Some(AnyCodec::new(LengthPrefix::u16())),
        b"netstring" => Some(AnyCodec::new(Netstring::new())),
        _ => None,
    }
}

/// Answers each frame, and then speaks as it said.
fn polyglot(conn: &mut FrameConn<'_, AnyCodec>, frame: &[u8]) -> Flow {
    conn.send(frame)?;
    if let Some(codec) = named(frame) {
        conn.set_codec(codec);
    }
    Ok(())
}

/// A conversation that changes its framing with every other frame.
fn conversation(frames: &[&str]) -> Vec<u8> {
    let mut codec = AnyCodec::new(Lines::new());
    let mut wire = Vec::new();
    for frame in frames {
        wire.extend_from_slice(&codec.to_bytes(frame).expect("the frames are short"));
        codec = named(frame.as_bytes()).unwrap_or(codec);
    }
    wire
}

const FRAMES: [&str; 9] =
    ["a", "prefix", "b", "netstring", "c", "lines", "prefix", "lines", "the end"];

#[test]
fn the_bytes_behind_a_frame_are_for_the_codec_it_chose_under_every_split() {
    let wire = conversation(&FRAMES);
    for first in 0..=wire.len() {
        for second in first..=wire.len() {
            let mut solo = Solo::new(Framed::on_frame(AnyCodec::new(Lines::new()), polyglot));
            solo.feed(&wire[..first]);
            solo.feed(&wire[first..second]);
            solo.feed(&wire[second..]);
            assert!(solo.output() == wire, "cut at {first} and {second}");
        }
    }
}

#[test]
fn a_terminator_changes_within_a_batch_and_byte_by_byte() {
    let head_and_body = |conn: &mut FrameConn<'_, Terminated>, frame: &[u8]| {
        let next = match conn.codec().terminator() {
            Terminator::Delimiter(_) => {
                Terminator::Count(std::str::from_utf8(frame)?.trim().parse()?)
            }
            _ => {
                conn.write(frame)?;
                conn.write("|")?;
                Terminator::Delimiter("\r\n\r\n".into())
            }
        };
        conn.codec().set(next);
        Ok(())
    };
    let wire = "5\r\n\r\nhello1\r\n\r\n!4\r\n\r\n\r\n\r\n0\r\n\r\n3\r\n\r\nend";
    for bytewise in [false, true] {
        let mut solo = Solo::new(Framed::on_frame(Terminated::by("\r\n\r\n"), head_and_body));
        if bytewise {
            solo.feed_each_byte(wire);
        } else {
            solo.feed(wire);
        }
        assert_eq!(solo.output(), b"hello|!|\r\n\r\n||end|");
    }
}

#[test]
fn what_waits_for_more_is_looked_at_again_when_the_codec_changes_elsewhere() {
    let change: Act<AnyCodec> = |conn| {
        conn.set_codec(AnyCodec::new(LengthPrefix::u16()));
        Ok(())
    };
    let start: Act<AnyCodec> = |conn| {
        conn.set_timer(Tag(0), Duration::from_secs(1));
        Ok(())
    };
    let lines = AnyCodec::new(Lines::new());
    let mut solo = solo(lines, [("go", start), ("(timer)", change)]);
    solo.feed(b"go\n\0\x02ab\0\x01c\0\x09rest");
    assert_eq!(notes(&solo), ["go"]);
    solo.advance(Duration::from_secs(1));
    assert_eq!(notes(&solo), ["ab", "c"]);
    solo.feed(b"12345");
    assert_eq!(notes(&solo), ["rest12345"]);
}

/// Sends the conversation in pieces that the network cuts further, and keeps the answer.
struct Caller {
    unsent: Vec<u8>,
    answer: Rc<RefCell<Vec<u8>>>,
}

impl Protocol for Caller {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.on_timer(conn, Tag(0))
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        let count = self.unsent.len().min(3);
        conn.write(self.unsent.drain(..count).as_slice())?;
        if self.unsent.is_empty() {
            conn.shutdown_write()?;
        } else {
            conn.set_timer(tag, Duration::from_millis(1));
        }
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.answer.borrow_mut().extend_from_slice(input.take_all());
        Ok(())
    }
}

#[test]
fn codecs_change_over_a_network_that_cuts_everything() {
    sim::seeds(20, |sim| {
        let wire = conversation(&FRAMES.repeat(10));
        let answer = Rc::<RefCell<Vec<u8>>>::default();
        sim.faults(Faults::only([Fault::ReceiveShort, Fault::SendShort]));
        sim.host("hub", |boot| {
            let server = Server::new(|_| Framed::on_frame(AnyCodec::new(Lines::new()), polyglot));
            boot.serve(server, "0.0.0.0:9000").map(drop)
        });
        let (unsent, kept) = (wire.clone(), Rc::clone(&answer));
        sim.host("caller", move |boot| {
            let caller = Caller { unsent: unsent.clone(), answer: Rc::clone(&kept) };
            let _connecting = boot.reactor().connect("hub:9000", caller);
            Ok(())
        });
        let done = |_: &mut _| answer.borrow().len() >= wire.len();
        sim.eventually(Duration::from_secs(60), "the whole conversation is answered", done);
        assert!(*answer.borrow() == wire);
    });
}

/// The type of codec is one's own here.
enum Either {
    Text(Lines),
    Binary(LengthPrefix),
}

impl Decoder for Either {
    type Frame<'a> = &'a [u8];
    type Error = net_reactor::codec::DecodeError;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, Self::Error> {
        match self {
            Self::Text(codec) => codec.decode(input),
            Self::Binary(codec) => codec.decode(input),
        }
    }
}

#[test]
fn an_enum_is_a_codec_that_changes() {
    let mut solo = Solo::new(Framed::on_frame(Either::Text(Lines::new()), |conn, frame| {
        conn.write(frame)?;
        conn.write("|")?;
        if frame == b"binary" {
            *conn.codec() = Either::Binary(LengthPrefix::u8());
        }
        Ok(())
    }));
    solo.feed(b"text\nbinary\n\x03a\nb\x00");
    assert_eq!(solo.output(), b"text|binary|a\nb||");
}
