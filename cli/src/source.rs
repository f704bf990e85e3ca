//! Manifest files as text: which files `-f` means, and what is in them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// One text with manifests.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// As messages name it: the path as given, or `<stdin>`.
    pub name: String,
    pub text: String,
}

/// A path of `-f` that could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    pub name: String,
    pub message: String,
}

/// Where manifests come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Text that does not change: standard input, or the quickstart inside the binary.
    Text(Source),
    /// A file, or the manifest files directly in a folder.
    Path(PathBuf),
}

impl Origin {
    /// What one `-f` means. `-` is standard input, which can be read only once: it is read here.
    pub fn from_arg(arg: &str) -> Result<Self, Unreadable> {
        if arg != "-" {
            return Ok(Self::Path(arg.into()));
        }
        let name = "<stdin>".to_owned();
        match io::read_to_string(io::stdin().lock()) {
            Ok(text) => Ok(Self::Text(Source { name, text })),
            Err(error) => Err(Unreadable { name, message: error.to_string() }),
        }
    }
}

/// What all origins hold at one moment. Two equal readings mean that nothing changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    pub sources: Vec<Source>,
    pub unreadable: Vec<Unreadable>,
}

/// Reads every origin, folders in the order of their file names.
pub fn read_all(origins: &[Origin]) -> Reading {
    let mut reading = Reading::default();
    for origin in origins {
        match origin {
            Origin::Text(source) => reading.sources.push(source.clone()),
            Origin::Path(path) => read_path(path, &mut reading),
        }
    }
    reading
}

fn read_path(path: &Path, reading: &mut Reading) {
    let files = match files_of(path) {
        Ok(files) => files,
        Err(error) => return reading.unreadable.push(unreadable(path, &error)),
    };
    if files.is_empty() {
        let message = "the folder holds no .yaml, .yml or .json file".to_owned();
        reading.unreadable.push(Unreadable { name: path.display().to_string(), message });
    }
    for file in files {
        match read_text(&file) {
            Ok(text) => reading.sources.push(Source { name: file.display().to_string(), text }),
            Err(error) => reading.unreadable.push(unreadable(&file, &error)),
        }
    }
}

/// Like `kubectl apply -f`: a file whatever its name, or the manifests directly in a folder.
fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let hidden = file.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        let manifest = file.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|x| e == *x));
        if manifest && !hidden && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// More than this is not a manifest; without a bound a wrong path could eat the memory.
const MAX_BYTES: u64 = 16 << 20;

fn read_text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(file)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("larger than 16 MiB: not a manifest"));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Unreadable {
    Unreadable { name: path.display().to_string(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_means_its_manifests_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yaml", "c.json", "notes.txt", ".hidden.yaml"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let reading = read_all(&[Origin::Path(dir.path().to_owned())]);
        let texts: Vec<_> = reading.sources.iter().map(|s| s.text.as_str()).collect();
        assert_eq!(texts, ["a.yaml", "b.yml", "c.json"]);
        assert_eq!(reading.unreadable, []);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let reading =
            read_all(&[Origin::Path(dir.path().join("gone.yaml")), Origin::Path(dir.path().to_owned())]);
        assert_eq!(reading.unreadable.len(), 2);
        assert!(reading.unreadable[1].message.contains("holds no"));
    }
}
