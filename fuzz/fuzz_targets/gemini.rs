#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| penstock_fuzz::dialect(penstock_llm::Format::Gemini, data));
