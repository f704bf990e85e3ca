//! Which route has which model name. In all namespaces a name belongs to one route: the oldest.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::ObjectKey;

/// Names that are taken, with their owner.
#[derive(Default)]
pub(super) struct Claims(BTreeMap<String, ObjectKey>);

impl Claims {
    /// The first of these names that another route has, and that route.
    pub fn contested<'a>(
        &self,
        by: &ObjectKey,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Option<(usize, &'a str, &ObjectKey)> {
        names.into_iter().enumerate().find_map(|(i, name)| {
            let owner = self.0.get(name).filter(|owner| *owner != by)?;
            Some((i, name, owner))
        })
    }

    pub fn take<'a>(&mut self, by: &ObjectKey, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.0.entry(name.to_owned()).or_insert_with(|| by.clone());
        }
    }
}

/// Sort key: older first, then by namespace and name. What has no time yet (it comes from a file) is younger than
/// what has.
pub(super) fn age(
    created: Option<&Time>,
    key: &ObjectKey,
) -> (bool, Option<k8s_openapi::jiff::Timestamp>, String, String) {
    (created.is_none(), created.map(|time| time.0), key.namespace.clone(), key.name.clone())
}
