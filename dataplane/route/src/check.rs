//! Makes a checked tree of what the parser gives: every name is known, every type fits.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use regex::RegexBuilder;

use crate::condition::Mistake;
use crate::eval::{Comparison, Loop, Math, Node, Search, Table};
use crate::scan;
use crate::subject::Feature;

/// Levels of a checked tree.
const DEEPEST: usize = 100;
/// Largest compiled pattern, in bytes.
const PATTERN_LIMIT: usize = 1 << 18;

#[derive(Clone, Debug, PartialEq)]
enum Type {
    Bool,
    Int,
    Double,
    Text,
    Turn,
    List(Box<Type>),
    /// Of an empty list's entries.
    Any,
    Table(Table),
    Request,
    Has,
}

impl Type {
    fn name(&self) -> String {
        match self {
            Self::Bool => "bool".into(),
            Self::Int => "int".into(),
            Self::Double => "double".into(),
            Self::Text => "string".into(),
            Self::Turn => "a message".into(),
            Self::List(of) => format!("list of {}", of.name()),
            Self::Any => "anything".into(),
            Self::Table(Table::Headers) => "request.headers".into(),
            Self::Table(Table::Metadata) => "request.metadata".into(),
            Self::Table(Table::Labels) => "request.labels".into(),
            Self::Request => "request".into(),
            Self::Has => "request.has".into(),
        }
    }

    /// The type of what may be either; `None` where they do not go together.
    fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, known) | (known, Self::Any) => Some(known.clone()),
            (Self::List(left), Self::List(right)) => left.join(right).map(|of| Self::List(Box::new(of))),
            _ => (self == other).then(|| self.clone()),
        }
    }
}

/// Members of `request`.
const REQUEST: [&str; 13] = [
    "model",
    "endpoint",
    "stream",
    "promptTokens",
    "messages",
    "headers",
    "metadata",
    "labels",
    "user",
    "tools",
    "has",
    "intent",
    "intentScore",
];
/// Headers that conditions do not see.
const CREDENTIALS: [&str; 6] =
    ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-goog-api-key", "api-key"];
/// Longest name of a label.
const LONGEST_LABEL: usize = 63;

/// Is the header of this lower-case name one that carries a credential?
pub fn is_credential(name: &str) -> bool {
    CREDENTIALS.contains(&name)
}

/// Can a label have this name? Up to 63 lower-case letters, digits, `.`, `_` and `-`.
pub fn is_label(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    (1..=LONGEST_LABEL).contains(&name.len()) && name.bytes().all(is_plain)
}

/// Functions and methods.
const FUNCTIONS: [&str; 13] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "double",
    "string",
    "exists",
    "all",
    "exists_one",
    "filter",
    "map",
];

/// What is known while a text is checked.
pub(crate) struct Scope<'t> {
    text: &'t str,
    /// Of the route.
    intents: &'t [&'t str],
    /// Variables of the loops around: the item's name and type, and the type of what is made of them.
    loops: Vec<(String, Type, Type)>,
    depth: usize,
    pub reads_body: bool,
}

type Checked = Result<(Node, Type), Mistake>;

/// A whole condition: a truth value.
pub(crate) fn condition(ast: &IdedExpr, scope: &mut Scope<'_>) -> Result<Node, Mistake> {
    match scope.check(ast)? {
        (node, Type::Bool) => Ok(node),
        (_, other) => {
            Err(scope.mistake("", format!("a condition is true or false, and this is {}", article(&other))))
        }
    }
}

fn article(of: &Type) -> String {
    match of {
        Type::Bool | Type::Double | Type::Text | Type::List(_) => format!("a {}", of.name()),
        Type::Int => "an int".to_owned(),
        _ => of.name(),
    }
}

impl<'t> Scope<'t> {
    pub fn new(text: &'t str, intents: &'t [&'t str]) -> Self {
        Self { text, intents, loops: Vec::new(), depth: 0, reads_body: false }
    }

    /// The parser keeps no places of what it could read: the first place where the blamed word stands is shown.
    fn mistake(&self, word: &str, message: impl Into<String>) -> Mistake {
        Mistake { at: place_of(self.text, word), message: message.into() }
    }

    fn check(&mut self, expr: &IdedExpr) -> Checked {
        // Evaluation calls itself as deep as this, on whatever thread the request is on.
        self.depth += 1;
        let checked =
            if self.depth > DEEPEST { Err(self.mistake("", scan::TOO_DEEP)) } else { self.one(expr) };
        self.depth -= 1;
        checked
    }

    fn one(&mut self, expr: &IdedExpr) -> Checked {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let mut of = Type::Any;
                let mut items = Vec::with_capacity(list.elements.len());
                for element in &list.elements {
                    let (item, kind) = self.check(element)?;
                    of = of.join(&kind).ok_or_else(|| {
                        let message = format!("this list has {} beside {}", article(&of), article(&kind));
                        self.mistake("[", message)
                    })?;
                    items.push(item);
                }
                Ok((Node::List(items), Type::List(Box::new(of))))
            }
            Expr::Comprehension(inner) => self.comprehension(inner),
            Expr::Map(_) => Err(self.mistake("{", "a condition has no use for maps")),
            Expr::Struct(_) => Err(self.mistake("{", "a condition has no use for messages of a type")),
            Expr::Unspecified => Err(self.mistake("", "there is nothing to evaluate")),
        }
    }

    fn literal(&self, literal: &LiteralValue) -> Checked {
        Ok(match literal {
            LiteralValue::Boolean(value) => (Node::Bool(*value.inner()), Type::Bool),
            LiteralValue::Int(value) => (Node::Int(*value.inner()), Type::Int),
            LiteralValue::Double(value) => (Node::Double(*value.inner()), Type::Double),
            LiteralValue::String(value) => (Node::Str(value.inner().into()), Type::Text),
            LiteralValue::UInt(value) => {
                let value = value.inner();
                return Err(self.mistake(&format!("{value}u"), format!("write {value}, without `u`")));
            }
            LiteralValue::Null => {
                return Err(
                    self.mistake("null", "nothing is null here: what a request does not have is empty")
                );
            }
            LiteralValue::Bytes(_) => return Err(self.mistake("b", "a condition has no use for bytes")),
        })
    }

    fn ident(&mut self, name: &str) -> Checked {
        for (depth, (item, of_item, of_made)) in self.loops.iter().enumerate().rev() {
            if name == item {
                return Ok((Node::Local(2 * depth), of_item.clone()));
            }
            if name == "@result" {
                return Ok((Node::Made(2 * depth + 1), of_made.clone()));
            }
        }
        match name {
            // Only its members can be used; there is no node for the whole.
            "request" => Ok((Node::Bool(false), Type::Request)),
            "consumer" => Err(self.mistake(
                name,
                "this version knows no consumers; use a header of the request, request.headers[\"...\"]",
            )),
            _ => Err(self.mistake(
                name,
                match close(name, ["request"]) {
                    Some(close) => format!("there is no `{name}`; did you mean `{close}`?"),
                    None => format!("there is no `{name}`; everything is in `request`"),
                },
            )),
        }
    }

    fn select(&mut self, select: &SelectExpr) -> Checked {
        let SelectExpr { operand, field, test } = select;
        let (node, of) = self.check(operand)?;
        let found = match of {
            Type::Request => self.member(field)?,
            Type::Has => match Feature::ALL.iter().find(|(name, _)| name == field) {
                Some((_, feature)) => (Node::Has(*feature), Type::Bool),
                None => return Err(self.unknown("request.has", field, Feature::ALL.map(|(name, _)| name))),
            },
            Type::Table(table) => {
                if *test {
                    let key = Node::Str(self.key(table, field)?.into());
                    return Ok((Node::IsIn(Box::new(key), table), Type::Bool));
                }
                let key = Node::Str(self.key(table, field)?.into());
                (Node::Entry(table, Box::new(key)), Type::Text)
            }
            Type::Turn => match field.as_str() {
                "role" => (Node::Role(Box::new(node)), Type::Text),
                "text" => (Node::Text(Box::new(node)), Type::Text),
                _ => return Err(self.unknown("a message", field, ["role", "text"])),
            },
            other => {
                return Err(
                    self.mistake(field, format!("{} has no members, so no `{field}`", article(&other)))
                );
            }
        };
        if *test {
            return Err(self.mistake(
                "has(",
                format!(
                    "`{field}` is always there; has() asks for headers, metadata and labels: has(request.headers.x)"
                ),
            ));
        }
        Ok(found)
    }

    fn member(&mut self, field: &str) -> Checked {
        let known = match field {
            "model" => (Node::Model, Type::Text),
            "endpoint" => (Node::Endpoint, Type::Text),
            "stream" => (Node::Stream, Type::Bool),
            "headers" => (Node::Bool(false), Type::Table(Table::Headers)),
            "labels" => (Node::Bool(false), Type::Table(Table::Labels)),
            _ => {
                let of_body = match field {
                    "promptTokens" => (Node::PromptTokens, Type::Int),
                    "messages" => (Node::Messages, Type::List(Box::new(Type::Turn))),
                    "metadata" => (Node::Bool(false), Type::Table(Table::Metadata)),
                    "user" => (Node::User, Type::Text),
                    "tools" => (Node::Tools, Type::List(Box::new(Type::Text))),
                    "has" => (Node::Bool(false), Type::Has),
                    "intent" | "intentScore" if self.intents.is_empty() => {
                        let message =
                            format!("the route has no intents, so no `{field}`; give it spec.intents");
                        return Err(self.mistake(field, message));
                    }
                    "intent" => (Node::Intent, Type::Text),
                    "intentScore" => (Node::IntentScore, Type::Double),
                    _ => return Err(self.unknown("request", field, REQUEST)),
                };
                self.reads_body = true;
                of_body
            }
        };
        Ok(known)
    }

    fn unknown<const N: usize>(&self, of: &str, field: &str, known: [&'static str; N]) -> Mistake {
        let hint = match close(field, known) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        self.mistake(field, format!("{of} has no `{field}`; {hint}"))
    }

    /// A header's name is compared in lower case, and one that is written otherwise was meant otherwise.
    fn key(&self, table: Table, key: &str) -> Result<String, Mistake> {
        if table == Table::Headers && key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let lower = key.to_ascii_lowercase();
            return Err(self.mistake(key, format!("names of headers are in lower case: `{lower}`")));
        }
        if table == Table::Headers && is_credential(key) {
            return Err(self.mistake(key, format!("`{key}` is a credential, and nothing to choose by")));
        }
        if table == Table::Labels && !is_label(key) {
            let message = "a label's name is up to 63 lower-case letters, digits, `.`, `_` and `-`";
            return Err(self.mistake(key, message));
        }
        Ok(key.to_owned())
    }

    fn call(&mut self, call: &CallExpr) -> Checked {
        let CallExpr { func_name, target, args } = call;
        let mut given: Vec<&IdedExpr> = target.iter().map(AsRef::as_ref).collect();
        given.extend(args);
        match (func_name.as_str(), given.as_slice()) {
            (operators::LOGICAL_AND, [left, right]) => {
                let (left, right) = (self.truth(left, "&&")?, self.truth(right, "&&")?);
                Ok((Node::And(left, right), Type::Bool))
            }
            (operators::LOGICAL_OR, [left, right]) => {
                let (left, right) = (self.truth(left, "||")?, self.truth(right, "||")?);
                Ok((Node::Or(left, right), Type::Bool))
            }
            (operators::LOGICAL_NOT, [inner]) => Ok((Node::Not(self.truth(inner, "!")?), Type::Bool)),
            // Its only use is in what the parser makes of macros, where errors count as going on; here they end it.
            (operators::NOT_STRICTLY_FALSE, [inner]) => self.check(inner),
            (operators::CONDITIONAL, [condition, yes, no]) => {
                let condition = self.truth(condition, "?")?;
                let ((yes, of), (no, other)) = (self.check(yes)?, self.check(no)?);
                let of = of.join(&other).ok_or_else(|| {
                    let message = format!("one branch is {}, the other {}", article(&of), article(&other));
                    self.mistake("?", message)
                })?;
                Ok((Node::If(Box::new([*condition, yes, no])), of))
            }
            (operators::NEGATE, [inner]) => match self.check(inner)? {
                (node, of @ (Type::Int | Type::Double)) => Ok((Node::Negate(Box::new(node)), of)),
                (_, other) => Err(self.mistake("-", format!("{} has no negative", article(&other)))),
            },
            (operators::INDEX, [of, index]) => self.index(of, index),
            (operators::IN, [item, of]) => self.is_in(item, of),
            (name, [left, right]) if comparison(name).is_some() || math(name).is_some() => {
                self.binary(name, left, right)
            }
            (name, given) => self.function(name, target.is_some(), given),
        }
    }

    fn truth(&mut self, expr: &IdedExpr, operator: &str) -> Result<Box<Node>, Mistake> {
        match self.check(expr)? {
            (node, Type::Bool) => Ok(Box::new(node)),
            (_, other) => {
                Err(self
                    .mistake(operator, format!("`{operator}` takes true or false, not {}", article(&other))))
            }
        }
    }

    fn index(&mut self, of: &IdedExpr, index: &IdedExpr) -> Checked {
        let (of, kind) = self.check(of)?;
        let (index, of_index) = self.check(index)?;
        match (kind, of_index) {
            (Type::Table(table), Type::Text) => {
                if let Node::Str(key) = &index {
                    self.key(table, key)?;
                }
                Ok((Node::Entry(table, Box::new(index)), Type::Text))
            }
            (Type::List(item), Type::Int) => Ok((Node::Index(Box::new(of), Box::new(index)), *item)),
            (Type::Table(_), other) => {
                Err(self.mistake("[", format!("a name is a string, and this is {}", article(&other))))
            }
            (Type::List(_), other) => {
                Err(self
                    .mistake("[", format!("a place in a list is an int, and this is {}", article(&other))))
            }
            (other, _) => Err(self.mistake("[", format!("{} has no entries", article(&other)))),
        }
    }

    fn is_in(&mut self, item: &IdedExpr, of: &IdedExpr) -> Checked {
        let (item, of_item) = self.check(item)?;
        let (of, kind) = self.check(of)?;
        match kind {
            Type::Table(table) if of_item == Type::Text => {
                if let Node::Str(key) = &item {
                    self.key(table, key)?;
                }
                Ok((Node::IsIn(Box::new(item), table), Type::Bool))
            }
            Type::List(inner) if inner.join(&of_item).is_some() && is_plain(&of_item) => {
                if let Node::List(names) = &of {
                    names.iter().try_for_each(|name| self.names_intent(&item, name))?;
                }
                Ok((Node::In(Box::new(item), Box::new(of)), Type::Bool))
            }
            other => {
                let message = format!("{} cannot be in {}", article(&of_item), article(&other));
                Err(self.mistake(" in ", message))
            }
        }
    }

    fn binary(&mut self, name: &str, left: &IdedExpr, right: &IdedExpr) -> Checked {
        let ((left, of), (right, other)) = (self.check(left)?, self.check(right)?);
        let sign = sign_of(name);
        let differ = |scope: &Self| {
            let hint = match (&of, &other) {
                (Type::Int, Type::Double) | (Type::Double, Type::Int) => {
                    "; write 1.0 for a double, or double(...)"
                }
                (Type::Int, Type::Text) | (Type::Text, Type::Int) => "; int(...) makes a number of a string",
                _ => "",
            };
            let message = format!("`{sign}` between {} and {}{hint}", article(&of), article(&other));
            scope.mistake(sign, message)
        };
        let Some(joined) = of.join(&other) else { return Err(differ(self)) };
        let sides = (Box::new(left), Box::new(right));
        if let Some(comparison) = comparison(name) {
            self.names_intent(&sides.0, &sides.1)?;
            self.names_intent(&sides.1, &sides.0)?;
            let ordered = matches!(of, Type::Int | Type::Double | Type::Text);
            let equality = matches!(comparison, Comparison::Equal | Comparison::Unequal);
            return match ordered || (equality && of == Type::Bool) {
                true => Ok((Node::Compare(comparison, sides.0, sides.1), Type::Bool)),
                false => Err(differ(self)),
            };
        }
        let Some(math) = math(name) else { return Err(differ(self)) };
        let fits = match (math, &of) {
            (_, Type::Int) => true,
            (Math::Remainder, _) => false,
            (_, Type::Double) => true,
            (Math::Add, Type::Text | Type::List(_)) => true,
            _ => false,
        };
        if fits { Ok((Node::Math(math, sides.0, sides.1), joined)) } else { Err(differ(self)) }
    }

    /// What the request's intent is compared with must be one; the empty text stands for none of them.
    fn names_intent(&self, intent: &Node, name: &Node) -> Result<(), Mistake> {
        let (Node::Intent, Node::Str(name)) = (intent, name) else { return Ok(()) };
        if name.is_empty() || self.intents.contains(&name.as_ref()) {
            return Ok(());
        }
        let hint = match close(name, self.intents.iter().copied()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("there are {}", self.intents.join(", ")),
        };
        Err(self.mistake(name, format!("the route has no intent `{name}`; {hint}")))
    }

    fn function(&mut self, name: &str, is_method: bool, given: &[&IdedExpr]) -> Checked {
        let search = match name {
            "contains" => Some(Search::Contains),
            "startsWith" => Some(Search::StartsWith),
            "endsWith" => Some(Search::EndsWith),
            _ => None,
        };
        match (name, given) {
            ("size", [of]) => match self.check(of)? {
                (node, Type::Text | Type::List(_)) => Ok((Node::Size(Box::new(node)), Type::Int)),
                (_, other) => Err(self.mistake(name, format!("{} has no size", article(&other)))),
            },
            (_, [text, part]) if search.is_some() && is_method => {
                let (text, part) = (self.text(name, text)?, self.text(name, part)?);
                let search = search.unwrap_or(Search::Contains);
                Ok((Node::Search(search, Box::new(text), Box::new(part)), Type::Bool))
            }
            ("matches", [text, pattern]) => {
                let (text, pattern) = (self.text(name, text)?, self.text(name, pattern)?);
                let Node::Str(pattern) = pattern else {
                    return Err(self.mistake(name, "the pattern is written out, so that it is read once"));
                };
                match RegexBuilder::new(&pattern).size_limit(PATTERN_LIMIT).build() {
                    Ok(pattern) => Ok((Node::Matches(Box::new(text), pattern), Type::Bool)),
                    Err(error) => {
                        let text = error.to_string();
                        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                        Err(self.mistake(name, format!("the pattern cannot be read: {last}")))
                    }
                }
            }
            ("int", [of]) => match self.check(of)? {
                (node, Type::Int | Type::Double | Type::Text) => Ok((Node::ToInt(Box::new(node)), Type::Int)),
                (_, other) => Err(self.mistake(name, format!("{} makes no int", article(&other)))),
            },
            ("double", [of]) => match self.check(of)? {
                (node, Type::Int | Type::Double | Type::Text) => {
                    Ok((Node::ToDouble(Box::new(node)), Type::Double))
                }
                (_, other) => Err(self.mistake(name, format!("{} makes no double", article(&other)))),
            },
            ("string", [of]) => match self.check(of)? {
                (node, Type::Int | Type::Double | Type::Text | Type::Bool) => {
                    Ok((Node::ToText(Box::new(node)), Type::Text))
                }
                (_, other) => Err(self.mistake(name, format!("{} makes no string", article(&other)))),
            },
            _ if FUNCTIONS.contains(&name) => {
                Err(self
                    .mistake(name, format!("`{name}` is not used like this; for example {}", example(name))))
            }
            _ => Err(self.mistake(
                name,
                match close(name, FUNCTIONS) {
                    Some(close) => format!("there is no function `{name}`; did you mean `{close}`?"),
                    None => format!("there is no function `{name}`; there are {}", FUNCTIONS.join(", ")),
                },
            )),
        }
    }

    fn text(&mut self, function: &str, expr: &IdedExpr) -> Result<Node, Mistake> {
        match self.check(expr)? {
            (node, Type::Text) => Ok(node),
            (_, other) => {
                Err(self.mistake(function, format!("`{function}` takes strings, not {}", article(&other))))
            }
        }
    }

    fn comprehension(&mut self, inner: &ComprehensionExpr) -> Checked {
        let ComprehensionExpr {
            iter_range,
            iter_var,
            iter_var2,
            accu_var: _,
            accu_init,
            loop_cond,
            loop_step,
            result,
        } = inner;
        let (range, of_range) = self.check(iter_range)?;
        let item = match (of_range, iter_var2) {
            (Type::List(item), None) => *item,
            (Type::Table(_), _) => {
                return Err(self.mistake(
                    ".",
                    "headers, metadata and labels are asked for by name, and not gone through",
                ));
            }
            (other, _) => return Err(self.mistake(".", format!("{} is no list", article(&other)))),
        };
        let (start, of_start) = self.check(accu_init)?;
        self.loops.push((iter_var.clone(), item, of_start));
        let checked = self.turns(loop_cond, loop_step, result);
        self.loops.pop();
        let (condition, step, result, of_result) = checked?;
        Ok((Node::Loop(Box::new(Loop { range, start, condition, step, result })), of_result))
    }

    fn turns(
        &mut self,
        condition: &IdedExpr,
        step: &IdedExpr,
        result: &IdedExpr,
    ) -> Result<(Node, Node, Node, Type), Mistake> {
        let (condition, _) = self.check(condition)?;
        let (step, of_step) = self.check(step)?;
        if let Some((_, _, made)) = self.loops.last_mut() {
            // The list that a `map` or `filter` makes begins empty; now its entries are known.
            *made = of_step;
        }
        let (result, of_result) = self.check(result)?;
        Ok((condition, step, result, of_result))
    }
}

/// Can it be compared?
fn is_plain(of: &Type) -> bool {
    matches!(of, Type::Bool | Type::Int | Type::Double | Type::Text)
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::Unequal,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn math(name: &str) -> Option<Math> {
    Some(match name {
        operators::ADD => Math::Add,
        operators::SUBSTRACT => Math::Subtract,
        operators::MULTIPLY => Math::Multiply,
        operators::DIVIDE => Math::Divide,
        operators::MODULO => Math::Remainder,
        _ => return None,
    })
}

/// `_<=_` is the parser's name of `<=`.
fn sign_of(name: &str) -> &str {
    name.trim_matches('_')
}

fn example(function: &str) -> &'static str {
    match function {
        "size" => "size(request.tools) > 3",
        "contains" => "request.model.contains(\"mini\")",
        "startsWith" => "request.model.startsWith(\"gpt-\")",
        "endsWith" => "request.model.endsWith(\"-fast\")",
        "matches" => "request.user.matches(\"^team-[0-9]+$\")",
        "int" => "int(request.headers[\"x-priority\"]) > 5",
        "double" => "double(request.metadata[\"score\"]) > 0.5",
        "string" => "string(request.promptTokens)",
        "exists" => "request.tools.exists(t, t == \"search\")",
        "all" => "request.messages.all(m, m.role != \"tool\")",
        "exists_one" => "request.messages.exists_one(m, m.role == \"system\")",
        "filter" => "request.messages.filter(m, m.role == \"user\").size() > 3",
        _ => "request.messages.map(m, m.role)",
    }
}

fn close<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let scored = known.into_iter().map(|known| (strsim::normalized_damerau_levenshtein(name, known), known));
    scored.filter(|(score, _)| *score > 0.6).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Line and column, both from 1, of the first place where `word` stands outside of quotes as a word of its own, else
/// of the first one at all.
fn place_of(text: &str, word: &str) -> Option<(usize, usize)> {
    if word.is_empty() {
        return None;
    }
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_alone = |at: usize| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|tail| tail.chars().next());
        let begins = word.starts_with(of_word) && before.is_some_and(of_word);
        let ends = word.ends_with(of_word) && after.is_some_and(of_word);
        // `<` is not the one of `<=`, nor `!` that of `!=`.
        let goes_on = matches!(word, "<" | ">" | "!") && after == Some('=');
        !begins && !ends && !goes_on
    };
    let is_quoted = |at: usize| {
        let mut quote = None;
        let mut escaped = false;
        for c in text.get(..at).unwrap_or_default().chars() {
            match (quote, c) {
                _ if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(open), c) if open == c => quote = None,
                (None, '"' | '\'') => quote = Some(c),
                _ => {}
            }
        }
        quote.is_some()
    };
    let places = || text.match_indices(word).map(|(at, _)| at);
    let at = places()
        .find(|at| is_alone(*at) && !is_quoted(*at))
        .or_else(|| places().find(|at| is_alone(*at)))
        .or_else(|| places().next())?;
    let before = text.get(..at)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some((line, column))
}
