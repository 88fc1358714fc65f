//! Checked statements by their text: a hot statement costs one hash lookup.
//!
//! Bound: two generations, each of at most half of `checked_statements` and `checked_bytes`. When the young one is full
//! it becomes the old one and the old one is dropped, so that what is in use survives and what is not leaves.

use super::{Checked, Purpose, SqlError, check_with};
use crate::config::SqlConfig;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Checks statements for one plugin. Keep one for each plugin, so that none can push out another's statements.
#[derive(Debug)]
pub struct Checker {
    limits: Arc<SqlConfig>,
    generations: RwLock<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Box<str>, Arc<Checked>>,
    old: HashMap<Box<str>, Arc<Checked>>,
    young_bytes: usize,
}

impl Checker {
    pub fn new(limits: Arc<SqlConfig>) -> Self {
        Checker { limits, generations: RwLock::default() }
    }

    /// Checks a plugin's statement, or finds that it was checked before. Errors are not kept.
    pub fn check(&self, sql: &str) -> Result<Arc<Checked>, SqlError> {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(checked) = generations.young.get(sql) {
            return Ok(checked.clone());
        }
        let aged = generations.old.get(sql).cloned();
        drop(generations);
        let checked = match aged {
            Some(checked) => checked,
            None => Arc::new(check_with(sql, Purpose::Plugin, &self.limits)?),
        };
        self.keep(sql, &checked);
        Ok(checked)
    }

    fn keep(&self, sql: &str, checked: &Arc<Checked>) {
        let bytes = sql.len() + checked.sql.len();
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= self.limits.checked_statements / 2
            || generations.young_bytes + bytes > self.limits.checked_bytes / 2
        {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
        if bytes <= self.limits.checked_bytes / 2 && generations.young.insert(sql.into(), checked.clone()).is_none() {
            generations.young_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_in_use_and_no_more_than_its_bounds() {
        let limits = SqlConfig { checked_statements: 8, ..SqlConfig::default() };
        let checker = Checker::new(Arc::new(limits));
        let hot = checker.check("SELECT 1").unwrap();
        for n in 0..100 {
            checker.check(&format!("SELECT {n} + 0")).unwrap();
            assert!(Arc::ptr_eq(&hot, &checker.check("SELECT 1").unwrap()));
        }
        let generations = checker.generations.read().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 8);
    }
}
