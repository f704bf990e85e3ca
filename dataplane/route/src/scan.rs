//! What is refused before the parser sees it: `cel` 0.13's calls itself for each level, visits what stands behind two `!`
//! twice and then forgets one of them, and keeps backslashes in front of quotes.

use crate::condition::Mistake;

/// Levels of brackets and operators in a row.
const DEEPEST: usize = 48;
pub(crate) const TOO_DEEP: &str = "brackets are nested too deep, or there are too many operators in a row";

/// Refuses what is nested too deep, and what would keep this scan from seeing what the parser sees: comments, quotes of
/// other kinds than `"..."` and `'...'`, and escaped quotes.
pub(crate) fn check(text: &str) -> Result<(), Mistake> {
    let mut scan = Scan { rows: vec![0], deepest: 0 };
    let mut place = (1, 0);
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    // The last character that is no blank.
    let mut last = ' ';
    let mut word = String::new();
    let refuse = |at, message: &str| Err(Mistake { at: Some(at), message: message.to_owned() });
    while let Some(c) = chars.next() {
        place = if c == '\n' { (place.0 + 1, 0) } else { (place.0, place.1 + 1) };
        if !c.is_alphanumeric() && c != '_' {
            if word == "in" {
                scan.operator();
            }
            word.clear();
        } else {
            word.push(c);
        }
        match c {
            '"' | '\'' => {
                if before.is_alphanumeric() || before == '_' {
                    return refuse(place, "raw strings and bytes are not used here; write \"...\" or '...'");
                }
                let opened = place;
                let mut is_empty = true;
                loop {
                    let Some(next) = chars.next() else { return refuse(opened, "this quote is not closed") };
                    place.1 += 1;
                    match next {
                        '\n' | '\r' => return refuse(opened, "this quote is not closed on its line"),
                        '\\' if matches!(chars.peek(), Some('"' | '\'')) => {
                            let message =
                                "write a quote inside of the other kind of quotes, without a backslash";
                            return refuse(place, message);
                        }
                        '\\' => {
                            chars.next();
                            place.1 += 1;
                        }
                        _ if next == c => break,
                        _ => {}
                    }
                    is_empty = false;
                }
                if is_empty && chars.peek() == Some(&c) {
                    return refuse(opened, "quotes of three are not used here; write \"...\" or '...'");
                }
            }
            '/' if chars.peek() == Some(&'/') => return refuse(place, "comments are not used here"),
            '!' | '-' if last == c => {
                let instead = if c == '!' { "leave both out" } else { "put the negative number in brackets" };
                return refuse(place, &format!("two `{c}` in a row are not used here; {instead}"));
            }
            '&' | '|' if chars.peek() == Some(&c) => {
                chars.next();
                place.1 += 1;
                scan.new_row();
            }
            ',' => scan.new_row(),
            '(' | '[' | '{' => {
                scan.operator();
                scan.rows.push(0);
            }
            ')' | ']' | '}' if scan.rows.len() > 1 => drop(scan.rows.pop()),
            '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' | '.' | '?' => scan.operator(),
            _ => {}
        }
        before = c;
        if !c.is_whitespace() {
            last = c;
        }
        if scan.deepest > DEEPEST {
            return Err(Mistake { at: None, message: TOO_DEEP.to_owned() });
        }
    }
    Ok(())
}

/// Brackets that are open, and in each the operators in a row. `&&` and `||` begin a new row, because the parser balances
/// them, and so does a comma.
struct Scan {
    rows: Vec<usize>,
    deepest: usize,
}

impl Scan {
    fn operator(&mut self) {
        self.rows.last_mut().into_iter().for_each(|row| *row += 1);
        self.deepest = self.deepest.max(self.rows.iter().sum());
    }

    fn new_row(&mut self) {
        self.rows.last_mut().into_iter().for_each(|row| *row = 0);
    }
}
