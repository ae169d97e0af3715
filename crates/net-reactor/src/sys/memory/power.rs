//! Hosts that lose their power, and come back.

use super::machine::Host;
use super::world::{State, World};
use crate::base::Key;

impl World {
    /// Switches a host off: its sockets, listeners and `TIME_WAIT` vanish at once, without a
    /// segment. What is sent to it is lost until [`power_on`](Self::power_on).
    ///
    /// Kernels that were made before belong to the past: their calls fail with `EBADF`, and they
    /// are always quiet. Their jobs are dropped.
    pub(crate) fn power_off(&self, host: &str) {
        let mut state = self.state();
        let machine = state.machine(host);
        let jobs = state.power_off(machine);
        // Dropping a job runs the code of what it owns.
        drop(state);
        drop(jobs);
    }

    /// Switches a host on again. It knows nothing: whatever still comes in for a connection of its
    /// past is answered by RST.
    pub(crate) fn power_on(&self, host: &str) {
        let mut state = self.state();
        let machine = state.machine(host);
        state.machines[machine].is_on = true;
    }
}

impl Host {
    /// Whether the host has power.
    pub(crate) fn is_on(&self) -> bool {
        self.world.state().machines[self.index].is_on
    }

    /// Returns how many connections are in `TIME_WAIT`.
    pub(crate) fn time_wait_len(&self) -> usize {
        let state = self.world.state();
        state.machines[self.index].time_wait.len(state.now)
    }
}

impl State {
    fn power_off(&mut self, machine: usize) -> impl Sized + use<> {
        self.machines[machine].is_on = false;
        let own = |(key, owner): (Key, usize)| (owner == machine).then_some(key);
        let sockets: Vec<Key> =
            self.sockets.iter().filter_map(|(key, socket)| own((key, socket.machine))).collect();
        sockets.into_iter().for_each(|key| self.remove(key));
        for key in std::mem::take(&mut self.machines[machine].listening) {
            self.listeners.remove(key);
        }
        self.vanish_ends(machine);
        self.vanish_udp(machine);
        let mut jobs = Vec::new();
        for kernel in std::mem::take(&mut self.machines[machine].kernels) {
            // Its descriptor vanishes with the table.
            self.kernels[kernel].reserve = None;
            jobs.push(self.retire(kernel));
        }
        let gone = &mut self.machines[machine];
        gone.descriptors.clear();
        gone.time_wait.clear();
        gone.tuples.clear();
        self.worry_about(machine);
        jobs
    }

    /// Lets everybody who waits for a host find out that nothing comes.
    fn worry_about(&mut self, machine: usize) {
        let sockets = self.sockets.iter();
        let facing: Vec<Key> =
            sockets.filter_map(|(key, each)| (each.far == machine).then_some(key)).collect();
        facing.into_iter().for_each(|key| self.arm_pending(key));
    }
}
