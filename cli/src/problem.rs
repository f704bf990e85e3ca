//! What is wrong with a manifest, and where.

use std::fmt;

/// Kind, namespace and name of an object. Orders by kind first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A document of a file, and the object in it as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub file: String,
    /// Counted from 1.
    pub document: usize,
    pub object: Option<ObjectId>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.document)?;
        match &self.object {
            Some(object) => write!(f, " {object}"),
            None => Ok(()),
        }
    }
}

/// How much a problem weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The API server or the operator would refuse it.
    Error,
    /// It may be right in a cluster, but these files alone do not show it.
    Warning,
    /// Nothing is wrong; something was left out.
    Note,
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub severity: Severity,
    pub place: Place,
    /// Field path, such as `spec.providers[0].type`; empty when it concerns the whole document.
    pub path: String,
    pub message: String,
}

impl Problem {
    pub fn error(place: &Place, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place: place.clone(), path: path.into(), message: message.into() }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match self.severity {
            Severity::Error => {}
            Severity::Warning => f.write_str("warning: ")?,
            Severity::Note => f.write_str("note: ")?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}
