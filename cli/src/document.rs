//! A text cut into its documents. One that cannot be read does not hide the others.

use serde_json::Value;

use crate::source::Source;
use crate::yaml::{self, SyntaxError};

/// One document of a source. Empty ones are not kept, but counted.
#[derive(Debug, PartialEq)]
pub struct Document {
    /// Counted from 1.
    pub number: usize,
    /// Lines in an error are counted from the start of the source.
    pub value: Result<Value, SyntaxError>,
}

/// The documents of a source.
pub fn documents(source: &Source) -> Vec<Document> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    if text.trim_start().starts_with('{')
        && let Ok(values) = yaml::read_json(text)
    {
        let values = values.into_iter().enumerate();
        return values.map(|(i, value)| Document { number: i + 1, value: Ok(value) }).collect();
    }
    // Anything else that starts with a brace is YAML in flow style, or broken: the YAML reader says where.
    split(text).into_iter().enumerate().filter_map(|(i, part)| part.read(i + 1)).collect()
}

/// A document's text, and how many lines come before it.
struct Part<'a> {
    lines_before: u64,
    text: &'a str,
    /// What follows `---` on its line, where only a comment may stand.
    after_separator: &'a str,
}

impl Part<'_> {
    fn read(self, number: usize) -> Option<Document> {
        let rest = self.after_separator.trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            let message = "only a comment may follow `---` on its line".to_owned();
            return Some(Document {
                number,
                value: Err(SyntaxError { line: Some(self.lines_before), message }),
            });
        }
        let value = yaml::read_yaml(self.text).map_err(|mut error| {
            error.line = error.line.map(|line| line + self.lines_before);
            error
        });
        Some(Document { number, value: value.transpose()? })
    }
}

/// Cuts at lines that start with `---`, as kubectl does, before any YAML is read.
fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = vec![Part { lines_before: 0, text: "", after_separator: "" }];
    let (mut start, mut at, mut seen_content) = (0, 0, false);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let end = at + line.len();
        let last = parts.len() - 1;
        if let Some(rest) = line.strip_prefix("---") {
            let next = Part { lines_before: number as u64 + 1, text: "", after_separator: rest };
            // A separator before the first content opens the first document; it does not end an empty one.
            if seen_content || last > 0 {
                parts.push(next);
            } else {
                parts[0] = next;
                seen_content = true;
            }
            start = end;
        } else {
            seen_content |= !line.trim().is_empty() && !line.trim_start().starts_with('#');
            parts[last].text = &text[start..end];
        }
        at = end;
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Vec<(usize, Result<Value, Option<u64>>)> {
        let source = Source { name: "x".into(), text: text.into() };
        documents(&source).into_iter().map(|d| (d.number, d.value.map_err(|e| e.line))).collect()
    }

    #[test]
    fn cuts_at_separators() {
        assert_eq!(read("a: 1\n---\nb: 2\n"), [(1, Ok(json!({"a": 1}))), (2, Ok(json!({"b": 2})))]);
        assert_eq!(
            read("# head\n---\na: 1\n--- # two\nb: 2"),
            [(1, Ok(json!({"a": 1}))), (2, Ok(json!({"b": 2})))]
        );
        assert_eq!(read("---\n---\nb: 2\n---\n"), [(2, Ok(json!({"b": 2})))]);
        assert_eq!(read("a: 1\r\n---\r\nb: 2\r\n"), [(1, Ok(json!({"a": 1}))), (2, Ok(json!({"b": 2})))]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn a_broken_document_names_its_line_and_hides_no_other() {
        assert_eq!(read("a: 1\n---\nb: [\n---\nc: 3\n")[0], (1, Ok(json!({"a": 1}))));
        assert_eq!(
            read("a: 1\n---\nb: 1\nb: 2\n---\nc: 3\n"),
            [(1, Ok(json!({"a": 1}))), (2, Err(Some(4))), (3, Ok(json!({"c": 3}))),]
        );
        assert_eq!(read("a: 1\n--- b: 2\n")[1], (2, Err(Some(2))));
    }

    #[test]
    fn json_and_flow_style() {
        assert_eq!(read("{\"a\": 1}\n{\"b\": 2}"), [(1, Ok(json!({"a": 1}))), (2, Ok(json!({"b": 2})))]);
        assert_eq!(read("{a: 1}\n---\n{b: 2}"), [(1, Ok(json!({"a": 1}))), (2, Ok(json!({"b": 2})))]);
    }
}
