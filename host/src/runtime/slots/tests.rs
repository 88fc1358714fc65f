use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::*;
use crate::runtime::tenant::tests::{tenant, tenants};

const DEPTH_MAX: u8 = 8;

/// With this many places for calls from outside, half of which one tenant may have.
fn slots(outside: u32, waiting_requests: u32) -> Slots {
    let tenant = TenantConfig { instances: outside, waiting_requests, sql_threads: 1, ..TenantConfig::default() };
    Slots::new(outside * 2, &tenant, 1)
}

fn poll<T>(future: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn every_depth_has_a_place_and_none_is_lost() {
    for instances in [9, 10, 64, 1000] {
        let shares = share_out(instances, DEPTH_MAX);
        assert_eq!(shares.iter().sum::<u32>(), instances, "{shares:?}");
        assert!(shares.len() == 9 && shares.iter().all(|share| *share >= 1), "{shares:?}");
    }
}

#[test]
fn a_full_depth_does_not_hold_up_the_next() {
    let slots = Slots::new(
        9,
        &TenantConfig { instances: 9, waiting_requests: 1, sql_threads: 1, ..TenantConfig::default() },
        DEPTH_MAX,
    );
    let acme = tenant(&tenants(), "acme");
    let _held: Vec<Place> =
        (0..=DEPTH_MAX).map(|depth| at_once(slots.acquire(depth, &acme)).unwrap().unwrap()).collect();
    assert!(at_once(slots.acquire(0, &acme)).is_none());
    assert_eq!(at_once(slots.acquire(9, &acme)).unwrap().err(), Some(Refused::Depth));
}

#[test]
fn a_tenant_has_its_places_and_its_queue_and_leaves_the_rest_to_others() {
    let (slots, all) = (slots(8, 3), tenants());
    let (acme, other) = (tenant(&all, "acme"), tenant(&all, "other"));
    let held: Vec<Place> = (0..4).map(|_| at_once(slots.acquire(0, &acme)).unwrap().unwrap()).collect();
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(slots.acquire(0, &acme))).collect();
    assert!(waiting.iter_mut().all(|wait| poll(wait).is_none()));
    let refused = at_once(slots.acquire(0, &acme)).unwrap().err();
    assert_eq!(refused, Some(Refused::TenantBusy { limit: 3 }));
    assert!(at_once(slots.acquire(0, &other)).unwrap().is_ok(), "places are left for others");
    drop(held);
    assert!(waiting.iter_mut().all(|wait| poll(wait).is_some_and(|place| place.is_ok())), "places come back");
}

#[test]
fn whoever_stops_waiting_leaves_the_queue_at_once() {
    let (slots, all) = (
        Slots::new(
            1,
            &TenantConfig { instances: 1, waiting_requests: 1, sql_threads: 1, ..TenantConfig::default() },
            0,
        ),
        tenants(),
    );
    let (acme, other) = (tenant(&all, "acme"), tenant(&all, "other"));
    let held = at_once(slots.acquire(0, &other)).unwrap();
    let mut gone = Box::pin(slots.acquire(0, &acme));
    assert!(poll(&mut gone).is_none());
    assert!(at_once(slots.acquire(0, &acme)).unwrap().is_err());
    drop(gone);
    let mut waiting = Box::pin(slots.acquire(0, &acme));
    assert!(poll(&mut waiting).is_none(), "there is room again");
    // A place that was given to someone who then goes comes back as well.
    drop(held);
    drop(waiting);
    assert!(at_once(slots.acquire(0, &other)).unwrap().is_ok());
    assert!(slots.by_depth[0].places().waiting.is_empty() && slots.by_depth[0].places().next.is_empty());
}

#[test]
fn a_hundred_tenants_that_wait_are_served_in_turn() {
    let config = TenantConfig { instances: 1, waiting_requests: 100, sql_threads: 1, ..TenantConfig::default() };
    let (slots, all) = (Slots::new(1, &config, 0), tenants());
    let heavy = tenant(&all, "heavy");
    let ordinary: Vec<_> = (1..100).map(|index| (index, tenant(&all, &format!("tenant-{index}")))).collect();
    let first = at_once(slots.acquire(0, &heavy)).unwrap().unwrap();
    let mut waiting: Vec<(usize, Pin<Box<_>>)> = (0..50).map(|_| (0, Box::pin(slots.acquire(0, &heavy)))).collect();
    assert!(waiting.iter_mut().all(|(_, wait)| poll(wait).is_none()));
    for (index, tenant) in &ordinary {
        waiting.push((*index, Box::pin(slots.acquire(0, tenant))));
        assert!(poll(&mut waiting.last_mut().unwrap().1).is_none());
    }
    let (mut order, mut place) = (Vec::new(), Some(first));
    while !waiting.is_empty() {
        drop(place.take());
        let served = |entry: &mut (usize, Pin<Box<_>>)| poll(&mut entry.1).map(|place| (entry.0, place));
        let (at, (who, next)) =
            waiting.iter_mut().enumerate().find_map(|(at, entry)| Some((at, served(entry)?))).expect("a place is free");
        order.push(who);
        place = next.ok();
        drop(waiting.remove(at));
    }
    // One of the heavy tenant's, which came first, then each of the others before its next.
    assert_eq!(order[..101], (0..100).chain([0]).collect::<Vec<_>>());
    assert!(order[101..].iter().all(|who| *who == 0) && order.len() == 149);
}

#[test]
fn who_has_the_fewest_places_is_next() {
    let config = TenantConfig { instances: 3, waiting_requests: 9, sql_threads: 1, ..TenantConfig::default() };
    let (slots, all) = (Slots::new(4, &config, 0), tenants());
    let (many, few, none) = (tenant(&all, "many"), tenant(&all, "few"), tenant(&all, "none"));
    let take = |tenant| at_once(slots.acquire(0, tenant)).unwrap().unwrap();
    let mut held: Vec<Place> = vec![take(&many), take(&many), take(&many), take(&few)];
    let mut of_many = Box::pin(slots.acquire(0, &many));
    let mut of_few = Box::pin(slots.acquire(0, &few));
    let mut of_none = Box::pin(slots.acquire(0, &none));
    assert!(poll(&mut of_many).is_none() && poll(&mut of_few).is_none() && poll(&mut of_none).is_none());
    drop(held.remove(0));
    let third = poll(&mut of_none).expect("it has none").unwrap();
    assert!(poll(&mut of_many).is_none() && poll(&mut of_few).is_none());
    drop(held.remove(0));
    assert!(poll(&mut of_many).is_some() != poll(&mut of_few).is_some(), "one place, for one of two with one each");
    drop(third);
}
