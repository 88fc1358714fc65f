use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{self, ComponentItem};

use super::*;

/// The functions of the one interface that this component imports.
fn functions(interface: &str) -> Vec<(String, Result<FunctionShape, Unsupported>)> {
    let engine = Engine::default();
    let text = format!("(component (import \"test:types/all@1.0.0\" (instance {interface})))");
    let component = Component::from_binary(&engine, &wat::parse_str(text).unwrap()).unwrap();
    let ty = component.component_type();
    let (_, import) = ty.imports(&engine).next().unwrap();
    let ComponentItem::ComponentInstance(instance) = import.ty else { panic!("not an instance") };
    let functions = instance.exports(&engine).filter_map(|(name, item)| match item.ty {
        ComponentItem::ComponentFunc(function) => {
            Some((name.to_string(), FunctionShape::of(&function, &mut Budget::default())))
        }
        _ => None,
    });
    functions.collect()
}

fn function(interface: &str) -> FunctionShape {
    functions(interface).pop().unwrap().1.unwrap()
}

const DEALS: &str = r#"
    (type $time' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "timestamp" (type $time (eq $time')))
    (type $decimal' (record (field "coefficient" s64) (field "scale" u8)))
    (export "decimal" (type $decimal (eq $decimal')))
    (type $stage' (enum "lead" "closed-won"))
    (export "stage" (type $stage (eq $stage')))
    (type $data' (variant (case "lead" $decimal) (case "closed-won" (list u8))))
    (export "data" (type $data (eq $data')))
    (type $deal' (record (field "type" $stage) (field "data" (option $data)) (field "by-stage" (list (tuple $stage $time)))))
    (export "deal" (type $deal (eq $deal')))
    (type $page' (record (field "items" (list $deal)) (field "total" u64)))
    (export "deal-page" (type $page (eq $page')))
    (type $error' (variant (case "not-found" string) (case "invalid" (list string)) (case "busy") (case "denied" string)))
    (export "error" (type $error (eq $error')))
    (type $rights' (flags "read" "write"))
    (export "rights" (type $rights (eq $rights')))
    (export "list" (func (param "deal-id" string) (param "rights" $rights) (result (result $page (error $error)))))
"#;

#[test]
fn a_function_is_read_with_the_forms_of_its_types() {
    let list = function(DEALS);
    let names: Vec<_> = list.params.iter().map(|param| (&*param.json, param.shape.to_string())).collect();
    assert_eq!(names, [("dealId", "string".into()), ("rights", "flags {…}".into())]);
    let Some(Shape::Result(result)) = &list.result else { panic!("{:?}", list.result) };
    let Some(Shape::Record(page)) = &result.ok else { panic!("{:?}", result.ok) };
    assert_eq!(page.form, RecordForm::Page { items: 0, total: 1 });
    let Shape::List(items) = &page.fields[0].shape else { panic!("{:?}", page.fields[0]) };
    let Shape::Record(deal) = &items.element else { panic!("{:?}", items.element) };
    assert_eq!(deal.fields.iter().map(|field| field.tag).collect::<Vec<_>>(), [None, Some(0), None]);
    assert_eq!(&*deal.fields[2].key, "\"byStage\":");
    let cases = &deal.fields[1].shape.tagged_variant().unwrap().cases;
    assert!(matches!(&cases[0].payload, Some(Shape::Record(record)) if record.form == RecordForm::Decimal));
    assert!(matches!(&cases[1].payload, Some(Shape::List(list)) if matches!(list.form, ListForm::Bytes)));
    let Shape::List(by_stage) = &deal.fields[2].shape else { panic!("{:?}", deal.fields[2]) };
    let ListForm::Object { key: Shape::Enum(_), value: Shape::Record(time) } = &by_stage.form else { panic!() };
    assert_eq!(time.form, RecordForm::Time);
}

#[test]
fn error_cases_that_carry_one_text_are_known() {
    let list = function(DEALS);
    assert!(list.has_text_error_case("denied") && list.has_text_error_case("not-found"));
    assert!(!list.has_text_error_case("invalid") && !list.has_text_error_case("busy"));
    assert!(!list.has_text_error_case("unavailable"));
}

#[test]
fn what_is_no_plain_value_is_refused_by_name() {
    let interface = r#"
        (export "connection" (type $connection (sub resource)))
        (type $options' (record (field "name" string) (field "on" (option (own $connection)))))
        (export "options" (type $options (eq $options')))
        (export "one" (func (param "with" $options)))
        (export "two" (func (result (result u8 (error (borrow $connection))))))
    "#
    .replace("(borrow $connection)", "(own $connection)");
    let errors: Vec<_> = functions(&interface).into_iter().map(|(_, shape)| shape.unwrap_err().to_string()).collect();
    assert_eq!(
        errors,
        [
            "parameter \"with\": field \"on\": a resource cannot be passed between plugins; use plain values",
            "result: error: a resource cannot be passed between plugins; use plain values",
        ]
    );
    let named = Unsupported::resource("connection").to_string();
    assert_eq!(named, "resource \"connection\" cannot be passed between plugins; use plain values");
}

#[test]
fn types_that_are_too_deep_or_too_large_are_refused() {
    let mut nested = "(type $t0 (list u8))".to_string();
    for level in 1..DEPTH_MAX {
        nested += &format!("(type $t{level} (list $t{}))", level - 1);
    }
    let takes = |level: usize| format!("(export \"f\" (func (param \"x\" $t{level})))");
    let deep = functions(&format!("{nested} {}", takes(DEPTH_MAX - 1)));
    assert_eq!(*deep[0].1.as_ref().unwrap_err().kind(), UnsupportedKind::TooDeep);
    assert!(functions(&format!("{nested} {}", takes(DEPTH_MAX - 2)))[0].1.is_ok());
    let mut doubled = "(type $t0 (tuple u8 u8))".to_string();
    for level in 1..16 {
        doubled += &format!("(type $t{level} (tuple $t{0} $t{0}))", level - 1);
    }
    let large = functions(&format!("{doubled} {}", takes(15)));
    assert_eq!(*large[0].1.as_ref().unwrap_err().kind(), UnsupportedKind::TooLarge);
    let cases: String = (0..=NAMES_MAX).map(|case| format!(" \"c{case}\"")).collect();
    let cases = format!("(type $e' (enum {cases})) (export \"e\" (type $e (eq $e')))");
    let many = functions(&format!("{cases} (export \"f\" (func (param \"x\" $e)))"));
    assert_eq!(*many[0].1.as_ref().unwrap_err().kind(), UnsupportedKind::TooManyNames);
}

#[test]
fn names_count_as_the_parts_they_are() {
    let cases =
        |name: fn(usize) -> String, count| (0..count).map(|case| format!(" \"{}\"", name(case))).collect::<String>();
    let takes = |cases: String, uses: usize| {
        let uses = " $e".repeat(uses);
        let types = format!("(type $e' (enum {cases})) (export \"e\" (type $e (eq $e'))) (type $t (tuple {uses}))");
        functions(&format!("{types} (export \"f\" (func (param \"x\" $t)))")).pop().unwrap().1
    };
    // Written out, one enum of 500 cases that is used a thousand times is half a million names.
    let kind = |shape: Result<FunctionShape, Unsupported>| shape.map(drop).map_err(|error| error.kind().clone());
    assert_eq!(kind(takes(cases(|case| format!("c{case}"), 500), 1_000)), Err(UnsupportedKind::TooLarge));
    assert_eq!(kind(takes(cases(|case| format!("c{case}"), 500), 30)), Ok(()));
    let long = |case| format!("c{case}-{}", "x".repeat(40 * NAME_PART_BYTES));
    assert_eq!(kind(takes(cases(long, 10), 1_000)), Err(UnsupportedKind::TooLarge));
    assert_eq!(kind(takes(cases(long, 10), 30)), Ok(()));
}

#[test]
fn a_deferred_view_is_compared_with_the_function_behind_it() {
    let plain = function(r#"(export "get" (func (param "id" string) (result u8)))"#);
    let view = functions_of_view();
    let deferred = FunctionShape::of_deferred(&view[0], Some(&view[1]), &mut Budget::default()).unwrap();
    assert_eq!(plain.difference(&deferred), None);
    assert!(deferred.result.is_some());
    let unanswered = FunctionShape::of_deferred(&view[0], None, &mut Budget::default()).unwrap();
    assert_eq!(plain.difference(&unanswered), None);
    let other = function(r#"(export "get" (func (param "id" u8) (result u8)))"#);
    assert_eq!(other.difference(&unanswered).unwrap().to_string(), "parameter \"id\": u8, expected string");
}

fn functions_of_view() -> Vec<types::ComponentFunc> {
    let engine = Engine::default();
    let text = r#"(component (import "a:b/c-deferred@1.0.0" (instance
        (export "get-call" (type $call (sub resource)))
        (export "[static]get-call.start" (func (param "id" string) (result (own $call))))
        (export "[method]get-call.get" (func (param "self" (borrow $call)) (result u8))))))"#;
    let component = Component::from_binary(&engine, &wat::parse_str(text).unwrap()).unwrap();
    let ty = component.component_type();
    let (_, import) = ty.imports(&engine).next().unwrap();
    let ComponentItem::ComponentInstance(instance) = import.ty else { panic!("not an instance") };
    let functions = instance.exports(&engine).filter_map(|(_, item)| match item.ty {
        ComponentItem::ComponentFunc(function) => Some(function),
        _ => None,
    });
    functions.collect()
}

fn difference(found: Shape, expected: Shape) -> String {
    found.difference(&expected).map(|difference| difference.to_string()).unwrap_or_default()
}

fn contact(email: Shape) -> Shape {
    Shape::record([("id", Shape::String), ("email", email)])
}

#[test]
fn a_difference_names_the_place_and_both_types() {
    let text = difference(contact(Shape::String), contact(Shape::option(Shape::String)));
    assert_eq!(text, "field \"email\": string, expected option<string>");
    let address = |zip| Shape::record([("address", Shape::option(Shape::record([("zip", zip)])))]);
    assert_eq!(
        difference(address(Shape::U32), address(Shape::String)),
        "field \"address\": field \"zip\": u32, expected string"
    );
    let tags = |element| Shape::record([("tags", Shape::list(element))]);
    assert_eq!(difference(tags(Shape::U8), tags(Shape::U16)), "field \"tags\": list<u8>, expected list<u16>");
    assert_eq!(
        difference(contact(contact(Shape::Bool)), contact(Shape::Bool)),
        "field \"email\": record {…}, expected bool"
    );
    let tuple = |shapes: &[Shape]| Shape::tuple(shapes.to_vec());
    assert_eq!(
        difference(tuple(&[Shape::U8, Shape::Bool]), tuple(&[Shape::U8, Shape::Char])),
        "element 2: bool, expected char"
    );
    assert_eq!(
        difference(tuple(&[Shape::U8]), tuple(&[Shape::U8, Shape::Char])),
        "tuple<u8>, expected tuple<u8, char>"
    );
}

#[test]
fn missing_extra_and_reordered_parts_are_named() {
    let ab = || Shape::record([("a", Shape::Bool), ("b", Shape::U8)]);
    let a = || Shape::record([("a", Shape::Bool)]);
    assert_eq!(difference(a(), ab()), "field \"b\": no such field, expected u8");
    assert_eq!(difference(ab(), a()), "field \"b\": u8, expected no such field");
    let ba = Shape::record([("b", Shape::U8), ("a", Shape::Bool)]);
    assert_eq!(difference(ba, ab()), "field \"a\": in place 2, expected in place 1");
    let error = |payload| Shape::variant([("denied", payload), ("busy", None)]);
    assert_eq!(difference(error(None), error(Some(Shape::String))), "case \"denied\": no payload, expected string");
    let stage = |last| Shape::enumeration(["lead", last]);
    assert_eq!(difference(stage("won"), stage("lost")), "case \"lost\": no such case, expected a case");
    assert_eq!(difference(Shape::flags(["r", "w"]), Shape::flags(["r"])), "flag \"w\": a flag, expected no such flag");
}

#[test]
fn functions_differ_in_parameters_and_results() {
    let function = |params: &[(&str, Shape)], result| FunctionShape::new(params.iter().cloned(), result);
    let id = [("id", Shape::String)];
    let text = |found: FunctionShape, expected| found.difference(&expected).unwrap().to_string();
    assert_eq!(
        text(function(&[("id", Shape::U64)], None), function(&id, None)),
        "parameter \"id\": u64, expected string"
    );
    assert_eq!(text(function(&[], None), function(&id, None)), "parameter \"id\": no such parameter, expected string");
    let result = |ok, error| Some(Shape::result(ok, error));
    assert_eq!(
        text(
            function(&[], result(Some(contact(Shape::Bool)), None)),
            function(&[], result(Some(contact(Shape::U8)), None))
        ),
        "result: ok: field \"email\": bool, expected u8"
    );
    assert_eq!(
        text(function(&[], result(None, Some(Shape::U8))), function(&[], result(None, None))),
        "result: error: u8, expected no value"
    );
    assert_eq!(text(function(&[], None), function(&[], Some(Shape::U8))), "result: no result, expected u8");
    assert!(function(&id, None).difference(&function(&id, None)).is_none());
}
