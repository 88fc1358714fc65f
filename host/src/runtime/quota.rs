//! The memory and tables of one call, counted together.
//!
//! wasmtime's own limits are per memory; a component may have several. Here one sum holds for the store.

use wasmtime::ResourceLimiter;

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

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            self.exceeded = true;
            return Ok(false);
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
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
}
