use super::super::places::{Peer, Place, Places};
use super::*;

const MIB: u64 = 1 << 20;

/// 3 MiB for the list, 1 MiB open.
fn room() -> Arc<Room> {
    Room::new(&HttpConfig { answers_bytes: 4 << 20, wait_min_ms: 0, ..HttpConfig::default() })
}

/// A connection that is not behind.
async fn client() -> Place {
    Places::new(1, Duration::ZERO).take().await
}

/// One that is, and by more than all that come after it.
async fn late() -> Place {
    let client = client().await;
    client.peer().pace().ready();
    while client.peer().pace().behind() < Duration::from_micros(10) {
        tokio::task::yield_now().await;
    }
    client
}

fn taker(client: &Place) -> Taker {
    Taker::Connection(client.peer().clone())
}

fn owner(name: &str) -> Option<Owner> {
    Some(Owner(TenantId::parse(name).unwrap()))
}

fn ended(clients: &[Place]) -> Vec<usize> {
    let ended = |(index, client): (usize, &Place)| Peer::ended(client.peer()).then_some(index);
    clients.iter().enumerate().filter_map(ended).collect()
}

#[tokio::test]
async fn what_is_dropped_leaves_nothing() {
    let (room, client) = (room(), client().await);
    let held: Vec<_> = [Some(1), Some(MIB), Some(MIB), None]
        .map(|bytes| room.take(owner("acme"), bytes, taker(&client)).unwrap())
        .into();
    assert_eq!(room.open.load(Ordering::Relaxed), 1);
    assert_eq!(room.kept().bytes, 2 * (1 << 20) + STREAMED_BYTES);
    drop(held);
    let kept = room.kept();
    assert!(kept.bytes == 0 && kept.answers.is_empty() && kept.tenants.is_empty());
    assert_eq!(room.open.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn small_answers_are_in_no_list_until_the_open_part_is_full() {
    let (room, client) = (room(), client().await);
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(room.take(owner("acme"), Some(SMALL_BYTES as u64), taker(&client)).unwrap());
    }
    assert_eq!(room.kept().answers.len(), 0);
    held.push(room.take(owner("acme"), Some(1), taker(&client)).unwrap());
    assert_eq!(room.kept().bytes, SMALL_BYTES, "a list of tiny ones would be long");
}

#[tokio::test]
async fn whoever_is_furthest_behind_of_the_tenant_with_most_gives_up() {
    let room = room();
    let mut clients = Vec::new();
    let mut held = Vec::new();
    for tenant in ["few", "many", "many"] {
        clients.push(late().await);
        held.push(room.take(owner(tenant), Some(MIB), taker(clients.last().unwrap())).unwrap());
    }
    // It is full, and the one that waits longest is of the tenant with less.
    let new = client().await;
    let third = room.take(owner("third"), Some(MIB), taker(&new)).unwrap();
    assert_eq!(ended(&clients), [1]);
    assert_eq!(room.kept().bytes, 3 << 20, "it counts no more, before it is dropped and after");
    held.remove(1);
    assert_eq!(room.kept().bytes, 3 << 20);
    drop(third);
    assert_eq!(room.kept().bytes, 2 << 20);
}

#[tokio::test]
async fn a_tenant_with_most_takes_room_from_nobody_else() {
    let room = room();
    let (small, own) = (late().await, client().await);
    let _small = room.take(owner("few"), Some(MIB), taker(&small)).unwrap();
    let _own = room.take(owner("many"), Some(2 * MIB), taker(&own)).unwrap();
    let new = client().await;
    assert!(room.take(owner("many"), Some(MIB), taker(&new)).is_err());
    // Until its own are behind.
    own.peer().pace().ready();
    while own.peer().pace().behind().is_zero() {}
    let _new = room.take(owner("many"), Some(MIB), taker(&new)).unwrap();
    assert_eq!(ended(&[small, own]), [1]);
}

#[tokio::test]
async fn nobody_gives_up_for_nothing() {
    let room = room();
    let clients = [late().await, client().await];
    let _late = room.take(owner("many"), Some(MIB), taker(&clients[0])).unwrap();
    let _quick = room.take(owner("many"), Some(2 * MIB), taker(&clients[1])).unwrap();
    let new = client().await;
    assert!(room.take(owner("few"), Some(MIB + MIB / 2), taker(&new)).is_err(), "one that is behind is not enough");
    assert!(ended(&clients).is_empty());
    assert_eq!(room.kept().bytes, 3 << 20);
    let _new = room.take(owner("few"), Some(MIB), taker(&new)).unwrap();
    assert_eq!(ended(&clients), [0]);
}

#[tokio::test]
async fn an_answer_without_an_owner_is_one_like_any_other() {
    let room = room();
    let clients = [late().await, late().await];
    let _health = room.take(None, Some(2 * MIB), taker(&clients[0])).unwrap();
    let _acme = room.take(owner("acme"), Some(MIB), taker(&clients[1])).unwrap();
    let _new = room.take(owner("acme"), Some(MIB / 2), taker(&client().await)).unwrap();
    assert_eq!(ended(&clients), [0]);
}
