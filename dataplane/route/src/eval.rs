//! Evaluates a checked tree.

use std::borrow::Cow;
use std::cmp::Ordering;

use regex::Regex;

use crate::check::is_credential;
use crate::condition::MOST_STEPS;
use crate::subject::{Feature, Subject, Turn};

/// A checked expression.
#[derive(Debug)]
pub(crate) enum Node {
    Bool(bool),
    Int(i64),
    Double(f64),
    Str(Box<str>),
    Model,
    Endpoint,
    Stream,
    User,
    PromptTokens,
    Messages,
    Tools,
    Has(Feature),
    Intent,
    IntentScore,
    /// An entry of headers, metadata or labels; empty where there is none.
    Entry(Table, Box<Node>),
    IsIn(Box<Node>, Table),
    /// The item of a loop. Places are counted from the outermost loop, two for each.
    Local(usize),
    /// What a loop has made so far. A list is taken and not copied: a step has one use for it.
    Made(usize),
    Role(Box<Node>),
    Text(Box<Node>),
    List(Vec<Node>),
    Index(Box<Node>, Box<Node>),
    In(Box<Node>, Box<Node>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    If(Box<[Node; 3]>),
    Compare(Comparison, Box<Node>, Box<Node>),
    Math(Math, Box<Node>, Box<Node>),
    Negate(Box<Node>),
    Size(Box<Node>),
    Search(Search, Box<Node>, Box<Node>),
    Matches(Box<Node>, Regex),
    ToInt(Box<Node>),
    ToDouble(Box<Node>),
    ToText(Box<Node>),
    Loop(Box<Loop>),
}

/// A macro, as the parser writes it out: `item` and `result` are the two variables that it binds.
#[derive(Debug)]
pub(crate) struct Loop {
    pub range: Node,
    pub start: Node,
    /// Goes on while this holds.
    pub condition: Node,
    pub step: Node,
    pub result: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Headers,
    Metadata,
    Labels,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Math {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Debug)]
pub(crate) enum Val<'s> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Str(Cow<'s, str>),
    Turn(&'s Turn),
    List(Vec<Val<'s>>),
}

/// Why there is no value.
pub(crate) struct Fault(pub String);

type Evaluated<'s> = Result<Val<'s>, Fault>;

/// What the checker rules out.
fn odd() -> Fault {
    Fault("the condition was checked against another version of its language".to_owned())
}

/// One evaluation.
pub(crate) struct Run<'s> {
    subject: &'s dyn Subject,
    locals: Vec<Val<'s>>,
    steps: usize,
}

impl<'s> Run<'s> {
    pub fn new(subject: &'s dyn Subject) -> Self {
        Self { subject, locals: Vec::new(), steps: 0 }
    }

    pub fn eval(&mut self, node: &'s Node) -> Evaluated<'s> {
        let subject = self.subject;
        Ok(match node {
            Node::Bool(value) => Val::Bool(*value),
            Node::Int(value) => Val::Int(*value),
            Node::Double(value) => Val::Double(*value),
            Node::Str(value) => Val::Str(Cow::Borrowed(value)),
            Node::Model => Val::Str(subject.model().into()),
            Node::Endpoint => Val::Str(subject.endpoint().into()),
            Node::Stream => Val::Bool(subject.stream()),
            Node::User => Val::Str(subject.user().into()),
            Node::PromptTokens => Val::Int(subject.prompt_tokens()),
            Node::Messages => {
                self.count(subject.messages().len())?;
                Val::List(subject.messages().iter().map(Val::Turn).collect())
            }
            Node::Tools => {
                self.count(subject.tools().len())?;
                Val::List(subject.tools().iter().map(|name| Val::Str(name.as_str().into())).collect())
            }
            Node::Has(feature) => Val::Bool(subject.has(*feature)),
            Node::Intent => Val::Str(subject.intent().into()),
            Node::IntentScore => Val::Double(subject.intent_score()),
            Node::Entry(table, key) => {
                let key = self.text(key)?;
                Val::Str(self.entry(*table, &key).unwrap_or_default().into())
            }
            Node::IsIn(key, table) => {
                let key = self.text(key)?;
                Val::Bool(self.entry(*table, &key).is_some())
            }
            Node::Local(at) => {
                let value = self.locals.get(*at).cloned().ok_or_else(odd)?;
                self.pay(&value)?;
                value
            }
            Node::Made(at) => match self.locals.get_mut(*at).ok_or_else(odd)? {
                Val::List(list) => Val::List(std::mem::take(list)),
                other => other.clone(),
            },
            Node::Role(turn) => Val::Str(self.turn(turn)?.role.into()),
            Node::Text(turn) => Val::Str(self.turn(turn)?.text.as_str().into()),
            Node::List(items) => {
                Val::List(items.iter().map(|item| self.eval(item)).collect::<Result<_, _>>()?)
            }
            Node::Index(list, index) => {
                let (list, index) = (self.list(list)?, self.int(index)?);
                let at = usize::try_from(index).ok();
                at.and_then(|at| list.get(at).cloned())
                    .ok_or_else(|| Fault(format!("there is no entry {index} in a list of {}", list.len())))?
            }
            Node::In(item, list) => {
                let (item, list) = (self.eval(item)?, self.list(list)?);
                self.count(list.len())?;
                self.pay(&item)?;
                list.iter().try_for_each(|other| self.pay(other))?;
                Val::Bool(list.iter().any(|other| compare(&item, other) == Some(Ordering::Equal)))
            }
            Node::Not(inner) => Val::Bool(!self.bool(inner)?),
            Node::And(left, right) => Val::Bool(self.logic(left, right, false)?),
            Node::Or(left, right) => Val::Bool(self.logic(left, right, true)?),
            Node::If(branches) => {
                let [condition, yes, no] = branches.as_ref();
                let branch = if self.bool(condition)? { yes } else { no };
                self.eval(branch)?
            }
            Node::Compare(comparison, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                self.pay(&left)?;
                // Nothing is greater or less than what is no number (NaN).
                let order = compare(&left, &right);
                Val::Bool(match comparison {
                    Comparison::Equal => order == Some(Ordering::Equal),
                    Comparison::Unequal => order != Some(Ordering::Equal),
                    Comparison::Less => order == Some(Ordering::Less),
                    Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
                    Comparison::Greater => order == Some(Ordering::Greater),
                    Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
                })
            }
            Node::Math(math, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                // What a loop has made so far is taken, and not copied.
                if !matches!(left, Val::List(_)) {
                    self.pay(&left)?;
                }
                self.pay(&right)?;
                calculate(*math, left, right)?
            }
            Node::Negate(inner) => match self.eval(inner)? {
                Val::Int(value) => Val::Int(value.checked_neg().ok_or_else(overflow)?),
                Val::Double(value) => Val::Double(-value),
                _ => return Err(odd()),
            },
            Node::Size(inner) => Val::Int(match self.eval(inner)? {
                // CEL counts code points.
                Val::Str(text) => {
                    self.look(&text)?;
                    i64::try_from(text.chars().count()).map_err(|_| overflow())?
                }
                Val::List(list) => i64::try_from(list.len()).map_err(|_| overflow())?,
                _ => return Err(odd()),
            }),
            Node::Search(search, text, part) => {
                let (text, part) = (self.text(text)?, self.text(part)?);
                self.look(&text)?;
                self.look(&part)?;
                Val::Bool(match search {
                    Search::Contains => text.contains(part.as_ref()),
                    Search::StartsWith => text.starts_with(part.as_ref()),
                    Search::EndsWith => text.ends_with(part.as_ref()),
                })
            }
            Node::Matches(text, pattern) => {
                let text = self.text(text)?;
                self.look(&text)?;
                Val::Bool(pattern.is_match(&text))
            }
            Node::ToInt(inner) => Val::Int(match self.eval(inner)? {
                Val::Int(value) => value,
                Val::Double(value) => whole(value)?,
                Val::Str(text) => text.trim().parse().map_err(|_| no_number(&text))?,
                _ => return Err(odd()),
            }),
            Node::ToDouble(inner) => Val::Double(match self.eval(inner)? {
                Val::Int(value) => value as f64,
                Val::Double(value) => value,
                Val::Str(text) => text.trim().parse().map_err(|_| no_number(&text))?,
                _ => return Err(odd()),
            }),
            Node::ToText(inner) => Val::Str(match self.eval(inner)? {
                Val::Int(value) => value.to_string().into(),
                Val::Double(value) => value.to_string().into(),
                Val::Bool(value) => value.to_string().into(),
                Val::Str(text) => text,
                _ => return Err(odd()),
            }),
            Node::Loop(inner) => self.run(inner)?,
        })
    }

    fn run(&mut self, inner: &'s Loop) -> Evaluated<'s> {
        let items = self.list(&inner.range)?;
        let start = self.eval(&inner.start)?;
        let depth = self.locals.len();
        // The item's place is taken before there is one: both variables have theirs for the whole loop.
        self.locals.push(Val::Bool(false));
        self.locals.push(start);
        let outcome = self.each(items, inner, depth);
        self.locals.truncate(depth);
        outcome
    }

    fn each(&mut self, items: Vec<Val<'s>>, inner: &'s Loop, depth: usize) -> Evaluated<'s> {
        for item in items {
            if !self.bool(&inner.condition)? {
                break;
            }
            self.count(1)?;
            if let Some(place) = self.locals.get_mut(depth) {
                *place = item;
            }
            let next = self.eval(&inner.step)?;
            if let Some(place) = self.locals.get_mut(depth + 1) {
                *place = next;
            }
        }
        self.eval(&inner.result)
    }

    /// Whoever asks for a list pays for its length, and so does a loop for each of its turns.
    fn count(&mut self, steps: usize) -> Result<(), Fault> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MOST_STEPS {
            return Err(Fault(format!("more than {MOST_STEPS} steps")));
        }
        Ok(())
    }

    fn look(&mut self, text: &str) -> Result<(), Fault> {
        self.count(text.len() / 1024)
    }

    /// For a value that is copied or gone through.
    fn pay(&mut self, value: &Val<'_>) -> Result<(), Fault> {
        match value {
            Val::Str(text) => self.look(text),
            Val::List(list) => {
                self.count(list.len())?;
                list.iter().try_for_each(|item| self.pay(item))
            }
            Val::Bool(_) | Val::Int(_) | Val::Double(_) | Val::Turn(_) => Ok(()),
        }
    }

    /// `&&` and `||` of CEL: a side that decides counts more than one that has no value, wherever it stands.
    fn logic(&mut self, left: &'s Node, right: &'s Node, decides: bool) -> Result<bool, Fault> {
        match self.bool(left) {
            Ok(value) if value == decides => Ok(decides),
            Ok(_) => self.bool(right),
            Err(fault) => match self.bool(right)? {
                value if value == decides => Ok(decides),
                _ => Err(fault),
            },
        }
    }

    fn entry(&self, table: Table, key: &str) -> Option<&'s str> {
        match table {
            // The name may be made of other texts, which the checker does not see.
            Table::Headers => {
                let name = key.to_ascii_lowercase();
                if is_credential(&name) { None } else { self.subject.header(&name) }
            }
            Table::Metadata => self.subject.metadata(key),
            Table::Labels => self.subject.label(key),
        }
    }

    fn bool(&mut self, node: &'s Node) -> Result<bool, Fault> {
        match self.eval(node)? {
            Val::Bool(value) => Ok(value),
            _ => Err(odd()),
        }
    }

    fn int(&mut self, node: &'s Node) -> Result<i64, Fault> {
        match self.eval(node)? {
            Val::Int(value) => Ok(value),
            _ => Err(odd()),
        }
    }

    fn text(&mut self, node: &'s Node) -> Result<Cow<'s, str>, Fault> {
        match self.eval(node)? {
            Val::Str(text) => Ok(text),
            _ => Err(odd()),
        }
    }

    fn turn(&mut self, node: &'s Node) -> Result<&'s Turn, Fault> {
        match self.eval(node)? {
            Val::Turn(turn) => Ok(turn),
            _ => Err(odd()),
        }
    }

    fn list(&mut self, node: &'s Node) -> Result<Vec<Val<'s>>, Fault> {
        match self.eval(node)? {
            Val::List(list) => Ok(list),
            _ => Err(odd()),
        }
    }
}

fn overflow() -> Fault {
    Fault("a number is too large".to_owned())
}

fn no_number(text: &str) -> Fault {
    let short: String = text.chars().take(20).collect();
    Fault(format!("`{short}` is no number"))
}

/// Cut off behind the point, as CEL does.
fn whole(value: f64) -> Result<i64, Fault> {
    // Both ends are exact as doubles.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
        #[allow(clippy::cast_possible_truncation)]
        return Ok(value as i64);
    }
    Err(overflow())
}

fn compare(left: &Val<'_>, right: &Val<'_>) -> Option<Ordering> {
    match (left, right) {
        (Val::Bool(left), Val::Bool(right)) => Some(left.cmp(right)),
        (Val::Int(left), Val::Int(right)) => Some(left.cmp(right)),
        (Val::Double(left), Val::Double(right)) => left.partial_cmp(right),
        (Val::Str(left), Val::Str(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn calculate<'s>(math: Math, left: Val<'s>, right: Val<'s>) -> Evaluated<'s> {
    Ok(match (left, right) {
        (Val::Int(left), Val::Int(right)) => {
            if right == 0 && matches!(math, Math::Divide | Math::Remainder) {
                return Err(Fault("a number is divided by 0".to_owned()));
            }
            let value = match math {
                Math::Add => left.checked_add(right),
                Math::Subtract => left.checked_sub(right),
                Math::Multiply => left.checked_mul(right),
                Math::Divide => left.checked_div(right),
                Math::Remainder => left.checked_rem(right),
            };
            Val::Int(value.ok_or_else(overflow)?)
        }
        (Val::Double(left), Val::Double(right)) => Val::Double(match math {
            Math::Add => left + right,
            Math::Subtract => left - right,
            Math::Multiply => left * right,
            Math::Divide => left / right,
            Math::Remainder => return Err(odd()),
        }),
        (Val::Str(left), Val::Str(right)) if math == Math::Add => {
            Val::Str((left.into_owned() + &right).into())
        }
        (Val::List(mut left), Val::List(right)) if math == Math::Add => {
            left.extend(right);
            Val::List(left)
        }
        _ => return Err(odd()),
    })
}
