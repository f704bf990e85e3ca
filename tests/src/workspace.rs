//! Where things lie: the workspace, its target folder, the profile the tests were built with.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// The target folder this test binary was built into, whatever set it.
pub fn target_dir() -> &'static Path {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| profile_dir().parent().expect("target").to_owned());
    &DIR
}

/// `target/<profile>`: test binaries lie in its `deps`, examples and benches may lie in it.
pub(crate) fn profile_dir() -> &'static Path {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
        let exe = std::env::current_exe().expect("the path of this test binary");
        let dir = exe.parent().expect("a folder");
        let nested = dir.ends_with("deps") || dir.ends_with("examples");
        if nested { dir.parent().expect("a profile folder").to_owned() } else { dir.to_owned() }
    });
    &DIR
}
