//! What a version says of its tables to the versions before it.
//!
//! The data version is the number of migrations that have run. An older version cannot know what later migrations do;
//! whoever writes them does, so the newer version says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::Manifest;
use super::problem::{JsonPath, ManifestErrors, Problems};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataRules {
    /// The least number of migrations that another version must bring to go on working with the tables as this version
    /// leaves them. With 2, versions whose last migration is the second can still read and write after the third and
    /// fourth. Left out, only versions with all the migrations of this one can.
    #[schemars(range(min = 1, max = 100_000))]
    pub compatible_from: u32,
}

impl Manifest {
    /// Compares what the manifest says of its tables with how many migrations the file brings.
    ///
    /// # Errors
    ///
    /// `$.data.compatibleFrom` names a migration that the file does not bring.
    pub fn fits_migrations(&self, brought: usize) -> Result<(), ManifestErrors> {
        let mut problems = Problems::default();
        if let Some(DataRules { compatible_from }) = self.data
            && compatible_from as usize > brought
        {
            let place = JsonPath::root().field("data").field("compatibleFrom");
            let (expected, fix) = match brought {
                0 => ("no `data`, because the file brings no migrations".to_owned(), "leave `data` out".to_owned()),
                _ => (
                    format!("at most {brought}, which is how many migrations the file brings"),
                    "name the first migration that the older versions have to know, counted from 1".to_owned(),
                ),
            };
            problems.add(&place, compatible_from.to_string(), expected, fix);
        }
        problems.into_result(())
    }
}
