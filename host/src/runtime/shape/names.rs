//! Names as JSON has them, made from WIT's kebab-case.
//!
//! Within one record or one list of cases no two JSON names are ever the same.

use super::{Field, Name, Shape};

/// The names of cases or flags, in `snake_case`: `not-found` is `not_found`.
///
/// WIT names are unique whatever their case and hold no underscore, so these are unique too.
pub(super) fn snake_case(wit: &str) -> Name {
    let json = wit.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect();
    Name { wit: wit.into(), json }
}

/// Members under camelCase names. Where two would get the same one (`a1` and `a-1`), those keep their WIT names.
pub(super) fn members(members: Vec<(Box<str>, Shape)>) -> Vec<Field> {
    let camel: Vec<String> = members.iter().map(|(name, _)| camel_case(name)).collect();
    let mut sorted: Vec<&str> = camel.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let shared = |name: &str| {
        let first = sorted.partition_point(|other| *other < name);
        sorted.get(first + 1) == Some(&name)
    };
    members
        .into_iter()
        .zip(&camel)
        .map(|((name, shape), camel)| {
            let json: Box<str> = if shared(camel) { name.clone() } else { camel.as_str().into() };
            Field { key: format!("\"{json}\":").into(), json, name, shape, tag: None }
        })
        .collect()
}

/// `total-deals` is `totalDeals`; a word in capitals keeps them, except at the start: `get-URL` is `getURL`.
fn camel_case(kebab: &str) -> String {
    let mut words = kebab.split('-');
    let mut camel = words.next().unwrap_or_default().to_ascii_lowercase();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_names(names: &[&str]) -> Vec<String> {
        let fields = names.iter().map(|name| (Box::from(*name), Shape::Bool)).collect();
        members(fields).into_iter().map(|field| field.json.into()).collect()
    }

    #[test]
    fn members_are_in_camel_case() {
        let names = ["id", "first-name", "avg-deal-value", "get-URL", "URL-path"];
        assert_eq!(json_names(&names), ["id", "firstName", "avgDealValue", "getURL", "urlPath"]);
    }

    #[test]
    fn members_that_would_share_a_name_keep_their_own() {
        assert_eq!(json_names(&["a1", "b-c", "a-1"]), ["a1", "bC", "a-1"]);
        assert_eq!(json_names(&["a-BC", "a-b-c", "x"]), ["a-BC", "a-b-c", "x"]);
    }

    #[test]
    fn cases_are_in_snake_case() {
        assert_eq!(&*snake_case("customer-lifetime-value").json, "customer_lifetime_value");
        assert_eq!(&*snake_case("HTTP-error").json, "http_error");
    }
}
