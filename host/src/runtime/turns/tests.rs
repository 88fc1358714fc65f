use std::time::Duration;

use tokio::task::JoinSet;
use tokio::task::yield_now;

use super::*;
use crate::runtime::tenant::Tenants;
use crate::runtime::tenant::tests::{tenant, tenants};

/// Tenants that are active, so that those who have used this much each are over their share.
fn over_share(all: &Tenants, used: &[(&str, u64)]) -> Vec<Arc<Tenant>> {
    (0..10).for_each(|index| tenant(all, &format!("quiet-{index}")).charge(Duration::from_micros(1)));
    let charged = |(id, milliseconds): &(&str, u64)| {
        let tenant = tenant(all, id);
        tenant.charge(Duration::from_millis(*milliseconds));
        assert!(tenant.is_over_share());
        tenant
    };
    used.iter().map(charged).collect()
}

/// No tick passes in them, but for those that a test counts.
fn new_turns() -> Turns {
    Turns::new(Ticks::default())
}

async fn is_pending(call: std::pin::Pin<&mut impl Future>) -> bool {
    let mut call = Some(call);
    poll_fn(|context| Poll::Ready(call.take().is_some_and(|call| call.poll(context).is_pending()))).await
}

/// What ran, in order.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<String>>>);

impl Record {
    /// A call that notes each of its polls.
    async fn call(self, tenant: Arc<Tenant>, polls: usize) {
        for _ in 0..polls {
            self.0.lock().unwrap().push(tenant.id().to_string());
            let mut yielded = false;
            poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn spawn(set: &mut JoinSet<()>, turns: &Arc<Turns>, record: &Record, tenant: &Arc<Tenant>, polls: usize) {
    let (turns, call, clock) =
        (turns.clone(), record.clone().call(tenant.clone(), polls), CpuClock::start(tenant.clone()));
    set.spawn(async move { clock.run(turns.run(&clock, call)).await });
}

#[tokio::test]
async fn who_keeps_to_its_share_runs_before_who_does_not() {
    let (all, turns, record, mut set) = (tenants(), Arc::new(new_turns()), Record::default(), JoinSet::new());
    let heavy = over_share(&all, &[("heavy", 300)]).remove(0);
    let light = tenant(&all, "light");
    for _ in 0..20 {
        spawn(&mut set, &turns, &record, &heavy, 2);
    }
    for _ in 0..5 {
        spawn(&mut set, &turns, &record, &light, 2);
    }
    set.join_all().await;
    let order = record.taken();
    let last = order.iter().rposition(|who| who == "light").unwrap();
    assert!(last < 20, "at most one poll of the heavy tenant for each of the others: {order:?}");
    assert_eq!(order.len(), 50);
}

#[tokio::test]
async fn of_those_over_their_share_the_one_that_used_the_least_is_next() {
    let (all, turns, record, mut set) = (tenants(), Arc::new(new_turns()), Record::default(), JoinSet::new());
    let heavy = over_share(&all, &[("most", 3_000), ("more", 2_000), ("much", 1_000)]);
    let gate = CpuClock::start(heavy[0].clone());
    // Holds the one turn of this executor until all of them wait.
    let mut first = pin!(turns.run(&gate, async { yield_now().await }));
    assert!(is_pending(first.as_mut()).await);
    for tenant in &heavy {
        spawn(&mut set, &turns, &record, tenant, 1);
    }
    yield_now().await;
    assert_eq!(record.taken(), Vec::<String>::new());
    first.await;
    set.join_all().await;
    assert_eq!(record.taken(), ["much", "more", "most"]);
}

#[tokio::test]
async fn who_stepped_aside_lets_others_pass_even_within_its_share() {
    let (all, turns, record) = (tenants(), Arc::new(new_turns()), Record::default());
    let (long, short) = (tenant(&all, "long"), tenant(&all, "short"));
    let (clock, mut set) = (CpuClock::start(long.clone()), JoinSet::new());
    clock.allowance(Duration::from_secs(1), Duration::ZERO).step_aside();
    let (of_long, noted) = (turns.clone(), record.clone());
    set.spawn(async move { clock.run(of_long.run(&clock, noted.call(long, 1))).await });
    spawn(&mut set, &turns, &record, &short, 1);
    set.join_all().await;
    assert_eq!(record.taken(), ["short", "long"]);
}

fn ask(executor: &Arc<Executor>, tenant: &Arc<Tenant>) -> Turn {
    Turn::ask(executor.clone(), tenant, Waker::noop())
}

fn waits(turn: &Turn) -> bool {
    turn.is_to_come(Waker::noop())
}

#[test]
fn who_is_far_over_its_share_has_not_the_last_thread_while_others_want_some_and_who_is_alone_has_all() {
    let all = tenants();
    let heavy = over_share(&all, &[("heavy", 300)]).remove(0);
    let demand = Arc::new(Demand::new(Ticks::default()));
    demand.note();
    let executor = Executor::new(3, demand.clone());
    let mut turns: Vec<Turn> = (0..4).map(|_| ask(&executor, &heavy)).collect();
    assert_eq!(turns.iter().map(waits).collect::<Vec<_>>(), [false, false, true, true]);
    let light = tenant(&all, "light");
    let light = ask(&executor, &light);
    assert!(!waits(&light), "the last is for those who keep to their share");
    drop(light);
    drop(turns.remove(0));
    assert_eq!(turns.iter().map(waits).collect::<Vec<_>>(), [false, false, true]);
    turns.clear();
    assert!(executor.queue().given == 0 && executor.queue().waiting.is_empty());

    let (lonely, executor) = (tenants(), Executor::new(3, demand));
    let alone = tenant(&lonely, "alone");
    alone.charge(Duration::from_secs(10));
    let turns: Vec<Turn> = (0..4).map(|_| ask(&executor, &alone)).collect();
    assert_eq!(turns.iter().map(waits).collect::<Vec<_>>(), [false, false, false, true]);
}

#[test]
fn the_last_thread_is_not_left_idle_once_nobody_else_has_wanted_one_for_a_while() {
    let all = tenants();
    let heavy = over_share(&all, &[("heavy", 300), ("heavier", 600)]);
    let ticks = Ticks::default();
    let executor = Executor::new(2, Arc::new(Demand::new(ticks.clone())));
    let light = ask(&executor, &tenant(&all, "light"));
    let mut turns: Vec<Turn> = heavy.iter().chain(&heavy).map(|tenant| ask(&executor, tenant)).collect();
    assert!(turns.iter().all(waits), "one thread is taken, and the other is the last");
    drop(light);
    assert_eq!(turns.iter().map(waits).collect::<Vec<_>>(), [false, true, true, true]);
    ticks.count();
    drop(turns.remove(0));
    assert_eq!(turns.iter().map(waits).collect::<Vec<_>>(), [true, false, true], "a light one may come again");
    ticks.count();
    drop(turns.remove(1));
    assert_eq!(turns.iter().map(waits).collect::<Vec<_>>(), [false, false], "nobody came");

    let light = ask(&executor, &tenant(&all, "light"));
    turns.push(ask(&executor, &heavy[0]));
    drop(turns.remove(0));
    assert!(!waits(&light) && waits(&turns[1]), "who keeps to its share is next all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_that_needs_no_turn_keeps_the_last_thread_free_for_a_while() {
    let all = tenants();
    let heavy = over_share(&all, &[("heavy", 300)]).remove(0);
    let ticks = Ticks::default();
    (0..10).for_each(|_| ticks.count());
    let turns = Turns::new(ticks.clone());
    let (heavy, light) = (CpuClock::start(heavy), CpuClock::start(tenant(&all, "light")));
    let given = || turns.executor().unwrap().queue().given;
    turns.run(&light, async {}).await;
    let mut calls: Vec<_> = (0..3).map(|_| Box::pin(turns.run(&heavy, std::future::pending::<()>()))).collect();
    for call in &mut calls {
        assert!(is_pending(call.as_mut()).await);
    }
    assert_eq!(given(), 1);
    (0..WANTED_TICKS).for_each(|_| ticks.count());
    drop(calls.remove(0));
    assert_eq!(given(), 2);
    turns.run(&light, async {}).await;
    drop(calls.remove(0));
    assert_eq!(given(), 1);
}

#[tokio::test]
async fn a_call_that_is_given_up_passes_its_turn_on() {
    let (all, turns, record, mut set) = (tenants(), Arc::new(new_turns()), Record::default(), JoinSet::new());
    let heavy = over_share(&all, &[("heavy", 300)]).remove(0);
    let clock = CpuClock::start(heavy.clone());
    let mut given = Box::pin(turns.run(&clock, std::future::pending::<()>()));
    let mut waiting = Box::pin(turns.run(&clock, std::future::pending::<()>()));
    assert!(is_pending(given.as_mut()).await && is_pending(waiting.as_mut()).await);
    spawn(&mut set, &turns, &record, &heavy, 1);
    yield_now().await;
    assert_eq!(record.taken().len(), 0, "there is one turn, and it is not over");
    drop(waiting);
    drop(given);
    set.join_all().await;
    assert_eq!(record.taken().len(), 1);
}

#[tokio::test]
async fn a_thread_of_whoever_is_over_its_share_waits_for_a_turn() {
    let (all, turns) = (tenants(), Arc::new(new_turns()));
    let heavy = over_share(&all, &[("heavy", 10_000)]).remove(0);
    assert!(turns.wait_here(&tenant(&all, "light"), &|| true).is_none(), "who keeps to its share needs none");

    let here = |due: bool| {
        let (turns, heavy) = (turns.clone(), heavy.clone());
        tokio::task::spawn_blocking(move || turns.wait_here(&heavy, &move || due))
    };
    let first = here(false).await.unwrap();
    assert!(first.is_some());
    // This executor has one thread, so nobody else has a turn now. What has to end does not wait for one.
    assert!(here(true).await.unwrap().is_none());
    let mut second = here(false);
    assert!(tokio::time::timeout(Duration::from_millis(30), &mut second).await.is_err());
    drop(first);
    assert!(second.await.unwrap().is_some());
    let clock = CpuClock::start(heavy.clone());
    clock.run(turns.run(&clock, async {})).await;
}
