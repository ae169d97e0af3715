//! What a run is to do.

use std::time::Duration;

use net_reactor::{ConnConfig, ConnectOptions};

use crate::args::PingpongArgs;
use crate::failure::Failure;
use crate::framing::{FRAME_BYTES_MAX, Framing};

/// The most bytes that may be under way on one connection: 64 MiB.
const UNDER_WAY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a run is to do, checked.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) connections: usize,
    pub(super) framing: Framing,
    pub(super) size_bytes: usize,
    pub(super) outstanding: usize,
    pub(super) limit: Limit,
}

/// When a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Time(Duration),
    Messages(u64),
}

impl Plan {
    /// Makes a plan, if one can be made of the arguments.
    pub(super) fn new(args: &PingpongArgs) -> Result<Self, Failure> {
        let count = |number: std::num::NonZeroU32| usize::try_from(number.get());
        let (Ok(connections), Ok(size_bytes), Ok(outstanding)) =
            (count(args.connections), count(args.size), count(args.outstanding))
        else {
            return Err(Failure::usage("these numbers are too large for this machine"));
        };
        let framing = args.framing.framing()?;
        if framing != Framing::Raw && size_bytes > FRAME_BYTES_MAX {
            return Err(Failure::usage(format!(
                "a frame has at most 1 MiB - lower --size, or use --framing {}",
                Framing::Raw
            )));
        }
        if size_bytes.checked_mul(outstanding).is_none_or(|bytes| bytes > UNDER_WAY_BYTES_MAX) {
            return Err(Failure::usage(format!(
                "{outstanding} outstanding messages of {size_bytes} bytes are more than the 64 MiB \
                 that may be under way on a connection - lower --size or --outstanding"
            )));
        }
        let limit = match args.messages {
            Some(messages) => Limit::Messages(messages.get()),
            None => Limit::Time(args.duration),
        };
        Ok(Self { connections, framing, size_bytes, outstanding, limit })
    }

    /// Returns how many bytes are under way on a connection.
    pub(super) fn under_way_bytes(&self) -> usize {
        self.framing.wire_bytes_max(self.size_bytes).saturating_mul(self.outstanding)
    }

    /// Returns the options of the connections.
    ///
    /// By default a connection stops reading while much of its own output waits. An echo server
    /// does so too, and when both wait for the other to read, neither goes on. This side therefore
    /// never stops reading: its output is bounded by what is under way.
    pub(super) fn connect_options(&self) -> ConnectOptions {
        let bytes = self.under_way_bytes();
        ConnectOptions::default()
            .config(ConnConfig::default().marks(bytes, bytes).output_max(bytes))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn plan(words: &[&str]) -> Result<Plan, Failure> {
        let words = ["reactor", "pingpong"].iter().chain(words);
        match Arguments::parse_from(words).command {
            Command::Pingpong(args) => Plan::new(&args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_arguments_a_hundred_connections_play_for_ten_seconds() {
        let plan = plan(&[]).unwrap();
        assert_eq!((plan.connections, plan.size_bytes, plan.outstanding), (100, 64, 1));
        assert_eq!(plan.limit, Limit::Time(Duration::from_secs(10)));
    }

    #[test]
    fn a_number_of_messages_replaces_the_time() {
        assert_eq!(plan(&["--messages", "7"]).unwrap().limit, Limit::Messages(7));
    }

    #[test]
    fn options_of_one_framing_are_for_no_other() {
        for option in ["--no-compression", "--no-heartbeat"] {
            assert!(plan(&["--framing", "simplereactor", option]).is_ok());
            let refused = plan(&["--framing", "line", option]).unwrap_err();
            assert!(refused.to_string().starts_with(option), "{refused}");
        }
    }

    #[test]
    fn a_message_fits_into_a_frame() {
        for framing in ["line", "length32", "netstring", "simplereactor"] {
            assert!(plan(&["--framing", framing, "--size", "1048576"]).is_ok());
            let refused = plan(&["--framing", framing, "--size", "1048577"]).unwrap_err();
            assert!(refused.to_string().contains("--framing raw"), "{refused}");
        }
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        assert!(plan(&["--size", "67108864"]).is_ok());
        let refused = plan(&["--size", "67108864", "--outstanding", "2"]).unwrap_err();
        assert!(refused.to_string().contains("64 MiB"), "{refused}");
        assert!(plan(&["--size", "4294967295", "--outstanding", "4294967295"]).is_err());
    }
}
