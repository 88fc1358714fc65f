//! Notes each evening how many members a club has: the example of the guide to schedules.

// The exports exist for WebAssembly alone.
#![cfg(target_family = "wasm")]

use exports::club::members::members::{Count, Error, Guest};
use tenon_plugin::schedules::Failed;
use tenon_plugin::sql::{self, Executor, params};
use tenon_plugin::{Scheduled, Tick};

wit_bindgen::generate!({
    inline: "
        package club:plugin;

        world plugin {
            export club:members/members@1.0.0;
        }
    ",
    path: ["wit"],
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: ["0001_club" => "../club.sql"],
}

tenon_plugin::service_types! {
    crate::exports::club::members::members: Error;
}

struct Club;

impl Scheduled for Club {
    fn run(tick: Tick) -> Result<(), Failed> {
        match tick.schedule.as_str() {
            "daily-count" => count(&tick),
            "clean-up" => clean_up(&tick),
            other => Err(Failed::new(format!("nobody wrote what {other} does"))),
        }
    }
}

tenon_plugin::scheduled!(Club);

fn count(tick: &Tick) -> Result<(), Failed> {
    sql::transaction(|tx| {
        // A run that was begun again may have done it already.
        if !tick.once(tx)? {
            return Ok(());
        }
        let members: i64 = tx.query_one("SELECT count(*) FROM member", &[])?;
        tx.execute(
            "INSERT INTO daily_count (day, members) VALUES ($1, $2) \
             ON CONFLICT (day) DO UPDATE SET members = excluded.members",
            params![tick.day(), members],
        )?;
        Ok(())
    })
}

fn clean_up(tick: &Tick) -> Result<(), Failed> {
    let year: u32 = tick.day()[..4].parse()?;
    let oldest = format!("{}{}", year - 1, &tick.day()[4..]);
    sql::execute("DELETE FROM daily_count WHERE day < $1", params![oldest])?;
    Ok(())
}

impl Guest for Club {
    fn join(name: String) -> Result<(), Error> {
        sql::execute("INSERT INTO member (name) VALUES ($1) ON CONFLICT DO NOTHING", params![name])?;
        Ok(())
    }

    fn counts() -> Result<Vec<Count>, Error> {
        let rows = sql::query("SELECT day, members FROM daily_count ORDER BY day", &[])?;
        let read =
            |mut row: sql::Row| Ok::<_, sql::Error>(Count { day: row.get("day")?, members: row.get("members")? });
        Ok(rows.map(read).collect::<Result<_, _>>()?)
    }
}

export!(Club);
