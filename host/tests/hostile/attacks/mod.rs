//! The tables of attacks, one file a topic.

mod console;
mod events;
mod host_calls;
mod keeper;
mod memory;
mod nested;
mod outbound;
mod resilience;
mod rules;
pub mod schedules;
mod stack;
mod storage;
mod stream;
mod time;
mod values;

use crate::attack::Attack;

/// All attacks of all tables.
pub fn all() -> Vec<Attack> {
    let mut all = Vec::new();
    all.extend(time::table());
    all.extend(nested::table());
    all.extend(memory::table());
    all.extend(values::table());
    all.extend(host_calls::table());
    all.extend(console::table());
    all.extend(stack::table());
    all.extend(storage::table());
    all.extend(outbound::table());
    all.extend(rules::table());
    all.extend(keeper::table());
    all.extend(schedules::table());
    all.extend(events::table());
    all.extend(stream::table());
    all.extend(resilience::table());
    all
}
