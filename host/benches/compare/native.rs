//! What the host is compared with: axum, and plain functions over the same database file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use axum::Router;
use rusqlite::Connection;
use serde::Serialize;
use tokio::net::TcpListener;

/// Serves a router as axum does by itself, on a free port.
pub async fn serve(router: Router) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

const DEALS: &str = "SELECT id, title, amount, currency, stage, probability, (SELECT count(*) FROM deal) AS total \
    FROM deal ORDER BY currency, amount DESC, id LIMIT 10";
const SUMMARY: &str = "SELECT currency, stage, count(*), sum(amount), sum(amount * probability), sum(probability) \
    FROM deal GROUP BY currency, stage ORDER BY currency";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    total_deals: i64,
    currency: Option<String>,
    total_value: f64,
    avg_deal_value: f64,
    avg_probability: f64,
    by_stage: BTreeMap<String, Stage>,
    by_currency: BTreeMap<String, f64>,
    top_deals: Vec<Deal>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    count: i64,
    value: f64,
    avg_value: f64,
}

#[derive(Serialize)]
struct Deal {
    id: String,
    title: String,
    value: f64,
    currency: String,
    stage: String,
    probability: i64,
}

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// report-2 as plain functions: the same two statements, the same figures.
pub fn pipeline(file: &PathBuf) -> anyhow::Result<Pipeline> {
    CONNECTION.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(Connection::open(file)?);
        }
        let connection = slot.as_ref().context("there is a connection")?;
        let top_deals = top_deals(connection)?;
        summary(connection, top_deals)
    })
}

fn top_deals(connection: &Connection) -> anyhow::Result<Vec<Deal>> {
    let mut statement = connection.prepare_cached(DEALS)?;
    let deals = statement.query_map([], |row| {
        Ok(Deal {
            id: format!("deal-{}", row.get::<_, i64>(0)?),
            title: row.get(1)?,
            value: row.get::<_, i64>(2)? as f64 / 100.0,
            currency: row.get(3)?,
            stage: row.get(4)?,
            probability: row.get(5)?,
        })
    })?;
    Ok(deals.collect::<Result<_, _>>()?)
}

fn summary(connection: &Connection, top_deals: Vec<Deal>) -> anyhow::Result<Pipeline> {
    let mut statement = connection.prepare_cached(SUMMARY)?;
    let mut rows = statement.query([])?;
    let (mut count, mut minor, mut points) = (0, 0, 0);
    let mut by_stage = BTreeMap::new();
    let mut by_currency: BTreeMap<String, f64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (deals, total): (i64, i64) = (row.get(2)?, row.get(3)?);
        count += deals;
        minor += total;
        points += row.get::<_, i64>(5)?;
        let value = total as f64 / 100.0;
        by_stage.insert(row.get(1)?, Stage { count: deals, value, avg_value: value / deals as f64 });
        *by_currency.entry(row.get(0)?).or_default() += value;
    }
    let deals = count.max(1) as f64;
    Ok(Pipeline {
        total_deals: count,
        currency: by_currency.keys().next().cloned(),
        total_value: minor as f64 / 100.0,
        avg_deal_value: minor as f64 / 100.0 / deals,
        avg_probability: points as f64 / deals,
        by_stage,
        by_currency,
        top_deals,
    })
}
