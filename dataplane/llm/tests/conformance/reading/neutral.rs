//! What a decoder made of an answer, in the words of a reading.

use penstock_llm::message::{Choice, Part, PartBody, ReasoningBlock};
use penstock_llm::{FinishReason, Response};

use super::{Call, Finish, Reading, Tokens, arguments};

impl Reading {
    pub fn of(response: &Response) -> Self {
        let Response { parts, finish, more, usage, .. } = response;
        let further = more.iter().map(|Choice { parts, finish, logprobs: _ }| read(parts, finish.as_ref()));
        Self {
            tokens: Tokens {
                prompt: usage.prompt(),
                cached: usage.cache_read.unwrap_or(0),
                written: usage.cache_write.unwrap_or(0),
                output: usage.output,
                reasoning: usage.reasoning.unwrap_or(0),
            },
            more: further.collect(),
            ..read(parts, finish.as_ref())
        }
    }
}

fn read(parts: &[Part], finish: Option<&FinishReason>) -> Reading {
    let mut reading = Reading::default();
    for part in parts {
        match &part.body {
            PartBody::Text(text) => reading.text.push_str(text),
            PartBody::Refusal(text) => reading.refusal.push_str(text),
            PartBody::Reasoning(ReasoningBlock::Thinking { text, .. }) => reading.thoughts.push_str(text),
            PartBody::ToolCall(call) => reading.calls.push(Call {
                id: Some(call.id.clone()),
                name: call.name.clone(),
                arguments: arguments(&call.arguments),
            }),
            _ => {}
        }
    }
    reading.finish = finish.map(|reason| match reason {
        FinishReason::Stop | FinishReason::StopSequence(_) => Finish::Stop,
        FinishReason::Length => Finish::Length,
        FinishReason::ToolCalls => Finish::ToolCalls,
        FinishReason::ContentFilter => Finish::ContentFilter,
        FinishReason::Other(word) => Finish::Other(word.clone()),
    });
    reading
}
