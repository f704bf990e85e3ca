//! A decision, for people.

use std::fmt::Write;

use penstock_proxy::trail::{DecidedHook, DecidedIntent, DecidedRule, DecidedTarget, Decision, Step};

/// Was it answered, or would somebody be asked?
pub fn is_answered(decision: &Decision) -> bool {
    match decision.status {
        Some(status) => status < 400,
        None => {
            decision.targets.iter().flat_map(|target| &target.steps).any(|step| *step == Step::WouldBeAsked)
        }
    }
}

/// Line by line.
pub fn of(decision: &Decision) -> String {
    let Decision {
        request_id,
        received,
        endpoint,
        model,
        stream,
        revision,
        route,
        prompt_tokens,
        uses,
        hooks,
        intent,
        rules,
        rule,
        strategy,
        targets,
        status,
        error,
    } = decision;
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{text}");
    };
    line(format_args!("request   {request_id}, {received}"));
    let streamed = if *stream { ", streamed" } else { "" };
    let tokens = prompt_tokens.map(|tokens| format!(", about {tokens} tokens")).unwrap_or_default();
    let uses = if uses.is_empty() { String::new() } else { format!(", uses {}", uses.join(", ")) };
    line(format_args!("          POST {endpoint}, model {model}{streamed}{tokens}{uses}"));
    if let Some(route) = route {
        line(format_args!("route     {route} (configuration {revision})"));
    }
    for (i, hook) in hooks.iter().enumerate() {
        let head = if i == 0 { "hooks" } else { "" };
        line(format_args!("{head:<10}{}", hook_text(hook)));
    }
    if let Some(DecidedIntent { name, score, below_threshold }) = intent {
        let enough = if *below_threshold { ", too little for the route" } else { "" };
        line(format_args!("intent    {name}, score {score:.2}{enough}"));
    }
    if let (Some(rule), []) = (rule, rules.as_slice()) {
        line(format_args!("rule      {rule}, by word of a hook"));
    }
    let width = rules.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    for (i, DecidedRule { name, verdict }) in rules.iter().enumerate() {
        let head = if i == 0 { "rules" } else { "" };
        let mark = if rule.as_deref() == Some(name) { " <- its rule" } else { "" };
        line(format_args!("{head:<10}{name:<width$}  {verdict}{mark}"));
    }
    if let Some(strategy) = strategy {
        line(format_args!("strategy  {strategy}"));
    }
    for (i, target) in targets.iter().enumerate() {
        let head = if i == 0 { "targets" } else { "" };
        line(format_args!("{head:<10}{}", title(i + 1, target)));
        for step in &target.steps {
            line(format_args!("             {}", step_text(step)));
        }
    }
    match (status, error) {
        (Some(status), Some(error)) => line(format_args!("answer    {status} {error}")),
        (Some(status), None) => line(format_args!("answer    {status}")),
        (None, _) => {}
    }
    out
}

fn hook_text(hook: &DecidedHook) -> String {
    let DecidedHook { name, verdict, milliseconds, cached, shadow, error } = hook;
    let said = match (verdict, error) {
        (Some(verdict), _) => format!("says: {verdict}"),
        (None, Some(error)) => error.clone(),
        (None, None) => "asked beside the request".to_owned(),
    };
    let kind = if *shadow { " (shadow)" } else { "" };
    let time = match (cached, milliseconds) {
        (true, _) => ", said before".to_owned(),
        (false, 0) => String::new(),
        (false, milliseconds) => format!(", after {milliseconds} ms"),
    };
    format!("{name}{kind}  {said}{time}")
}

fn title(number: usize, target: &DecidedTarget) -> String {
    let DecidedTarget { target, equivalent, estimated_cost, translation, steps: _ } = target;
    let mut text = format!("{number}. {target}");
    if *equivalent {
        text.push_str(", an equivalent");
    }
    if let Some(cost) = estimated_cost {
        text.push_str(&format!(", about ${cost}"));
    }
    if let Some(translation) = translation {
        text.push_str(&format!(", translation: {translation}"));
    }
    text
}

fn step_text(step: &Step) -> String {
    match step {
        Step::Skipped { reason, message } => format!("skipped ({reason}): {message}"),
        Step::Attempted { result, milliseconds, message, hedge } => {
            let beside = if *hedge { " beside the slow one" } else { "" };
            let message = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
            format!("asked{beside}, {result} after {milliseconds} ms{message}")
        }
        Step::WouldBeAsked => "would be asked, in this order".to_owned(),
    }
}
