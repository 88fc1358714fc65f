//! Who may use the instance pool.
//!
//! The pool answers "full" at once, so callers wait here first. Slots are set apart by depth: a call waits
//! only for calls of its own depth, and those of the greatest depth wait for nobody, so nested calls cannot
//! block each other for ever, whatever the load.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) struct Slots {
    by_depth: Vec<Arc<Semaphore>>,
}

impl Slots {
    /// Shares `instances` out over the depths 0 to `depth_max`: half for the first, half of the rest for
    /// the next, and so on, at least one each.
    pub(super) fn new(instances: u32, depth_max: u8) -> Self {
        let depths = usize::from(depth_max) + 1;
        let mut left = instances as usize;
        let by_depth = (0..depths)
            .map(|depth| {
                let deeper = depths - depth - 1;
                let share = if deeper == 0 { left } else { (left / 2).min(left - deeper) };
                left -= share;
                Arc::new(Semaphore::new(share))
            })
            .collect();
        Self { by_depth }
    }

    /// Waits for a slot of this depth. None when the depth is over the limit.
    pub(super) async fn acquire(&self, depth: u8) -> Option<OwnedSemaphorePermit> {
        let slots = self.by_depth.get(usize::from(depth))?;
        if let Ok(permit) = slots.clone().try_acquire_owned() {
            return Some(permit);
        }
        slots.clone().acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_depth_has_a_slot_and_none_is_lost() {
        for instances in [9, 10, 64, 1000] {
            let slots = Slots::new(instances, 8);
            let shares: Vec<usize> = slots.by_depth.iter().map(|s| s.available_permits()).collect();
            assert_eq!(shares.iter().sum::<usize>(), instances as usize, "{shares:?}");
            assert!(shares.iter().all(|share| *share >= 1), "{shares:?}");
        }
    }

    #[tokio::test]
    async fn a_full_depth_does_not_hold_up_the_next() {
        let slots = Slots::new(9, 8);
        let held = slots.acquire(0).await;
        assert!(held.is_some());
        assert!(slots.acquire(1).await.is_some());
        assert!(slots.acquire(9).await.is_none());
    }
}
