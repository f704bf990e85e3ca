//! Ids of calls and names of tools, which have a form here: at most 64 characters of a small set.
//!
//! Source: the service model's `ToolUseId` and `ToolName`.

const LONGEST: usize = 64;

/// An id as Bedrock takes it; Claude takes no `.` and no `:`. A call and its result change alike.
pub(super) fn fit(id: &str, is_claude: bool) -> String {
    let is_fit =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || !is_claude && matches!(c, '.' | ':');
    let mut out: String = id.chars().map(|c| if is_fit(c) { c } else { '_' }).collect();
    if out.is_empty() {
        out.push_str("call");
    }
    if out.len() > LONGEST {
        // Ids may differ at their ends alone.
        let end = format!("_{:016x}", digest(id));
        out.truncate(LONGEST - end.len());
        out.push_str(&end);
    }
    out
}

/// FNV-1a, which needs no key and no crate.
fn digest(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

pub(super) fn is_name(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(is_fit)
}

/// The name of a tool that was called in an old turn. A name that is offered must fit as it is: calls come back by it.
pub(super) fn fit_name(name: &str) -> String {
    if is_name(name) {
        return name.to_owned();
    }
    let is_fit = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let out: String = name.chars().map(|c| if is_fit(&c) { c } else { '_' }).take(LONGEST).collect();
    if out.is_empty() { "tool".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit() {
        for (id, claude, other) in [
            ("toolu_01AbC-x", "toolu_01AbC-x", "toolu_01AbC-x"),
            ("functions.get:0", "functions_get_0", "functions.get:0"),
            ("é/1", "__1", "__1"),
            ("", "call", "call"),
        ] {
            assert_eq!((fit(id, true).as_str(), fit(id, false).as_str()), (claude, other));
        }
        let (one, two) =
            (fit(&format!("{}1", "x".repeat(90)), true), fit(&format!("{}2", "x".repeat(90)), true));
        assert_eq!((one.len(), two.len()), (64, 64));
        assert_ne!(one, two);
    }

    #[test]
    fn names_fit() {
        assert_eq!(fit_name("get_weather"), "get_weather");
        assert_eq!(fit_name("mcp.server/tool"), "mcp_server_tool");
        assert_eq!(fit_name(""), "tool");
        assert!(!is_name("a.b") && !is_name("") && !is_name(&"x".repeat(65)) && is_name(&"x".repeat(64)));
    }
}
