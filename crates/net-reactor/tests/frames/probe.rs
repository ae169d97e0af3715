//! A handler that writes down what it is told, and does what a frame says.

use net_reactor::codec::Decoder;
use net_reactor::prelude::*;
use net_reactor::sim::Solo;

/// What [`Probe`] does with a frame that it finds in its list.
pub(crate) type Act<C> = fn(&mut FrameConn<'_, C>) -> Flow;

/// Notes everything; does `acts` at the frames of their names.
pub(crate) struct Probe<C: 'static> {
    pub(crate) notes: Vec<String>,
    pub(crate) acts: Vec<(&'static str, Act<C>)>,
}

impl<C> Probe<C> {
    pub(crate) fn new(acts: impl IntoIterator<Item = (&'static str, Act<C>)>) -> Self {
        Self { notes: Vec::new(), acts: acts.into_iter().collect() }
    }

    fn note(&mut self, what: &str, bytes: &[u8]) {
        self.notes.push(format!("{what}{}", bytes.escape_ascii()));
    }

    fn act(&mut self, name: &[u8], conn: &mut FrameConn<'_, C>) -> Flow {
        let acts = self.acts.iter().filter(|(known, _)| known.as_bytes() == name);
        for (_, act) in acts {
            act(conn)?;
        }
        Ok(())
    }
}

impl<C> FrameHandler<C> for Probe<C>
where
    C: for<'a> Decoder<Frame<'a> = &'a [u8]> + 'static,
{
    fn on_frame(&mut self, conn: &mut FrameConn<'_, C>, frame: &[u8]) -> Flow {
        self.note("", frame);
        self.act(frame, conn)
    }

    fn on_malformed(&mut self, conn: &mut FrameConn<'_, C>, error: &C::Error) -> Flow {
        self.note("malformed: ", error.to_string().as_bytes());
        self.act(b"(malformed)", conn)
    }

    fn on_eof(&mut self, _conn: &mut FrameConn<'_, C>, rest: &[u8]) -> Result<Eof, Failure> {
        self.note("eof ", rest);
        if rest.is_empty() {
            return Ok(Eof::Close);
        }
        Err(Failure::malformed(net_reactor::codec::UnfinishedFrame::of(rest)))
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, C>, _tag: Tag) -> Flow {
        self.act(b"(timer)", conn)
    }

    fn on_pressure(&mut self, _conn: &mut FrameConn<'_, C>, pressure: Pressure) -> Flow {
        self.note("pressure ", format!("{pressure:?}").as_bytes());
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, C>, reason: CloseReason) {
        let source = std::error::Error::source(&reason).map(ToString::to_string);
        let source = source.map_or_else(String::new, |source| format!(": {source}"));
        self.notes.push(format!("closed, {reason}{source}"));
    }
}

/// A connection with a probe on it.
pub(crate) type Probed<C> = Solo<Framed<C, Probe<C>>>;

pub(crate) fn solo<C>(codec: C, acts: impl IntoIterator<Item = (&'static str, Act<C>)>) -> Probed<C>
where
    C: for<'a> Decoder<Frame<'a> = &'a [u8]> + 'static,
{
    Solo::new(Framed::new(codec, Probe::new(acts)))
}

/// Takes what was noted since this was last asked.
pub(crate) fn notes<C>(solo: &Probed<C>) -> Vec<String>
where
    C: for<'a> Decoder<Frame<'a> = &'a [u8]> + 'static,
{
    solo.with(|framed| std::mem::take(&mut framed.handler().notes))
}
