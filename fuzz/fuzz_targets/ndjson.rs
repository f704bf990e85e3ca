#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| penstock_fuzz::framing(penstock_llm::Framing::Ndjson, data));
