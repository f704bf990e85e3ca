//! `--env-secret ns/name/key=VAR`: one entry of a Secret, from the environment.

use std::str::FromStr;

use penstock_config::Secret;

/// Which entry comes from which variable.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvSecret {
    namespace: String,
    name: String,
    key: String,
    variable: String,
}

impl FromStr for EnvSecret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "write namespace/name/key=VARIABLE, for example default/openai/api-key=OPENAI_API_KEY".to_owned()
        };
        let (path, variable) = text.split_once('=').ok_or_else(wrong)?;
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            [namespace, name, key] if parts.iter().all(|p| !p.is_empty()) && !variable.is_empty() => {
                Ok(Self {
                    namespace: (*namespace).to_owned(),
                    name: (*name).to_owned(),
                    key: (*key).to_owned(),
                    variable: variable.to_owned(),
                })
            }
            _ => Err(wrong()),
        }
    }
}

/// An entry with its value.
#[derive(Clone, Debug)]
pub struct GivenEntry {
    /// Namespace and name of the Secret.
    pub secret: (String, String),
    pub key: String,
    pub value: Secret<Vec<u8>>,
}

impl EnvSecret {
    /// Reads the variable. An error names it and never holds its value.
    pub fn read(&self) -> Result<GivenEntry, String> {
        let value = std::env::var_os(&self.variable).unwrap_or_default();
        if value.is_empty() {
            return Err(format!("--env-secret: the environment variable {} is not set", self.variable));
        }
        Ok(GivenEntry {
            secret: (self.namespace.clone(), self.name.clone()),
            key: self.key.clone(),
            value: Secret::new(value.into_encoded_bytes()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_four_parts() {
        let parsed: EnvSecret = "ai/openai/api-key=KEY".parse().unwrap();
        assert_eq!((parsed.namespace.as_str(), parsed.name.as_str()), ("ai", "openai"));
        assert_eq!((parsed.key.as_str(), parsed.variable.as_str()), ("api-key", "KEY"));
        for bad in ["", "a/b=C", "a/b/c", "a/b/c=", "a//c=D", "a/b/c/d=E"] {
            assert!(bad.parse::<EnvSecret>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let entry: EnvSecret = "a/b/c=PENSTOCK_TEST_NOT_SET".parse().unwrap();
        assert!(entry.read().unwrap_err().contains("PENSTOCK_TEST_NOT_SET"));
    }
}
