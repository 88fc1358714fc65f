//! What to do about a plugin that does not run: a command that works, by the reason as the host has it for programs.

use serde_json::Value;

/// What to do about a version that is loaded and not active. `reason` is that of its links.
pub(super) fn inactive(id: &str, version: &str, reason: &Value) -> String {
    let text = |name: &str| reason[name].as_str().unwrap_or_default();
    match text("kind") {
        "notEnabled" => format!("`tenon plugin enable {id} --tenant TENANT`, if it is to be used"),
        "pinned" => format!("`tenon plugin unpin {id} --tenant TENANT`, if it is to be used"),
        "rolledOut" => format!(
            "nothing, if that is meant; `tenon rollout {id} {version} --percent 100` gives it to everybody, \
             `tenon rollout {id} --end` ends the rollout"
        ),
        "unconfigured" => {
            let fields = reason["fields"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let set: Vec<String> = fields.map(|field| format!("{field}=VALUE")).collect();
            format!("for each tenant that is to use it: `tenon config set {id} {} --tenant TENANT`", set.join(" "))
        }
        "failed" => format!("`tenon plugin errors {id}` shows how"),
        "notGranted" => {
            format!("see what it asks for with `tenon grant {id}`, and grant it with `tenon grant {id} --all`")
        }
        "providerMissing" => format!(
            "install a plugin that provides {} {} with `tenon plugin install FILE`; `tenon explain {id}` tells who was \
             passed over",
            text("interface"),
            text("requirement")
        ),
        "providerInactive" => {
            let provider = reason["provider"]["id"].as_str().unwrap_or(id);
            format!("mend {provider} first: `tenon explain {provider}`")
        }
        "cycle" => "have one of them ask for its dependency as optional (`required`: false in its manifest)".to_owned(),
        _ => format!("`tenon explain {id}` tells more of a running host"),
    }
}

/// How to be rid of a file that was refused. What else can be done, its reason says.
pub(super) fn refused(file: &Value) -> String {
    match (file["id"].as_str(), file["version"].as_str()) {
        (Some(id), Some(version)) => format!("if it is not wanted, `tenon plugin uninstall {id} {version}`"),
        _ => "mend that, or take the file out of the directory".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_reason_has_its_command() {
        let told = |reason: Value| inactive("crm", "1.1.0", &reason);
        assert!(told(json!({"kind": "rolledOut"})).contains("`tenon rollout crm 1.1.0 --percent 100`"));
        assert!(
            told(json!({"kind": "unconfigured", "fields": ["a", "b"]})).contains("set crm a=VALUE b=VALUE --tenant")
        );
        let provider = json!({"kind": "providerInactive", "provider": {"id": "db", "version": "1.0.0"}});
        assert_eq!(told(provider), "mend db first: `tenon explain db`");
        assert_eq!(told(Value::Null), "`tenon explain crm` tells more of a running host");
        assert!(refused(&json!({"id": "crm", "version": "1.0.0"})).contains("`tenon plugin uninstall crm 1.0.0`"));
        assert!(refused(&json!({"id": null})).contains("take the file out"));
    }
}
