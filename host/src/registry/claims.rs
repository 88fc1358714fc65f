//! Who came first: what a plugin claims by being loaded, and who may not claim it after that.
//!
//! A plugin claims its id and version for its bytes, the services it exports for its id, and the types of each
//! exported interface for the version of that interface. A claim is written down when the plugin is first
//! loaded, and whoever contradicts it is refused as a whole: an impostor is not to be loaded in part. In dev
//! mode what is written down follows the files instead, so that an author can build the same version again;
//! of files that lie there together the first still wins.
//!
//! A plugin is also held to what earlier versions of it promised (see [`contract`]); in dev mode it is only told.
//! Pure: no clock, no disk.

mod records;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

pub use self::records::Records;
use super::contract::{self, Breach, Remembered};
use super::plugin::Plugin;
use crate::config::LoaderConfig;
use crate::db;
use crate::hash::sha256_hex;
use crate::id::{PluginId, ServiceName};
use crate::runtime::{ExportedInterface, PluginKey};

/// What one plugin claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub key: PluginKey,
    /// Of everything that makes the plugin, in hexadecimal.
    pub content: String,
    services: BTreeSet<ServiceName>,
    /// Each exported interface.
    types: BTreeMap<String, Types>,
}

/// The types of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Types {
    hash: String,
    /// What the hash is of, unless it is too long to be remembered.
    text: Option<String>,
}

impl Claims {
    /// Types with more than `types_bytes` as text are remembered by their hash alone.
    pub fn new(key: PluginKey, content: String, exports: &[ExportedInterface], types_bytes: usize) -> Self {
        // What the host itself asks of plugins, every plugin may export.
        let offered = || exports.iter().filter(|export| !export.name.interface.as_str().starts_with("tenon:"));
        Self {
            key,
            content,
            services: offered().map(|export| export.name.interface.service()).collect(),
            types: offered().map(|export| (export.name.to_string(), Types::of(export, types_bytes))).collect(),
        }
    }

    /// What is claimed, by kind and name.
    pub fn names(&self) -> impl Iterator<Item = (db::ClaimKind, String)> {
        self.each().map(|(kind, name, _)| (kind, name))
    }

    fn each(&self) -> impl Iterator<Item = (db::ClaimKind, String, String)> {
        let release = (db::ClaimKind::Release, self.key.to_string(), self.content.clone());
        let services = self.services.iter();
        let services = services.map(|service| (db::ClaimKind::Service, service.to_string(), self.key.id.to_string()));
        let types = self.types.iter().map(|(name, types)| (db::ClaimKind::Types, name.clone(), types.hash.clone()));
        std::iter::once(release).chain(services).chain(types)
    }

    /// The types behind a claim on them.
    fn text(&self, kind: db::ClaimKind, name: &str) -> Option<&String> {
        self.types.get(name).filter(|_| kind == db::ClaimKind::Types)?.text.as_ref()
    }
}

impl Types {
    fn of(export: &ExportedInterface, bytes: usize) -> Self {
        let functions = export.functions.iter().map(|function| (function.name.as_str(), &function.shape));
        let text = contract::write(functions);
        Self { hash: sha256_hex(text.as_bytes()), text: Some(text).filter(|text| text.len() <= bytes) }
    }
}

/// Whose claim stands against a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    #[error("{key} is already loaded from {other}; give one of the two another version, or remove it")]
    Loaded { key: PluginKey, other: String },
    #[error("{limit} versions of {id} are loaded, and no more may be (loader.versions): remove one that is not needed")]
    Versions { id: String, limit: usize },
    #[error(
        "{key} was first loaded from {first} with other bytes; give this file another version{}",
        forgetting(key.id.as_str(), "claims")
    )]
    Release { key: PluginKey, first: First },
    #[error(
        "it exports `{service}`, a service of the plugin {owner}: give its WIT package another name, or the plugin \
         that id{}", if *.recorded { forgetting(.owner, "claims") } else { String::new() }
    )]
    Service { service: String, owner: String, recorded: bool },
    #[error(
        "its types of `{interface}` differ from those that {first} offers under the same version: give the WIT \
         package another version{}{}", if *.recorded { forgetting(first, "promises") } else { String::new() },
        .breach.as_ref().map(|breach| breach.details()).unwrap_or_default()
    )]
    Types { interface: String, first: String, recorded: bool, breach: Option<Box<Breach>> },
    #[error("{0}")]
    Breaks(Box<Breach>),
}

/// How an operator lets another be first. `plugin` is an id, with or without a version.
fn forgetting(plugin: &str, what: &str) -> String {
    let id = plugin.split(' ').next().unwrap_or(plugin);
    format!("; if what came first is gone for good, forget it: tenon plugin forget {id} --{what}")
}

/// The file that made a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    file_name: String,
    at: Timestamp,
}

impl fmt::Display for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.file_name, self.at.strftime("%Y-%m-%d"))
    }
}

impl ClaimError {
    /// The other plugins that it concerns: whose claim it is, and who would break.
    pub fn against(&self) -> Vec<String> {
        match (self, self.breach()) {
            (Self::Service { owner, .. }, _) => vec![owner.clone()],
            (_, Some(breach)) => breach.consumers.iter().map(|consumer| consumer.id.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// The promise that was not kept.
    pub fn breach(&self) -> Option<&Breach> {
        match self {
            Self::Types { breach, .. } => breach.as_deref(),
            Self::Breaks(breach) => Some(breach),
            _ => None,
        }
    }

    fn breach_mut(&mut self) -> Option<&mut Breach> {
        match self {
            Self::Types { breach, .. } => breach.as_deref_mut(),
            Self::Breaks(breach) => Some(breach),
            _ => None,
        }
    }
}

/// What the plugin does not keep of the promises of those that run and, unless it is itself known from before, of
/// those that are written down.
fn breach(plugin: &Plugin, running: &BTreeMap<String, Arc<Plugin>>, records: &Records) -> Option<Breach> {
    let earlier: Vec<_> =
        running.values().filter(|other| other.key().id == plugin.key().id).map(|p| p.provider()).collect();
    let known = records.release(&plugin.claims).is_some();
    let recorded = if known { Vec::new() } else { records.offered(plugin.key()) };
    let recorded: Vec<_> = recorded.iter().map(Remembered::provider).collect();
    contract::judge(&plugin.provider(), &earlier, &recorded)
}

/// Why two plugins cannot be loaded together: what the second claims and the first has.
fn conflict(first: (&str, &Claims), second: &Claims) -> Option<ClaimError> {
    let (file_name, first) = first;
    if first.key == second.key {
        return Some(ClaimError::Loaded { key: second.key.clone(), other: file_name.to_string() });
    }
    if first.key.id != second.key.id
        && let Some(service) = second.services.iter().find(|service| first.services.contains(*service))
    {
        let owner = first.key.id.to_string();
        return Some(ClaimError::Service { service: service.to_string(), owner, recorded: false });
    }
    let differs =
        |(name, types): &(&String, &Types)| first.types.get(*name).is_some_and(|known| known.hash != types.hash);
    let (interface, _) = second.types.iter().find(differs)?;
    let (interface, first) = (interface.clone(), first.key.to_string());
    Some(ClaimError::Types { interface, first, recorded: false, breach: None })
}

/// One file of the directory, as it takes part.
pub struct Contender<'a> {
    pub file: &'a str,
    /// What was loaded from it before and runs.
    pub running: Option<&'a Arc<Plugin>>,
    /// What it holds now, if that is a plugin.
    pub candidate: Option<&'a Arc<Plugin>>,
}

/// Who runs.
pub struct Arrangement {
    /// By file.
    pub running: BTreeMap<String, Arc<Plugin>>,
    /// By file. What ran before goes on.
    pub refused: BTreeMap<String, ClaimError>,
    /// By file. Those that run although they break a promise.
    pub tolerated: BTreeMap<String, Breach>,
    /// What is to be written down: new claims, and in dev mode altered ones.
    pub claims: Vec<db::Claim>,
}

/// A plugin that does not run yet.
struct Coming<'a> {
    file: &'a str,
    plugin: &'a Arc<Plugin>,
    /// What is written down against it.
    contradicts: Option<ClaimError>,
    is_new: bool,
    /// When it was first loaded; those that never were come last.
    first: Timestamp,
}

/// Lets those run who contradict nobody before them. First are those who run already; then come those who
/// agree with what is written down, then the others; among equals, files that replace what ran from them
/// come before new ones, those that were loaded before in the order they first were, and the rest is the order of
/// names, in which versions of one plugin take their places by version. Of one plugin at most so many versions run:
/// as a service has one owner, this bounds what there is to choose from for any import.
pub fn arrange(contenders: &[Contender<'_>], records: &Records, limits: &LoaderConfig, dev: bool) -> Arrangement {
    let running = contenders.iter().filter_map(|c| Some((c.file.to_string(), c.running?.clone())));
    let mut running: BTreeMap<String, Arc<Plugin>> = running.collect();
    let mut refused = BTreeMap::new();
    let mut tolerated = BTreeMap::new();
    for Coming { file, plugin, contradicts, .. } in coming(contenders, records) {
        let others = running.iter().filter(|(other, _)| *other != file);
        let taken = others.clone().find_map(|(other, first)| conflict((other, &first.claims), &plugin.claims));
        let id = &plugin.key().id;
        let full = others.filter(|(_, other)| other.key().id == *id).count() >= limits.versions;
        let taken = taken.or_else(|| full.then(|| ClaimError::Versions { id: id.to_string(), limit: limits.versions }));
        let mut broken = breach(plugin, &running, records);
        // What can be seen in the directory explains more than what was written down.
        let mut refusal = taken.or(contradicts.filter(|_| !dev));
        if let Some(ClaimError::Types { breach, .. }) = &mut refusal {
            *breach = broken.take().map(Box::new);
        }
        if !limits.takes_breaking(dev) {
            refusal = refusal.or_else(|| broken.take().map(|breach| ClaimError::Breaks(Box::new(breach))));
        }
        match refusal {
            Some(error) => {
                refused.insert(file.to_string(), error);
            }
            None => {
                running.insert(file.to_string(), plugin.clone());
                tolerated.extend(broken.map(|breach| (file.to_string(), breach)));
            }
        }
    }
    let breaches = refused.iter_mut().filter_map(|(file, error)| Some((file, error.breach_mut()?)));
    name_consumers(breaches.chain(tolerated.iter_mut()), contenders, &running);
    let claims = running.iter().flat_map(|(file, plugin)| unwritten(file, plugin, records)).collect();
    Arrangement { running, refused, tolerated, claims }
}

/// Those that may take a place, in the order they are asked.
fn coming<'a>(contenders: &[Contender<'a>], records: &Records) -> Vec<Coming<'a>> {
    let comes = |contender: &Contender<'a>| {
        let plugin = contender.candidate?;
        let stays = contender.running.is_some_and(|running| Arc::ptr_eq(running, plugin));
        (!stays).then(|| Coming {
            file: contender.file,
            plugin,
            contradicts: records.conflict(&plugin.claims),
            is_new: contender.running.is_none(),
            first: records.release(&plugin.claims).unwrap_or(Timestamp::MAX),
        })
    };
    let mut coming: Vec<Coming<'a>> = contenders.iter().filter_map(comes).collect();
    let mut first_files: HashMap<&PluginId, &str> = HashMap::new();
    for Coming { file, plugin, .. } in &coming {
        let first = first_files.entry(&plugin.key().id).or_insert(file);
        *first = (*first).min(file);
    }
    coming.sort_by_key(|Coming { file, plugin, contradicts, is_new, first }| {
        let PluginKey { id, version } = plugin.key();
        (contradicts.is_some(), *is_new, *first, first_files.get(id), version, *file)
    });
    coming
}

/// Finds out whom each breach would break, of those who run now.
fn name_consumers<'a>(
    breaches: impl Iterator<Item = (&'a String, &'a mut Breach)>,
    contenders: &[Contender<'_>],
    running: &BTreeMap<String, Arc<Plugin>>,
) {
    for (file, breach) in breaches {
        let contender = contenders.iter().find(|contender| contender.file == *file);
        let Some(plugin) = contender.and_then(|contender| contender.candidate) else { continue };
        let others = running.values().filter(|other| other.key().id != plugin.key().id);
        let consumers: Vec<_> = others.map(|other| other.consumer()).collect();
        breach.concern(&plugin.provider().offer, &consumers);
    }
}

fn unwritten(file: &str, plugin: &Plugin, records: &Records) -> Vec<db::Claim> {
    let claim = |(kind, name, holder): (db::ClaimKind, String, String)| {
        let types = plugin.claims.text(kind, &name).cloned();
        match records.0.get(&(kind, name.clone())) {
            // An earlier host kept the hash alone.
            Some(known) if known.holder == holder => {
                (known.types.is_none() && types.is_some()).then(|| db::Claim { types, ..known.clone() })
            }
            _ => Some(db::Claim {
                kind,
                name,
                holder,
                plugin: plugin.key().to_string(),
                file_name: file.to_string(),
                claimed_at: plugin.loaded_at,
                types,
            }),
        }
    };
    plugin.claims.each().filter_map(claim).collect()
}

/// The claims that take the place of others: in dev mode they follow the files.
pub fn overwritten<'a>(claims: &'a [db::Claim], records: &Records) -> Vec<&'a db::Claim> {
    let other = |claim: &&db::Claim| {
        let known = records.0.get(&(claim.kind, claim.name.clone()));
        known.is_some_and(|known| known.holder != claim.holder)
    };
    claims.iter().filter(other).collect()
}
