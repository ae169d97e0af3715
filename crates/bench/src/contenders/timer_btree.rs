//! Timers in std's ordered map: the shortest correct store.

use std::collections::BTreeMap;

use super::timers::TimerBench;

/// Ordered by deadline, then by age; the number makes equal deadlines distinct.
pub(super) struct TreeTimers {
    armed: BTreeMap<(u64, u64), u64>,
    next_number: u64,
}

impl TimerBench for TreeTimers {
    type Key = (u64, u64);

    fn new() -> Self {
        Self { armed: BTreeMap::new(), next_number: 0 }
    }

    fn arm(&mut self, deadline_ns: u64, tag: u64) -> Self::Key {
        let key = (deadline_ns, self.next_number);
        self.next_number += 1;
        self.armed.insert(key, tag);
        key
    }

    fn cancel(&mut self, key: Self::Key) -> bool {
        self.armed.remove(&key).is_some()
    }

    fn expire(&mut self, now_ns: u64, fire: &mut impl FnMut(u64)) {
        while let Some(first) = self.armed.first_entry() {
            if first.key().0 > now_ns {
                return;
            }
            fire(first.remove());
        }
    }
}
