//! The reference for posts: std's channel beside an eventfd in an epoll loop, woken once a sleep.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use super::posts::{Post, PostPlan, PostRun, Posters};

/// Wakes the loop: only the first post after the loop looked writes to the eventfd.
struct Wake {
    event: OwnedFd,
    is_pending: AtomicBool,
    writes: AtomicU64,
}

impl Wake {
    fn wake(&self) {
        if !self.is_pending.swap(true, Ordering::AcqRel) {
            self.writes.fetch_add(1, Ordering::Relaxed);
            // A counter that is full wakes as well.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }
}

pub(super) fn run<P: Post>(plan: &PostPlan) -> io::Result<PostRun> {
    let wake = Arc::new(Wake {
        event: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        is_pending: AtomicBool::new(false),
        writes: AtomicU64::new(0),
    });
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    // Edge-triggered: every write is an edge, so the counter need never be read.
    let flags = EventFlags::IN | EventFlags::ET;
    epoll::add(&epoll, &wake.event, EventData::new_u64(0), flags)?;
    let (sender, receiver) = mpsc::channel();
    let posters = Posters::new(plan, || {
        let (sender, wake) = (sender.clone(), Arc::clone(&wake));
        move |number| {
            if sender.send(P::make(number)).is_ok() {
                wake.wake();
            }
        }
    });

    let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 8];
    let mut handled = 0;
    posters.release();
    while handled < plan.total() {
        match epoll::wait(&epoll, &mut events[..], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Cleared before the queue is emptied: a post that comes in between wakes once too often,
        // never once too seldom. A swap, since the clearing must not sink below the reads.
        wake.is_pending.swap(false, Ordering::AcqRel);
        while let Ok(post) = receiver.try_recv() {
            post.handle(&mut handled);
        }
    }
    let elapsed = posters.elapsed_until(Instant::now())?;
    Ok(PostRun { elapsed, wakes: Some(wake.writes.load(Ordering::Relaxed)), handled })
}
