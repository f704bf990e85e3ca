//! What conditions say of requests, and what is said of wrong ones.

use std::collections::BTreeMap;

use penstock_route::{Condition, Feature, Subject, Turn};

struct Asked {
    headers: BTreeMap<&'static str, &'static str>,
    messages: Vec<Turn>,
    tools: Vec<String>,
}

impl Subject for Asked {
    fn model(&self) -> &str {
        "support-de"
    }
    fn endpoint(&self) -> &str {
        "/v1/chat/completions"
    }
    fn stream(&self) -> bool {
        true
    }
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).copied()
    }
    fn user(&self) -> &str {
        "u-17"
    }
    fn metadata(&self, key: &str) -> Option<&str> {
        (key == "score").then_some("0.75")
    }
    fn label(&self, key: &str) -> Option<&str> {
        (key == "topic.main").then_some("refund")
    }
    fn prompt_tokens(&self) -> i64 {
        399
    }
    fn messages(&self) -> &[Turn] {
        &self.messages
    }
    fn tools(&self) -> &[String] {
        &self.tools
    }
    fn has(&self, feature: Feature) -> bool {
        feature == Feature::Pdf
    }
    fn intent(&self) -> &str {
        "refund"
    }
    fn intent_score(&self) -> f64 {
        0.75
    }
}

fn asked() -> Asked {
    let turn = |role, text: &str| Turn { role, text: text.to_owned() };
    Asked {
        headers: BTreeMap::from([("x-tier", "silver"), ("x-level", "7")]),
        messages: vec![
            turn("system", "Be brief."),
            turn("user", "Wo ist meine Bestellung? ß"),
            turn("assistant", "Unterwegs."),
            turn("user", "Ich will mein Geld zurück"),
        ],
        tools: vec!["lookup_order".into(), "refund".into()],
    }
}

#[test]
fn conditions_hold_or_not() {
    let asked = asked();
    for (text, want) in [
        ("true", true),
        ("request.has.pdf", true),
        ("request.has.image || request.has.tools", false),
        ("request.promptTokens < 400 && request.headers[\"x-tier\"] != \"gold\"", true),
        ("request.headers['x-missing'] == ''", true),
        ("request.headers['x-missing'] != 'gold'", true),
        ("'x-tier' in request.headers", true),
        ("'x-missing' in request.headers", false),
        ("has(request.metadata.score) && !has(request.metadata.other)", true),
        ("double(request.metadata.score) >= 0.75", true),
        ("request.labels['topic.main'] == 'refund' && request.labels['other'] == ''", true),
        ("'topic.main' in request.labels && !has(request.labels.other)", true),
        ("int(request.headers['x-level']) * 2 - 4 == 10", true),
        ("7 / 2 == 3 && 7 % 2 == 1 && -7 / 2 == -3", true),
        ("request.model.startsWith('support-') && request.model.endsWith('de')", true),
        ("request.model in ['a', 'support-de']", true),
        ("request.user.matches('^u-[0-9]+$')", true),
        ("request.stream ? request.endpoint.contains('chat') : false", true),
        ("size(request.tools) == 2 && request.tools[1] == 'refund'", true),
        ("request.tools.exists(t, t.startsWith('ref'))", true),
        ("request.tools.all(t, t.size() > 6)", false),
        ("request.messages.exists_one(m, m.role == 'assistant')", true),
        ("request.messages.filter(m, m.role == 'user').size() == 2", true),
        ("'user' in request.messages.map(m, m.role)", true),
        ("request.messages.map(m, m.role == 'user', m.text.size())[0] == 26", true),
        ("request.messages[size(request.messages) - 1].text.contains('Geld')", true),
        ("request.messages.exists(m, request.tools.exists(t, m.text.contains(t)))", false),
        ("'a' + 'b' == 'ab' && string(3) == '3' && 2.5 * 2.0 == 5.0", true),
        ("'b' > 'a' && !(1 > 2) && 1.5 <= 1.5", true),
        // A side that decides counts more than one that has no value.
        ("1 / 0 == 1 || true", true),
        ("request.tools[9] == 'x' && false", false),
    ] {
        let condition = Condition::parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake}"));
        assert_eq!(condition.holds(&asked), Ok(want), "{text}");
    }
}

#[test]
fn what_has_no_value_says_why() {
    let mut asked = asked();
    for (text, why) in [
        ("request.tools[2] == 'x'", "there is no entry 2 in a list of 2"),
        ("request.promptTokens / 0 > 1", "divided by 0"),
        ("9223372036854775807 + request.promptTokens > 0", "too large"),
        ("int(request.headers['x-tier']) > 3", "`silver` is no number"),
        ("int(1e300) > 3", "too large"),
    ] {
        let error = Condition::parse(text).unwrap().holds(&asked).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    // A client cannot make a condition expensive.
    asked.messages = vec![asked.messages[0].clone(); 9_000];
    let each = "request.messages.all(m, m.role == 'system')";
    assert_eq!(Condition::parse(each).unwrap().holds(&asked), Ok(true));
    let squared = "request.messages.all(m, request.messages.exists(n, n.role == 'user'))";
    let error = Condition::parse(squared).unwrap().holds(&asked).unwrap_err();
    assert!(error.contains("steps"), "{error}");
}

#[test]
fn mistakes_are_named_where_they_are() {
    for (text, want) in [
        (
            "request.promptToken < 4",
            "line 1, column 9: request has no `promptToken`; did you mean `promptTokens`?",
        ),
        ("true &&\n  requst.stream", "line 2, column 3: there is no `requst`; did you mean `request`?"),
        ("request.promptTokens", "a condition is true or false, and this is an int"),
        (
            "request.promptTokens < '4'",
            "line 1, column 22: `<` between an int and a string; int(...) makes a number of a string",
        ),
        (
            "request.promptTokens < 1.5",
            "line 1, column 22: `<` between an int and a double; write 1.0 for a double, or double(...)",
        ),
        ("request.model && true", "line 1, column 15: `&&` takes true or false, not a string"),
        ("request.has.pfd", "line 1, column 13: request.has has no `pfd`; did you mean `pdf`?"),
        (
            "request.has.everything",
            "line 1, column 13: request.has has no `everything`; there are image, pdf, audio, video, tools, jsonSchema, reasoning",
        ),
        (
            "consumer.tier == 'gold'",
            "line 1, column 1: this version knows no consumers; use a header of the request, request.headers[\"...\"]",
        ),
        (
            "request.headers['X-Tier'] == 'gold'",
            "line 1, column 18: names of headers are in lower case: `x-tier`",
        ),
        (
            "request.headers['api-key'] != ''",
            "line 1, column 18: `api-key` is a credential, and nothing to choose by",
        ),
        (
            "request.labels['Topic'] == 'x'",
            "line 1, column 17: a label's name is up to 63 lower-case letters, digits, `.`, `_` and `-`",
        ),
        (
            "request.headers.exists(h, h == 'x')",
            "headers, metadata and labels are asked for by name, and not gone through",
        ),
        (
            "has(request.model)",
            "line 1, column 1: `model` is always there; has() asks for headers, metadata and labels: has(request.headers.x)",
        ),
        (
            "request.user == null",
            "line 1, column 17: nothing is null here: what a request does not have is empty",
        ),
        ("request.promptTokens > 5u", "line 1, column 24: write 5, without `u`"),
        (
            "request.model.startWith('a')",
            "line 1, column 15: there is no function `startWith`; did you mean `startsWith`?",
        ),
        ("request.model.matches('(')", "the pattern cannot be read: unclosed group"),
        ("request.model.matches(request.user)", "the pattern is written out, so that it is read once"),
        ("request.model.size(3) > 1", "`size` is not used like this; for example size(request.tools) > 3"),
        ("['a', 1].size() > 1", "this list has a string beside an int"),
        ("request.messages[0].content == 'x'", "a message has no `content`; there are role, text"),
        ("request.messages == request.messages", "`==` between a list of a message and a list of a message"),
        ("request.stream ? 1 : 'a'", "one branch is an int, the other a string"),
        ("{'a': 1}.size() > 0", "a condition has no use for maps"),
        ("request", "a condition is true or false, and this is request"),
        ("request.model ==", "line 1"),
        ("", "line 1"),
    ] {
        let mistake = Condition::parse(text).map(|_| text).unwrap_err().to_string();
        assert!(mistake.contains(want), "{text}: {mistake}");
    }
    let long = format!("request.model == '{}'", "a".repeat(3000));
    assert!(Condition::parse(&long).unwrap_err().to_string().contains("1024 bytes"));
}

/// The parser, the checker and the evaluation call themselves: no text may be too much for the stack of a thread that
/// has as little of it as the runtime's.
#[test]
fn nesting_ends_in_a_mistake_and_not_in_the_stack() {
    let wrap = |begin: &str, middle: &str, end: &str, times: usize| {
        format!("{}{middle}{}", begin.repeat(times), end.repeat(times))
    };
    let mut texts = Vec::new();
    for times in (1..60).chain([100, 200, 300]) {
        for (begin, middle, end) in [
            ("(", "true", ")"),
            ("[", "true", "]"),
            ("{", "true", "}"),
            ("size(", "'a'", ")"),
            ("true?", "true", ":true"),
            ("!(", "true", ")"),
            ("-(", "1", ")"),
            ("1+", "1", ""),
            ("1*", "1", ""),
            ("1<", "1", ""),
            ("1 in ", "[1]", ""),
            ("a.", "a", ""),
            ("", "request", ".a"),
            ("", "request.tools", "[0]"),
            ("", "request", ".f()"),
            ("", "request.tools", ".map(x,x)"),
            ("true&&", "true", ""),
            ("true||", "true", ""),
            ("//'\n1+", "1", ""),
            ("r'\\'=='' || 1+", "1", ""),
        ] {
            texts.push(wrap(begin, middle, end, times));
            texts.push(format!("{} == 1", wrap(begin, middle, end, times)));
        }
    }
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let asked = asked();
        let read = texts.iter().filter_map(|text| Condition::parse(text).ok());
        read.map(|condition| condition.holds(&asked)).filter(|held| *held == Ok(true)).count()
    });
    // Among them are some that hold: the limits leave room for what people write.
    assert!(thread.unwrap().join().unwrap() > 50);
}

/// What the parser would take for something else than what is written.
#[test]
fn what_the_parser_reads_otherwise_is_refused() {
    for (text, want) in [
        ("!!request.stream", "line 1, column 2: two `!` in a row"),
        ("! ! request.stream", "line 1, column 3: two `!` in a row"),
        ("--1 == 1", "line 1, column 2: two `-` in a row"),
        ("true // really", "line 1, column 6: comments are not used here"),
        ("r'a' == 'a'", "line 1, column 2: raw strings"),
        ("\"\"\"a\"\"\" == 'a'", "line 1, column 1: quotes of three"),
        ("'it\\'s' == 'a'", "line 1, column 4: write a quote inside of the other kind of quotes"),
        ("request.user == 'a", "line 1, column 17: this quote is not closed"),
        ("request.user == 'a\nb'", "line 1, column 17: this quote is not closed on its line"),
        ("request.promptTokens <= 5 && request.user < 3", "line 1, column 43"),
        ("1 + [[],['a'],[],[1]][1][0] > 0", "this list has a list of string beside a list of int"),
        ("1 + ([[]] + [['a']])[1][0] > 0", "`+` between an int and a string"),
    ] {
        let mistake = Condition::parse(text).map(|_| text).unwrap_err().to_string();
        assert!(mistake.contains(want), "{text}: {mistake}");
    }
    for text in [
        "1 - (-1) == 2",
        "\"it's\" == \"it's\" && '//' != ''",
        "[['a'], []][0][0] == 'a'",
        "'\\n'.size() == 1",
    ] {
        assert_eq!(Condition::parse(text).unwrap().holds(&asked()), Ok(true), "{text}");
    }
}

/// Neither the length of texts nor what a condition makes of them is without a limit.
#[test]
fn texts_cost_steps_too() {
    let mut asked = asked();
    let grows = format!("['aaaaaaaaaaaaaaaa']{}.size() > 3", ".map(a,a+a+a+a+a)".repeat(14));
    let doubles = format!("[[1,1]]{}.size() > 3", ".map(a,a+a)".repeat(22));
    asked.messages = vec![Turn { role: "user", text: "a".repeat(2 << 20) }];
    asked.tools = (0..200).map(|i| format!("a{i:08}b")).collect();
    let searches = "request.messages.exists(m, request.tools.exists(t, m.text.contains(t)))";
    for text in [&grows, &doubles, searches] {
        let error = Condition::parse(text).map(|condition| condition.holds(&asked));
        assert!(
            error.as_ref().is_ok_and(|held| held.as_ref().is_err_and(|error| error.contains("steps"))),
            "{error:?}"
        );
    }
    let once = "request.messages.exists(m, m.text.contains('b'))";
    assert_eq!(Condition::parse(once).unwrap().holds(&asked), Ok(false));
}

#[test]
fn intents_are_those_of_the_route() {
    let intents = ["billing", "faq", "refund"];
    let asked = asked();
    for (text, want) in [
        ("request.intent == 'refund' && request.intentScore >= 0.75", true),
        ("'faq' != request.intent && request.intent in ['refund', 'billing']", true),
        ("request.intent == '' || request.intentScore > 0.9", false),
        ("request.intent.startsWith('re')", true),
    ] {
        let condition =
            Condition::of_route(text, &intents).unwrap_or_else(|mistake| panic!("{text}: {mistake}"));
        assert_eq!(condition.holds(&asked), Ok(want), "{text}");
        assert!(condition.reads_body());
    }
    for (text, want) in [
        (
            "request.intent == \"fqa\"",
            "line 1, column 20: the route has no intent `fqa`; did you mean `faq`?",
        ),
        (
            "'Billing' != request.intent",
            "line 1, column 2: the route has no intent `Billing`; did you mean `billing`?",
        ),
        (
            "request.stream &&\n  request.intent in ['faq', 'weather']",
            "line 2, column 30: the route has no intent `weather`; there are billing, faq, refund",
        ),
        (
            "request.intentscore > 0.5",
            "line 1, column 9: request has no `intentscore`; did you mean `intentScore`?",
        ),
        ("request.intentScore > 1", "`>` between a double and an int; write 1.0 for a double"),
    ] {
        let mistake = Condition::of_route(text, &intents).map(|_| text).unwrap_err().to_string();
        assert!(mistake.contains(want), "{text}: {mistake}");
    }
    for text in ["request.intent == 'faq'", "request.intentScore > 0.5"] {
        let mistake = Condition::parse(text).map(|_| text).unwrap_err().to_string();
        assert!(
            mistake.starts_with("line 1, column 9: the route has no intents, so no `intent"),
            "{mistake}"
        );
        assert!(mistake.ends_with("give it spec.intents"), "{mistake}");
    }
}

#[test]
fn what_needs_no_body_says_so() {
    for (text, reads) in [
        ("request.headers['x-tier'] == 'gold' && request.stream", false),
        ("request.model == 'a' || request.endpoint == '/v1/messages'", false),
        ("request.headers['x-tier'] == 'gold' || request.has.pdf", true),
        ("request.promptTokens > 3", true),
    ] {
        assert_eq!(Condition::parse(text).unwrap().reads_body(), reads, "{text}");
    }
}

mod any_text {
    use proptest::prelude::*;

    use super::*;

    fn token() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "request",
            ".",
            "has",
            "pdf",
            "headers",
            "messages",
            "tools",
            "promptTokens",
            "intent",
            "intentScore",
            "[",
            "]",
            "(",
            ")",
            "\"x\"",
            "'y'",
            "1",
            "2.5",
            "3u",
            "&&",
            "||",
            "!",
            "==",
            "!=",
            "<",
            ">=",
            "+",
            "-",
            "*",
            "/",
            "%",
            "?",
            ":",
            " in ",
            ",",
            "size",
            "exists",
            "map",
            "filter",
            "m",
            "m.role",
            "matches",
            "int",
            "string",
            "true",
            "null",
            "{",
            "}",
            "\\",
            "\"",
            "ß",
            "\n",
            " ",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever stands there: a mistake, or a condition that can be evaluated.
        #[test]
        fn parses_or_not(tokens in prop::collection::vec(token(), 0..40)) {
            if let Ok(condition) = Condition::of_route(&tokens.concat(), &["x"]) {
                let _ = condition.holds(&asked());
            }
        }
    }
}
