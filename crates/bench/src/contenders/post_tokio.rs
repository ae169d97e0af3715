//! Posts through tokio's unbounded channel into a task of a single-threaded runtime.

use std::io;
use std::time::Instant;

use ::tokio::runtime::Builder;
use ::tokio::sync::mpsc;

use super::posts::{Post, PostPlan, PostRun, Posters};

pub(super) fn run<P: Post>(plan: &PostPlan) -> io::Result<PostRun> {
    // With I/O enabled, as in a server: a sleeping loop then sleeps in epoll and not on a futex.
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let posters = Posters::new(plan, || {
        let sender = sender.clone();
        move |number| {
            // Fails only after the receiver is gone, and then the count below shows it.
            let _ = sender.send(P::make(number));
        }
    });
    drop(sender);
    posters.release();
    let (handled, end) = runtime.block_on(async {
        let mut handled = 0;
        while let Some(post) = receiver.recv().await {
            P::handle(post, &mut handled);
        }
        (handled, Instant::now())
    });
    let elapsed = posters.elapsed_until(end)?;
    Ok(PostRun { elapsed, wakes: None, handled })
}
