//! Stands in for the CRM, under its id and with its services, and behaves as the tenant of the call is called:
//!
//! * `slow`: every call takes 200 ms;
//! * `trap`: every call traps;
//! * `half`: the deals' summary traps, everything else answers;
//! * `denied`: every call is denied;
//! * `many`: 1,000 contacts and 1,000 deals;
//! * any other: one contact and two deals, at once.
//!
//! A user can ask for the same, so that it comes and goes within a tenant: `slow` and `trap` as above, and
//!
//! * `hang`: every call waits for a minute;
//! * `spin`: every call computes without end;
//! * `moody`: every call traps or does not, at random.
//!
//! It has no storage: what is created or changed is answered and forgotten.

#![cfg(target_family = "wasm")]

mod contacts;
mod deals;

use std::hash::{BuildHasher, RandomState};

use tenon_plugin::context;
use wasip2::clocks::monotonic_clock;

wit_bindgen::generate!({
    inline: "
        package crm:double;

        world plugin {
            export crm:contacts/contacts@1.0.0;
            export crm:deals/deals@1.0.0;
        }
    ",
    path: ["../../../wit/wasi-io", "../../../wit/crm-contacts", "../../../wit/crm-deals"],
});

tenon_plugin::embed! { manifest: "../plugin.json" }

tenon_plugin::service_types! {
    crate::exports::crm::contacts::contacts: Timestamp;
    crate::exports::crm::deals::deals: Timestamp, Decimal;
}

/// When everything here was created: 2026-01-01T00:00:00Z.
const CREATED: tenon_plugin::Timestamp = tenon_plugin::Timestamp { seconds: 1_767_225_600, nanoseconds: 0 };

const SLOW_NANOSECONDS: u64 = 200_000_000;

/// How many rows a page holds when the caller names no number, and at most.
const TAKE: u32 = 50;
const MAX_TAKE: u32 = 200;

struct Double;

/// What there is for a tenant.
#[derive(Clone, Copy)]
struct Stock {
    contacts: u32,
    deals: u32,
    summary_traps: bool,
}

/// Does to the call what the tenant's name asks for, and says what there is; an error is why it is denied.
fn admit() -> Result<Stock, String> {
    let few = Stock { contacts: 1, deals: 2, summary_traps: false };
    let call = context::current();
    match call.user.as_deref() {
        Some("slow") => monotonic_clock::subscribe_duration(SLOW_NANOSECONDS).block(),
        Some("trap") => panic!("every call of the user `trap` traps"),
        Some("hang") => monotonic_clock::subscribe_duration(300 * SLOW_NANOSECONDS).block(),
        Some("spin") => loop {
            std::hint::black_box(());
        },
        Some("moody") if RandomState::new().hash_one(0_u8).is_multiple_of(2) => panic!("the user `moody` has bad luck"),
        _ => {}
    }
    match call.tenant.as_str() {
        "slow" => monotonic_clock::subscribe_duration(SLOW_NANOSECONDS).block(),
        "trap" => panic!("every call of the tenant `trap` traps"),
        "denied" => return Err("every call of the tenant `denied` is denied".to_owned()),
        "half" => return Ok(Stock { summary_traps: true, ..few }),
        "many" => return Ok(Stock { contacts: 1_000, deals: 1_000, summary_traps: false }),
        _ => {}
    }
    Ok(few)
}

/// One page of what is there, and how much that is in all.
fn page<T>(all: Vec<T>, skip: Option<u32>, take: Option<u32>) -> (Vec<T>, u64) {
    let (skip, take) = (skip.unwrap_or(0), take.unwrap_or(TAKE).min(MAX_TAKE));
    let total = all.len() as u64;
    (all.into_iter().skip(skip as usize).take(take as usize).collect(), total)
}

/// The number in an id such as `deal-7`, if that is one of so many.
fn number(id: &str, kind: &str, count: u32) -> Option<u32> {
    let number = id.strip_prefix(kind)?.strip_prefix('-')?.parse().ok()?;
    (1..=count).contains(&number).then_some(number)
}

export!(Double);
