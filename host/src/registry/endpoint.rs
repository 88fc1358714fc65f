//! Endpoints of a manifest bound to the functions of the component, once, when the plugin is loaded.
//!
//! Each parameter of a function has exactly one place in the request, decided by its name and type: the
//! parameter of that name in the path; else the query, for methods without a body; else the body.

use std::sync::Arc;

use http::Method;

use super::manifest::{self, Manifest, PathTemplate};
use crate::id::InterfaceName;
use crate::permission::PermissionName;
use crate::runtime::shape::{Field, RecordForm, Shape};
use crate::runtime::{ExportedFunction, PreparedPlugin, RateRule};

/// A method and path of a plugin, and what answers there.
pub struct Endpoint {
    pub method: Method,
    pub path: PathTemplate,
    /// The status of a success.
    pub status: http::StatusCode,
    /// What a user needs, all of them.
    pub permissions: Vec<PermissionName>,
    pub target: Target,
    /// How often it may be called; of an endpoint with a function it is that of the function.
    rate: Option<RateRule>,
}

impl Endpoint {
    /// How often a tenant may call it.
    pub fn rate(&self) -> Option<&RateRule> {
        match &self.target {
            Target::Function(call) => call.function.rules.rate.as_ref(),
            Target::Handler => self.rate.as_ref(),
        }
    }
}

pub enum Target {
    Function(Call),
    /// The plugin's own `wasi:http` handler.
    Handler,
}

/// A function and where its arguments come from.
pub struct Call {
    pub function: Arc<ExportedFunction>,
    /// For each parameter, in order.
    pub places: Vec<Place>,
    /// The parameters that are not in the path.
    pub rest: Vec<Field>,
    pub input: Input,
}

/// Where one parameter's value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path, under its own name.
    Path,
    /// In the input: its position among the rest.
    Rest(usize),
}

/// What the rest of the parameters is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The query, whose keys are the fields of the one record.
    QueryRecord,
    /// The query, whose keys are the parameters.
    QueryMembers,
    /// The body, which is the one record.
    Body,
    /// The body, whose members are the parameters.
    BodyMembers,
}

/// What keeps a manifest and its component from fitting together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("$.endpoints[{index}]{member}: {problem}")]
pub struct EndpointError {
    index: usize,
    member: &'static str,
    problem: String,
}

/// Binds every endpoint of the manifest, the most specific path first.
///
/// # Errors
///
/// Every endpoint whose function is not exported or whose parameters cannot be taken from a request.
pub fn bind(manifest: &Manifest, plugin: &PreparedPlugin) -> Result<Vec<Endpoint>, Vec<EndpointError>> {
    let mut endpoints = Vec::new();
    let mut errors = Vec::new();
    for (index, declared) in manifest.endpoints.iter().enumerate() {
        match target(manifest, declared, plugin) {
            Ok(target) => endpoints.push(Endpoint {
                method: method(declared.method),
                path: declared.path.clone(),
                status: http::StatusCode::from_u16(declared.status).unwrap_or(http::StatusCode::OK),
                permissions: declared.permissions.clone(),
                rate: declared.function.is_none().then(|| manifest.rate_of_handler(declared)).flatten(),
                target,
            }),
            Err((member, problem)) => errors.push(EndpointError { index, member, problem }),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    endpoints.sort_by(|a, b| a.path.precedence(&b.path));
    Ok(endpoints)
}

type Refusal = (&'static str, String);

fn target(manifest: &Manifest, declared: &manifest::Endpoint, plugin: &PreparedPlugin) -> Result<Target, Refusal> {
    let Some(reference) = &declared.function else {
        if plugin.serves_http() {
            return Ok(Target::Handler);
        }
        let problem = "there is no `function`, and the component exports no wasi:http/incoming-handler: name the \
                       exported function that answers";
        return Err(("", problem.to_string()));
    };
    let function = exported(manifest, plugin, &reference.interface, &reference.function)?;
    let fields = &function.shape.params;
    for name in declared.path.parameters() {
        if !fields.iter().any(|field| *field.json == *name) {
            let params: Vec<_> = fields.iter().map(|field| field.json.as_ref()).collect();
            let problem = format!(
                "the path has {{{name}}}, but `{reference}` has no parameter of that name; it has: {}",
                params.join(", ")
            );
            return Err((".path", problem));
        }
    }
    let mut places = Vec::new();
    let mut rest: Vec<Field> = Vec::new();
    for field in fields {
        if !declared.path.parameters().any(|name| *field.json == *name) {
            places.push(Place::Rest(rest.len()));
            rest.push(field.clone());
        } else if field.shape.is_text() {
            places.push(Place::Path);
        } else {
            return Err(refuse(field, "stands in the path, where only a text, number or enum can"));
        }
    }
    let input = input(declared.method, &rest)?;
    Ok(Target::Function(Call { function, places, rest, input }))
}

/// The function of the interface at the version under which the manifest offers its service. An interface
/// that is no declared service is taken at the version it is exported at.
fn exported(
    manifest: &Manifest,
    plugin: &PreparedPlugin,
    interface: &InterfaceName,
    function: &str,
) -> Result<Arc<ExportedFunction>, Refusal> {
    let offered = manifest.services.iter().filter(|service| interface.is_of(&service.name));
    let versions: Vec<_> = offered.map(|service| &service.version).collect();
    let Some(export) = plugin.export(interface, |version| versions.is_empty() || versions.contains(&version)) else {
        let known: Vec<_> = plugin.exports().iter().map(|export| export.name.to_string()).collect();
        let known = if known.is_empty() { "no interface".to_string() } else { known.join(", ") };
        let wanted = versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let at = if wanted.is_empty() { wanted } else { format!(" at {wanted}, as $.services has it") };
        return Err((".function", format!("the component does not export `{interface}`{at}; it exports: {known}")));
    };
    export.function(function).cloned().ok_or_else(|| {
        let known: Vec<_> = export.functions.iter().map(|function| function.name.as_str()).collect();
        let problem = format!("`{interface}` has no function `{function}`; it has: {}", known.join(", "));
        (".function", problem)
    })
}

fn input(method: manifest::Method, rest: &[Field]) -> Result<Input, Refusal> {
    let record = match rest {
        [Field { shape: Shape::Record(record), .. }] if record.form == RecordForm::Object => Some(record),
        _ => None,
    };
    if matches!(method, manifest::Method::Post | manifest::Method::Put | manifest::Method::Patch) {
        return Ok(if record.is_some() { Input::Body } else { Input::BodyMembers });
    }
    let (input, keys) = match record {
        Some(record) => (Input::QueryRecord, record.fields.as_slice()),
        None => (Input::QueryMembers, rest),
    };
    match keys.iter().find(|key| !key.shape.is_query()) {
        Some(key) => Err(refuse(key, "cannot be written in a query; use a method with a body")),
        None => Ok(input),
    }
}

fn refuse(field: &Field, problem: &str) -> Refusal {
    (".function", format!("parameter `{}` {problem}", field.name))
}

fn method(method: manifest::Method) -> Method {
    match method {
        manifest::Method::Get => Method::GET,
        manifest::Method::Post => Method::POST,
        manifest::Method::Put => Method::PUT,
        manifest::Method::Patch => Method::PATCH,
        manifest::Method::Delete => Method::DELETE,
    }
}
