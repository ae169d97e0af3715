//! Who is measured. To add a contender, add its line to each list below.
//!
//! The first line of every list is the reference that all ratios are against: where there is one, the
//! loop that does nothing but what the kernel demands.

mod chat_ours;
mod chat_tokio;
mod ours;
mod post_ours;
mod post_std;
mod post_tokio;
pub(crate) mod posts;
mod raw;
mod raw_frames;
mod timer_btree;
mod timer_heap;
mod timer_ours;
pub(crate) mod timers;
mod tokio;

use std::io;
use std::net::TcpListener;

use clap::ValueEnum;

use crate::failure::{Failure, Outcome};

/// One implementation of a server.
///
/// `serve` gets a listener in blocking mode, runs on a pinned thread of its own process, and serves
/// every connection until the process ends. It returns only if it cannot go on.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) serve: fn(TcpListener) -> io::Result<()>,
}

/// Send every byte back.
const ECHO: &[Contender] = &[
    Contender { name: "raw", serve: raw::echo },
    Contender { name: "net-reactor", serve: ours::echo },
    Contender { name: "tokio", serve: tokio::echo },
];

/// Cut the bytes into frames (u32 big-endian length, not counting itself) and send every frame back.
const FRAMES: &[Contender] = &[
    Contender { name: "raw", serve: raw_frames::frames },
    Contender { name: "net-reactor", serve: ours::framed },
    Contender { name: "net-reactor-by-hand", serve: ours::frames },
    Contender { name: "tokio-by-hand", serve: tokio::frames_by_hand },
    Contender { name: "tokio-framed-forward", serve: tokio::frames_forward },
    Contender { name: "tokio-framed-feed", serve: tokio::frames_feed },
    Contender { name: "tokio-framed-send", serve: tokio::frames_send },
];

/// Echo again, written as for many connections that are mostly silent.
const IDLE: &[Contender] = &[
    Contender { name: "raw", serve: raw::echo },
    Contender { name: "net-reactor", serve: ours::echo },
    Contender { name: "tokio-64k-buffer", serve: tokio::echo },
    Contender { name: "tokio-4k-buffer", serve: tokio::echo_small_buffer },
    Contender { name: "tokio-readable-first", serve: tokio::echo_readable_first },
];

/// Send every line to everybody. There is no raw loop for it: the first is the reference.
const CHAT: &[Contender] = &[
    Contender { name: "net-reactor", serve: chat_ours::chat },
    Contender { name: "tokio-broadcast-framed", serve: chat_tokio::framed },
    Contender { name: "tokio-broadcast-by-hand", serve: chat_tokio::by_hand },
];

/// What a server is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    Echo,
    Frames,
    Idle,
    Chat,
}

impl Suite {
    pub(crate) fn contenders(self) -> &'static [Contender] {
        match self {
            Self::Echo => ECHO,
            Self::Frames => FRAMES,
            Self::Idle => IDLE,
            Self::Chat => CHAT,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Frames => "frames",
            Self::Idle => "idle",
            Self::Chat => "chat",
        }
    }

    /// Finds a contender by its name in the report.
    pub(crate) fn find(self, name: &str) -> Outcome<&'static Contender> {
        let known = self.contenders();
        known.iter().find(|contender| contender.name == name).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|contender| contender.name).collect();
            let suite = self.name();
            Failure::new(format!("{suite} has no contender {name}; it has {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_list_starts_with_the_reference_and_names_nobody_twice() {
        for suite in [Suite::Echo, Suite::Frames, Suite::Idle, Suite::Chat] {
            let names: Vec<_> = suite.contenders().iter().map(|one| one.name).collect();
            let reference = if suite == Suite::Chat { "net-reactor" } else { "raw" };
            assert_eq!(names.first(), Some(&reference));
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let failure = Suite::Echo.find("nobody").unwrap_err().to_string();
        assert_eq!(failure, "echo has no contender nobody; it has raw, net-reactor, tokio");
    }
}
