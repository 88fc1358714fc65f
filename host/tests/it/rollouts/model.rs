//! Decisions at random, against a small model of what each tenant has.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Host, ask};
use crate::lifecycle::{self, Version};

const VERSIONS: [&str; 3] = ["1.0.0", "1.1.0", "1.2.0"];
const PATH: &str = "/api/v1/rollouts/phases";
/// Those that rollouts name, and those that none does.
static NAMED: [&str; 3] = ["acme", "beta", "gamma"];
static UNNAMED: [&str; 6] = ["u1", "u2", "u3", "u4", "u5", "u6"];
const STEPS: usize = 40;

/// What each tenant has, as an index into the versions.
type Have = BTreeMap<&'static str, usize>;

struct Model {
    have: Have,
    /// For each decision that was not taken back: what tenants had before it, and the version, if it was a rollout.
    past: Vec<(Have, Option<usize>)>,
    /// Who stands in the first half.
    first_half: Vec<&'static str>,
}

impl Model {
    fn rollout(&mut self, version: usize, percent: Option<u8>, named: &[&'static str]) {
        if self.past.last().is_none_or(|(_, last)| *last != Some(version)) {
            self.past.push((self.have.clone(), Some(version)));
        }
        for (tenant, have) in &mut self.have {
            let in_share = match percent {
                Some(100) => true,
                Some(50) => self.first_half.contains(tenant),
                _ => false,
            };
            if in_share || named.contains(tenant) {
                *have = version;
            }
        }
    }

    fn end(&mut self) {
        self.past.push((self.have.clone(), None));
        self.have.values_mut().for_each(|have| *have = VERSIONS.len() - 1);
    }

    /// Whether there is a way back.
    fn back(&mut self) -> bool {
        while let Some((before, _)) = self.past.pop() {
            if before != self.have {
                self.have = before;
                return true;
            }
        }
        let lower = self.have["u1"].checked_sub(1);
        self.have.values_mut().for_each(|have| *have = lower.unwrap_or(*have));
        lower.is_some()
    }

    fn back_to(&mut self, version: usize) {
        let cap = |have: &mut Have| have.values_mut().for_each(|have| *have = (*have).min(version));
        cap(&mut self.have);
        for (before, last) in &mut self.past {
            cap(before);
            *last = last.map(|last| last.min(version));
        }
        while self.past.last().is_some_and(|(before, _)| *before == self.have) {
            self.past.pop();
        }
    }
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

async fn have(host: &Host) -> Have {
    let mut have = Have::new();
    for tenant in NAMED.into_iter().chain(UNNAMED) {
        let info = host.tenant(tenant).get("/plugins/phases/info").await;
        let version = info.data(200)["version"].as_str().unwrap();
        have.insert(tenant, VERSIONS.iter().position(|known| *known == version).unwrap());
    }
    have
}

/// Changes the rollout as it was read; the status of the answer, and the code if it is a refusal.
async fn change(host: &Host, method: Method, body: Option<&Value>) -> (u16, String) {
    let read = host.get(PATH).await.header("etag").to_owned();
    let request = host.request(method, PATH);
    let request = if read.is_empty() { request } else { request.header("If-Match", read) };
    let answer = ask(body.iter().fold(request, |request, body| request.json(body))).await;
    (answer.status, answer.json["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn whatever_is_decided_nobody_loses_a_version_and_the_way_back_is_the_way_that_was_gone() {
    let host = lifecycle::host(&VERSIONS.map(Version::new)).await;
    assert!(have(&host).await.values().all(|have| *have == 2));
    // So it is known who stands in the first half; then that is taken back.
    assert_eq!(change(&host, Method::PUT, Some(&json!({ "version": "1.1.0", "percent": 50 }))).await.0, 200);
    let half = have(&host).await;
    let first_half: Vec<_> = half.iter().filter(|(_, have)| **have == 1).map(|(tenant, _)| *tenant).collect();
    let unnamed = UNNAMED.iter().filter(|tenant| first_half.contains(tenant)).count();
    assert!((1..UNNAMED.len()).contains(&unnamed), "both halves have somebody whom no rollout names: {first_half:?}");
    host.post(&format!("{PATH}/rollback"), json!(null)).await.data(200);

    let mut model = Model { have: have(&host).await, past: Vec::new(), first_half };
    let (mut numbers, mut told) = (Numbers(7), Vec::new());
    for _ in 0..STEPS {
        let version = numbers.below(VERSIONS.len());
        match numbers.below(8) {
            0 => {
                told.push("end".to_owned());
                if change(&host, Method::DELETE, None).await.0 == 200 {
                    model.end();
                }
            }
            1 | 2 => {
                told.push("rollback".to_owned());
                let is_back = host.post(&format!("{PATH}/rollback"), json!(null)).await.status == 200;
                assert_eq!(is_back, model.back(), "{told:?}");
            }
            3 => {
                told.push(format!("rollback --to {}", VERSIONS[version]));
                let path = format!("{PATH}/rollback?to={}", VERSIONS[version]);
                let answer = host.post(&path, json!(null)).await;
                let is_way_back = model.have.values().any(|have| *have >= version);
                assert!(answer.status == 200 || !is_way_back, "{told:?}: {answer:?}");
                if answer.status == 200 {
                    model.back_to(version);
                }
            }
            choice => {
                let percent = [None, Some(50), Some(100), None][choice - 4];
                let first = numbers.below(NAMED.len());
                let named: &[&'static str] = if percent.is_none() { &NAMED[first..=first] } else { &[] };
                told.push(format!("rollout {} {percent:?} {named:?}", VERSIONS[version]));
                let mut body = json!({ "version": VERSIONS[version], "tenants": named });
                body["percent"] = json!(percent);
                match change(&host, Method::PUT, Some(&body)).await {
                    (200, _) => model.rollout(version, percent, named),
                    refused => assert_eq!(refused, (409, "rollout_shrinks".to_owned()), "{told:?}"),
                }
            }
        }
        assert_eq!(have(&host).await, model.have, "{told:?}");
    }
}
