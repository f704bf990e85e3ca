//! What `compile` says of each object.

use std::fmt;

use penstock_crds::status::reason;
use penstock_crds::{GROUP, VERSION};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The kinds that are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    ModelRoute,
    ProviderPool,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::ModelRoute, Self::ProviderPool];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ModelRoute => "ModelRoute",
            Self::ProviderPool => "ProviderPool",
        }
    }

    pub fn api_version(self) -> String {
        format!("{GROUP}/{VERSION}")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
}

impl ObjectKey {
    /// `namespace/name`: its key in the snapshot.
    pub fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// The verdict on one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Generation of the spec it speaks of.
    pub generation: i64,
    /// Valid on its own, and has its model names.
    pub accepted: Result<(), Problem>,
    /// Everything it names exists and can be used.
    pub resolved_refs: Result<(), Problem>,
    /// Every problem, for tools that list them all; the two results above hold the first of each sort.
    pub problems: Vec<Problem>,
    /// What is served as it stands and is hardly meant so. Each begins with its field path.
    pub warnings: Vec<String>,
    /// What it contributes to the snapshot.
    pub fragment: Fragment,
}

/// One thing wrong with an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// One of `penstock_crds::status::reason`.
    pub reason: &'static str,
    /// Field path, for example `spec.rules[0].targets[1].pool`.
    pub path: String,
    /// Begins with the path and ends with what to do.
    pub message: String,
}

impl Problem {
    pub(super) fn new(reason: &'static str, path: impl Into<String>, text: impl fmt::Display) -> Self {
        let path = path.into();
        let message = format!("{path}: {text}");
        Self { reason, path, message }
    }

    /// What an object that cannot be read refers to.
    pub(super) fn unknown() -> Result<(), Self> {
        Err(Self::new(reason::PENDING, "spec", "it is not known what this refers to while it cannot be read"))
    }

    /// The first problem, with a word on how many more there are; `Ok` when there is none.
    pub(super) fn first_of(problems: &[Self]) -> Result<(), Self> {
        let Some((first, rest)) = problems.split_first() else { return Ok(()) };
        let mut problem = first.clone();
        if !rest.is_empty() {
            let paths: Vec<&str> = rest.iter().map(|p| p.path.as_str()).collect();
            problem.message = format!("{} (also wrong: {})", first.message, paths.join(", "));
        }
        Err(problem)
    }
}

/// Fingerprint of what an object contributes to the snapshot; `None` inside when that is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment(Option<[u8; 16]>);

impl Fragment {
    pub const NOTHING: Self = Self(None);

    pub(crate) fn of<T: Serialize>(contribution: Option<&T>) -> Self {
        Self(contribution.map(|value| {
            // Serializing plain structs and string-keyed maps cannot fail.
            let digest = Sha256::digest(serde_json::to_vec(value).unwrap_or_default());
            let mut short = [0; 16];
            short.copy_from_slice(&digest[..16]);
            short
        }))
    }

    pub fn is_nothing(&self) -> bool {
        self.0.is_none()
    }
}
