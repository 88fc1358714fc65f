//! Polls: a counter and a list for each poll, without a table.

#![cfg(target_family = "wasm")]

use exports::polls::polls::polls::{Error, Guest, Tally};
use tenon_plugin::keyvalue;

wit_bindgen::generate!({
    inline: "
        package polls:plugin;
        world polls { export polls:polls/polls@1.0.0; }
    ",
    path: ["wit"],
});

tenon_plugin::embed! { manifest: "../plugin.json" }

tenon_plugin::service_types! {
    crate::exports::polls::polls::polls: Error;
}

struct Polls;

impl Guest for Polls {
    fn vote(poll: String, voter: String) -> Result<i64, Error> {
        let (votes, voters) = (keyvalue::open("votes")?, keyvalue::open("voters")?);
        // Read, changed and written back; anew, if somebody else was faster.
        voters.update(&poll, |so_far| {
            let mut names = so_far.unwrap_or_default();
            names.extend_from_slice(voter.as_bytes());
            names.push(b'\n');
            names
        })?;
        Ok(votes.increment(&poll, 1)?)
    }

    fn show(poll: String) -> Result<Tally, Error> {
        let votes = keyvalue::open("votes")?.text(&poll)?;
        let votes = votes.ok_or_else(|| Error::NotFound(format!("nobody has voted on {poll}")))?;
        let voters = keyvalue::open("voters")?.text(&poll)?.unwrap_or_default();
        let voters = voters.lines().map(str::to_owned).collect();
        Ok(Tally { poll, votes: votes.parse().unwrap_or_default(), voters })
    }

    fn list() -> Result<Vec<String>, Error> {
        Ok(keyvalue::open("votes")?.keys().collect::<keyvalue::Result<_>>()?)
    }

    fn remove(poll: String) -> Result<(), Error> {
        keyvalue::open("votes")?.delete(&poll)?;
        Ok(keyvalue::open("voters")?.delete(&poll)?)
    }
}

export!(Polls);
