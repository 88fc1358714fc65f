//! Tokens that were found good.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;

use crate::access::Principal;

type Hash = [u8; 32];

/// Bound: so many tokens. When there is one more, those go that have expired or were signed with an older set of keys,
/// and if there is none, any other.
pub(super) struct Remembered {
    most: usize,
    tokens: RwLock<HashMap<Hash, Good>>,
}

struct Good {
    principal: Principal,
    until: Timestamp,
    /// Of the set of keys it was checked with.
    generation: u64,
}

impl Remembered {
    pub(super) fn new(most: usize) -> Self {
        Self { most, tokens: RwLock::default() }
    }

    pub(super) fn get(&self, token: &Hash, generation: u64, now: Timestamp) -> Option<Principal> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let good = tokens.get(token).filter(|good| good.generation == generation && now < good.until)?;
        Some(good.principal.clone())
    }

    pub(super) fn put(&self, token: Hash, principal: Principal, until: Timestamp, generation: u64) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= self.most {
            let now = Timestamp::now();
            tokens.retain(|_, good| good.generation == generation && now < good.until);
        }
        if tokens.len() >= self.most
            && let Some(other) = tokens.keys().next().copied()
        {
            tokens.remove(&other);
        }
        tokens.insert(token, Good { principal, until, generation });
    }
}
