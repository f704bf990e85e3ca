//! Names of tools that a provider does not take.
//!
//! Google's format has names with dots and colons, and others have none. A name is what a call comes back by, so one
//! that does not fit is refused here, in words that say which it is, instead of by the provider.

use super::{Format, Upstream};
use crate::error::Refused;
use crate::field::Field;
use crate::message::{Issuer, PartBody, Request};

/// Characters that a name may have there: letters, digits, `_` and `-`, and no more than so many.
///
/// OpenAI: <https://platform.openai.com/docs/api-reference/chat/create>, `tools[].function.name`. Anthropic:
/// <https://docs.claude.com/en/api/messages>, `tools[].name`. Bedrock's rule is its encoder's, and what other servers
/// take they say themselves.
fn longest(format: Format, issuer: Option<Issuer>) -> Option<(usize, &'static str)> {
    match (format, issuer?) {
        (Format::Chat | Format::Responses, Issuer::OpenAI | Issuer::Azure) => Some((64, "OpenAI")),
        (Format::Messages, Issuer::Anthropic) => Some((128, "Claude")),
        _ => None,
    }
}

/// Refuses a name that this provider would refuse. A client of the provider's own format asks the provider.
pub(crate) fn check(request: &Request, format: Format, upstream: &Upstream<'_>) -> Result<(), Refused> {
    let client = request.origin.unwrap_or(Format::Chat);
    let Some((most, who)) = longest(format, upstream.issuer()).filter(|_| client != format) else {
        return Ok(());
    };
    let refuse = |field: String, name: &str| {
        let message =
            format!("`{name}` is no tool name for {who}: at most {most} letters, digits, `_` and `-`");
        Err(Refused { field, message })
    };
    for (i, tool) in request.tools.iter().enumerate() {
        if tool.opaque.is_none() && !fits(&tool.name, most) {
            let field = match client {
                Format::Chat => format!("tools[{i}].function.name"),
                // Declarations stand in groups there.
                Format::Gemini => "tools[].functionDeclarations[].name".to_owned(),
                _ => format!("tools[{i}].name"),
            };
            return refuse(field, &tool.name);
        }
    }
    for (i, message) in request.messages.iter().enumerate() {
        for part in &message.parts {
            if let PartBody::ToolCall(call) = &part.body
                && !fits(&call.name, usize::MAX)
            {
                return refuse(format!("{}[{i}]", Field::Messages.name(client)), &call.name);
            }
        }
    }
    Ok(())
}

fn fits(name: &str, most: usize) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !name.is_empty() && name.len() <= most && name.bytes().all(is_fit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, Role, Tool, ToolCall};
    use crate::provider;

    fn checked(request: &Request, provider: &str, model: &str, format: Format) -> Result<(), String> {
        let upstream = Upstream::new(model, provider::by_name(provider).unwrap());
        check(request, format, &upstream).map_err(|refused| format!("{} {}", refused.field, refused.message))
    }

    #[test]
    fn names_that_others_refuse_are_named() {
        let long = "x".repeat(65);
        for (origin, name, provider, model, format, want) in [
            (
                Format::Gemini,
                "a.b",
                "OpenAI",
                "gpt-4o",
                Format::Chat,
                Some("tools[].functionDeclarations[].name `a.b` is no"),
            ),
            (
                Format::Gemini,
                "a:b",
                "Anthropic",
                "claude-opus-4-1",
                Format::Messages,
                Some("tools[].functionDeclarations[].name"),
            ),
            (
                Format::Chat,
                "a.b",
                "Anthropic",
                "claude-opus-4-1",
                Format::Messages,
                Some("tools[1].function.name"),
            ),
            (Format::Messages, &long, "AzureOpenAI", "gpt-4o", Format::Chat, Some("tools[1].name")),
            (Format::Chat, &long, "Anthropic", "claude-opus-4-1", Format::Messages, None),
            (Format::Chat, "a.b", "OpenAI", "gpt-4o", Format::Chat, None),
            (Format::Chat, "a.b", "Gemini", "gemini-2.5-pro", Format::Gemini, None),
            (Format::Messages, "a.b", "Groq", "llama", Format::Chat, None),
        ] {
            let tool = |name: &str| Tool { name: name.into(), ..Tool::default() };
            let own = Tool { opaque: Some(serde_json::json!({})), ..Tool::default() };
            let request =
                Request { tools: vec![own, tool(name)], origin: Some(origin), ..Request::default() };
            let refused = checked(&request, provider, model, format).err();
            assert_eq!(refused.is_some(), want.is_some(), "{name} {provider}");
            assert!(refused.unwrap_or_default().starts_with(want.unwrap_or_default()), "{name} {provider}");
        }
    }

    #[test]
    fn calls_of_the_past_are_looked_at_too() {
        let call = ToolCall { id: "1".into(), name: "a.b".into(), arguments: "{}".into(), signature: None };
        let message = Message::new(Role::Assistant, vec![PartBody::ToolCall(call).into()]);
        let request = Request { messages: vec![message], origin: Some(Format::Gemini), ..Request::default() };
        let refused = checked(&request, "OpenAI", "gpt-4o", Format::Chat).unwrap_err();
        assert!(refused.starts_with("contents[0] `a.b` is no tool name for OpenAI"), "{refused}");
    }
}
