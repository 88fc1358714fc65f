//! Turns one resolved interface into the text of its deferred view.

use std::fmt::Write;

use wit_parser::{Docs, Function, FunctionKind, Interface, InterfaceId, Resolve, Type, TypeDefKind, TypeId};

use super::DeferredError;

/// The version of wasi:io whose pollable the views give out, the one the host implements.
const WASI_IO: &str = "0.2.12";

/// Longer lists of names are written one to a line.
const LINE_WIDTH: usize = 100;

/// Words that WIT keeps for itself. As a name each is written with `%` before it.
pub(super) const KEYWORDS: &[&str] = &[
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

/// What there is to write for an interface.
pub(super) enum View {
    Text(String),
    None { why: String },
}

/// Makes the deferred view of an interface, if it can have one.
pub(super) fn view(resolve: &Resolve, id: InterfaceId, name: &str) -> Result<View, DeferredError> {
    let interface = &resolve.interfaces[id];
    if let Some(why) = not_plain(resolve, interface) {
        return Ok(View::None { why });
    }
    let file = source_file(resolve, interface);
    let types = used_types(resolve, interface);
    names_are_free(resolve, interface, name, &file, &types)?;
    Ok(View::Text(text(resolve, interface, name, &file, &types)))
}

fn text(resolve: &Resolve, interface: &Interface, name: &str, file: &str, types: &[&str]) -> String {
    let mut out = String::new();
    if let Some(package) = interface.package {
        let package = &resolve.packages[package].name;
        let _ = write!(out, "package {}:{}", escaped(&package.namespace), escaped(&package.name));
        if let Some(version) = &package.version {
            let _ = write!(out, "@{version}");
        }
        out.push_str(";\n\n");
    }
    // Below the package line: a comment above it counts as the package's documentation, which only one file may have.
    let _ =
        write!(out, "// Generated from {file} by `tenon deferred`. Do not edit: change {file} and run it again.\n\n");
    let _ = writeln!(out, "/// The functions of `{name}`, started now and answered later, so that calls can overlap.");
    out.push_str("///\n/// Dropping a call cancels it.\n");
    let _ = writeln!(out, "interface {name}-deferred {{");
    let _ = writeln!(out, "  use wasi:io/poll@{WASI_IO}.{{pollable}};");
    use_types(&mut out, name, types);
    for function in interface.functions.values() {
        out.push('\n');
        resource(&mut out, resolve, name, function);
    }
    out.push_str("}\n");
    out
}

fn use_types(out: &mut String, interface: &str, types: &[&str]) {
    if types.is_empty() {
        return;
    }
    let names: Vec<_> = types.iter().map(|name| escaped(name)).collect();
    let line = format!("  use {}.{{{}}};", escaped(interface), names.join(", "));
    if line.len() <= LINE_WIDTH {
        let _ = writeln!(out, "{line}");
    } else {
        let _ = writeln!(out, "  use {}.{{\n    {},\n  }};", escaped(interface), names.join(",\n    "));
    }
}

fn resource(out: &mut String, resolve: &Resolve, interface: &str, function: &Function) {
    let name = &function.name;
    let params: Vec<_> = function
        .params
        .iter()
        .map(|param| format!("{}: {}", escaped(&param.name), type_text(resolve, &param.ty)))
        .collect();
    let params = params.join(", ");
    let result = function.result.map(|result| format!(" -> {}", type_text(resolve, &result))).unwrap_or_default();
    let _ = writeln!(out, "  /// A call of `{interface}.{name}` under way.");
    docs(out, &function.docs);
    let _ = writeln!(out, "  resource {name}-call {{");
    out.push_str("    /// Starts the call and returns at once.\n");
    let _ = writeln!(out, "    start: static func({params}) -> {name}-call;");
    out.push_str("    /// Ready when `get` answers without waiting.\n");
    out.push_str("    subscribe: func() -> pollable;\n");
    out.push_str("    /// Waits for the call's result and hands it out, once: asking again ends the instance.\n");
    let _ = writeln!(out, "    get: func(){result};\n  }}");
}

fn docs(out: &mut String, docs: &Docs) {
    let Some(text) = &docs.contents else { return };
    out.push_str("  ///\n");
    for line in text.trim_end().lines() {
        let _ = writeln!(out, "{}", format!("  /// {line}").trim_end());
    }
}

/// Why the interface has no view, as the end of a sentence that begins with its name.
fn not_plain(resolve: &Resolve, interface: &Interface) -> Option<String> {
    if interface.functions.is_empty() {
        return Some("has no functions".to_owned());
    }
    for function in interface.functions.values() {
        let free = matches!(function.kind, FunctionKind::Freestanding | FunctionKind::AsyncFreestanding);
        let bound = function.parameter_and_result_types().find_map(|ty| bound_to_a_store(resolve, &ty));
        if let Some(what) = bound.or((!free).then_some("resource")) {
            return Some(format!("passes a {what} in `{}`", function.name));
        }
    }
    None
}

/// What in a type cannot leave the store it was made in.
fn bound_to_a_store(resolve: &Resolve, ty: &Type) -> Option<&'static str> {
    let id = match ty {
        Type::Id(id) => *id,
        Type::ErrorContext => return Some("error-context"),
        _ => return None,
    };
    match &resolve.types[id].kind {
        TypeDefKind::Resource | TypeDefKind::Handle(_) => Some("resource"),
        TypeDefKind::Future(_) => Some("future"),
        TypeDefKind::Stream(_) => Some("stream"),
        _ => inner_types(resolve, id).iter().find_map(|inner| bound_to_a_store(resolve, inner)),
    }
}

fn inner_types(resolve: &Resolve, id: TypeId) -> Vec<Type> {
    match &resolve.types[id].kind {
        TypeDefKind::Record(record) => record.fields.iter().map(|field| field.ty).collect(),
        TypeDefKind::Variant(variant) => variant.cases.iter().filter_map(|case| case.ty).collect(),
        TypeDefKind::Tuple(tuple) => tuple.types.clone(),
        TypeDefKind::Result(result) => [result.ok, result.err].into_iter().flatten().collect(),
        TypeDefKind::Map(key, value) => vec![*key, *value],
        TypeDefKind::Option(inner)
        | TypeDefKind::List(inner)
        | TypeDefKind::FixedLengthList(inner, _)
        | TypeDefKind::Type(inner) => vec![*inner],
        TypeDefKind::Future(inner) | TypeDefKind::Stream(inner) => inner.iter().copied().collect(),
        TypeDefKind::Resource
        | TypeDefKind::Handle(_)
        | TypeDefKind::Flags(_)
        | TypeDefKind::Enum(_)
        | TypeDefKind::Unknown => Vec::new(),
    }
}

/// The named types that the functions mention, in order of appearance.
fn used_types<'a>(resolve: &'a Resolve, interface: &Interface) -> Vec<&'a str> {
    fn visit<'a>(resolve: &'a Resolve, ty: &Type, names: &mut Vec<&'a str>) {
        let Type::Id(id) = ty else { return };
        match &resolve.types[*id].name {
            Some(name) if names.contains(&name.as_str()) => {}
            Some(name) => names.push(name),
            None => inner_types(resolve, *id).iter().for_each(|inner| visit(resolve, inner, names)),
        }
    }
    let mut names = Vec::new();
    for function in interface.functions.values() {
        function.parameter_and_result_types().for_each(|ty| visit(resolve, &ty, &mut names));
    }
    names
}

fn names_are_free(
    resolve: &Resolve,
    interface: &Interface,
    name: &str,
    file: &str,
    types: &[&str],
) -> Result<(), DeferredError> {
    let taken = |what: String, need: String| DeferredError::NameTaken {
        interface: name.to_owned(),
        file: file.to_owned(),
        what,
        need,
    };
    for function in interface.functions.keys() {
        let call = format!("{function}-call");
        let need = || format!("for the calls of `{function}`");
        if interface.types.contains_key(&call) {
            return Err(taken(format!("there is a type `{call}`"), need()));
        }
        if interface.functions.contains_key(&call) {
            return Err(taken(format!("there is a function `{call}`"), need()));
        }
    }
    if types.contains(&"pollable") {
        return Err(taken("its functions use a type `pollable`".to_owned(), "for that of wasi:io".to_owned()));
    }
    let view = format!("{name}-deferred");
    let package = interface.package.map(|package| &resolve.packages[package]);
    if package.is_some_and(|package| package.interfaces.contains_key(&view) || package.worlds.contains_key(&view)) {
        return Err(taken(format!("the package has a `{view}` already"), "for itself".to_owned()));
    }
    Ok(())
}

/// A type as WIT writes it, named types by their names.
fn type_text(resolve: &Resolve, ty: &Type) -> String {
    let id = match ty {
        Type::Id(id) => *id,
        plain => return primitive(plain).to_owned(),
    };
    let definition = &resolve.types[id];
    if let Some(name) = &definition.name {
        return escaped(name);
    }
    let arguments = || {
        let inner: Vec<_> = inner_types(resolve, id).iter().map(|inner| type_text(resolve, inner)).collect();
        inner.join(", ")
    };
    match &definition.kind {
        TypeDefKind::Result(result) => match (&result.ok, &result.err) {
            (None, None) => "result".to_owned(),
            (None, Some(_)) => format!("result<_, {}>", arguments()),
            _ => format!("result<{}>", arguments()),
        },
        TypeDefKind::FixedLengthList(_, length) => format!("list<{}, {length}>", arguments()),
        kind => format!("{}<{}>", kind.as_str(), arguments()),
    }
}

fn primitive(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext | Type::Id(_) => "error-context",
    }
}

fn escaped(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("%{name}") } else { name.to_owned() }
}

fn source_file(resolve: &Resolve, interface: &Interface) -> String {
    let location = resolve.render_location(interface.span);
    let path = location.rsplitn(3, ':').last().unwrap_or(&location);
    super::load::file_name(std::path::Path::new(path)).to_owned()
}
