//! Going back to a snapshot.
//!
//! Invariant: a tenant's database is at any moment the one before or the one from the snapshot, whole, however the
//! process ends. The snapshot is copied and checked beside the database; what is there is kept as one more snapshot;
//! then the database is closed, which empties and removes its log, and one rename puts the copy in its place. A log
//! that stayed would be played into the copy, so nothing is exchanged while there is one. Nobody uses the database
//! meanwhile ([`Sole`]).
//!
//! Events that the database has published leave it first: those in the snapshot were sent long ago and go no second
//! time, and none that is on its way is lost with what is replaced.

use super::{
    account::of_the_host,
    database::{Lease, TenantDatabase, readers_gone},
    error::SqlError,
    files::Room,
    guard::{Mode, Stop},
    history::History,
    link::{self, Link, Role},
    registry::{Place, Sole},
    snapshots::{Snapshot, SnapshotId, failed, sync},
};
use crate::{capability::events, config::SqlConfig, fault, usage::Meter};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Time between two looks whether events have left.
const EVENTS_POLL: Duration = Duration::from_millis(20);
/// Time for one look.
const EVENTS_LOOK: Duration = Duration::from_secs(1);

/// What restoring a snapshot did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What is there now.
    pub snapshot: Snapshot,
    /// What was there before; none if there was no data, or none that could be read.
    pub kept: Option<SnapshotId>,
}

/// Puts a snapshot in the place of the database. It runs as a task of its own, so that it is not given up half way.
///
/// # Errors
/// `Invalid` if there is no such snapshot; `Unavailable` if calls are under way until the deadline, the snapshot is
/// damaged, the disk is full, or the database stays in use; `Timeout`. Nothing was changed then.
pub(super) async fn restore(
    place: Arc<Place>,
    limits: Arc<SqlConfig>,
    id: SnapshotId,
    deadline: Instant,
) -> Result<Restored, SqlError> {
    let (sole, found) = found(&place, deadline).await?;
    let staged = staged(&place.file);
    let (there, to) = (place.clone(), staged.clone());
    let snapshot = off_thread(move || {
        let (snapshot, from) = there.snapshots.find(id)?;
        stage(&snapshot, &from, &to, &limits, deadline).inspect_err(|_| clear(&to))?;
        Ok(snapshot)
    })
    .await?;
    fault::moment("restore: staged");
    let kept = match found {
        Found::Open(database) => keep(&place, database, deadline).await,
        Found::Damaged => keep_damaged(place.clone()).await,
        Found::Nothing => Ok(Kept::Nothing),
    };
    let exchanged = match kept {
        Err(error) => Err(error),
        Ok(kept) => {
            let (there, from) = (place.clone(), staged.clone());
            off_thread(move || exchange(sole, &there, &from, kept, deadline)).await.map(|()| kept)
        }
    };
    match exchanged {
        Ok(Kept::Snapshot(kept)) => Ok(Restored { snapshot, kept: Some(kept) }),
        Ok(Kept::Nothing | Kept::AsItIs) => Ok(Restored { snapshot, kept: None }),
        Err(error) => {
            // What was copied is no use any more. Should it stay, the next one removes it.
            let _ = tokio::task::spawn_blocking(move || clear(&staged)).await;
            Err(error)
        }
    }
}

/// What is there, with the right to replace it.
async fn found(place: &Arc<Place>, deadline: Instant) -> Result<(Sole, Found), SqlError> {
    loop {
        let sole = place.sole(deadline).await?;
        if !place.file.exists() {
            return Ok((sole, Found::Nothing));
        }
        // Before anything is copied: opening it removes what an earlier attempt left.
        let database = match place.open(&sole, &of_the_host(deadline)).await {
            Ok(database) => database,
            Err(error) if error == SqlError::damaged() => return Ok((sole, Found::Damaged)),
            Err(error) => return Err(error),
        };
        // A little longer, so that the deadline itself is told as what it is.
        match has_events(&database, deadline + EVENTS_LOOK).await {
            Ok(true) if Instant::now() < deadline => {}
            Ok(true) => {
                let why = "events that it has published are still on their way; try again";
                return Err(SqlError::unavailable(why));
            }
            Ok(false) => return Ok((sole, Found::Open(database))),
            // Whatever it has published, nobody can read it.
            Err(error) if error == SqlError::damaged() => return Ok((sole, Found::Open(database))),
            Err(error) => return Err(error),
        }
        drop((database, sole));
        tokio::time::sleep(EVENTS_POLL).await;
    }
}

async fn has_events(database: &Arc<TenantDatabase>, deadline: Instant) -> Result<bool, SqlError> {
    let terms = of_the_host(deadline);
    if database.host_query(events::OUTBOX_EXISTS, Vec::new(), &terms).await?.rows.is_empty() {
        return Ok(false);
    }
    Ok(!database.host_query(events::OUTBOX_ANY, Vec::new(), &terms).await?.rows.is_empty())
}

/// Removes the events of a copy.
fn without_events(to: &Path, limits: &SqlConfig, deadline: Instant) -> Result<(), SqlError> {
    let room = Room::new(limits, Arc::new(Meter::of_nobody()), 0);
    let link = Link::open(to, Role::Writer, limits, &room)?;
    let connection = link.start(Mode::Host, Stop::at(deadline))?;
    if !connection.prepare(events::OUTBOX_EXISTS)?.exists([])? {
        return Ok(());
    }
    link::command(connection, events::OUTBOX_CLEAR)?;
    link.empty_log(&room)
}

/// Copies the snapshot beside the database, and makes sure that it is whole.
fn stage(snapshot: &Snapshot, from: &Path, to: &Path, limits: &SqlConfig, deadline: Instant) -> Result<(), SqlError> {
    clear(to);
    fs::copy(from, to).map_err(|error| failed("copy", &error))?;
    let damaged = || SqlError::unavailable("the snapshot is damaged; restore another");
    let of_the_snapshot = |error| if error == SqlError::damaged() { damaged() } else { error };
    let link = Link::open(to, Role::Reader, limits, &Room::new(limits, Arc::new(Meter::of_nobody()), 0))
        .map_err(of_the_snapshot)?;
    let connection = link.start(Mode::Host, Stop::at(deadline))?;
    let told = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)).map_err(SqlError::from);
    let history = told.and_then(|told| if told == "ok" { History::read(connection) } else { Err(damaged()) });
    // An empty file is a database too, and sound.
    if history.map_err(of_the_snapshot)?.version() != snapshot.data_version {
        return Err(damaged());
    }
    drop(link);
    without_events(to, limits, deadline)?;
    beside(to).iter().for_each(|file| drop(fs::remove_file(file)));
    sync(to).map_err(|error| failed("write", &error))
}

/// What is there before.
enum Found {
    Open(Arc<TenantDatabase>),
    Damaged,
    Nothing,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Snapshot(SnapshotId),
    /// A file that cannot be read, with its log.
    AsItIs,
    Nothing,
}

impl Kept {
    /// Nothing was restored, so what is there need not be kept twice.
    fn undo(self, place: &Place) {
        if let Kept::Snapshot(id) = self
            && let Err(error) = place.snapshots.delete(id)
        {
            tracing::warn!(%error, "a snapshot that is not needed could not be removed");
        }
    }
}

/// Keeps what is there as a snapshot, and has the log written back.
async fn keep(place: &Arc<Place>, database: Arc<TenantDatabase>, deadline: Instant) -> Result<Kept, SqlError> {
    // Statements of calls that were given up may still have to notice.
    drop(readers_gone(&database, deadline).await?);
    let lease = Lease::wait(&database, Role::Writer, &of_the_host(deadline)).await?;
    let (there, of) = (place.clone(), database);
    let work = move |link: &Link, busy_until| {
        let history = History::read(link.switch(Mode::Host))?;
        let kept = match history.version() {
            0 => Kept::Nothing,
            _ => {
                let source = of.connect(Role::Reader, busy_until)?;
                source.start(Mode::Host, Stop::at(deadline))?;
                Kept::Snapshot(there.snapshots.take(&source, &history, || link.must_stop())?)
            }
        };
        link.empty_log(&of.room).inspect_err(|_| kept.undo(&there))?;
        Ok(kept)
    };
    match lease.run(Mode::Host, deadline, work).await.1 {
        Err(error) if error == SqlError::damaged() => keep_damaged(place.clone()).await,
        kept => kept,
    }
}

/// What cannot be read is kept as it is, log and all.
async fn keep_damaged(place: Arc<Place>) -> Result<Kept, SqlError> {
    off_thread(move || {
        let [log, ..] = beside(&place.file);
        place.snapshots.keep_damaged(&[(place.file.clone(), ""), (log, "-wal")])?;
        Ok(Kept::AsItIs)
    })
    .await
}

/// Closes the database and puts the copy in its place.
fn exchange(mut sole: Sole, place: &Place, staged: &Path, kept: Kept, deadline: Instant) -> Result<(), SqlError> {
    drop(sole.take());
    let [log, ..] = beside(&place.file);
    if kept == Kept::AsItIs {
        // SQLite could not write it back; a copy lies beside the snapshots.
        let _ = fs::remove_file(&log);
    }
    // A database that was closed to make room for others may not be done with it yet.
    let gone = link::patiently(deadline, || match log.try_exists() {
        Ok(false) => Ok(()),
        _ => Err(SqlError::Busy),
    });
    let gone =
        gone.map_err(|_| SqlError::unavailable("its files are still in use, perhaps by another program; try again"));
    fault::moment("restore: closed");
    let renamed = gone.and_then(|()| fs::rename(staged, &place.file).map_err(|error| failed("put back", &error)));
    // Else each attempt that fails would leave one more.
    renamed.inspect_err(|_| kept.undo(place))?;
    if let Err(error) = sync(place.file.parent().unwrap_or(&place.file)) {
        tracing::warn!(%error, "a snapshot was restored, but the disk did not confirm it; a power failure may undo it");
    }
    fault::moment("restore: exchanged");
    place.snapshots.prune();
    Ok(())
}

/// Where a snapshot is copied to before it takes the database's place.
pub(super) fn staged(file: &Path) -> PathBuf {
    with_suffix(file, "-restore")
}

/// Removes a copy that did not get into its place, with what SQLite made beside it.
pub(super) fn clear(staged: &Path) {
    let _ = fs::remove_file(staged);
    beside(staged).iter().for_each(|file| drop(fs::remove_file(file)));
}

/// The files SQLite keeps beside a database: the log first.
fn beside(file: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|suffix| with_suffix(file, suffix))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqlError> + Send + 'static,
) -> Result<T, SqlError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| SqlError::unavailable("working on its files was given up; try again"))?
}

#[cfg(test)]
mod tests;
