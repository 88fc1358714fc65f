//! Drawing operations, and looking at texts.

use crate::exports::demo::canary::canary::{Batch, Error};

/// Does one thing and looks at what comes back.
///
/// # Errors
///
/// What was seen and does not belong to the tenant.
pub type Operation = fn(&mut Run) -> Result<(), String>;

/// What is common to all values of all tenants of a test.
const MARK: &str = "kanari";

/// A batch under way.
pub struct Run {
    own: String,
    state: u64,
    unanswered: u32,
}

/// Runs a batch of these operations, each as often as its weight says, and says how often that was.
pub fn run(batch: Batch, operations: &[(&str, u32, Operation)]) -> Result<Vec<(String, u32)>, Error> {
    if !batch.tenant.starts_with(MARK) || batch.tenant.len() != MARK.len() + 1 {
        return Err(Error::Leaked(format!("{:?} is no tenant of this test", batch.tenant)));
    }
    let mut run = Run { own: batch.tenant, state: batch.seed, unanswered: 0 };
    let weights: u32 = operations.iter().map(|(_, weight, _)| weight).sum();
    let mut counts = vec![0; operations.len()];
    for number in 0..batch.operations {
        let mut drawn = run.below(u64::from(weights)) as u32;
        let found = operations.iter().position(|(_, weight, _)| {
            let found = drawn < *weight;
            drawn = drawn.wrapping_sub(*weight);
            found
        });
        let index = found.unwrap_or_default();
        let (name, _, operation) = &operations[index];
        operation(&mut run).map_err(|seen| Error::Leaked(format!("operation {number}, {name}: {seen}")))?;
        counts[index] += 1;
    }
    let counts = operations.iter().zip(counts).map(|((name, ..), count)| ((*name).to_owned(), count));
    Ok(counts.chain([("unanswered".to_owned(), run.unanswered)]).collect())
}

impl Run {
    pub fn own(&self) -> &str {
        &self.own
    }

    /// SplitMix64: small, and the same everywhere.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A value of this tenant.
    pub fn value(&mut self) -> String {
        let number = self.next();
        format!("{}-x{number:016x}", self.own)
    }

    /// That nothing in this text belongs to another tenant.
    pub fn look(&self, text: &str) -> Result<(), String> {
        let foreign = text.match_indices(MARK).any(|(at, _)| !text[at..].starts_with(&self.own));
        if foreign { Err(format!("{text:?}")) } else { Ok(()) }
    }

    /// That an error is one of those that a busy host gives, and tells nothing. Any other would mean that what is to be
    /// tried here was not tried at all.
    pub fn look_error(&mut self, error: &impl std::fmt::Debug, passing: bool) -> Result<(), String> {
        let text = format!("{error:?}");
        self.look(&text)?;
        self.unanswered += 1;
        if passing { Ok(()) } else { Err(format!("it should have run: {text}")) }
    }

    /// That this is a value of this tenant.
    pub fn look_own(&self, text: &str) -> Result<(), String> {
        self.look(text)?;
        if text.contains(&self.own) { Ok(()) } else { Err(format!("{text:?}, which is not of {}", self.own)) }
    }
}
