//! A codec of a user's own, with frames that are not bytes, on a connection.

use net_reactor::codec::{DecodeError, Decoder, EncodeError, Encoder, Output};
use net_reactor::prelude::*;
use net_reactor::sim::Solo;

/// Numbers of two bytes.
struct Numbers;

impl Decoder for Numbers {
    type Frame<'a> = u16;
    type Error = DecodeError;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<u16>, DecodeError> {
        let number = input.bytes().first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
        input.consume(if number.is_some() { 2 } else { 0 });
        Ok(number)
    }
}

impl Encoder<u16> for Numbers {
    type Error = EncodeError;

    fn encode(&mut self, frame: &u16, output: &mut Output<'_>) -> Result<(), EncodeError> {
        output.put(&frame.to_be_bytes());
        Ok(())
    }
}

#[test]
fn frames_may_be_of_any_type() {
    let double = Framed::on_frame(Numbers, |conn, number| Ok(conn.send(&(number * 2))?));
    let mut solo = Solo::new(double);
    solo.feed_each_byte([0, 21, 1, 0]);
    assert_eq!(solo.output(), [0, 42, 2, 0]);
}
