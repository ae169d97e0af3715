//! Groups: who is a member, who gets what and in which order, and what becomes of slow members.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use net_reactor::prelude::*;
use net_reactor::sim::{Host, Simulation};
use net_reactor::{ConnConfig, Group, Groups, JoinError, LoopConfig, ServerHandle, SlowMembers};

use super::support::{Side, connecting, ms, pattern, roomy, secs};

/// What the members' side tells.
type Told = Rc<RefCell<Vec<String>>>;

/// A member that does what its peer says, a line each.
#[derive(Clone)]
struct Member {
    room: Group,
    told: Told,
}

impl Protocol for Member {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        Ok(self.room.join(conn)?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(line) = input.line(1024)? {
            let line = format!("{}\n", String::from_utf8_lossy(line));
            match line.trim() {
                "leave" => assert!(self.room.leave(conn)),
                "join" => self.room.join(conn)?,
                "die" => return Err(Failure::msg("as it was told")),
                _ if line.starts_with("others") => {
                    self.room.broadcast_from(conn, line);
                }
                _ => {
                    self.room.broadcast(conn.reactor(), line);
                }
            }
        }
        Ok(())
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        if pressure == Pressure::Low {
            let missed = self.room.take_missed(conn);
            self.told.borrow_mut().push(format!("missed {missed}"));
            assert_eq!(self.room.take_missed(conn), 0, "told once");
            conn.write(format!("missed {missed}\n"))?;
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        assert!(!self.room.contains(conn.id()) && !self.room.leave(conn));
        assert_eq!(self.room.join(conn), Err(JoinError::Closed));
        let (len, reason) = (self.room.len(), format!("{reason:?}"));
        let reason = reason.split([' ', '(', '{']).next().unwrap_or_default();
        self.told.borrow_mut().push(format!("{len} left: {reason}"));
    }
}

fn limits() -> ConnConfig {
    roomy().marks(10_000, 40_000)
}

/// A host that serves a room on port 9000.
fn room(sim: &mut Simulation, slow: SlowMembers, config: ConnConfig) -> (Host, Group, Told) {
    let (room, told) = (Group::new(slow), Told::default());
    let member = Member { room: room.clone(), told: Rc::clone(&told) };
    let host = sim.host("room", move |boot| {
        let member = member.clone();
        let server = Server::new(move |_peer| member.clone()).connections(config.clone());
        server.listen_on(&mut boot.reactor(), ([0, 0, 0, 0], 9000))?;
        Ok(())
    });
    (host, room, told)
}

/// Guests that connect one after the other.
fn guests<const N: usize>(sim: &mut Simulation, sides: [Side; N]) -> [Side; N] {
    for (number, side) in sides.iter().enumerate() {
        connecting(sim, &format!("guest-{number}"), "room:9000", side);
        sim.run_for(ms(100));
    }
    sides
}

fn text(side: &Side) -> String {
    side.seen(|seen| String::from_utf8_lossy(&seen.bytes).into_owned())
}

#[test]
fn all_get_it_once_in_the_order_of_its_sender_or_all_but_one() {
    let mut sim = Simulation::new(1);
    let (_host, room, _told) = room(&mut sim, SlowMembers::Cut, limits());
    let [ann, bob, eve] =
        guests(&mut sim, [Side::default(), Side::default(), Side::says("one\nothers\ntwo\n")]);
    sim.run_for(secs(1));
    assert_eq!(room.len(), 3);
    assert_eq!(
        [text(&ann), text(&bob), text(&eve)],
        ["one\nothers\ntwo\n", "one\nothers\ntwo\n", "one\ntwo\n"]
    );
    sim.finish();
}

#[test]
fn members_leave_by_themselves_however_they_end() {
    let mut sim = Simulation::new(1);
    let (host, room, told) = room(&mut sim, SlowMembers::Cut, limits());
    guests(
        &mut sim,
        [Side::default(), Side::says("x\n").finishes(), Side::says("die\n").finishes()],
    );
    sim.run_for(secs(1));
    // Its peer's end, and an error of its own; the first one is still there.
    assert_eq!(*told.borrow(), ["1 left: PeerClosed", "1 left: HandlerFailed"]);
    assert_eq!((room.len(), room.members().len()), (1, 1));
    let lost = connecting(&mut sim, "lost", "room:9000", &Side::default());
    sim.run_for(secs(1));
    assert_eq!(room.len(), 2);
    sim.reset_link(lost, host);
    sim.run_for(secs(1));
    assert_eq!(told.borrow().last().map(String::as_str), Some("1 left: Reset"));
    sim.finish();
    assert!(room.is_empty());
}

#[test]
fn leaving_and_joining_again_is_exact_and_keeps_nothing() {
    let mut sim = Simulation::new(1);
    let (_host, room, _told) = room(&mut sim, SlowMembers::Cut, limits());
    // More often than one connection may be in groups.
    let often = "join\nleave\n".repeat(2_000) + "join\njoin\nme\n";
    let [ann, bob] =
        guests(&mut sim, [Side::says("leave\n"), Side::says("leave\n".to_owned() + &often)]);
    sim.run_for(secs(1));
    assert_eq!((room.len(), text(&ann).as_str(), text(&bob).as_str()), (1, "", "me\n"));
    sim.finish();
}

#[test]
fn an_attempt_that_fails_was_a_member_until_then() {
    let mut sim = Simulation::new(1);
    let room = Group::default();
    let joined = room.clone();
    sim.host("nobody", |_boot| Ok(()));
    sim.host("client", move |boot| {
        let mut reactor = boot.reactor();
        let id = reactor.connect("nobody:9000", Side::default())?;
        assert!(reactor.conn(id).is_some_and(|mut conn| joined.join(&mut conn).is_ok()));
        Ok(())
    });
    assert_eq!(room.len(), 1);
    sim.run_for(secs(1));
    assert_eq!(room.len(), 0);
    sim.finish();
}

#[test]
fn a_process_that_is_killed_leaves_no_members_behind() {
    let mut sim = Simulation::new(1);
    let (host, room, told) = room(&mut sim, SlowMembers::Cut, limits());
    guests(&mut sim, [Side::default(), Side::default()]);
    assert_eq!(room.len(), 2);
    sim.kill(host);
    assert_eq!((room.len(), told.borrow().len()), (0, 0), "nobody was told");
    sim.start(host);
    connecting(&mut sim, "again", "room:9000", &Side::default());
    sim.run_for(secs(1));
    assert_eq!(room.len(), 1);
    sim.finish();
}

/// Bytes that tell when nobody has them any more.
struct Tracked(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

#[test]
fn one_buffer_is_shared_however_many_members_there_are() {
    let mut sim = Simulation::new(1);
    let (_host, room, _told) = room(&mut sim, SlowMembers::Cut, limits());
    let deaf = || Side::default().deaf();
    let sides = guests(&mut sim, [deaf(), deaf(), deaf()]);
    let freed = Arc::new(AtomicBool::new(false));
    room.post(Bytes::from_owner(Tracked(pattern(30_000), Arc::clone(&freed))));
    sim.run_for(secs(1));
    assert!(!freed.load(Ordering::Relaxed), "the queues hold the very buffer");
    drop(sides);
    sim.finish();
    assert!(freed.load(Ordering::Relaxed));
}

/// Sends a message of 1000 bytes every 10 ms.
fn feed(sim: &mut Simulation, room: &Group, count: usize) {
    for number in 0..count {
        let line = format!("{number:0999}\n");
        assert_eq!(room.post(line).loops, 1);
        sim.run_for(ms(10));
    }
}

#[test]
fn a_slow_member_is_cut_at_its_own_limit_or_the_groups_and_holds_nobody_back() {
    let own = (SlowMembers::Cut, limits().output_max(60_000));
    let of_group = (SlowMembers::CutAbove { queued_bytes: 60_000 }, limits());
    for (slow, config) in [own, of_group] {
        let mut sim = Simulation::new(1);
        let (_host, room, told) = room(&mut sim, slow, config);
        let [deaf, quick] = guests(&mut sim, [Side::default().deaf(), Side::default()]);
        feed(&mut sim, &room, 59);
        assert_eq!(room.len(), 2, "not yet: {slow:?}");
        feed(&mut sim, &room, 20);
        assert_eq!((room.len(), quick.got()), (1, 79_000), "{slow:?}");
        assert_eq!(*told.borrow(), ["1 left: SlowConsumer"], "{slow:?}");
        drop(deaf);
        sim.finish();
    }
}

#[test]
fn a_slow_member_that_is_skipped_learns_how_much_it_missed() {
    let mut sim = Simulation::new(1);
    let (host, room, told) = room(&mut sim, SlowMembers::Skip, limits());
    let slow = Side::default();
    let [quick] = guests(&mut sim, [Side::default()]);
    let slow_host = connecting(&mut sim, "slow", "room:9000", &slow);
    sim.run_for(ms(100));
    sim.clog(host, slow_host);
    feed(&mut sim, &room, 100);
    assert_eq!((room.len(), quick.got()), (2, 100_000));
    sim.unclog(host, slow_host);
    sim.run_for(secs(5));
    let got = text(&slow);
    let lines: Vec<usize> = got.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(lines, (0..lines.len()).collect::<Vec<_>>(), "the gap is one");
    let missed = 100 - lines.len();
    assert!((40..70).contains(&missed), "from the high mark on: {missed}");
    assert_eq!(*told.borrow(), [format!("missed {missed}")]);
    assert!(got.ends_with(&format!("\nmissed {missed}\n")));
    feed(&mut sim, &room, 1);
    sim.run_for(secs(1));
    assert!(text(&slow).ends_with("0000\n"), "then it gets everything again");
    sim.finish();
}

/// A server with two loops whose members are in one room.
fn on_two_loops(
    room: &Group,
    config: LoopConfig,
) -> (Simulation, Rc<RefCell<Option<ServerHandle>>>) {
    let mut sim = Simulation::new(1);
    let (room, slot) = (room.clone(), Rc::default());
    let handle: Rc<RefCell<Option<ServerHandle>>> = Rc::clone(&slot);
    sim.host("room", move |boot| {
        let room = room.clone();
        let server = Server::new(move |_peer: &Peer| Lines { room: room.clone() })
            .connections(limits())
            .loop_config(config.clone())
            .balance(net_reactor::Balance::LeastLoaded)
            .loops(2);
        *handle.borrow_mut() = Some(boot.serve(server, "0.0.0.0:9000")?.handle);
        Ok(())
    });
    (sim, slot)
}

/// A member without a log, which may be made on another thread.
struct Lines {
    room: Group,
}

impl Protocol for Lines {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        Ok(self.room.join(conn)?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(line) = input.line(1024)? {
            let line = [line, b"\n"].concat();
            let reached = self.room.broadcast(conn.reactor(), line);
            assert_eq!((reached.members, reached.loops, reached.loops_missed), (3, 1, 0));
        }
        Ok(())
    }
}

#[test]
fn members_on_other_loops_get_it_by_one_post_for_each_loop_and_in_order() {
    let room = Group::default();
    let (mut sim, _server) = on_two_loops(&room, LoopConfig::default());
    let sides = guests(&mut sim, std::array::from_fn::<_, 4, _>(|_| Side::default()));
    let ids = room.members();
    assert_eq!(ids.len(), 4);
    let said: String = (0..200).map(|number| format!("line {number}\n")).collect();
    let speaker = Side::says(said.clone());
    // Two on each loop, and then this one: three on one of them.
    connecting(&mut sim, "speaker", "room:9000", &speaker);
    sim.run_for(ms(1));
    let said_by_all = sides.iter().chain([&speaker]);
    sim.run_for(secs(1));
    for side in said_by_all {
        assert_eq!(text(side), said);
    }
    sim.finish();
    assert!(room.is_empty());
}

#[test]
fn a_loop_whose_inbox_is_full_misses_a_broadcast_and_the_sender_is_told() {
    let room = Group::default();
    let (mut sim, _server) = on_two_loops(&room, LoopConfig::default().inbox_tasks_max(3));
    let [ann, bob] = guests(&mut sim, [Side::default(), Side::default()]);
    let reached: Vec<_> = (0..5).map(|_| room.post("hello\n")).collect();
    let told: Vec<_> =
        reached.iter().map(|reached| (reached.loops, reached.loops_missed)).collect();
    assert_eq!(told, [(2, 0), (2, 0), (2, 0), (0, 2), (0, 2)]);
    sim.run_for(secs(1));
    assert_eq!([ann.got(), bob.got()], [18, 18]);
    sim.finish();
}

#[test]
fn a_name_is_one_group_while_anybody_needs_it() {
    let rooms = Groups::new(SlowMembers::Cut);
    assert!(rooms.find("lobby").is_none());
    let lobby = rooms.get("lobby");
    assert_eq!(lobby.name(), Some("lobby"));
    assert!(rooms.find("lobby").is_some() && rooms.find("attic").is_none());
    assert!(rooms.list().is_empty(), "nobody is in it");
    drop(lobby);
    assert!(rooms.find("lobby").is_none(), "nobody holds it");

    let mut sim = Simulation::new(1);
    let served = rooms.clone();
    sim.host("room", move |boot| {
        let rooms = served.clone();
        let server = Server::new(move |_peer| Named { rooms: rooms.clone() });
        server.listen_on(&mut boot.reactor(), ([0, 0, 0, 0], 9000))?;
        Ok(())
    });
    let [_ann, bob] =
        guests(&mut sim, [Side::says("lobby\nattic\n"), Side::says("lobby\n").finishes()]);
    sim.run_for(secs(1));
    let names: Vec<_> =
        rooms.list().iter().filter_map(|room| room.name().map(str::to_owned)).collect();
    assert_eq!(names, ["attic", "lobby"]);
    assert_eq!((text(&bob).as_str(), rooms.get("lobby").len()), ("2 in lobby\n", 1));
    sim.finish();
    assert!(rooms.find("lobby").is_none() && rooms.find("attic").is_none());
}

/// Joins the rooms that its peer names, and tells each of them.
struct Named {
    rooms: Groups,
}

impl Protocol for Named {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(line) = input.line(1024)? {
            let name = String::from_utf8_lossy(line).into_owned();
            let room = self.rooms.get(&name);
            room.join(conn)?;
            room.broadcast(conn.reactor(), format!("{} in {name}\n", room.len()));
        }
        Ok(())
    }
}

#[test]
fn a_connection_is_in_so_many_groups_at_most() {
    let mut sim = Simulation::new(1);
    let rooms = Groups::new(SlowMembers::Cut);
    let (made, names) = (rooms.clone(), (0..1025).map(|number| format!("{number}\n")));
    sim.host("room", move |boot| {
        let rooms = made.clone();
        let server = Server::new(move |_peer| Named { rooms: rooms.clone() });
        server.listen_on(&mut boot.reactor(), ([0, 0, 0, 0], 9000))?;
        Ok(())
    });
    let names: String = names.collect();
    let side = Side::says(names);
    connecting(&mut sim, "guest", "room:9000", &side);
    sim.run_for(secs(10));
    assert!(side.seen(|seen| seen.eof), "the last one is an error of its handler");
    assert!(text(&side).ends_with("1 in 1023\n"));
    assert!(rooms.list().is_empty());
    sim.finish();
}
