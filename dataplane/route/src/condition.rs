//! One condition: parsed and checked once, evaluated for each request.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::parser::Parser;

use crate::check::{self, Scope};
use crate::eval::{Fault, Node, Run, Val};
use crate::subject::Subject;

/// Longest text of a condition, in bytes.
pub const LONGEST: usize = 1024;
/// The parser, the checker and the evaluation call themselves; [`nesting`] of at most this fits any thread's stack.
const DEEPEST: usize = 48;
/// Steps that one evaluation may take: entries of lists, and turns of `exists`, `all`, `filter`, `map` and `exists_one`.
/// How many there are is the client's doing.
pub const MOST_STEPS: usize = 20_000;

/// A condition that can be evaluated.
#[derive(Debug)]
pub struct Condition {
    root: Node,
    reads_body: bool,
}

/// What is wrong with the text of a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// Line and column, both from 1.
    pub at: Option<(usize, usize)>,
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Condition {
    /// # Errors
    /// The first mistake.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        if text.len() > LONGEST {
            return Err(Mistake { at: None, message: format!("a condition has at most {LONGEST} bytes") });
        }
        if nesting(text) > DEEPEST {
            return Err(Mistake {
                at: None,
                message: format!("brackets are nested more than {DEEPEST} deep"),
            });
        }
        // A mistake in the parser must not cost more than this condition.
        let parsed = catch_unwind(AssertUnwindSafe(|| Parser::new().max_recursion_depth(32).parse(text)));
        let ast = match parsed {
            Ok(Ok(ast)) => ast,
            Ok(Err(errors)) => {
                let first = errors.errors.into_iter().next();
                let at = first.as_ref().and_then(|error| {
                    let place = |n: isize| usize::try_from(n).ok().filter(|n| *n > 0);
                    Some((place(error.pos.0)?, place(error.pos.1)?))
                });
                let message = first.map_or_else(|| "this is not CEL".to_owned(), |error| plainer(&error.msg));
                return Err(Mistake { at, message });
            }
            Err(_) => return Err(Mistake { at: None, message: "this cannot be read as CEL".to_owned() }),
        };
        let mut scope = Scope::new(text);
        let root = check::condition(&ast, &mut scope)?;
        Ok(Self { root, reads_body: scope.reads_body })
    }

    /// Does it ask for anything that only the decoded body tells?
    pub fn reads_body(&self) -> bool {
        self.reads_body
    }

    /// # Errors
    /// Why it can be neither true nor false for this request.
    pub fn holds(&self, subject: &dyn Subject) -> Result<bool, String> {
        match Run::new(subject).eval(&self.root) {
            Ok(Val::Bool(holds)) => Ok(holds),
            Ok(_) => Err("the condition is no truth value".to_owned()),
            Err(Fault(message)) => Err(message),
        }
    }
}

/// The parser's words without the list of everything that it would have taken.
fn plainer(message: &str) -> String {
    if message.contains("'<EOF>'") {
        return "the condition ends before it is complete".to_owned();
    }
    let short = message.split(" expecting ").next().unwrap_or(message);
    short.trim_start_matches("Syntax error: ").to_owned()
}

/// At least how deep the parser will call itself, and the tree will be: brackets that are open, and in each of them the
/// operators in a row. `&&` and `||` begin a new row, because the parser balances them, and so does a comma.
fn nesting(text: &str) -> usize {
    let (mut rows, mut deepest) = (vec![0_usize], 0);
    let mut quote = None;
    let mut escaped = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '&' | '|') if chars.peek() == Some(&c) => {
                chars.next();
                rows.last_mut().into_iter().for_each(|row| *row = 0);
            }
            (None, ',') => rows.last_mut().into_iter().for_each(|row| *row = 0),
            (None, '(' | '[' | '{') => {
                rows.last_mut().into_iter().for_each(|row| *row += 1);
                rows.push(0);
            }
            (None, ')' | ']' | '}') if rows.len() > 1 => drop(rows.pop()),
            (None, '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' | '.' | '?') => {
                rows.last_mut().into_iter().for_each(|row| *row += 1);
            }
            _ => {}
        }
        deepest = deepest.max(rows.iter().sum());
    }
    deepest
}
