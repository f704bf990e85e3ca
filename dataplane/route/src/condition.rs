//! One condition: parsed and checked once, evaluated for each request.

use std::fmt;

use cel::parser::Parser;

use crate::check::{self, Scope};
use crate::eval::{Fault, Node, Run, Val};
use crate::scan;
use crate::subject::Subject;

/// Longest text of a condition, in bytes.
pub const LONGEST: usize = 1024;
/// Of the thread that parses; only what is used of it is ever there.
const STACK: usize = 64 << 20;
/// Steps that one evaluation may take: entries of lists, turns of `exists`, `all`, `filter`, `map` and `exists_one`, and
/// each KiB of text that is looked at or made. How many there are is the client's doing.
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
    /// A condition of a route without intents.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        Self::of_route(text, &[])
    }

    /// A condition of a route with these intents.
    ///
    /// # Errors
    /// The first mistake.
    pub fn of_route(text: &str, intents: &[&str]) -> Result<Self, Mistake> {
        if text.len() > LONGEST {
            return Err(Mistake { at: None, message: format!("a condition has at most {LONGEST} bytes") });
        }
        scan::check(text)?;
        // The parser takes up to 150 KiB of stack for a bracket, and a stack that overflows ends the process. A mistake
        // in the parser must not cost more than this condition.
        let unread = || Mistake { at: None, message: "this cannot be read as CEL".to_owned() };
        std::thread::scope(|scope| {
            let reading = std::thread::Builder::new()
                .name("condition".to_owned())
                .stack_size(STACK)
                .spawn_scoped(scope, || Self::read(text, intents));
            reading.map_err(|_| unread())?.join().map_err(|_| unread())?
        })
    }

    fn read(text: &str, intents: &[&str]) -> Result<Self, Mistake> {
        let ast = Parser::new().max_recursion_depth(96).parse(text).map_err(|errors| {
            let first = errors.errors.into_iter().next();
            let at = first.as_ref().and_then(|error| {
                let place = |n: isize| usize::try_from(n).ok().filter(|n| *n > 0);
                Some((place(error.pos.0)?, place(error.pos.1)?))
            });
            let message = first.map_or_else(|| "this is not CEL".to_owned(), |error| plainer(&error.msg));
            Mistake { at, message }
        })?;
        let mut scope = Scope::new(text, intents);
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
    if message.contains("Recursion limit") {
        return scan::TOO_DEEP.to_owned();
    }
    let short = message.split(" expecting ").next().unwrap_or(message);
    short.trim_start_matches("Syntax error: ").to_owned()
}
