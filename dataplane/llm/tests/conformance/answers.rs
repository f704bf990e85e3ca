//! A recorded answer through its decoder, beside the reading of it.

use penstock_llm::{Event, Format, Response, Upstream, UpstreamError, collect};

use crate::clients;
use crate::cuts::{CUTS, cut, decode};
use crate::exchange::{Answer, Exchange};
use crate::failures;
use crate::reading::{self, Outcome, Reading};
use crate::report::Report;
use crate::turns::{self, States};

pub fn check(exchange: &Exchange, format: Format, report: &mut Report) {
    let upstream = Upstream::new(&exchange.model, exchange.provider_type(format));
    if exchange.status >= 400 {
        return error(exchange, format, &upstream, report);
    }
    match exchange.answer(format) {
        Some(Answer::Whole(body)) => {
            let decoded = format.dialect().decode_response(body.to_string().as_bytes(), &upstream);
            match (decoded, reading::whole(&body, format)) {
                (Ok(Err(error)), Outcome::Failure) => failed(exchange, &error, report),
                (Ok(Ok(response)), Outcome::Answer(wanted)) => {
                    if compare(exchange, &response, &wanted, report) {
                        clients::check(exchange, &response, None, &wanted, report);
                        turns::check(exchange, format, &response, &States::of([&body]), &upstream, report);
                    }
                }
                (decoded, wanted) => report.problem(exchange, format!("{decoded:?}\nwant {wanted:?}")),
            }
        }
        Some(Answer::Stream(bytes)) => stream(exchange, &bytes, format, &upstream, report),
        None => report.skip(exchange, "no answer was recorded"),
    }
}

fn error(exchange: &Exchange, format: Format, upstream: &Upstream<'_>, report: &mut Report) {
    let error = upstream.provider.classify(format, exchange.status, &exchange.error_body());
    if error.status != exchange.status {
        report.problem(exchange, format!("status {} of {}", error.status, exchange.status));
    }
    failed(exchange, &error, report);
}

fn failed(exchange: &Exchange, error: &UpstreamError, report: &mut Report) {
    report.counts(exchange).errors += 1;
    let expected = failures::expected(exchange);
    if error.message.is_empty() || !expected.contains(&error.kind) {
        report.problem(exchange, format!("{error:?}, want {expected:?}"));
    }
    clients::check_error(exchange, error, report);
}

fn stream(exchange: &Exchange, bytes: &[u8], format: Format, upstream: &Upstream<'_>, report: &mut Report) {
    report.counts(exchange).streams += 1;
    let events = match decode(&[bytes], format, upstream) {
        Ok(events) => events,
        Err(error) => return report.problem(exchange, format!("stream: {error}")),
    };
    for seed in 0..CUTS {
        report.counts(exchange).cuts += 1;
        if decode(&cut(bytes, seed), format, upstream).as_ref() != Ok(&events) {
            report.problem(exchange, format!("cut {seed} gives other events"));
        }
    }
    half(exchange, bytes, format, upstream, report);
    if events.iter().filter(|event| matches!(event, Event::Start { .. })).count() > 1 {
        report.problem(exchange, "more than one start");
    }
    let failure = events.iter().find(|event| matches!(event, Event::Error(_)));
    match (failure, reading::stream(bytes, format)) {
        (Some(Event::Error(error)), Outcome::Failure) => failed(exchange, error, report),
        (None, Outcome::Answer(wanted)) => {
            let response = collect(events.clone());
            if compare(exchange, &response, &wanted, report) {
                clients::check(exchange, &response, Some(&events), &wanted, report);
                let states = States::of(&reading::pieces(bytes, format));
                turns::check(exchange, format, &response, &states, upstream, report);
            }
        }
        (failure, wanted) => report.problem(exchange, format!("{failure:?}\nwant {wanted:?}")),
    }
}

/// A stream that broke off is no answer, unless the reason to end was in the part that came.
fn half(exchange: &Exchange, bytes: &[u8], format: Format, upstream: &Upstream<'_>, report: &mut Report) {
    for quarter in 1..4 {
        let part = &bytes[..bytes.len() * quarter / 4];
        let Ok(events) = decode(&[part], format, upstream) else { continue };
        if !events.iter().any(|event| matches!(event, Event::Finish(_) | Event::Error(_))) {
            report.problem(exchange, format!("{quarter} quarters of the stream pass for all of it"));
        }
    }
}

/// Whether the decoder read what is there.
fn compare(exchange: &Exchange, response: &Response, wanted: &Reading, report: &mut Report) -> bool {
    let got = Reading::of(response);
    let differences = got.differences(wanted);
    if !differences.is_empty() {
        report.problem(exchange, format!("decoded: {}", differences.join("; ")));
    }
    if !got.calls.is_empty() {
        report.counts(exchange).with_calls += 1;
    }
    let mut ids: Vec<_> = got.calls.iter().map(|call| call.id.as_deref().unwrap_or_default()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != got.calls.len() || ids.contains(&"") {
        report.problem(exchange, format!("calls without ids of their own: {:?}", got.calls));
    }
    differences.is_empty()
}
