//! Events in SQLite.
//!
//! Each change is one transaction of many statements, so that many events cost one write to the disk.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Error, Row};

use super::notifications::json;
use super::{SqliteControlPlane, transaction};
use crate::db::events::{
    DEAD_LETTER_COUNT, DEAD_LETTER_DELETE, DEAD_LETTER_FETCH, DEAD_LETTER_INSERT, DEAD_LETTER_LIST, DEAD_LETTER_PRUNE,
    DEAD_LETTER_TRIM, DELIVERY_AGAIN, DELIVERY_CLAIM, DELIVERY_CLAIMED, DELIVERY_COUNT, DELIVERY_DELETE,
    DELIVERY_GIVE_BACK, DELIVERY_INSERT, DELIVERY_LEAD, DELIVERY_NEXT, DELIVERY_WAIT, EVENT_COUNT, EVENT_INSERT,
    EVENT_LIST, EVENT_PRUNE, EVENT_REQUEST_FETCH, EVENT_REQUEST_INSERT, EVENT_REQUEST_PRUNE, EVENT_TRIM, OUTBOX_LIST,
    OUTBOX_MARK, OUTBOX_UNMARK,
};
use crate::db::{
    DbError, DeadFilter, DeadLetter, Delivery, DeliveryClaim, EventFilter, EventPrune, EventRequest, Events, NewEvent,
    Outcome, Requested, Settled, StoredEvent,
};

#[async_trait]
impl Events for SqliteControlPlane {
    async fn outbox_mark(&self, tenant: &str, plugin: &str, now: Timestamp) -> Result<(), DbError> {
        let mark = sqlx::query(OUTBOX_MARK).bind(tenant).bind(plugin).bind(now.as_microsecond());
        mark.execute(&self.writer).await.map(drop).map_err(DbError::during("outbox_mark"))
    }

    async fn outbox_unmark(&self, tenant: &str, plugin: &str, before: Timestamp) -> Result<bool, DbError> {
        let unmark = sqlx::query(OUTBOX_UNMARK).bind(tenant).bind(plugin).bind(before.as_microsecond());
        let removed = unmark.execute(&self.writer).await.map_err(DbError::during("outbox_unmark"))?;
        Ok(removed.rows_affected() > 0)
    }

    async fn outbox_list(&self) -> Result<Vec<(String, String)>, DbError> {
        sqlx::query_as(OUTBOX_LIST).fetch_all(&self.readers).await.map_err(DbError::during("outbox_list"))
    }

    async fn event_add(&self, events: Vec<NewEvent>) -> Result<usize, DbError> {
        transaction(&self.writer, "event_add", move |connection| {
            Box::pin(async move {
                let mut deliveries = 0;
                for event in &events {
                    deliveries += add(connection, event).await?;
                }
                Ok(deliveries)
            })
        })
        .await
    }

    async fn event_requested(&self, tenant: &str, request: &EventRequest) -> Result<Option<Requested>, DbError> {
        requested(&self.readers, tenant, request).await.map_err(DbError::during("event_requested"))
    }

    async fn event_request(&self, request: EventRequest, event: NewEvent) -> Result<Requested, DbError> {
        transaction(&self.writer, "event_request", move |connection| {
            Box::pin(async move {
                if let Some(known) = requested(&mut *connection, &event.tenant, &request).await? {
                    return Ok(known);
                }
                let EventRequest { principal, key, sha256 } = &request;
                let insert = sqlx::query(EVENT_REQUEST_INSERT).bind(&event.tenant).bind(principal).bind(key);
                let insert = insert.bind(sha256).bind(&event.id).bind(event.at.as_microsecond());
                insert.execute(&mut *connection).await?;
                add(connection, &event).await.map(Requested::New)
            })
        })
        .await
    }

    async fn event_list(&self, filter: EventFilter, limit: u32) -> Result<Vec<StoredEvent>, DbError> {
        let EventFilter { tenant, topic, source, subject, correlation_id, before } = filter;
        let list = sqlx::query_as(EVENT_LIST).bind(tenant).bind(topic).bind(source).bind(subject).bind(correlation_id);
        list.bind(before).bind(limit).fetch_all(&self.readers).await.map_err(DbError::during("event_list"))
    }

    async fn delivery_count(&self) -> Result<Vec<(String, i64)>, DbError> {
        sqlx::query_as(DELIVERY_COUNT).fetch_all(&self.readers).await.map_err(DbError::during("delivery_count"))
    }

    async fn delivery_claim(&self, claims: Vec<DeliveryClaim>) -> Result<Vec<Delivery>, DbError> {
        transaction(&self.writer, "delivery_claim", move |connection| {
            Box::pin(async move {
                let mut claimed = Vec::new();
                for DeliveryClaim { tenant, limit, without, now, until, lease } in claims {
                    let without = serde_json::to_string(&without).map_err(|error| Error::Encode(Box::new(error)))?;
                    let claim = sqlx::query(DELIVERY_CLAIM).bind(&tenant).bind(now.as_microsecond());
                    let claim = claim.bind(until.as_microsecond()).bind(&lease).bind(without).bind(limit);
                    if claim.execute(&mut *connection).await?.rows_affected() > 0 {
                        let found = sqlx::query_as::<_, Delivery>(DELIVERY_CLAIMED).bind(tenant).bind(lease);
                        claimed.extend(found.fetch_all(&mut *connection).await?);
                    }
                }
                Ok(claimed)
            })
        })
        .await
    }

    async fn delivery_settle(&self, settled: Vec<Settled>) -> Result<Vec<String>, DbError> {
        transaction(&self.writer, "delivery_settle", move |connection| {
            Box::pin(async move {
                let mut gone = Vec::new();
                for settled in &settled {
                    gone.extend(settle(connection, settled).await?);
                }
                Ok(gone)
            })
        })
        .await
    }

    async fn delivery_next(&self, tenant: &str) -> Result<Option<Timestamp>, DbError> {
        let next = sqlx::query_scalar::<_, Option<i64>>(DELIVERY_NEXT).bind(tenant).fetch_one(&self.readers).await;
        let next = next.map_err(DbError::during("delivery_next"))?;
        Ok(next.map(|micros| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)))
    }

    async fn dead_letter_list(&self, filter: DeadFilter, limit: u32) -> Result<Vec<DeadLetter>, DbError> {
        let DeadFilter { tenant, subscriber, topic, before } = filter;
        let list = sqlx::query_as(DEAD_LETTER_LIST).bind(tenant).bind(subscriber).bind(topic).bind(before).bind(limit);
        list.fetch_all(&self.readers).await.map_err(DbError::during("dead_letter_list"))
    }

    async fn dead_letter_fetch(&self, tenant: Option<&str>, sequence: i64) -> Result<Option<DeadLetter>, DbError> {
        let fetch = sqlx::query_as(DEAD_LETTER_FETCH).bind(tenant).bind(sequence).fetch_optional(&self.readers).await;
        fetch.map_err(DbError::during("dead_letter_fetch"))
    }

    async fn dead_letter_replay(
        &self,
        tenant: Option<&str>,
        sequence: i64,
        now: Timestamp,
    ) -> Result<Option<String>, DbError> {
        let tenant = tenant.map(str::to_owned);
        transaction(&self.writer, "dead_letter_replay", move |connection| {
            Box::pin(async move {
                let taken: Option<(i64, String, String)> = sqlx::query_as(DEAD_LETTER_DELETE)
                    .bind(tenant)
                    .bind(sequence)
                    .fetch_optional(&mut *connection)
                    .await?;
                let Some((event, tenant, subscriber)) = taken else { return Ok(None) };
                let insert = sqlx::query(DELIVERY_INSERT).bind(event).bind(subscriber).bind(now.as_microsecond());
                insert.execute(connection).await.map(|_| Some(tenant))
            })
        })
        .await
    }

    async fn dead_letter_drop(&self, tenant: Option<&str>, sequence: i64) -> Result<bool, DbError> {
        let delete = sqlx::query(DEAD_LETTER_DELETE).bind(tenant).bind(sequence).fetch_optional(&self.writer).await;
        delete.map(|row| row.is_some()).map_err(DbError::during("dead_letter_drop"))
    }

    async fn event_prune(&self, prune: EventPrune) -> Result<bool, DbError> {
        let (rows, during) = (u64::from(prune.rows), || DbError::during("event_prune"));
        // Each by itself: so many rows at once are as long as others should wait for the writer.
        let mut more = false;
        for (statement, before) in [(DEAD_LETTER_PRUNE, prune.dead), (EVENT_REQUEST_PRUNE, prune.requests)] {
            let delete = sqlx::query(statement).bind(before.as_microsecond()).bind(prune.rows).execute(&self.writer);
            more |= delete.await.map_err(during())?.rows_affected() >= rows;
        }
        let events = sqlx::query(EVENT_PRUNE).bind(prune.events.as_microsecond()).bind(prune.rows);
        let events = events.bind(json(&prune.spared)).execute(&self.writer).await.map_err(during())?;
        more |= events.rows_affected() >= rows;
        for (count, trim, most, spared) in [
            (DEAD_LETTER_COUNT, DEAD_LETTER_TRIM, prune.dead_max, &[][..]),
            (EVENT_COUNT, EVENT_TRIM, prune.events_max, &prune.spared[..]),
        ] {
            let over = sqlx::query_scalar::<_, String>(count).bind(most).fetch_all(&self.readers).await;
            for tenant in over.map_err(during())?.into_iter().filter(|tenant| !spared.contains(tenant)) {
                let delete = sqlx::query(trim).bind(tenant).bind(most).bind(prune.rows).execute(&self.writer);
                more |= delete.await.map_err(during())?.rows_affected() >= rows;
            }
        }
        Ok(more)
    }
}

/// What became of a request that was made before under this key.
async fn requested(
    reader: impl sqlx::SqliteExecutor<'_>,
    tenant: &str,
    EventRequest { principal, key, sha256 }: &EventRequest,
) -> Result<Option<Requested>, Error> {
    let known = sqlx::query_as::<_, (String, String)>(EVENT_REQUEST_FETCH).bind(tenant).bind(principal).bind(key);
    let known = known.fetch_optional(reader).await?;
    Ok(known.map(|(known, id)| if known == *sha256 { Requested::Known(id) } else { Requested::Other }))
}

/// Takes an event in unless it is known. Gives the number of its deliveries.
async fn add(connection: &mut SqliteConnection, event: &NewEvent) -> Result<usize, Error> {
    let NewEvent { id, tenant, source, topic, key, subject, at, correlation_id, hops, data, subscribers } = event;
    let now = Timestamp::now().as_microsecond();
    let insert = sqlx::query_scalar::<_, i64>(EVENT_INSERT).bind(id).bind(tenant).bind(source).bind(topic).bind(key);
    let insert = insert.bind(subject).bind(at.as_microsecond()).bind(correlation_id).bind(hops).bind(data).bind(now);
    let Some(sequence) = insert.fetch_optional(&mut *connection).await? else { return Ok(0) };
    for subscriber in subscribers {
        sqlx::query(DELIVERY_INSERT).bind(sequence).bind(subscriber).bind(now).execute(&mut *connection).await?;
    }
    Ok(subscribers.len())
}

/// Gives the tenant if it is no delivery any more.
async fn settle(connection: &mut SqliteConnection, settled: &Settled) -> Result<Option<String>, Error> {
    let Settled { sequence, lease, outcome } = settled;
    match outcome {
        Outcome::Done => {}
        Outcome::Again { due, error } => {
            let again = sqlx::query(DELIVERY_AGAIN).bind(sequence).bind(lease).bind(due.as_microsecond()).bind(error);
            return again.execute(connection).await.map(|_| None);
        }
        Outcome::Wait { due } => {
            let wait = sqlx::query(DELIVERY_WAIT).bind(sequence).bind(lease).bind(due.as_microsecond());
            let wait = wait.bind(Timestamp::now().as_microsecond());
            return wait.execute(connection).await.map(|_| None);
        }
        Outcome::GivenBack => {
            return sqlx::query(DELIVERY_GIVE_BACK).bind(sequence).bind(lease).execute(connection).await.map(|_| None);
        }
        Outcome::Dead { attempted, error, at } => {
            let dead = sqlx::query(DEAD_LETTER_INSERT).bind(sequence).bind(lease).bind(i64::from(*attempted));
            dead.bind(error).bind(at.as_microsecond()).execute(&mut *connection).await?;
        }
    }
    let gone = sqlx::query(DELIVERY_DELETE).bind(sequence).bind(lease).fetch_optional(&mut *connection).await?;
    let Some(gone) = gone else { return Ok(None) };
    let (tenant, subscriber, key): (String, String, Option<String>) = (gone.get(0), gone.get(1), gone.get(2));
    if let Some(key) = key {
        let lead = sqlx::query(DELIVERY_LEAD).bind(&tenant).bind(subscriber).bind(key);
        lead.execute(connection).await?;
    }
    Ok(Some(tenant))
}
