//! Writes the golden fixtures as the fuzzer's first inputs, `fuzz/corpus/<target>/`.

use std::fs;
use std::path::Path;

fn main() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = fuzz.join("../dataplane/llm/tests/golden");
    let mut written = 0;
    for target in ["chat", "responses", "completions", "messages", "gemini", "converse", "cohere", "ollama"] {
        let to = fuzz.join("corpus").join(target);
        fs::create_dir_all(&to).expect("a folder");
        for (kind, member, modes) in [
            ("requests", Some("request"), &b"\0"[..]),
            ("answers", Some("answer"), b"\x01"),
            ("streams", None, b"\x02\x07"),
            ("errors", Some("body"), b"\x03"),
        ] {
            let Ok(entries) = fs::read_dir(golden.join(target).join(kind)) else { continue };
            for path in entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()) {
                let text = fs::read_to_string(&path).expect("a fixture");
                let text = match member {
                    Some(member) => {
                        let fixture: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                        fixture[member].to_string()
                    }
                    None => text,
                };
                let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
                fs::write(to.join(format!("{kind}-{name}")), [modes, text.as_bytes()].concat())
                    .expect("a seed");
                written += 1;
            }
        }
    }
    println!("{written} seeds");
}
