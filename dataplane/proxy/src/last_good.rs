//! The last configuration that was served, kept on disk so that a proxy starts without its operator.
//!
//! The file holds credentials: it is readable by its owner only, and belongs on a memory-backed volume.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use penstock_config::Snapshot;

const FILE: &str = "last-good.json";

/// Writes the snapshot so that a crash leaves either the old or the new one.
pub fn store(folder: &Path, snapshot: &Snapshot) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let temporary = folder.join(format!("{FILE}.new"));
    // A leftover of a crash could have other permissions.
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(snapshot)?)?;
    file.sync_all()?;
    fs::rename(temporary, path(folder))
}

/// `None` when there is none.
pub fn load(folder: &Path) -> io::Result<Option<Snapshot>> {
    match fs::read(path(folder)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use penstock_config::ClientAuth;

    use super::*;

    #[test]
    fn stores_for_its_owner_only_and_loads() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path()).unwrap().is_none());
        let snapshot =
            Snapshot { auth: ClientAuth::Open, pools: Default::default(), routes: Default::default() };
        store(folder.path(), &snapshot).unwrap();
        store(folder.path(), &snapshot).unwrap();
        assert_eq!(load(folder.path()).unwrap(), Some(snapshot));
        let mode = fs::metadata(path(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_torn_file_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(path(folder.path()), b"{\"auth\":").unwrap();
        assert!(load(folder.path()).is_err());
    }
}
