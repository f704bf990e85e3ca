//! When another target takes over, and how long each step may take.

use penstock_config as config;
use penstock_crds as crds;
use penstock_crds::status::reason;

use super::Problem;
use super::pool::LONGEST;

/// What no proxy could work with.
pub(super) fn check(failover: &crds::Failover) -> Vec<Problem> {
    let crds::Failover { reasons: _, max_attempts: _, timeouts, retries, hedging } = failover;
    let crds::Timeouts { connect, first_token, answer, idle, total } = timeouts;
    let crds::Retries { budget_percent: _, backoff } = retries;
    let route = "spec.failover.timeouts";
    let mut problems: Vec<Problem> = [
        check_time(route, "connect", connect),
        check_time(route, "firstToken", first_token),
        answer.as_ref().and_then(|answer| check_time(route, "answer", answer)),
        check_time(route, "idle", idle),
        check_time(route, "total", total),
        check_time("spec.failover.retries", "backoff", backoff),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(crds::Hedging { budget_percent: _, min_delay }) = hedging {
        problems.extend(check_time("spec.failover.hedging", "minDelay", min_delay));
    }
    problems
}

/// Times of a rule or a target.
pub(super) fn check_overrides(path: &str, times: &config::TimeoutOverrides) -> Vec<Problem> {
    let config::TimeoutOverrides { connect_ms, first_token_ms, answer_ms, idle_ms, total_ms } = times;
    let fields = [
        ("connect", connect_ms),
        ("firstToken", first_token_ms),
        ("answer", answer_ms),
        ("idle", idle_ms),
        ("total", total_ms),
    ];
    let times = fields.map(|(field, ms)| (field, ms.map(crds::Duration::from_millis)));
    times.iter().filter_map(|(field, time)| check_time(path, field, time.as_ref()?)).collect()
}

fn check_time(path: &str, field: &str, time: &crds::Duration) -> Option<Problem> {
    let text = if time.as_millis() == 0 {
        "0s lets no request through; give a time above 0".to_owned()
    } else if *time > LONGEST {
        format!("{time} is longer than {LONGEST}; give less")
    } else {
        return None;
    };
    Some(Problem::new(reason::INVALID, format!("{path}.{field}"), text))
}

pub(super) fn compile(failover: &crds::Failover) -> config::Failover {
    let crds::Failover { reasons, max_attempts, timeouts, retries, hedging } = failover;
    let crds::Timeouts { connect, first_token, answer, idle, total } = timeouts;
    let crds::Retries { budget_percent, backoff } = retries;
    config::Failover {
        reasons: reasons.iter().copied().map(compile_reason).collect(),
        max_attempts: *max_attempts,
        connect_ms: connect.as_millis(),
        first_token_ms: first_token.as_millis(),
        answer_ms: ms(answer.as_ref()),
        idle_ms: idle.as_millis(),
        total_ms: total.as_millis(),
        retries: config::Retries { budget_percent: *budget_percent, backoff_ms: backoff.as_millis() },
        hedging: hedging.as_ref().map(|crds::Hedging { budget_percent, min_delay }| config::Hedging {
            budget_percent: *budget_percent,
            min_delay_ms: min_delay.as_millis(),
        }),
    }
}

pub(super) fn compile_rule(timeouts: Option<&crds::RuleTimeouts>) -> config::TimeoutOverrides {
    let Some(crds::RuleTimeouts { connect, first_token, answer, idle, total }) = timeouts else {
        return config::TimeoutOverrides::default();
    };
    config::TimeoutOverrides {
        connect_ms: ms(connect.as_ref()),
        first_token_ms: ms(first_token.as_ref()),
        answer_ms: ms(answer.as_ref()),
        idle_ms: ms(idle.as_ref()),
        total_ms: ms(total.as_ref()),
    }
}

pub(super) fn compile_target(timeouts: Option<&crds::TargetTimeouts>) -> config::TimeoutOverrides {
    let Some(crds::TargetTimeouts { connect, first_token, answer, idle }) = timeouts else {
        return config::TimeoutOverrides::default();
    };
    config::TimeoutOverrides {
        connect_ms: ms(connect.as_ref()),
        first_token_ms: ms(first_token.as_ref()),
        answer_ms: ms(answer.as_ref()),
        idle_ms: ms(idle.as_ref()),
        total_ms: None,
    }
}

fn ms(time: Option<&crds::Duration>) -> Option<u64> {
    time.map(crds::Duration::as_millis)
}

pub(super) fn compile_reason(reason: crds::FailoverReason) -> config::FailoverReason {
    match reason {
        crds::FailoverReason::Connect => config::FailoverReason::Connect,
        crds::FailoverReason::Timeout => config::FailoverReason::Timeout,
        crds::FailoverReason::RateLimited => config::FailoverReason::RateLimited,
        crds::FailoverReason::ServerError => config::FailoverReason::ServerError,
        crds::FailoverReason::Overloaded => config::FailoverReason::Overloaded,
        crds::FailoverReason::ContextLength => config::FailoverReason::ContextLength,
        crds::FailoverReason::ContentFilter => config::FailoverReason::ContentFilter,
    }
}
