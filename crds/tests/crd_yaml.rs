//! The committed CRD YAML is what the types generate.
//!
//! `UPDATE_GENERATED=1 cargo test -p penstock-crds` writes it anew.

use std::fs;
use std::path::PathBuf;

#[test]
fn committed_crds_match_the_types() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/penstock/crds");
    for crd in penstock_crds::all() {
        let path = folder.join(format!("{}.yaml", crd.metadata.name.as_deref().unwrap()));
        let generated = format!(
            "# Generated from the types in crds/src; `UPDATE_GENERATED=1 cargo test -p penstock-crds` writes it anew.\n{}",
            serde_saphyr::to_string(&crd).unwrap()
        );
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &generated).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "{} has drifted from the types: run UPDATE_GENERATED=1 cargo test -p penstock-crds",
            path.display()
        );
    }
}
