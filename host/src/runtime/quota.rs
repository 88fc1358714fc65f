//! The memory and tables of one call, counted together.
//!
//! wasmtime's own limits are per memory and per table; a component may have several of both. Here one sum of bytes
//! holds for the store, and counts from before the first instruction: a memory is asked for when it is made.

use wasmtime::ResourceLimiter;

/// What an element of a table takes: a pointer.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Bounds what one store may allocate, and remembers whether it asked for more.
pub(super) struct MemoryQuota {
    limit_bytes: usize,
    used_bytes: usize,
    table_elements: usize,
    /// True once the guest asked for memory or table space beyond its limit.
    pub(super) exceeded: bool,
}

impl MemoryQuota {
    pub(super) fn new(limit_bytes: usize, table_elements: usize) -> Self {
        Self { limit_bytes, used_bytes: 0, table_elements, exceeded: false }
    }
}

impl ResourceLimiter for MemoryQuota {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.used_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.limit_bytes {
            self.exceeded = true;
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.used_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT_BYTES);
        let total = self.used_bytes.saturating_add(grown);
        if desired > self.table_elements || total > self.limit_bytes {
            self.exceeded = true;
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.used_bytes = total;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together() {
        let mut quota = MemoryQuota::new(100, 10);
        assert!(quota.memory_growing(0, 60, None).unwrap());
        assert!(!quota.memory_growing(0, 60, None).unwrap());
        assert!(quota.exceeded);
        assert!(quota.memory_growing(60, 100, None).unwrap());
    }

    #[test]
    fn tables_count_beside_memories() {
        let mut quota = MemoryQuota::new(100, 10);
        assert!(quota.table_growing(0, 10, None).unwrap());
        assert!(!quota.memory_growing(0, 30, None).unwrap());
        assert!(quota.memory_growing(0, 20, None).unwrap());
        assert!(!quota.table_growing(0, 1, None).unwrap());
    }

    #[test]
    fn what_a_maximum_refuses_is_not_counted() {
        let mut quota = MemoryQuota::new(100, 10);
        assert!(!quota.table_growing(0, 10, Some(9)).unwrap());
        assert!(!quota.memory_growing(0, 100, Some(99)).unwrap());
        assert!(!quota.exceeded && quota.used_bytes == 0);
    }
}
