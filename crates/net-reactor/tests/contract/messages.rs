//! Messages and sends: from other connections and from other threads.

use std::io::Read;
use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;
use net_reactor::{
    CloseReason, Conn, ConnConfig, EventLoop, Flow, Input, LoopConfig, Message, PostRefused,
    Protocol,
};

use crate::peer::Host;
use crate::probe::{Plan, Seen, Step, command};
use crate::support::{ByHand, Echo, KIB, MIB, PATIENCE, Served, brief};

#[test]
fn eight_threads_with_ten_thousand_sends_each_never_mix_within_a_send() {
    const THREADS: u32 = 8;
    const SENDS: u32 = 10_000;
    let (plan, watch) = Plan::passive();
    let config = brief().output_max(64 << 20);
    let served = Served::with(config, move || plan.probe());
    let mut peer = served.peer();
    let handle = watch.opened();
    let senders: Vec<_> = (0..THREADS)
        .map(|thread| {
            let handle = handle.clone();
            std::thread::spawn(move || {
                for number in 0..SENDS {
                    // Of different lengths, around the size from which bytes are shared.
                    let len = usize::try_from(16 + (number * 37 + thread) % 700).unwrap();
                    let mut frame = u32::try_from(len).unwrap().to_be_bytes().to_vec();
                    frame.extend(thread.to_be_bytes());
                    frame.extend(number.to_be_bytes());
                    frame.resize(len, thread.to_be_bytes()[3]);
                    handle.send(frame).unwrap();
                }
            })
        })
        .collect();
    let mut next = [0; THREADS as usize];
    let mut reader = std::io::BufReader::with_capacity(MIB, &mut peer.stream);
    let mut receive = |count| {
        let mut bytes = vec![0; count];
        reader.read_exact(&mut bytes).unwrap();
        bytes
    };
    for _ in 0..THREADS * SENDS {
        let head = receive(12);
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
        let (len, thread, number) = (word(0), word(4), word(8));
        assert_eq!(number, next[thread as usize], "order of thread {thread}");
        next[thread as usize] += 1;
        let rest = receive(len as usize - 12);
        assert!(rest.iter().all(|byte| u32::from(*byte) == thread), "a mixed frame");
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    assert_eq!(next, [SENDS; THREADS as usize]);
    served.finish();
}

#[test]
fn messages_and_sends_of_one_thread_keep_their_order() {
    struct Scribe;
    impl Protocol for Scribe {
        fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
            Ok(())
        }

        fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
            let text = message.downcast::<String>().expect("a string was sent");
            Ok(conn.write(text.as_bytes())?)
        }

        fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
            let handle = conn.handle();
            std::thread::spawn(move || {
                for number in 0..500 {
                    handle.message(format!("{number},")).unwrap();
                    handle.send(format!("{number};")).unwrap();
                }
                handle.close().unwrap();
            });
            Ok(())
        }
    }
    let served = Served::new(|| Scribe);
    let mut peer = served.peer();
    let expected: String = (0..500).map(|number| format!("{number},{number};")).collect();
    assert_eq!(peer.read_to_end(), expected.as_bytes());
}

#[test]
fn what_is_sent_to_a_connection_that_is_gone_is_dropped() {
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || plan.probe());
    let mut bystander = served.bystander();
    let peer = served.peer();
    let handle = watch.opened();
    drop(peer);
    watch.story();
    // The same slot, another connection: it must not get what was meant for the first.
    let mut next_peer = served.peer();
    let next = watch.opened();
    assert_ne!(handle.id(), next.id());
    handle.send("for the dead").unwrap();
    handle.message(String::from("for the dead")).unwrap();
    handle.abort().unwrap();
    handle.close().unwrap();
    bystander.check();
    next.send("for the living").unwrap();
    next.close().unwrap();
    assert_eq!(next_peer.read_to_end(), b"for the living");
    drop(next_peer);
    let (story, reason) = watch.story();
    assert!(story.is_empty(), "{story:?}");
    assert!(matches!(reason, CloseReason::Closed), "{reason:?}");
}

#[test]
fn a_handle_that_outlives_its_loop_gives_everything_back() {
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || plan.probe());
    let _peer = served.peer();
    let handle = watch.opened();
    served.finish();
    let refused = handle.send("keep it").unwrap_err();
    assert_eq!((&refused.value[..], refused.reason), (&b"keep it"[..], PostRefused::LoopGone));
    let refused = handle.message(7_u32).unwrap_err();
    assert_eq!(refused.value.downcast_ref::<u32>(), Some(&7));
    assert!(handle.close().is_err());
    assert!(handle.abort().is_err());
    assert!(handle.event_loop().broadcast("x").is_err());
}

#[test]
fn connections_of_one_loop_talk_to_each_other() {
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || plan.probe());
    let mut bystander = served.bystander();
    let mut peer = served.peer();
    let handle = watch.opened();
    let other = bystander.handle.id();
    let own = handle.id();
    command(&handle, move |conn| {
        conn.reactor().write(other, "from afar")?;
        conn.reactor().message(own, ())?;
        conn.reactor().message(own, ())?;
        conn.write("from near")?;
        Ok(())
    });
    assert_eq!(bystander.peer.receive(9), b"from afar");
    assert_eq!(peer.receive(9), b"from near");
    assert!(matches!(watch.next(), Seen::Message));
    assert!(matches!(watch.next(), Seen::Message));
    bystander.check();
}

#[test]
fn a_message_that_answers_itself_for_ever_starves_nobody() {
    let (plan, watch) = Plan::new(|conn, step| {
        let id = conn.id();
        if matches!(step, Step::Open | Step::Message) {
            conn.reactor().message(id, ())?;
        }
        if step == Step::Stop {
            conn.abort();
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let _peer = served.peer();
    watch.opened();
    let mut bystander = served.bystander();
    for _ in 0..20 {
        bystander.check();
    }
    drop(watch);
    served.finish();
}

#[test]
fn the_inbox_limits_hold_also_when_posts_come_faster_than_they_are_run() {
    const LIMIT: usize = 10_000;
    let mut event_loop =
        EventLoop::with_config(LoopConfig::default().inbox_tasks_max(LIMIT)).unwrap();
    let handle = event_loop.handle();
    let (done, ran) = channel();
    let (mut posted, mut run) = (0, 0);
    for _ in 0..20 {
        loop {
            let done = done.clone();
            match handle.run_in_loop(move |_| done.send(()).unwrap()) {
                Ok(()) => posted += 1,
                Err(refused) => {
                    assert_eq!(refused.reason, PostRefused::Full);
                    break;
                }
            }
        }
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        run += ran.try_iter().count();
        assert!(posted - run <= 2 * LIMIT, "{} posts wait", posted - run);
    }
    // Nothing is forgotten, and the loop needs no nudge to go on.
    while run < posted {
        event_loop.turn(None).unwrap();
        run += ran.try_iter().count();
    }
}

#[test]
fn a_loop_that_has_work_left_is_still_woken_for_more() {
    // Batches of posts larger than one turn runs, from a thread that waits for each of them.
    let served = Served::new(Echo::new);
    let (done, ran) = channel();
    for batch in [1, 4096, 4097, 10_000, 1, 20_000, 2] {
        for _ in 0..batch {
            let done = done.clone();
            served.handle.run_in_loop(move |_| done.send(()).unwrap()).unwrap();
        }
        for _ in 0..batch {
            ran.recv_timeout(PATIENCE).expect("every post is run");
        }
    }
}

#[test]
fn sends_to_a_connection_that_is_being_opened_arrive_after_it_is_open() {
    let listener = Host::new();
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.write("third")?;
        }
        Ok(())
    });
    let mut by_hand = ByHand::new(ConnConfig::default(), Echo::new);
    let mut reactor = by_hand.event_loop.reactor();
    let id = reactor.connect(&listener.address, plan.probe()).unwrap();
    reactor.write(id, "first, ").unwrap();
    let handle = reactor.conn_handle(id);
    reactor.write(id, "second, ").unwrap();
    let accepting = std::thread::spawn(move || {
        let mut peer = listener.accept();
        peer.receive(20)
    });
    by_hand.turn_until(|_| watch.so_far().iter().any(|seen| matches!(seen, Seen::Open(_))));
    by_hand.turn();
    assert_eq!(accepting.join().unwrap(), b"first, second, third");
    handle.abort().unwrap();
    by_hand.turn_until_empty();
}

#[test]
fn a_message_to_a_connection_that_is_being_opened_is_not_lost() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (plan, watch) = Plan::passive();
    let mut by_hand = ByHand::new(ConnConfig::default(), Echo::new);
    let mut reactor = by_hand.event_loop.reactor();
    // A name, so that the first turns find it unresolved.
    let target = format!("localhost:{}", listener.local_addr().unwrap().port());
    let id = reactor.connect(&target[..], plan.probe()).unwrap();
    reactor.message(id, ()).unwrap();
    reactor.conn_handle(id).message(()).unwrap();
    let mut seen = Vec::new();
    by_hand.turn_until(|_| {
        seen.extend(watch.so_far());
        seen.len() >= 3
    });
    assert!(matches!(seen[..], [Seen::Open(_), Seen::Message, Seen::Message]), "{seen:?}");
}

#[test]
fn a_broadcast_reaches_every_accepted_connection_once() {
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || plan.probe());
    let mut peers: Vec<_> = (0..30).map(|_| served.peer()).collect();
    peers.iter().for_each(|_| drop(watch.opened()));
    for part in [10, KIB, 100 * KIB] {
        served.handle.broadcast(Bytes::from(vec![b'b'; part])).unwrap();
        for peer in &mut peers {
            assert_eq!(peer.receive(part), vec![b'b'; part]);
        }
    }
}
