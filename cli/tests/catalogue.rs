//! `penstock catalogue` as a process, and the generated file against the sources that it was made of.
//!
//! The sources stay outside the repository: `PENSTOCK_CATALOGUE_SOURCES` names their folder, `shared/catalogue` beside
//! the checkout is the default, and where neither is there the test says so and passes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use penstock::catalogue::{Texts, make};
use penstock_llm::catalogue::{CORRECTIONS, MODELS};

const LITELLM: &str = "litellm_model_prices_and_context_window.json";
const MODELS_DEV: &str = "models.dev.json";

fn sources() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/catalogue");
    let folder = std::env::var_os("PENSTOCK_CATALOGUE_SOURCES").map_or_else(beside, PathBuf::from);
    if folder.join(LITELLM).exists() && folder.join(MODELS_DEV).exists() {
        return Some(folder);
    }
    println!(
        "SKIPPED: no catalogues in {} (PENSTOCK_CATALOGUE_SOURCES names their folder)",
        folder.display()
    );
    None
}

#[test]
fn the_generated_file_is_what_the_sources_say() {
    let Some(folder) = sources() else { return };
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let made = make(&Texts {
        litellm: (Path::new(LITELLM), &read(LITELLM)),
        models_dev: (Path::new(MODELS_DEV), &read(MODELS_DEV)),
        corrections: (Path::new("corrections.txt"), CORRECTIONS),
        before: MODELS,
        fetched: "2026-11-24",
    })
    .unwrap();
    println!("{} disputed prices", made.disputes.len());
    assert!(
        made.text == MODELS,
        "models.txt has drifted: run `penstock catalogue update`, see docs/catalogue.md"
    );
}

fn penstock(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_penstock")).arg("catalogue").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn an_update_says_what_changed_and_check_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let litellm = file(
        "litellm.json",
        r#"{"gpt-x": {"litellm_provider": "openai", "mode": "chat", "source": "https://x", "input_cost_per_token": 3e-06}}"#,
    );
    let models_dev = file(
        "models.dev.json",
        r#"{"openai": {"models": {"gpt-x": {"last_updated": "2026-06-30", "tool_call": true, "reasoning": false,
            "modalities": {"input": ["text"], "output": ["text"]}, "limit": {"context": 9, "output": 5},
            "cost": {"input": 2}}}}}"#,
    );
    file("corrections.txt", "# source A 2026-11-24 page\nopenai/gpt-x -forced@A\n");
    let models = PathBuf::from(file("models.txt", "# old\nopenai/gone chat@l\n"));
    let place = folder.path().display().to_string();
    let update = |more: &[&str]| {
        let args = ["update", "--litellm", &litellm, "--models-dev", &models_dev, "--catalogue", &place];
        penstock(&[&args[..], more].concat())
    };

    let said = update(&["--check", "--fetched", "2026-11-01"]);
    let line = "openai/gpt-x chat@b ctx=9@m out=5@m in=t@m gen=t@m +tools@m -forced@A think=never@m $=i3@L";
    let want = format!(
        "- openai/gone\n+ {line}\ndisputed openai/gpt-x: LiteLLM $=i3, models.dev $=i2; taken: LiteLLM's, which names \
         its page\n1 models of 1 providers, "
    );
    assert!(text(&said.stdout).starts_with(&want), "{}", text(&said.stdout));
    assert_eq!(said.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&models).unwrap(), "# old\nopenai/gone chat@l\n");

    assert_eq!(update(&["--fetched", "2026-11-01"]).status.code(), Some(0));
    let written = fs::read_to_string(&models).unwrap();
    assert!(written.ends_with(&format!("\n{line}\n")));
    assert!(
        written.contains("# source l 2026-11-01 LiteLLM")
            && written.contains("# source m 2026-06-30 models.dev")
    );

    // The same files keep their day; without one it is that of the file.
    let said = update(&["--check"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stdout));
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    fs::write(&file, "[]").unwrap();
    for name in ["models.txt", "corrections.txt"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let (place, file) = (folder.path().display().to_string(), file.display().to_string());
    for (litellm, models_dev, says) in [
        ("gone.json", file.as_str(), "gone.json: cannot be read: "),
        (file.as_str(), file.as_str(), "x.json: cannot be read: invalid type: sequence"),
    ] {
        let said =
            penstock(&["update", "--litellm", litellm, "--models-dev", models_dev, "--catalogue", &place]);
        assert_eq!(said.status.code(), Some(2));
        assert!(text(&said.stderr).contains(says), "{}", text(&said.stderr));
    }
}

#[test]
fn show_tells_facts_and_their_sources() {
    let said = penstock(&["show", "bedrock/eu.anthropic.claude-opus-4-6-v1"]);
    let page = text(&said.stdout);
    assert_eq!(said.status.code(), Some(0));
    for part in ["price ", "input 5.50, output 27.50", "sampling ", "sources:\n", "LiteLLM model_prices"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let said = penstock(&["show", "openai/gtp-4o"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(text(&said.stderr).contains("near: openai/gpt-4o"), "{}", text(&said.stderr));
}
