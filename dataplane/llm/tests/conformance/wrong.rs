//! Recordings that are themselves wrong: no decoder could make of them what their provider meant.

/// Id and reason.
pub const WRONG: &[(&str, &str)] = &[
    (
        "huggingface.js:packages/inference/test/tapes.json/b3cad22ff43c9ca503ba3ec2cf3301e935679652e5512d942d12ae060465d2dd#0",
        "the recorder added a quotation mark behind the last chunk, which is no JSON by that",
    ),
    (
        "huggingface.js:packages/inference/test/tapes.json/37613c5925dcb97837331c5f899f63a3e1e94e8f007812df28aca3f4b8e63f2e#0",
        "Text Generation Inference of 2024 put the number of the token where the number of the choice belongs: 32 \
         answers of one token each",
    ),
    (
        "vercel-ai:packages/openai/src/responses/__fixtures__/openai-shell-container.1.chunks.txt#0",
        "most pieces of its text were taken out: the end holds three sentences, the pieces one",
    ),
];
