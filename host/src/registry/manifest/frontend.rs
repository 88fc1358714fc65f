//! What a manifest says of the plugin's part in the pages. Doc comments end up in the JSON Schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::PathTemplate;
use super::text::ComponentName;

/// What it adds to the pages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Frontend {
    /// Pages of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub routes: Vec<Route>,
    /// Entries in the menu, each leading to one of its pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub menu_items: Vec<MenuItem>,
    /// Components shown within pages of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub injection_points: Vec<Injection>,
}

impl Frontend {
    pub fn is_empty(&self) -> bool {
        *self == Frontend::default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    pub path: PathTemplate,
    pub component: ComponentName,
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MenuItem {
    #[schemars(length(min = 1, max = 100))]
    pub label: String,
    /// The path of a route, with its parameters filled in.
    pub path: PathTemplate,
    /// The name of an icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub icon: Option<String>,
    /// Lower stands first.
    #[serde(default)]
    #[schemars(range(min = -10_000, max = 10_000))]
    pub order: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Injection {
    pub point: InjectionPoint,
    pub component: ComponentName,
    /// Lower stands first.
    #[serde(default)]
    #[schemars(range(min = -10_000, max = 10_000))]
    pub order: i32,
}

/// A place in a page where plugins can add a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum InjectionPoint {
    #[serde(rename = "Contact.Profile")]
    ContactProfile,
    #[serde(rename = "Contact.Form")]
    ContactForm,
    #[serde(rename = "Deal.Details")]
    DealDetails,
    #[serde(rename = "Deal.Form")]
    DealForm,
    #[serde(rename = "Dashboard.Widgets")]
    DashboardWidgets,
    #[serde(rename = "Reports.Dashboard")]
    ReportsDashboard,
    #[serde(rename = "POS.BeforeCheckout")]
    PosBeforeCheckout,
    #[serde(rename = "POS.AfterCheckout")]
    PosAfterCheckout,
}
