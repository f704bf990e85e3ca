//! A sorted text of lines, searched in place: nothing is read at start-up, and only the line found is ever parsed.

use std::cmp::Ordering;

use super::line::Line;

/// Lines in the order of their keys, byte by byte.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    header: &'a str,
    lines: &'a str,
}

/// A key in pieces, so that no one needs to join them.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub provider: &'a str,
    /// Stands before the model's name.
    pub prefix: &'a str,
    pub model: &'a str,
}

impl Key<'_> {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let Self { provider, prefix, model } = self;
        provider.bytes().chain([b'/']).chain(prefix.bytes()).chain(model.bytes())
    }
}

impl<'a> Table<'a> {
    /// Lines of the header begin with `#` and stand first.
    pub const fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut line = 0;
        while at < bytes.len() && bytes[line] == b'#' {
            if bytes[at] == b'\n' {
                line = at + 1;
                if line == bytes.len() {
                    break;
                }
            }
            at += 1;
        }
        if at == bytes.len() {
            line = at;
        }
        let (header, lines) = text.split_at(line);
        Self { header, lines }
    }

    pub fn header(&self) -> &'a str {
        self.header
    }

    /// Every line.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        self.lines.lines().map(Line::new)
    }

    /// The line of exactly this key.
    pub fn find(&self, key: Key<'_>) -> Option<Line<'a>> {
        let line = Line::new(self.from(key).lines().next()?);
        line.key.bytes().eq(key.bytes()).then_some(line)
    }

    /// The lines whose keys begin with this one, in order.
    pub fn starting_with<'k>(&self, key: Key<'k>) -> impl Iterator<Item = Line<'a>> + use<'a, 'k> {
        let begins = move |line: &Line<'_>| {
            let mut own = line.key.bytes();
            key.bytes().all(|byte| own.next() == Some(byte))
        };
        self.from(key).lines().map(Line::new).take_while(begins)
    }

    /// The text from the first line on whose key is not before this one.
    fn from(&self, key: Key<'_>) -> &'a str {
        let mut rest = self.lines;
        let mut end = rest.len();
        // The line looked for begins within `rest[..=end]`; `end` is the beginning of a line.
        while end > 0 {
            let middle = end / 2;
            let begin = rest.get(..middle).and_then(|half| half.rfind('\n')).map_or(0, |at| at + 1);
            let Some(line) = rest.get(begin..) else { break };
            let length = line.find('\n').map_or(line.len(), |at| at + 1);
            let own = Line::new(line.get(..length).unwrap_or_default().trim_end_matches('\n')).key;
            match own.bytes().cmp(key.bytes()) {
                Ordering::Less => {
                    rest = line.get(length..).unwrap_or_default();
                    end -= begin + length;
                }
                Ordering::Equal | Ordering::Greater => end = begin,
            }
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# header\n# more\na/b chat@l\na/b-1 chat@l ctx=1@l\na/c chat@l\na/c-20250101 chat@l\nb/a chat@l\n";
    const TABLE: Table<'static> = Table::new(TEXT);

    fn key<'a>(provider: &'a str, prefix: &'a str, model: &'a str) -> Key<'a> {
        Key { provider, prefix, model }
    }

    #[test]
    fn every_line_is_found_and_nothing_else() {
        assert_eq!(TABLE.header(), "# header\n# more\n");
        assert_eq!(TABLE.lines().count(), 5);
        for line in TABLE.lines() {
            let (provider, model) = line.key.split_once('/').unwrap();
            assert_eq!(TABLE.find(key(provider, "", model)), Some(line));
            let (prefix, model) = model.split_at(1);
            assert_eq!(TABLE.find(key(provider, prefix, model)), Some(line));
        }
        for (provider, model) in
            [("a", ""), ("a", "a"), ("a", "b-"), ("a", "b-2"), ("", ""), ("b", "z"), ("z", "z")]
        {
            assert_eq!(TABLE.find(key(provider, "", model)), None, "{provider}/{model}");
        }
    }

    #[test]
    fn lines_are_found_by_how_they_begin() {
        let found = |provider, model| -> Vec<&str> {
            TABLE.starting_with(key(provider, "", model)).map(|line| line.key).collect()
        };
        assert_eq!(found("a", "c"), ["a/c", "a/c-20250101"]);
        assert_eq!(found("a", "").len(), 4);
        assert!(found("c", "").is_empty());
    }

    #[test]
    fn an_empty_table_has_nothing() {
        for text in ["", "# only a header\n", "# no end"] {
            let table = Table::new(text);
            assert_eq!((table.lines().count(), table.find(key("a", "", "b"))), (0, None), "{text:?}");
        }
    }
}
