//! Drawing operations, and looking at texts.

use crate::exports::demo::canary::canary::{Batch, Error};

/// Does one thing and looks at what comes back.
///
/// # Errors
///
/// What was seen and does not belong to the tenant.
pub type Operation = fn(&mut Run) -> Result<(), String>;

/// When an operation has done what it is there for. One that never does tries nothing.
#[derive(Clone, Copy)]
pub enum Proof {
    /// When the host answered, and not that it was busy.
    Answered,
    /// When something of the tenant's own came back, or what else it looked for.
    Seen,
}

/// What is common to all values of all tenants of a test.
const MARK: &str = "kanari";

/// A batch under way.
pub struct Run {
    own: String,
    state: u64,
    unanswered: u32,
    seen: u32,
}

/// Runs a batch of these operations, each as often as its weight says, and says how often it was proved to work.
pub fn run(batch: Batch, operations: &[(&str, u32, Proof, Operation)]) -> Result<Vec<(String, u32)>, Error> {
    let Some(mut run) = Run::of(&batch.tenant, batch.seed) else {
        return Err(Error::Leaked(format!("{:?} is no tenant of this test", batch.tenant)));
    };
    let weights: u32 = operations.iter().map(|(_, weight, ..)| weight).sum();
    let mut counts = vec![0; operations.len()];
    for number in 0..batch.operations {
        let mut drawn = run.below(u64::from(weights)) as u32;
        let found = operations.iter().position(|(_, weight, ..)| {
            let found = drawn < *weight;
            drawn = drawn.wrapping_sub(*weight);
            found
        });
        let index = found.unwrap_or_default();
        let (name, _, proof, operation) = &operations[index];
        let (unanswered, seen) = (run.unanswered, run.seen);
        operation(&mut run).map_err(|seen| Error::Leaked(format!("operation {number}, {name}: {seen}")))?;
        let is_proved = match proof {
            Proof::Answered => run.unanswered == unanswered,
            Proof::Seen => run.seen > seen,
        };
        counts[index] += u32::from(is_proved);
    }
    let counts = operations.iter().zip(counts).map(|((name, ..), count)| ((*name).to_owned(), count));
    Ok(counts.chain([("unanswered".to_owned(), run.unanswered)]).collect())
}

impl Run {
    /// None for a tenant that is none of the test's two.
    pub fn of(tenant: &str, seed: u64) -> Option<Self> {
        let is_of_the_test = tenant.starts_with(MARK) && tenant.len() == MARK.len() + 1;
        is_of_the_test.then(|| Self { own: tenant.to_owned(), state: seed, unanswered: 0, seen: 0 })
    }

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

    /// Notes that the operation has seen what it was looking for.
    pub fn saw(&mut self) {
        self.seen += 1;
    }

    /// That this is a value of this tenant.
    pub fn look_own(&mut self, text: &str) -> Result<(), String> {
        self.look(text)?;
        self.saw();
        if text.contains(&self.own) { Ok(()) } else { Err(format!("{text:?}, which is not of {}", self.own)) }
    }
}
