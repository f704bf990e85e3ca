//! What a credential may depend on outside of the configuration: environment variables, files, the clock.
//!
//! The one place of this module that reads them, so that tests bring their own.

use std::time::SystemTime;

use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::CredentialError;

/// Largest token or key file that is read, in bytes.
const FILE_LIMIT: u64 = 64 << 10;

type Variables = dyn Fn(&str) -> Option<String> + Send + Sync;
type Clock = dyn Fn() -> SystemTime + Send + Sync;

/// Environment variables, files and the wall clock, as a process or a test has them.
pub struct Surroundings {
    variables: Box<Variables>,
    clock: Box<Clock>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok(), SystemTime::now)
    }

    pub fn new(
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        Self { variables: Box::new(variables), clock: Box::new(clock) }
    }

    /// An environment variable. An empty one counts as not set, as the vendors' SDKs do.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.variables)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub fn now(&self) -> SystemTime {
        (self.clock)()
    }

    /// A file's text without the white space around it. Read at each use: the cluster rotates token files.
    pub async fn read(&self, path: &str) -> Result<String, CredentialError> {
        let fail = |why: String| CredentialError::Unusable(format!("{path} cannot be used: {why}"));
        // Opening a pipe can wait for ever.
        let kind = tokio::fs::metadata(path).await.map_err(|error| fail(error.to_string()))?;
        if !kind.is_file() {
            return Err(fail("it is not a file".into()));
        }
        let file = File::open(path).await.map_err(|error| fail(error.to_string()))?;
        let mut bytes = Vec::new();
        file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).await.map_err(|error| fail(error.to_string()))?;
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(fail(format!("it is larger than {FILE_LIMIT} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| fail("it is not UTF-8 text".into()))?;
        let text = text.trim();
        if text.is_empty() { Err(fail("it is empty".into())) } else { Ok(text.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare() -> Surroundings {
        Surroundings::new(|name| (name == "BLANK").then(|| " ".into()), || SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_blank_variable_is_not_set() {
        assert_eq!(bare().variable("BLANK"), None);
    }

    #[test]
    fn a_process_has_its_own() {
        let surroundings = Surroundings::of_process();
        assert_eq!(surroundings.variable("CARGO_PKG_NAME").as_deref(), Some("penstock-proxy"));
        let since = surroundings.now().elapsed();
        assert!(since.is_ok_and(|since| since.as_secs() < 60), "the clock is the wall's");
    }

    #[tokio::test]
    async fn files_are_trimmed_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let path = path.to_str().unwrap();
        let refused = |text: &str| match text {
            "missing" => "No such file",
            "empty" => "it is empty",
            "folder" => "it is not a file",
            _ => "larger than",
        };
        for (text, content) in
            [("missing", None), ("empty", Some(" \n".into())), ("large", Some("x".repeat(70_000)))]
        {
            if let Some(content) = content {
                std::fs::write(path, content).unwrap();
            }
            let error = bare().read(path).await.unwrap_err().to_string();
            assert!(error.contains(refused(text)) && error.contains(path), "{text}: {error}");
        }
        let error = bare().read(folder.path().to_str().unwrap()).await.unwrap_err().to_string();
        assert!(error.contains(refused("folder")), "{error}");
        std::fs::write(path, "token\n").unwrap();
        assert_eq!(bare().read(path).await.unwrap(), "token");
    }
}
