//! Every route of the host as everybody there is: 401 and 403 come exactly when the route's rule says so.
//!
//! Routes and rules come from the host itself, so a route that is added later is asked here without a word in this
//! file. What each role may do comes from the default roles.

use std::fmt;

use serde_json::json;
use tenon::config::RolesConfig;
use tenon::http::routes::{Rule, Scope};
use tenon::id::RoleName;

use super::{client, host, operator, tenant};
use crate::common::{Client, ask};

/// Somebody who asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asker {
    /// Without any credential.
    Stranger,
    /// With a key that is none.
    Forger,
    /// With a key of the tenant and this role.
    Of(&'static str),
    /// With an operator's key, naming the tenant.
    Operator,
    /// With an owner's key of another tenant, naming this one.
    Neighbour,
}

/// What has to come of it.
#[derive(Debug, PartialEq)]
enum Outcome {
    Unauthorized,
    Forbidden,
    /// Whatever the handler says of a request that is hardly ever right, but neither of these.
    LetIn,
}

const ASKERS: [Asker; 8] = [
    Asker::Stranger,
    Asker::Forger,
    Asker::Of("guest"),
    Asker::Of("member"),
    Asker::Of("admin"),
    Asker::Of("owner"),
    Asker::Operator,
    Asker::Neighbour,
];

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn expected(rule: &Rule, asker: Asker) -> Outcome {
    let may = |role: &str| {
        let permissions = RolesConfig::default().permissions(&[RoleName::parse(role).unwrap()]);
        rule.permission.is_none_or(|permission| permissions.covers_operation(permission))
    };
    match (rule.scope, asker) {
        (Scope::Open, _) => Outcome::LetIn,
        (_, Asker::Stranger | Asker::Forger) => Outcome::Unauthorized,
        (_, Asker::Neighbour) | (Scope::Platform, Asker::Of(_)) => Outcome::Forbidden,
        (_, Asker::Of(role)) if may(role) => Outcome::LetIn,
        (_, Asker::Operator) if may("operator") => Outcome::LetIn,
        _ => Outcome::Forbidden,
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_its_rule_names_and_nobody_else() {
    // So many that the forger is not shut out before the last route.
    let host = host(&[], "[auth]\nfailures_per_minute = 100000\n[roles]\nguest = []").await;
    for id in ["acme", "beta"] {
        tenant(&host, id).await;
    }
    let forged = format!("tenon_0000000000000000_{}", "0".repeat(64));
    let mut clients: Vec<(Asker, Client)> = Vec::new();
    for asker in ASKERS {
        let client = match asker {
            Asker::Stranger => (*host).clone(),
            Asker::Forger => host.key(&forged),
            Asker::Of(role) => client(&host, "acme", role).await,
            Asker::Operator => operator(&host).await,
            Asker::Neighbour => client(&host, "beta", "owner").await,
        };
        clients.push((asker, client.tenant("acme").roles("operator,owner")));
    }
    let rules = tenon::http::rules();
    let parameter = regex::Regex::new(r"\{[^}]*\}").unwrap();
    let mut asked = 0;
    for (method, path, rule) in &rules {
        assert!(*rule == Rule::open(rule.operation) || !rule.operation.is_empty());
        // Parameters of a path that name nothing there is.
        let concrete = parameter.replace_all(path, "0000000000000000");
        for (asker, client) in &clients {
            let request = client.request(method.as_str().parse().unwrap(), &concrete).json(&json!({"none": "of this"}));
            let answer = ask(request).await;
            let found = match answer.status {
                401 => Outcome::Unauthorized,
                403 => Outcome::Forbidden,
                _ => Outcome::LetIn,
            };
            assert_eq!(found, expected(rule, *asker), "{asker} at {method} {path}: {answer:#?}");
            // A handler's own 404 comes as JSON of the host; one without would be a route that is not there.
            assert!(
                answer.status != 405 && answer.json["error"]["code"] != "not_found",
                "{method} {path}: {answer:#?}"
            );
            asked += 1;
        }
    }
    assert!(rules.len() >= 15 && asked == rules.len() * ASKERS.len());
    println!("{asked} requests: {} routes as {} askers", rules.len(), ASKERS.len());
}
