//! Two tenants, and everything that somebody of one can ask of the host and its plugins: nothing of the other is in it.
//!
//! Both tenants plant canaries, texts like no other, wherever a tenant can put one ([`places`]). Then everybody who can be
//! in one of them reads all there is: every route of the host ([`routes`]), every endpoint of every plugin
//! ([`endpoints`]) and every command ([`commands`]); plainly, with the other's names in the path, the query and the body,
//! and as the other tenant. What is read has no canary of the other but those names that were said, and naming what is
//! the other's is answered as naming what is nobody's. Afterwards they change all they can, and what the other can
//! read is as it was ([`picture`]), and so are the log and the files ([`remains`]).
//!
//! It cannot fall behind unseen: routes, queries, endpoints and commands come from the host itself. A route with a
//! parameter, or a change with a body, that nobody has described here makes the test fail with the place to do so.
//!
//! A new capability takes one file in `places` and its line in `places::ALL`: `plant` puts a canary wherever a tenant can
//! put a text through it, and `search` looks at what neither a route nor an endpoint shows by itself.

mod commands;
mod endpoints;
mod finder;
mod paths;
mod picture;
mod places;
mod remains;
mod routes;
mod tenants;
mod visitor;
mod watch;

use std::collections::BTreeSet;
use std::time::Instant;

use self::picture::Picture;
use self::routes::Route;
use self::tenants::{Installation, Tenant};
use self::visitor::{Nobodys, Visitor};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_tenant_has_put_anywhere_reaches_somebody_of_another() {
    let begun = Instant::now();
    let mut installation = Installation::new().await;
    let [own, theirs] = planted(&installation).await;
    let (watch, others) = (theirs.watch(), own.watch());
    let askers = installation.askers(&own, &theirs).await;
    let routes = Route::all(&askers[0]).await;

    let before = Picture::of(&theirs, &routes, true, &others).await;
    before.assert_shows_all(&theirs);
    Picture::of(&own, &routes, true, &watch).await.assert_shows_all(&own);

    let nobodys = Nobodys::new(&theirs);
    let visitor = |asker| Visitor { asker, own: &own, theirs: &theirs, watch: &watch, nobodys: &nobodys };
    let visitors: Vec<Visitor<'_>> = askers.iter().map(visitor).collect();
    let (changes, reads): (Vec<_>, Vec<_>) = routes.iter().partition(|route| route.is_change());
    let mut answered = BTreeSet::new();
    for visitor in &visitors {
        answered.extend(routes::visit(&reads, visitor).await);
        for place in places::ALL {
            place.search(visitor).await;
        }
        endpoints::visit(visitor).await;
    }
    let commands = commands::visit(&installation, &own, &theirs, &watch).await;
    for visitor in &visitors {
        answered.extend(routes::visit(&changes, visitor).await);
    }
    routes::assert_all_answered(&routes, &answered);
    let after = Picture::of(&theirs, &routes, false, &others).await;
    before.compare(&after, &theirs, &watch).await;

    installation.host.terminate();
    installation.host.ended().await;
    let lines = remains::log(&installation.host.scratch().log(), &own, &theirs);
    let files = remains::files(&installation.host.scratch().data(), &own, &theirs);
    assert_eq!(
        remains::outside(&installation.outside.requests(), &own, &theirs),
        2,
        "each has asked one host of its own"
    );
    println!(
        "{} canaries of each tenant, {} routes as {} askers, {commands} commands, {} answers, {lines} lines of the log and \
         {files} files in {:.1?}",
        theirs.canaries.all().len(),
        routes.len(),
        askers.len(),
        watch.end() + others.end(),
        begun.elapsed()
    );
}

/// Two tenants that have put something everywhere.
async fn planted(installation: &Installation) -> [Tenant; 2] {
    let mut tenants = [installation.tenant().await, installation.tenant().await];
    for place in places::ALL {
        place.prepare(installation).await;
        // The other one first: it is the one that a rollout names.
        for tenant in tenants.iter_mut().rev() {
            place.plant(installation, tenant).await;
        }
    }
    tenants
}
