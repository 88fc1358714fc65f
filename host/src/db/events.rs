//! Events on their way: what arrived, to whom it is still to be told, and what could not be told.
//!
//! Invariants: an event is known by its id and taken in once, with all its deliveries, however often it arrives. Of the
//! deliveries of one tenant, subscriber and key only the first can be claimed. A delivery that was claimed is changed by
//! nobody but the holder of its lease, until the lease is over.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::FromRow;

use super::DbError;
use super::rows::Micros;

/// An event that arrives, and who is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub id: String,
    /// Empty for what concerns the whole installation.
    pub tenant: String,
    pub source: String,
    pub topic: String,
    pub key: Option<String>,
    pub subject: Option<String>,
    pub at: Timestamp,
    pub correlation_id: String,
    pub hops: i64,
    /// JSON.
    pub data: String,
    /// The plugins.
    pub subscribers: Vec<String>,
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct StoredEvent {
    /// Rising in the order in which events arrived.
    pub sequence: i64,
    pub id: String,
    pub tenant: String,
    pub source: String,
    pub topic: String,
    pub key: Option<String>,
    pub subject: Option<String>,
    #[sqlx(rename = "at_us", try_from = "Micros")]
    pub at: Timestamp,
    pub correlation_id: String,
    pub hops: i64,
    pub data: String,
}

/// Which events are wanted. `None` matches any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Empty for those of the whole installation.
    pub tenant: Option<String>,
    /// A pattern, in which `*` stands for any one word.
    pub topic: Option<String>,
    pub source: Option<String>,
    pub subject: Option<String>,
    pub correlation_id: Option<String>,
    /// Only events that arrived before the one of this sequence.
    pub before: Option<i64>,
}

/// What another system sends, by the key it gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRequest {
    pub principal: String,
    pub key: String,
    /// Of the body, in hexadecimal.
    pub sha256: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// It was taken in, with so many deliveries.
    New(usize),
    /// The same was taken in before, under this id.
    Known(String),
    /// Under this key something else was taken in before.
    Other,
}

/// Deliveries that somebody wants to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryClaim {
    pub tenant: String,
    pub limit: u32,
    /// Subscribers that are known not to be there.
    pub without: Vec<String>,
    pub now: Timestamp,
    /// When others may take them.
    pub until: Timestamp,
    /// Tells this claim from all others.
    pub lease: String,
}

/// A delivery that was claimed, with its event.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Delivery {
    #[sqlx(rename = "delivery")]
    pub sequence: i64,
    pub subscriber: String,
    /// Attempts that failed.
    pub attempts: i64,
    /// Since when it waits for its subscriber, in microseconds.
    pub waiting_us: Option<i64>,
    pub last_error: Option<String>,
    #[sqlx(flatten)]
    pub event: StoredEvent,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub sequence: i64,
    pub lease: String,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It failed and is tried again then.
    Again {
        due: Timestamp,
        error: String,
    },
    /// Its subscriber is not there. That is no attempt.
    Wait {
        due: Timestamp,
    },
    /// Whoever claimed it stops and did not get to its end. That is no attempt, and says nothing of its subscriber: it is
    /// due at once, and has waited for no longer than it had.
    GivenBack,
    /// It is given up, after one more attempt or without.
    Dead {
        attempted: bool,
        error: String,
        at: Timestamp,
    },
}

/// What could not be delivered, with its event.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DeadLetter {
    #[sqlx(rename = "letter")]
    pub sequence: i64,
    pub subscriber: String,
    pub attempts: i64,
    pub error: String,
    #[sqlx(rename = "died_at_us", try_from = "Micros")]
    pub died_at: Timestamp,
    #[sqlx(flatten)]
    pub event: StoredEvent,
}

/// Which dead letters are wanted. `None` matches any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadFilter {
    pub tenant: Option<String>,
    pub subscriber: Option<String>,
    /// A pattern, in which `*` stands for any one word.
    pub topic: Option<String>,
    pub before: Option<i64>,
}

/// What is no longer kept. Events that are still to be delivered stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPrune {
    /// Tenants whose events stay, however many: one of theirs may arrive once more, and is known only while it is kept.
    pub spared: Vec<String>,
    /// Events that arrived before.
    pub events: Timestamp,
    /// Events of one tenant.
    pub events_max: u32,
    /// Dead letters that died before.
    pub dead: Timestamp,
    /// Dead letters of one tenant.
    pub dead_max: u32,
    /// Keys of requests that came before.
    pub requests: Timestamp,
    /// Rows removed at once, of each kind.
    pub rows: u32,
}

/// Where events are kept.
#[async_trait]
pub trait Events {
    /// Notes that a plugin's database of a tenant may hold events that did not arrive yet, and when that was noted.
    async fn outbox_mark(&self, tenant: &str, plugin: &str, now: Timestamp) -> Result<(), DbError>;

    /// Notes that it does not, if the mark was last written before then. False if there is none, or it was written since.
    async fn outbox_unmark(&self, tenant: &str, plugin: &str, before: Timestamp) -> Result<bool, DbError>;

    /// The databases that may, as tenant and plugin.
    async fn outbox_list(&self) -> Result<Vec<(String, String)>, DbError>;

    /// Takes events in, in their order. Those whose id is known stay as they are. Gives the number of new deliveries.
    async fn event_add(&self, events: Vec<NewEvent>) -> Result<usize, DbError>;

    /// What became of a request that was made before under this key; none if there was none.
    async fn event_requested(&self, tenant: &str, request: &EventRequest) -> Result<Option<Requested>, DbError>;

    /// The same as [`Events::event_add`] for one that another system sends, unless it sent it before.
    async fn event_request(&self, request: EventRequest, event: NewEvent) -> Result<Requested, DbError>;

    /// The latest events that fit, the newest first.
    async fn event_list(&self, filter: EventFilter, limit: u32) -> Result<Vec<StoredEvent>, DbError>;

    /// How many deliveries there are for each tenant that has some.
    async fn delivery_count(&self) -> Result<Vec<(String, i64)>, DbError>;

    /// Gives deliveries that are due to whoever claims them, those due for longest first.
    async fn delivery_claim(&self, claims: Vec<DeliveryClaim>) -> Result<Vec<Delivery>, DbError>;

    /// Writes down what became of deliveries. Those whose lease another has by now stay as they are. Gives how many are
    /// no deliveries any more, by tenant.
    async fn delivery_settle(&self, settled: Vec<Settled>) -> Result<Vec<String>, DbError>;

    /// When the next delivery of a tenant is due or its lease is over; none if it has none.
    async fn delivery_next(&self, tenant: &str) -> Result<Option<Timestamp>, DbError>;

    /// The latest dead letters that fit, the newest first.
    async fn dead_letter_list(&self, filter: DeadFilter, limit: u32) -> Result<Vec<DeadLetter>, DbError>;

    /// One of them; of any tenant if none is named.
    async fn dead_letter_fetch(&self, tenant: Option<&str>, sequence: i64) -> Result<Option<DeadLetter>, DbError>;

    /// Makes a dead letter a delivery again, behind all others. Gives the tenant; none if there is no such letter.
    async fn dead_letter_replay(
        &self,
        tenant: Option<&str>,
        sequence: i64,
        now: Timestamp,
    ) -> Result<Option<String>, DbError>;

    /// Removes a dead letter. False if there is none.
    async fn dead_letter_drop(&self, tenant: Option<&str>, sequence: i64) -> Result<bool, DbError>;

    /// Removes what is no longer kept. True when there may be more.
    async fn event_prune(&self, prune: EventPrune) -> Result<bool, DbError>;
}

/// What a [`StoredEvent`] is read from.
macro_rules! event_columns {
    () => {
        "event.sequence, event.id, event.tenant, event.source, event.topic, event.key, event.subject, event.at_us, \
         event.correlation_id, event.hops, event.data"
    };
}
pub(super) use event_columns;

/// Whether a topic is one that a pattern means, in which `*` stands for exactly one word: so many words has the topic
/// then.
macro_rules! topic_is {
    ($pattern:literal) => {
        concat!(
            "(event.topic GLOB ",
            $pattern,
            " AND length(event.topic) - length(replace(event.topic, '.', '')) = length(",
            $pattern,
            ") - length(replace(",
            $pattern,
            ", '.', '')))"
        )
    };
}

pub(super) const OUTBOX_MARK: &str = "\
    INSERT INTO event_outbox (tenant, plugin, marked_at_us) VALUES ($1, $2, $3) \
    ON CONFLICT (tenant, plugin) DO UPDATE SET marked_at_us = excluded.marked_at_us";

pub(super) const OUTBOX_UNMARK: &str =
    "DELETE FROM event_outbox WHERE tenant = $1 AND plugin = $2 AND marked_at_us < $3";

pub(super) const OUTBOX_LIST: &str = "SELECT tenant, plugin FROM event_outbox ORDER BY tenant, plugin";

pub(super) const EVENT_INSERT: &str = "\
    INSERT INTO event (id, tenant, source, topic, key, subject, at_us, correlation_id, hops, data, stored_at_us) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING RETURNING sequence";

pub(super) const EVENT_LIST: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM event \
     WHERE ($1 IS NULL OR tenant = $1) AND ($2 IS NULL OR ",
    topic_is!("$2"),
    ") AND ($3 IS NULL OR source = $3) \
       AND ($4 IS NULL OR subject = $4) AND ($5 IS NULL OR correlation_id = $5) AND ($6 IS NULL OR sequence < $6) \
     ORDER BY sequence DESC LIMIT $7"
);

pub(super) const EVENT_REQUEST_FETCH: &str =
    "SELECT sha256, event FROM event_request WHERE tenant = $1 AND principal = $2 AND key = $3";

pub(super) const EVENT_REQUEST_INSERT: &str = "\
    INSERT INTO event_request (tenant, principal, key, sha256, event, at_us) VALUES ($1, $2, $3, $4, $5, $6)";

/// What has no key is behind nothing.
pub(super) const DELIVERY_INSERT: &str = "\
    INSERT INTO delivery (event, tenant, subscriber, key, behind, attempts, due_us) \
    SELECT event.sequence, event.tenant, $2, event.key, \
        CASE WHEN EXISTS (SELECT 1 FROM delivery AS other WHERE other.tenant = event.tenant AND other.subscriber = $2 \
            AND other.key = event.key) THEN 1 ELSE 0 END, \
        0, $3 \
    FROM event WHERE event.sequence = $1 \
    ON CONFLICT (event, subscriber) DO NOTHING";

pub(super) const DELIVERY_COUNT: &str = "SELECT tenant, count(*) FROM delivery GROUP BY tenant ORDER BY tenant";

pub(super) const DELIVERY_CLAIM: &str = "\
    UPDATE delivery SET leased_us = $3, lease = $4 WHERE sequence IN ( \
        SELECT sequence FROM delivery \
        WHERE tenant = $1 AND behind = 0 AND due_us <= $2 AND (leased_us IS NULL OR leased_us <= $2) \
          AND subscriber NOT IN (SELECT value FROM json_each($5)) \
        ORDER BY due_us, sequence LIMIT $6)";

pub(super) const DELIVERY_CLAIMED: &str = concat!(
    "SELECT delivery.sequence AS delivery, delivery.subscriber, delivery.attempts, delivery.waiting_us, \
        delivery.last_error, ",
    event_columns!(),
    " FROM delivery JOIN event ON event.sequence = delivery.event \
     WHERE delivery.tenant = $1 AND delivery.behind = 0 AND delivery.lease = $2 ORDER BY delivery.sequence"
);

pub(super) const DELIVERY_NEXT: &str = "\
    SELECT min(CASE WHEN leased_us > due_us THEN leased_us ELSE due_us END) FROM delivery \
    WHERE tenant = $1 AND behind = 0";

pub(super) const DELIVERY_DELETE: &str =
    "DELETE FROM delivery WHERE sequence = $1 AND lease = $2 RETURNING tenant, subscriber, key";

pub(super) const DELIVERY_LEAD: &str = "\
    UPDATE delivery SET behind = 0 WHERE sequence = \
        (SELECT min(sequence) FROM delivery WHERE tenant = $1 AND subscriber = $2 AND key = $3)";

pub(super) const DELIVERY_AGAIN: &str = "\
    UPDATE delivery SET leased_us = NULL, lease = NULL, waiting_us = NULL, attempts = attempts + 1, due_us = $3, \
        last_error = $4 \
    WHERE sequence = $1 AND lease = $2";

pub(super) const DELIVERY_WAIT: &str = "\
    UPDATE delivery SET leased_us = NULL, lease = NULL, waiting_us = coalesce(waiting_us, $4), due_us = $3 \
    WHERE sequence = $1 AND lease = $2";

/// Due since when it was, so it keeps its place among those that are due.
pub(super) const DELIVERY_GIVE_BACK: &str =
    "UPDATE delivery SET leased_us = NULL, lease = NULL WHERE sequence = $1 AND lease = $2";

pub(super) const DEAD_LETTER_INSERT: &str = "\
    INSERT INTO dead_letter (event, tenant, subscriber, attempts, error, died_at_us) \
    SELECT event, tenant, subscriber, attempts + $3, $4, $5 FROM delivery WHERE sequence = $1 AND lease = $2 \
    ON CONFLICT (event, subscriber) DO UPDATE SET \
        attempts = excluded.attempts, error = excluded.error, died_at_us = excluded.died_at_us";

macro_rules! dead_letter {
    ($rest:literal) => {
        concat!(
            "SELECT dead_letter.sequence AS letter, dead_letter.subscriber, dead_letter.attempts, dead_letter.error, \
                dead_letter.died_at_us, ",
            event_columns!(),
            " FROM dead_letter JOIN event ON event.sequence = dead_letter.event ",
            $rest
        )
    };
}

pub(super) const DEAD_LETTER_LIST: &str = concat!(
    dead_letter!(
        "WHERE ($1 IS NULL OR dead_letter.tenant = $1) AND ($2 IS NULL OR dead_letter.subscriber = $2) \
           AND ($3 IS NULL OR "
    ),
    topic_is!("$3"),
    ") AND ($4 IS NULL OR dead_letter.sequence < $4) ORDER BY dead_letter.sequence DESC LIMIT $5"
);

pub(super) const DEAD_LETTER_FETCH: &str =
    dead_letter!("WHERE ($1 IS NULL OR dead_letter.tenant = $1) AND dead_letter.sequence = $2");

pub(super) const DEAD_LETTER_DELETE: &str = "\
    DELETE FROM dead_letter WHERE ($1 IS NULL OR tenant = $1) AND sequence = $2 RETURNING event, tenant, subscriber";

pub(super) const EVENT_PRUNE: &str = "\
    DELETE FROM event WHERE sequence IN ( \
        SELECT sequence FROM event WHERE stored_at_us < $1 AND tenant NOT IN (SELECT value FROM json_each($3)) \
          AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.sequence) \
          AND NOT EXISTS (SELECT 1 FROM dead_letter WHERE dead_letter.event = event.sequence) \
        ORDER BY stored_at_us LIMIT $2)";

pub(super) const EVENT_COUNT: &str = "SELECT tenant FROM event GROUP BY tenant HAVING count(*) > $1";

/// Those of a tenant beyond the latest so many.
pub(super) const EVENT_TRIM: &str = "\
    DELETE FROM event WHERE sequence IN ( \
        SELECT sequence FROM event WHERE tenant = $1 \
          AND sequence <= (SELECT sequence FROM event WHERE tenant = $1 ORDER BY sequence DESC LIMIT 1 OFFSET $2) \
          AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.sequence) \
          AND NOT EXISTS (SELECT 1 FROM dead_letter WHERE dead_letter.event = event.sequence) \
        ORDER BY sequence LIMIT $3)";

pub(super) const DEAD_LETTER_PRUNE: &str = "\
    DELETE FROM dead_letter WHERE sequence IN \
        (SELECT sequence FROM dead_letter WHERE died_at_us < $1 ORDER BY died_at_us LIMIT $2)";

pub(super) const DEAD_LETTER_COUNT: &str = "SELECT tenant FROM dead_letter GROUP BY tenant HAVING count(*) > $1";

pub(super) const DEAD_LETTER_TRIM: &str = "\
    DELETE FROM dead_letter WHERE sequence IN ( \
        SELECT sequence FROM dead_letter WHERE tenant = $1 \
          AND sequence <= (SELECT sequence FROM dead_letter WHERE tenant = $1 ORDER BY sequence DESC LIMIT 1 OFFSET $2) \
        ORDER BY sequence LIMIT $3)";

pub(super) const EVENT_REQUEST_PRUNE: &str = "\
    DELETE FROM event_request WHERE (tenant, principal, key) IN \
        (SELECT tenant, principal, key FROM event_request WHERE at_us < $1 ORDER BY at_us LIMIT $2)";
